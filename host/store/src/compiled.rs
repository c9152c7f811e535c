//! Compiled code: the one thing in a store that is run and not only read, so the one thing kept under a secret.
//!
//! A store folder may have come from somebody else. Native code out of it is used only when its hash under the
//! caller's key fits, and the file and its folder belong to this user and are closed to all others. Everything else is
//! a miss, and the file is removed.

use std::cmp::Reverse;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use cap_std::fs::{Dir, DirBuilder};
use flowstone_core::ComponentDigest;

use crate::encoding::CompiledRecord;
use crate::error::StoreError;
use crate::files::{self, Access};
use crate::store::Store;

pub(crate) const FOLDER: &str = "aot";
const READ: &str = "reading compiled code";
const WRITE: &str = "writing compiled code";
const NOTE_USE: &str = "noting the use of compiled code";
const PRUNE: &str = "removing compiled code";

/// The longest compatibility text that is used in a file name as it is.
const COMPATIBILITY_BYTES_MAX: usize = 64;

impl Store {
    /// The code that a component was compiled to by a compiler with this compatibility, and its BLAKE3.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn compiled(
        &self,
        digest: &ComponentDigest,
        compatibility: &str,
    ) -> Result<Option<(Vec<u8>, blake3::Hash)>, StoreError> {
        let Some(code_key) = &self.options.code_key else {
            return Ok(None);
        };
        let Some(record) = self
            .snapshot()?
            .compiled::<CompiledRecord>(&record_key(digest, compatibility))?
        else {
            return Ok(None);
        };
        let place = &*self.place;
        let name = file_name(digest, compatibility);
        let code = read(place.dir(), &name, record.len).map_err(|error| place.io(READ, error))?;
        let checked = code.and_then(|code| {
            let hash = blake3::hash(&code);
            let fits =
                hash == record.hash && blake3::keyed_hash(code_key, &code) == record.keyed_hash;
            fits.then_some((code, hash))
        });
        if checked.is_none() {
            // Not there, or not trusted: either way it is compiled again and the file replaced.
            let _ = place.dir().remove_file(&name);
        }
        Ok(checked)
    }

    /// Keeps the code that a component was compiled to. Without [`StoreOptions::code_key`](crate::StoreOptions) it is
    /// not kept.
    ///
    /// This is a write transaction of its own: it must not be called inside [`Store::write`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn put_compiled(
        &self,
        digest: &ComponentDigest,
        compatibility: &str,
        code: &[u8],
    ) -> Result<(), StoreError> {
        let Some(code_key) = &self.options.code_key else {
            return Ok(());
        };
        let place = &*self.place;
        let written = make_private_folder(place.dir()).and_then(|()| {
            files::write_atomically(
                place,
                &file_name(digest, compatibility),
                code,
                Access::Private,
            )?;
            files::sync_folder(place.dir(), FOLDER)
        });
        written.map_err(|error| place.io(WRITE, error))?;
        let record = CompiledRecord {
            len: code.len() as u64,
            hash: *blake3::hash(code).as_bytes(),
            keyed_hash: *blake3::keyed_hash(code_key, code).as_bytes(),
        };
        self.write(|writer| writer.put_compiled(&record_key(digest, compatibility), &record))
    }

    /// Whether a store in the folder `dir` has a file by the name that this code would have. Nothing is opened, so it is
    /// cheap, and says nothing of whether the code can be used.
    pub fn has_compiled_file(dir: &Path, digest: &ComponentDigest, compatibility: &str) -> bool {
        dir.join(file_name(digest, compatibility)).is_file()
    }

    /// Notes that compiled code was used now: [`Store::prune_compiled`] goes by that. The time is that of the file, so
    /// this is no write transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn note_compiled_use(
        &self,
        digest: &ComponentDigest,
        compatibility: &str,
    ) -> Result<(), StoreError> {
        let place = &*self.place;
        let file = place.dir().open(file_name(digest, compatibility));
        file.and_then(|file| file.into_std().set_modified(SystemTime::now()))
            .map_err(|error| place.io(NOTE_USE, error))
    }

    /// Removes compiled code until at most `files_max` files of `bytes_max` bytes in all are left: what was not made or
    /// used for longest goes first. How many files went.
    ///
    /// For stores that hold nothing else. In that of a flow the collection knows which code is needed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn prune_compiled(&self, files_max: usize, bytes_max: u64) -> Result<usize, StoreError> {
        let place = &*self.place;
        let mut kept = code_files(place.dir()).map_err(|error| place.io(PRUNE, error))?;
        kept.sort_by_key(|file| Reverse(file.used));
        let mut bytes: u64 = 0;
        let fitting = kept.iter().take(files_max).take_while(|file| {
            bytes = bytes.saturating_add(file.len);
            bytes <= bytes_max
        });
        let fitting = fitting.count();
        let old = kept.split_off(fitting);
        self.keep_compiled(kept, &old)?;
        Ok(old.len())
    }

    /// Removes what a component was compiled to, for one compiler or another, but for the `files_max` files that were made
    /// or used last.
    ///
    /// # Errors
    ///
    /// As [`Store::prune_compiled`].
    pub fn prune_compiled_of(
        &self,
        digest: &ComponentDigest,
        files_max: usize,
    ) -> Result<(), StoreError> {
        let place = &*self.place;
        let files = code_files(place.dir()).map_err(|error| place.io(PRUNE, error))?;
        let (mut own, mut kept): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| file.digest == *digest);
        own.sort_by_key(|file| Reverse(file.used));
        let old = own.split_off(files_max.min(own.len()));
        kept.extend(own);
        self.keep_compiled(kept, &old)
    }

    /// Keeps some of the files, and removes the others.
    fn keep_compiled(&self, kept: Vec<CodeFile>, old: &[CodeFile]) -> Result<(), StoreError> {
        if old.is_empty() {
            return Ok(());
        }
        let place = &*self.place;
        // Records first: a file without one is only taken up here, and one that is never used is not missed.
        let names = kept.into_iter().map(|file| file.name).collect();
        self.write(|writer| writer.retain_compiled(&names))?;
        for file in old {
            (place.dir().remove_file(&file.name)).map_err(|error| place.io(PRUNE, error))?;
        }
        Ok(())
    }
}

/// A file of compiled code.
struct CodeFile {
    /// Its name in the store's folder.
    name: String,
    digest: ComponentDigest,
    len: u64,
    /// When it was written, or last used.
    used: SystemTime,
}

/// The files of compiled code, whether or not there is a record of them.
fn code_files(dir: &Dir) -> io::Result<Vec<CodeFile>> {
    let entries = match dir.read_dir(FOLDER) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(digest) = digest_in(&name)
            && !metadata.is_dir()
        {
            files.push(CodeFile {
                name: format!("{FOLDER}/{name}"),
                digest,
                len: metadata.len(),
                used: metadata.modified()?.into_std(),
            });
        }
    }
    Ok(files)
}

fn record_key(digest: &ComponentDigest, compatibility: &str) -> Vec<u8> {
    [&digest.as_bytes()[..], compatibility.as_bytes()].concat()
}

/// The name of the file that the record under this key is of.
pub(crate) fn file_of_record(record_key: &[u8]) -> Option<String> {
    let (digest, compatibility) = record_key.split_first_chunk()?;
    let compatibility = std::str::from_utf8(compatibility).ok()?;
    Some(file_name(
        &ComponentDigest::from_bytes(*digest),
        compatibility,
    ))
}

/// The digest of the component whose compiled code a file of this name holds.
pub(crate) fn digest_in(file: &str) -> Option<ComponentDigest> {
    let (digest, _) = file.strip_suffix(".cwasm")?.split_once('-')?;
    digest.parse().ok()
}

fn file_name(digest: &ComponentDigest, compatibility: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if compatibility.len() <= COMPATIBILITY_BYTES_MAX && compatibility.bytes().all(plain) {
        format!("{FOLDER}/{digest}-{compatibility}.cwasm")
    } else {
        format!(
            "{FOLDER}/{digest}-{}.cwasm",
            blake3::hash(compatibility.as_bytes()).to_hex()
        )
    }
}

/// Makes the folder, closed to others. One that is there and is not is taken away first, with what is in it.
fn make_private_folder(dir: &Dir) -> io::Result<()> {
    if let Ok(metadata) = dir.symlink_metadata(FOLDER) {
        match (metadata.is_dir(), is_private(&metadata)) {
            (true, true) => return Ok(()),
            (true, false) => dir.remove_dir_all(FOLDER)?,
            (false, _) => dir.remove_file(FOLDER)?,
        }
    }
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only unix has modes"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    {
        use cap_std::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    dir.create_dir_with(FOLDER, &builder)
}

fn read(dir: &Dir, name: &str, len: u64) -> io::Result<Option<Vec<u8>>> {
    match dir.symlink_metadata(FOLDER) {
        Ok(folder) if folder.is_dir() && is_private(&folder) => {}
        _ => return Ok(None),
    }
    let Some(mut file) = files::open_expected(dir, name, len)? else {
        return Ok(None);
    };
    if is_private(&file.metadata()?) {
        files::read_expected(&mut file, len)
    } else {
        Ok(None)
    }
}

/// Whether this user, and nobody else, owns and may touch what the metadata is of.
#[cfg(unix)]
fn is_private(metadata: &cap_std::fs::Metadata) -> bool {
    use cap_std::fs::MetadataExt as _;
    const OTHERS: u32 = 0o077;
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & OTHERS == 0
}

/// Elsewhere the folder's own permissions are all there is; the key still has to fit.
#[cfg(not(unix))]
fn is_private(_metadata: &cap_std::fs::Metadata) -> bool {
    true
}
