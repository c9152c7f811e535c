//! `wasi:filesystem` over the files that a call was granted: reading, and nothing else.
//!
//! Nothing here touches the host's file system: what is not in the tree does not exist, so no path, link or race leads out.
//! Times are those of 1970, identities follow from paths, folders are listed in the order of their names.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    self, Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, Filesize, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, FsError, FsResult, InputStream, Pollable, StreamError,
    StreamResult,
};
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::bytes::Bytes;

use crate::files::{FileContent, FileNode};
use crate::host::Host;

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
struct Open {
    /// Where it is, from the name of its granted folder on: what its identity is made of.
    path: String,
    node: FileNode,
}

/// The rest of a listing.
struct Listing(std::vec::IntoIter<DirectoryEntry>);

impl Open {
    fn folder(&self) -> FsResult<&Arc<BTreeMap<String, FileNode>>> {
        match &self.node {
            FileNode::Folder(folder) => Ok(folder),
            FileNode::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    fn content(&self) -> FsResult<Arc<[u8]>> {
        match &self.node {
            FileNode::Folder(_) => Err(ErrorCode::IsDirectory.into()),
            FileNode::File(file) => content(&**file),
        }
    }

    /// What a path leads to from this folder. `..` goes up as far as here.
    fn at(&self, path: &str) -> FsResult<Open> {
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

    fn kind(&self) -> DescriptorType {
        kind(&self.node)
    }

    fn stat(&self) -> DescriptorStat {
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

    fn identity(&self) -> MetadataHashValue {
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
fn part(content: &[u8], offset: u64, len: u64) -> &[u8] {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|offset| content.get(offset..));
    let rest = rest.unwrap_or_default();
    let len = len.min(READ_BYTES_MAX).min(rest.len() as u64) as usize;
    &rest[..len]
}

fn read_only<T>() -> FsResult<T> {
    Err(ErrorCode::ReadOnly.into())
}

impl Host {
    fn opened(&self, descriptor: &Resource<Descriptor>) -> wasmtime::Result<&Open> {
        // Handles of descriptors are handles of what this host has in their place.
        Ok(self
            .table
            .get(&Resource::<Open>::new_borrow(descriptor.rep()))?)
    }

    fn open(&mut self, open: Open) -> wasmtime::Result<Resource<Descriptor>> {
        let handle: Resource<Open> = self.table.push(open)?;
        Ok(Resource::new_own(handle.rep()))
    }

    fn opened_at(&self, descriptor: &Resource<Descriptor>, path: &str) -> FsResult<Open> {
        self.opened(descriptor).map_err(FsError::trap)?.at(path)
    }
}

impl preopens::Host for Host {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let Some(files) = self.files.clone() else {
            return Ok(Vec::new());
        };
        let mut folders = Vec::with_capacity(files.folders.len());
        for (path, folder) in &files.folders {
            let open = Open {
                path: path.clone(),
                node: FileNode::Folder(Arc::clone(folder)),
            };
            folders.push((self.open(open)?, path.clone()));
        }
        Ok(folders)
    }
}

impl types::Host for Host {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<types::ErrorCode> {
        Ok(error.downcast()?.into())
    }

    fn filesystem_error_code(
        &mut self,
        _error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<types::ErrorCode>> {
        Ok(None)
    }
}

impl types::HostDescriptor for Host {
    fn read_via_stream(
        &mut self,
        this: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        let content = self.opened(&this).map_err(FsError::trap)?.content()?;
        let stream: DynInputStream = Box::new(Reading {
            content,
            at: offset,
        });
        Ok(self.table.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        _: Resource<Descriptor>,
        _: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        read_only()
    }

    fn append_via_stream(
        &mut self,
        _: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        read_only()
    }

    fn advise(
        &mut self,
        _: Resource<Descriptor>,
        _: Filesize,
        _: Filesize,
        _: Advice,
    ) -> FsResult<()> {
        Ok(())
    }

    fn sync_data(&mut self, _: Resource<Descriptor>) -> FsResult<()> {
        Ok(())
    }

    fn get_flags(&mut self, _: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        Ok(DescriptorFlags::READ)
    }

    fn get_type(&mut self, this: Resource<Descriptor>) -> FsResult<DescriptorType> {
        Ok(self.opened(&this).map_err(FsError::trap)?.kind())
    }

    fn set_size(&mut self, _: Resource<Descriptor>, _: Filesize) -> FsResult<()> {
        read_only()
    }

    fn set_times(
        &mut self,
        _: Resource<Descriptor>,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> FsResult<()> {
        read_only()
    }

    fn read(
        &mut self,
        this: Resource<Descriptor>,
        len: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        let content = self.opened(&this).map_err(FsError::trap)?.content()?;
        let part = part(&content, offset, len);
        let is_end = offset.saturating_add(part.len() as u64) >= content.len() as u64;
        Ok((part.to_vec(), is_end))
    }

    fn write(&mut self, _: Resource<Descriptor>, _: Vec<u8>, _: Filesize) -> FsResult<Filesize> {
        read_only()
    }

    fn read_directory(
        &mut self,
        this: Resource<Descriptor>,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        let folder = self.opened(&this).map_err(FsError::trap)?.folder()?;
        let entries = folder.iter().map(|(name, node)| DirectoryEntry {
            type_: kind(node),
            name: name.clone(),
        });
        let listing = Listing(entries.collect::<Vec<_>>().into_iter());
        let handle: Resource<Listing> = self.table.push(listing)?;
        Ok(Resource::new_own(handle.rep()))
    }

    fn sync(&mut self, _: Resource<Descriptor>) -> FsResult<()> {
        Ok(())
    }

    fn create_directory_at(&mut self, _: Resource<Descriptor>, _: String) -> FsResult<()> {
        read_only()
    }

    fn stat(&mut self, this: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        Ok(self.opened(&this).map_err(FsError::trap)?.stat())
    }

    fn stat_at(
        &mut self,
        this: Resource<Descriptor>,
        _: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        Ok(self.opened_at(&this, &path)?.stat())
    }

    fn set_times_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> FsResult<()> {
        read_only()
    }

    fn link_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        _: Resource<Descriptor>,
        _: String,
    ) -> FsResult<()> {
        read_only()
    }

    fn open_at(
        &mut self,
        this: Resource<Descriptor>,
        _: PathFlags,
        path: String,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let found = self.opened_at(&this, &path);
        if how.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) && found.is_ok() {
            return Err(ErrorCode::Exist.into());
        }
        if how.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE)
            || flags.contains(DescriptorFlags::WRITE)
        {
            return read_only();
        }
        let found = found?;
        if how.contains(OpenFlags::DIRECTORY) {
            found.folder()?;
        }
        self.open(found).map_err(FsError::trap)
    }

    fn readlink_at(&mut self, this: Resource<Descriptor>, path: String) -> FsResult<String> {
        self.opened_at(&this, &path)?;
        Err(ErrorCode::Invalid.into())
    }

    fn remove_directory_at(&mut self, _: Resource<Descriptor>, _: String) -> FsResult<()> {
        read_only()
    }

    fn rename_at(
        &mut self,
        _: Resource<Descriptor>,
        _: String,
        _: Resource<Descriptor>,
        _: String,
    ) -> FsResult<()> {
        read_only()
    }

    fn symlink_at(&mut self, _: Resource<Descriptor>, _: String, _: String) -> FsResult<()> {
        read_only()
    }

    fn unlink_file_at(&mut self, _: Resource<Descriptor>, _: String) -> FsResult<()> {
        read_only()
    }

    fn is_same_object(
        &mut self,
        this: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        Ok(self.opened(&this)?.path == self.opened(&other)?.path)
    }

    fn metadata_hash(&mut self, this: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        Ok(self.opened(&this).map_err(FsError::trap)?.identity())
    }

    fn metadata_hash_at(
        &mut self,
        this: Resource<Descriptor>,
        _: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        Ok(self.opened_at(&this, &path)?.identity())
    }

    fn drop(&mut self, this: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Open>::new_own(this.rep()))?;
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for Host {
    fn read_directory_entry(
        &mut self,
        this: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = self
            .table
            .get_mut(&Resource::<Listing>::new_borrow(this.rep()))?;
        Ok(listing.0.next())
    }

    fn drop(&mut self, this: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table
            .delete(Resource::<Listing>::new_own(this.rep()))?;
        Ok(())
    }
}

/// A file that is read as a stream. Always ready.
struct Reading {
    content: Arc<[u8]>,
    at: u64,
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
