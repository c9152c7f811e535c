//! The operations of a batch as what is to be done to files.

use std::collections::BTreeSet;

use flowstone_core::Value;

use crate::error::ConnectError;
use crate::files::folders::{Folders, split};
use crate::files::template::check_path;
use crate::key::printable;
use crate::target::TargetOp;

pub(super) fn content_of(value: &Value) -> Result<&[u8], ConnectError> {
    match value {
        Value::Str(text) => Ok(text.as_bytes()),
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(ConnectError::misuse(
            "the content of a file is text or bytes",
        )),
    }
}

/// The path that is a key.
pub(super) fn path_of(key: &[u8]) -> Result<&str, ConnectError> {
    let path = std::str::from_utf8(key).ok();
    path.filter(|path| check_path(path).is_ok())
        .ok_or_else(|| ConnectError::misuse("the bytes are no key of this target"))
}

type Writes<'a> = Vec<(&'a str, &'a [Value])>;

/// What is to be written and what removed, each sorted by path; of several operations on one path, the last one.
pub(super) fn sorted(ops: &[TargetOp]) -> Result<(Writes<'_>, Vec<&str>), ConnectError> {
    let mut by_path: Vec<(&str, &TargetOp)> = Vec::with_capacity(ops.len());
    for op in ops {
        by_path.push((path_of(op.key())?, op));
    }
    by_path.sort_by_key(|(path, _)| *path);
    let (mut writes, mut removals) = (Vec::new(), Vec::new());
    for (index, (path, op)) in by_path.iter().enumerate() {
        if by_path.get(index + 1).is_some_and(|(next, _)| next == path) {
            continue;
        }
        match op {
            TargetOp::Upsert { row, .. } => writes.push((*path, row.as_slice())),
            TargetOp::Delete { .. } => removals.push(*path),
        }
    }
    Ok((writes, removals))
}

/// Which new files cannot be written, by their positions, and why not: for what is there, or for one that comes before them.
pub(super) fn obstacles(
    folders: &mut Folders,
    keys: &[&[u8]],
) -> Result<Vec<(usize, String)>, ConnectError> {
    let (mut fit, mut found) = (BTreeSet::new(), Vec::new());
    for (index, key) in keys.iter().enumerate() {
        let path = path_of(key)?;
        let obstacle = match clash(&fit, path) {
            None => folders.obstacle(path)?,
            clash => clash,
        };
        match obstacle {
            None => drop(fit.insert(path)),
            Some(why) => found.push((
                index,
                format!(
                    "its file `{}` cannot be written: {why}",
                    printable(path.as_bytes())
                ),
            )),
        }
    }
    Ok(found)
}

/// Why a file cannot be beside these: one of them would have to be a folder of it, or it one of theirs.
fn clash(others: &BTreeSet<&str>, path: &str) -> Option<String> {
    let below = format!("{path}/");
    let first = others.range(&*below..).next();
    if let Some(other) = first.filter(|other| other.starts_with(&below)) {
        return Some(format!(
            "it would have to be a folder too, for the file `{}` of another row",
            printable(other.as_bytes())
        ));
    }
    let above = (path.match_indices('/')).find(|(end, _)| others.contains(&path[..*end]));
    let (end, _) = above?;
    Some(format!(
        "`{}` is the file of another row, and no folder",
        printable(&path.as_bytes()[..end])
    ))
}

pub(super) fn is_last_in_folder(paths: &[&str], index: usize) -> bool {
    paths
        .get(index + 1)
        .is_none_or(|next| split(next).0 != split(paths[index]).0)
}
