//! The operations of a batch as what is to be done to files.

use flowstone_core::Value;

use crate::error::ConnectError;
use crate::files::folders::split;
use crate::files::template::check_path;
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

pub(super) fn is_last_in_folder(paths: &[&str], index: usize) -> bool {
    paths
        .get(index + 1)
        .is_none_or(|next| split(next).0 != split(paths[index]).0)
}
