//! Compiled code: the one thing in a store that is run and not only read, so the one thing kept under a secret.
//!
//! A store folder may have come from somebody else. Native code out of it is used only when its hash under the
//! caller's key fits, and the file and its folder belong to this user and are closed to all others. Everything else is
//! a miss, and the file is removed.

use cap_std::fs::{Dir, DirBuilder};
use flowstone_core::ComponentDigest;

use crate::encoding::CompiledRecord;
use crate::error::StoreError;
use crate::files::{self, Access};
use crate::store::Store;

pub(crate) const FOLDER: &str = "aot";
const READ: &str = "reading compiled code";
const WRITE: &str = "writing compiled code";

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
fn make_private_folder(dir: &Dir) -> std::io::Result<()> {
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

fn read(dir: &Dir, name: &str, len: u64) -> std::io::Result<Option<Vec<u8>>> {
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
