//! The secret under which compiled code is kept in stores. It lies in the user's own folder, outside of every store,
//! so that a store from elsewhere cannot bring machine code along.
//!
//! ```text
//! $XDG_STATE_HOME/flowstone/    or ~/.local/state/flowstone/, for the owner alone
//!   code.key                    32 random bytes, for the owner alone
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use crate::folders;
use crate::whole;

/// The secret of this account, made on first use. Without one components are compiled in every process.
pub(crate) fn code_key() -> Option<[u8; 32]> {
    let folder = folders::state()?;
    read(&folder.join("code.key")).or_else(|| make(&folder))
}

/// The key in a file that nobody else could have read or written.
fn read(path: &Path) -> Option<[u8; 32]> {
    let mut file = whole::open(path).ok()?;
    if !is_private(&file) {
        return None;
    }
    let mut key = [0; 32];
    file.read_exact(&mut key).ok()?;
    (file.read(&mut [0]).ok()? == 0).then_some(key)
}

#[cfg(unix)]
fn is_private(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.mode() & 0o777 | 0o700 == 0o700)
}

#[cfg(not(unix))]
fn is_private(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file())
}

/// Makes the key. Two processes may do so at once: the first one's stays.
fn make(folder: &Path) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    File::open("/dev/urandom").ok()?.read_exact(&mut key).ok()?;
    make_folder(folder)?;
    let temporary = folder.join(format!("code.key.{}", std::process::id()));
    let written = write_private(&temporary, &key);
    let path = folder.join("code.key");
    let made = written.and_then(|()| match fs::hard_link(&temporary, &path) {
        Ok(()) => Some(key),
        Err(_) => read(&path),
    });
    let _ = fs::remove_file(&temporary);
    made
}

fn make_folder(folder: &Path) -> Option<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).ok()
}

fn write_private(path: &Path, key: &[u8; 32]) -> Option<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).ok()?;
    file.write_all(key).and_then(|()| file.sync_all()).ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_stays_the_same_and_is_for_the_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let folder = folder.path().join("flowstone");
        let key = make(&folder).expect("it can be made");
        assert_ne!(key, [0; 32]);
        assert_eq!(read(&folder.join("code.key")), Some(key));
        assert_eq!(make(&folder), Some(key), "the first one stays");
        let mode = |path: &Path| {
            fs::metadata(path)
                .expect("it is there")
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!(
            (mode(&folder), mode(&folder.join("code.key"))),
            (0o700, 0o600)
        );
    }

    #[test]
    fn a_key_that_others_can_read_is_none() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        make(folder.path()).expect("it can be made");
        let path = folder.path().join("code.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
        assert_eq!(read(&path), None);
    }
}
