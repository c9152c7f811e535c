//! The file of a scan: opened once, read in blocks, and checked for not having changed meanwhile.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_fs_ext::OpenOptionsSyncExt;
use cap_std::ambient_authority;
use cap_std::fs::{Metadata, OpenOptions};

use crate::error::ConnectError;
use crate::stamp::Stamp;

/// The largest record that is read: 64 MiB.
pub(crate) const RECORD_BYTES_MAX: usize = 64 << 20;
const BLOCK_BYTES: usize = 128 << 10;

/// A file of records, as it was when a scan opened it. Entries keep it open, so a file that is put in its place by
/// another program does not disturb the rows of a scan under way.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) path: PathBuf,
    file: File,
    stamp: Stamp,
}

impl OpenFile {
    pub(crate) fn open(path: &Path) -> Result<Self, ConnectError> {
        let path = path.to_owned();
        // Not blocking: a FIFO of that name must not hang the run.
        let mut options = OpenOptions::new();
        options.read(true).nonblock(true);
        let opened = cap_std::fs::File::open_ambient_with(&path, &options, ambient_authority());
        let file = match opened {
            Ok(file) => file.into_std(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ConnectError::Missing {
                    what: "the file of the source",
                    path,
                });
            }
            Err(error) => return Err(ConnectError::io("open", &path, error)),
        };
        let metadata = Metadata::from_file(&file)
            .map_err(|error| ConnectError::io("look at", &path, error))?;
        if !metadata.is_file() {
            return Err(ConnectError::WrongType {
                path,
                expected: "a regular file",
            });
        }
        Ok(OpenFile {
            path,
            file,
            stamp: Stamp::of(&metadata),
        })
    }

    /// Fails when the file was written to since it was opened.
    pub(crate) fn check_unchanged(&self) -> Result<(), ConnectError> {
        match Metadata::from_file(&self.file) {
            // The number of links and the like may change with the file's name: size and time of writing may not.
            Ok(metadata) => {
                let now = Stamp::of(&metadata);
                if (now.size, now.modified) == (self.stamp.size, self.stamp.modified) {
                    return Ok(());
                }
                Err(ConnectError::incomplete(
                    &self.path,
                    "the file was written to while it was read",
                ))
            }
            Err(error) => Err(ConnectError::io("look at", &self.path, error)),
        }
    }

    /// Reads exactly these bytes.
    pub(crate) fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match self.read_some(&mut bytes[filled..], offset + filled as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        Ok(bytes)
    }

    fn read_some(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match read_at(&self.file, buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// The file's bytes in order, a block at a time, with the offset and the line of the next one.
pub(crate) struct Input {
    pub(crate) file: Arc<OpenFile>,
    block: Vec<u8>,
    /// How much of the block was consumed.
    used: usize,
    pub(crate) offset: u64,
    pub(crate) line: u64,
}

impl Input {
    pub(crate) fn new(file: Arc<OpenFile>) -> Result<Self, ConnectError> {
        let mut input = Input {
            file,
            block: Vec::new(),
            used: 0,
            offset: 0,
            line: 1,
        };
        // A byte order mark is no part of the first record.
        if input.peek()?.starts_with(b"\xef\xbb\xbf") {
            input.consume(3);
        }
        Ok(input)
    }

    /// The bytes that are at hand: none only at the end of the file.
    pub(crate) fn peek(&mut self) -> Result<&[u8], ConnectError> {
        if self.used == self.block.len() {
            self.block.resize(BLOCK_BYTES, 0);
            let count = self.file.read_some(&mut self.block, self.offset);
            let count = count.map_err(|error| ConnectError::io("read", &self.file.path, error))?;
            self.block.truncate(count);
            self.used = 0;
        }
        Ok(&self.block[self.used..])
    }

    pub(crate) fn consume(&mut self, count: usize) {
        let consumed = &self.block[self.used..self.used + count];
        self.line += memchr::memchr_iter(b'\n', consumed).count() as u64;
        self.used += count;
        self.offset += count as u64;
    }
}

/// The bytes of the record at hand, as long as they are not too many.
#[derive(Default)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) too_large: bool,
}

impl Body {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.too_large = false;
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        if self.too_large || self.bytes.len() + bytes.len() > RECORD_BYTES_MAX {
            // What is kept of it still tells whether the record changed, mostly; it fails anyway.
            self.too_large = true;
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Takes off the line ends at the end.
    pub(crate) fn trim(&mut self) {
        while matches!(self.bytes.last(), Some(b'\n' | b'\r')) {
            self.bytes.pop();
        }
    }
}
