//! The folder `gen/` of a plugin, for sources that flowstone makes of its world. They lie beside the author's own, where
//! editors and the language's tools find them too.

use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::language::Job;
use crate::failure::{Failure, Kind};

/// The folder's name.
pub(super) const NAME: &str = "gen";

/// Writes files by their paths below `gen/`, those that are not there as they are to be. They are as old as the newest
/// of what they are made of, the world and the manifest: a build changes nothing that the next one has to look at.
/// Symbolic links do not lead it out of the plugin's folder.
pub(super) fn write(
    job: &Job<'_>,
    manifest: &str,
    files: &[(String, Vec<u8>)],
) -> Result<(), Failure> {
    write_all(job.folder, manifest, files).map_err(|error| {
        let message = format!(
            "plugin `{}`: cannot write its bindings to `{}`: {error}",
            job.plugin,
            job.folder.join(NAME).display()
        );
        Failure::new(Kind::Build, message)
            .hint("`gen/` is a folder for generated files alone: it can be removed at any time")
    })
}

/// Whether there are such files, as new as what they are made of.
pub(super) fn is_up_to_date(folder: &Path, manifest: &str) -> bool {
    let made = newest(&folder.join(NAME));
    made.is_ok_and(|made| age(folder, manifest).is_ok_and(|age| made >= age))
}

/// How old what they are made of is.
fn age(folder: &Path, manifest: &str) -> io::Result<SystemTime> {
    let made_of = folder.join(manifest).metadata()?.modified()?;
    Ok(newest(&folder.join("wit"))?.max(made_of))
}

fn write_all(folder: &Path, manifest: &str, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    let age = age(folder, manifest)?;
    let folder = Dir::open_ambient_dir(folder, ambient_authority())?;
    for (path, bytes) in files {
        let path = Path::new(NAME).join(path);
        if folder.read(&path).is_ok_and(|there| there == *bytes) {
            continue;
        }
        if let Some(parent) = path.parent() {
            folder.create_dir_all(parent)?;
        }
        replace(&folder, &path, bytes, age)?;
    }
    Ok(())
}

/// Writes a file as a whole: another build of the same plugin that reads it sees the old or the new one.
fn replace(folder: &Dir, path: &Path, bytes: &[u8], age: SystemTime) -> io::Result<()> {
    // No compiler takes in what is called so.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let process = std::process::id();
    let temporary = path.with_file_name(format!(".{name}.{process}.tmp"));
    // A link in its place would lead elsewhere: what is there goes first.
    let _ = folder.remove_file(&temporary);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let written = folder.open_with(&temporary, &options).and_then(|file| {
        let mut file = file.into_std();
        file.write_all(bytes)?;
        file.set_modified(age)
    });
    let replaced = written.and_then(|()| folder.rename(&temporary, folder, path));
    if replaced.is_err() {
        let _ = folder.remove_file(&temporary);
    }
    replaced
}

/// When the newest file of a folder was written.
fn newest(folder: &Path) -> io::Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in folder.read_dir()? {
        let entry = entry?;
        // A link to a folder is not walked into: it might lead around in a circle.
        newest = newest.max(if entry.file_type()?.is_dir() {
            self::newest(&entry.path())?
        } else {
            entry.metadata()?.modified()?
        });
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    /// A folder with a manifest and a world, both written an hour ago.
    fn plugin() -> (tempfile::TempDir, SystemTime) {
        let root = tempfile::tempdir().expect("a folder for the test");
        let then = SystemTime::now() - Duration::from_hours(1);
        fs::create_dir(root.path().join("wit")).expect("it can be made");
        for name in ["go.mod", "wit/world.wit"] {
            let file = fs::File::create(root.path().join(name)).expect("it can be made");
            file.set_modified(then).expect("it is ours");
        }
        (root, then)
    }

    #[test]
    fn what_is_made_is_as_old_as_what_it_is_made_of() {
        let (root, then) = plugin();
        let file = root.path().join("gen/a/b.go");
        let write =
            |text: &str| write_all(root.path(), "go.mod", &[("a/b.go".to_owned(), text.into())]);
        assert!(!is_up_to_date(root.path(), "go.mod"), "there are none");
        write("one").expect("it can be written");
        let age = |path: &Path| {
            path.metadata()
                .and_then(|meta| meta.modified())
                .expect("it is there")
        };
        assert_eq!(age(&file), then);
        assert!(is_up_to_date(root.path(), "go.mod"));
        let later = then + Duration::from_mins(1);
        let world = fs::File::options()
            .write(true)
            .open(root.path().join("wit/world.wit"));
        world
            .and_then(|world| world.set_modified(later))
            .expect("it is ours");
        assert!(!is_up_to_date(root.path(), "go.mod"));
        write("one").expect("it is there already");
        assert_eq!(age(&file), then, "what stays as it is is not written");
        write("two").expect("it can be written");
        assert_eq!(
            (age(&file), fs::read(&file).expect("it is there")),
            (later, b"two".to_vec())
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_does_not_lead_it_out_of_the_folder() {
        let (root, _) = plugin();
        let outside = tempfile::tempdir().expect("a folder for the test");
        std::os::unix::fs::symlink(outside.path(), root.path().join(NAME)).expect("it can be made");
        let files = [("b.go".to_owned(), b"text".to_vec())];
        write_all(root.path(), "go.mod", &files).expect_err("it leads out");
        assert_eq!(
            fs::read_dir(outside.path()).expect("it is there").count(),
            0
        );
    }
}
