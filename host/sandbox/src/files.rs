//! The files that a call may read: a tree that is fixed before the call, whatever becomes of the files behind it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A granted file: how large it is, and what is in it.
pub trait FileContent: Send + Sync {
    /// Its size in bytes.
    fn size(&self) -> u64;

    /// Its content, of exactly that size: the same at every call.
    ///
    /// # Errors
    ///
    /// When it cannot be had as it was granted. The plugin does not learn of it: its call ends with this reason.
    fn read(&self) -> Result<Arc<[u8]>, String>;
}

/// A file or folder.
#[derive(Clone)]
pub enum FileNode {
    /// A folder, by the names in it.
    Folder(Arc<BTreeMap<String, FileNode>>),
    /// A file.
    File(Arc<dyn FileContent>),
}

/// The folders that a call sees, each under the path that it is known by.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The path of each, and what is in it.
    pub folders: BTreeMap<String, Arc<BTreeMap<String, FileNode>>>,
}

impl Files {
    /// Adds a file or folder at a relative path with `/` between names. A folder is a folder that the plugin can open; a
    /// file is in a folder that holds nothing else that was not granted.
    pub fn add(&mut self, path: &str, node: FileNode) {
        match node {
            FileNode::Folder(folder) => {
                self.folders.insert(path.to_owned(), folder);
            }
            FileNode::File(_) => {
                let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
                let folder = self.folders.entry(folder.to_owned()).or_default();
                Arc::make_mut(folder).entry(name.to_owned()).or_insert(node);
            }
        }
    }
}

impl fmt::Debug for FileNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileNode::Folder(folder) => folder.fmt(f),
            FileNode::File(file) => write!(f, "{} bytes", file.size()),
        }
    }
}
