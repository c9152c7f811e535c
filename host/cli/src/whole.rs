//! Files that are read as a whole because somebody named them: regular files, also behind links, up to a bound.
//!
//! What they hold is somebody else's, and so may be what lies at their path: a pipe that nobody writes to, a device
//! without an end, a file larger than the memory.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use cap_fs_ext::OpenOptionsSyncExt;
use cap_std::ambient_authority;
use cap_std::fs::OpenOptions;
use flowstone::core::format_size;

/// Opens a regular file.
///
/// # Errors
///
/// When it cannot be opened, or is something else.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Opening a FIFO would wait for somebody who writes to it.
    let mut options = OpenOptions::new();
    options.read(true).nonblock(true);
    let file = cap_std::fs::File::open_ambient_with(path, &options, ambient_authority())?;
    let file = file.into_std();
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        Ok(file)
    } else if kind.is_dir() {
        Err(ErrorKind::IsADirectory.into())
    } else {
        Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is a pipe, a socket or a device, not a file",
        ))
    }
}

/// What a regular file holds.
///
/// # Errors
///
/// As [`open`], and with [`ErrorKind::FileTooLarge`] when it has more than `bytes_max` bytes; by its length that is known
/// before anything is read.
pub(crate) fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let len = file.metadata()?.len();
    if len > bytes_max {
        return Err(too_large(len, bytes_max));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    // It may grow meanwhile, and files of the system say that they are empty.
    file.take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    let len = bytes.len() as u64;
    if len > bytes_max {
        return Err(too_large(len, bytes_max));
    }
    Ok(bytes)
}

fn too_large(bytes: u64, bytes_max: u64) -> io::Error {
    let (has, most) = (format_size(bytes), format_size(bytes_max));
    let message = if has == most {
        format!("it has more than {most}")
    } else {
        format!("it has {has}, and at most {most} are read")
    };
    io::Error::new(ErrorKind::FileTooLarge, message)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    #[test]
    fn a_file_is_read_also_behind_a_link_up_to_the_bound() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let (file, link) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&file, "1234").expect("it can be written");
        symlink("a", &link).expect("links can be made");
        assert_eq!(read(&link, 4).expect("it fits"), b"1234");
        let error = read(&link, 3).expect_err("it is larger");
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn what_has_no_end_is_no_file() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let (pipe, device) = (folder.path().join("p"), folder.path().join("d"));
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo starts").success());
        symlink("/dev/zero", &device).expect("links can be made");
        for path in [&pipe, &device] {
            let error = read(path, u64::MAX).expect_err("it is no file");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        let error = read(folder.path(), 9).expect_err("it is a folder");
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("a");
        let file = File::create(&path).expect("it can be made");
        file.set_len(1 << 40).expect("a hole takes no room");
        let error = read(&path, 512 << 20).expect_err("it is larger");
        let message = "it has 1024 GiB, and at most 512 MiB are read";
        assert_eq!(error.to_string(), message);
    }
}
