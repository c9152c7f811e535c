//! What stands behind a plugin's handles: a place in the granted tree, the rest of a listing, a file that is read.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    DescriptorStat, DescriptorType, DirectoryEntry, MetadataHashValue,
};
use wasmtime_wasi::p2::{FsError, FsResult, InputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::bytes::Bytes;

use crate::files::{FileContent, FileNode};

/// The most bytes that a plugin gets from one read: it asks again for the rest.
const READ_BYTES_MAX: u64 = 1 << 20;

/// The longest path that a plugin may name.
const PATH_BYTES_MAX: usize = 4096;

/// The time of everything.
const EPOCH: Datetime = Datetime {
    seconds: 0,
    nanoseconds: 0,
};

/// A granted file cannot be had as it was granted: the call ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FileLost(String);

/// What stands behind a plugin's descriptor.
#[derive(Clone)]
pub(super) struct Open {
    /// Where it is, from the name of its granted folder on: what its identity is made of.
    pub(super) path: String,
    pub(super) node: FileNode,
}

/// The rest of a listing. It holds no copy of the names: a plugin may begin as many as it likes.
pub(super) struct Listing {
    folder: Arc<BTreeMap<String, FileNode>>,
    /// The last name that was told.
    last: Option<String>,
}

impl Listing {
    pub(super) fn of(folder: &Arc<BTreeMap<String, FileNode>>) -> Self {
        Self {
            folder: Arc::clone(folder),
            last: None,
        }
    }
}

impl Iterator for Listing {
    type Item = DirectoryEntry;

    fn next(&mut self) -> Option<DirectoryEntry> {
        let after = match &self.last {
            Some(last) => Bound::Excluded(last.as_str()),
            None => Bound::Unbounded,
        };
        let (name, node) = self
            .folder
            .range::<str, _>((after, Bound::Unbounded))
            .next()?;
        self.last = Some(name.clone());
        Some(DirectoryEntry {
            type_: kind(node),
            name: name.clone(),
        })
    }
}

impl Open {
    pub(super) fn folder(&self) -> FsResult<&Arc<BTreeMap<String, FileNode>>> {
        match &self.node {
            FileNode::Folder(folder) => Ok(folder),
            FileNode::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    pub(super) fn content(&self) -> FsResult<Arc<[u8]>> {
        match &self.node {
            FileNode::Folder(_) => Err(ErrorCode::IsDirectory.into()),
            FileNode::File(file) => content(&**file),
        }
    }

    /// What a path leads to from this folder. `..` goes up as far as here.
    pub(super) fn at(&self, path: &str) -> FsResult<Open> {
        if path.len() > PATH_BYTES_MAX {
            return Err(ErrorCode::NameTooLong.into());
        }
        if path.starts_with('/') {
            return Err(ErrorCode::NotPermitted.into());
        }
        if path.is_empty() {
            return Err(ErrorCode::NoEntry.into());
        }
        let mut above = vec![self.clone()];
        for name in path.split('/') {
            let here = above.last().ok_or(ErrorCode::NotPermitted)?;
            // Also `file/.` and `file/` ask for a folder.
            let folder = here.folder()?;
            match name {
                "" | "." => {}
                ".." => {
                    above.pop();
                    if above.is_empty() {
                        return Err(ErrorCode::NotPermitted.into());
                    }
                }
                name => {
                    let node = folder.get(name).ok_or(ErrorCode::NoEntry)?;
                    let path = format!("{}/{name}", here.path);
                    above.push(Open {
                        path,
                        node: node.clone(),
                    });
                }
            }
        }
        Ok(above.pop().ok_or(ErrorCode::NotPermitted)?)
    }

    pub(super) fn kind(&self) -> DescriptorType {
        kind(&self.node)
    }

    pub(super) fn stat(&self) -> DescriptorStat {
        DescriptorStat {
            type_: self.kind(),
            link_count: 1,
            size: match &self.node {
                FileNode::Folder(_) => 0,
                FileNode::File(file) => file.size(),
            },
            data_access_timestamp: Some(EPOCH),
            data_modification_timestamp: Some(EPOCH),
            status_change_timestamp: Some(EPOCH),
        }
    }

    pub(super) fn identity(&self) -> MetadataHashValue {
        let hash = blake3::hash(self.path.as_bytes());
        let half = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&hash.as_bytes()[at..at + 8]);
            u64::from_le_bytes(word)
        };
        MetadataHashValue {
            lower: half(0),
            upper: half(8),
        }
    }
}

fn kind(node: &FileNode) -> DescriptorType {
    match node {
        FileNode::Folder(_) => DescriptorType::Directory,
        FileNode::File(_) => DescriptorType::RegularFile,
    }
}

fn content(file: &dyn FileContent) -> FsResult<Arc<[u8]>> {
    file.read()
        .map_err(|reason| FsError::trap(FileLost(reason)))
}

/// The part of a content from `offset` on, of at most `len` bytes.
pub(super) fn part(content: &[u8], offset: u64, len: u64) -> &[u8] {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|offset| content.get(offset..));
    let rest = rest.unwrap_or_default();
    let len = len.min(READ_BYTES_MAX).min(rest.len() as u64) as usize;
    &rest[..len]
}

/// A file that is read as a stream. Always ready.
pub(super) struct Reading {
    pub(super) content: Arc<[u8]>,
    pub(super) at: u64,
}

#[async_trait]
impl Pollable for Reading {
    async fn ready(&mut self) {}
}

impl InputStream for Reading {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.at >= self.content.len() as u64 {
            return Err(StreamError::Closed);
        }
        let part = part(&self.content, self.at, size as u64);
        self.at += part.len() as u64;
        Ok(Bytes::copy_from_slice(part))
    }
}
