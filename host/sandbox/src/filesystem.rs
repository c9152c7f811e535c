//! `wasi:filesystem` over the files that a call was granted: reading, and nothing else.
//!
//! Nothing here touches the host's file system: what is not in the tree does not exist, so no path, link or race leads out.
//! Times are those of 1970, identities follow from paths, folders are listed in the order of their names.

mod open;

use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    self, Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, Filesize, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

pub(crate) use self::open::FileLost;
use self::open::{Listing, Open, Reading, part};
use crate::files::FileNode;
use crate::host::Host;

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
        let listing = Listing::of(folder);
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
        Ok(listing.next())
    }

    fn drop(&mut self, this: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table
            .delete(Resource::<Listing>::new_own(this.rep()))?;
        Ok(())
    }
}
