//! Looking at a granted file or folder.

use std::collections::BTreeMap;
use std::io::{self, Read};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use flowstone_core::Fingerprint;

use super::{BYTES_MAX, ENTRIES_MAX, GrantError, GrantedEntry, GrantedTree, open, place};
use crate::hint::Hint;
use crate::stamp::{FileTime, Stamp};

/// The most bytes of the paths of all these.
const PATHS_BYTES_MAX: usize = 32 << 20;
/// How deep its folders may lie.
const DEPTH_MAX: usize = 64;

/// A tree while it is taken.
pub(super) struct Walk<'a> {
    granted: &'a str,
    before: Option<&'a GrantedTree>,
    pub(super) entries: BTreeMap<String, GrantedEntry>,
    bytes: u64,
    paths_bytes: usize,
}

impl<'a> Walk<'a> {
    /// Of the path `granted`; files that are sure to be as in `before` are not read.
    pub(super) fn new(granted: &'a str, before: Option<&'a GrantedTree>) -> Self {
        Self {
            granted,
            before,
            entries: BTreeMap::new(),
            bytes: 0,
            paths_bytes: 0,
        }
    }

    /// Takes all that is in the folder `below` of `root`.
    pub(super) fn folder(
        &mut self,
        root: &Dir,
        folder: &Dir,
        below: &str,
        depth: usize,
    ) -> Result<(), GrantError> {
        let shown = place(self.granted, below);
        if depth > DEPTH_MAX {
            return Err(GrantError::new(
                format!("`{shown}` lies more than {DEPTH_MAX} folders deep"),
                "grant a folder further down",
            ));
        }
        let seen = FileTime::now();
        let failed = |error| GrantError::io("list", &shown, &error);
        for entry in folder.entries().map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_str().ok_or_else(|| {
                GrantError::new(
                    format!("`{shown}` holds a name that is not UTF-8"),
                    "plugins know names as text: give it another name",
                )
            })?;
            let path = if below.is_empty() {
                name.to_owned()
            } else {
                format!("{below}/{name}")
            };
            let taken = self.entry(root, folder, (name, &path), (seen, depth));
            // What was removed since it was listed is not there: that is no fault.
            let is_gone = || {
                let now = folder.symlink_metadata(name);
                now.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
            };
            match taken {
                Err(_) if is_gone() => {}
                taken => taken?,
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        root: &Dir,
        folder: &Dir,
        (name, path): (&str, &str),
        (seen, depth): (FileTime, usize),
    ) -> Result<(), GrantError> {
        let shown = place(self.granted, path);
        let failed = |error| GrantError::io("look at", &shown, &error);
        let kind = folder.symlink_metadata(name).map_err(failed)?;
        if kind.is_dir() {
            let inner = folder.open_dir_nofollow(name).map_err(failed)?;
            self.add(path, GrantedEntry::Folder)?;
            return self.folder(root, &inner, path, depth + 1);
        }
        if kind.is_file() {
            return self.file(root, path, path, seen);
        }
        let leads_to_file = kind.is_symlink()
            && root
                .metadata(path)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => GrantError::new(
                        format!("the symbolic link `{shown}` leads nowhere"),
                        "remove it, or put in its place what it led to",
                    ),
                    _ => GrantError::io("follow", &shown, &error),
                })?
                .is_file();
        if leads_to_file {
            return self.file(root, path, path, seen);
        }
        let (what, help) = if kind.is_symlink() {
            (
                "a symbolic link to a folder",
                "grant the folder that it leads to",
            )
        } else {
            (
                "neither a file nor a folder",
                "move it out of the granted folder",
            )
        };
        Err(GrantError::new(format!("`{shown}` is {what}"), help))
    }

    /// Takes the file `path` of `root`, which is known as `below` in the tree.
    pub(super) fn file(
        &mut self,
        root: &Dir,
        path: &str,
        below: &str,
        seen: FileTime,
    ) -> Result<(), GrantError> {
        let shown = place(self.granted, below);
        let failed = |error| GrantError::io("read", &shown, &error);
        // Looked at without being opened: an unchanged tree costs no more than that.
        let metadata = root.metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(GrantError::new(
                format!("`{shown}` is neither a file nor a folder"),
                "only files and folders can be granted",
            ));
        }
        let now = version(&Stamp::of(&metadata).hint(seen));
        let before = self.before.and_then(|before| before.entries.get(below));
        if let Some(known @ GrantedEntry::File { version, size, .. }) = before
            && *version == Some(now)
        {
            self.count(*size)?;
            return self.add(below, known.clone());
        }
        let file = open(root, path).map_err(failed)?;
        let hint = Stamp::of(&file.metadata().map_err(failed)?).hint(seen);
        let mut hasher = blake3::Hasher::new();
        let left = BYTES_MAX.saturating_sub(self.bytes);
        let size = io::copy(&mut file.take(left + 1), &mut hasher).map_err(failed)?;
        self.count(size)?;
        let digest = Fingerprint::from_bytes(*hasher.finalize().as_bytes());
        let version = hint.settled.then(|| version(&hint));
        let entry = GrantedEntry::File {
            size,
            digest,
            version,
        };
        self.add(below, entry)
    }

    fn count(&mut self, size: u64) -> Result<(), GrantError> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes <= BYTES_MAX {
            return Ok(());
        }
        Err(GrantError::new(
            format!(
                "`{}` holds more than 1 GiB, which no plugin can be granted",
                self.granted
            ),
            "grant only what the plugin reads",
        ))
    }

    fn add(&mut self, below: &str, entry: GrantedEntry) -> Result<(), GrantError> {
        self.entries.insert(below.to_owned(), entry);
        self.paths_bytes += below.len();
        if self.entries.len() <= ENTRIES_MAX && self.paths_bytes <= PATHS_BYTES_MAX {
            return Ok(());
        }
        Err(GrantError::new(
            format!(
                "`{}` holds more than {ENTRIES_MAX} files and folders, or their paths are longer than 32 MiB in all, which no plugin can be granted",
                self.granted
            ),
            "grant only what the plugin reads",
        ))
    }
}

fn version(hint: &Hint) -> Fingerprint {
    Fingerprint::from_bytes(*blake3::hash(&hint.bytes).as_bytes())
}
