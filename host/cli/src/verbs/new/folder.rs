//! The folder that something new is written into: one that is not there yet, or is empty.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::name;
use super::templates::File;
use crate::failure::{Failure, Kind};

/// A folder for something new, and its name.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    name: String,
}

impl Folder {
    /// The folder at a path, whose last part is the name.
    ///
    /// # Errors
    ///
    /// When that is no name, or something is in the folder.
    pub(super) fn new(path: &Path) -> Result<Self, Failure> {
        // `.` and `..` have a name of their own only when they are looked at.
        let resolved = match path.file_name() {
            Some(_) => path.to_owned(),
            None => path
                .canonicalize()
                .map_err(|error| Failure::cannot(Kind::Machine, "look at", path, &error))?,
        };
        let last = resolved.file_name().unwrap_or_default().to_string_lossy();
        name::check(&last)?;
        let name = last.into_owned();
        match fs::read_dir(path).map(|mut entries| entries.next().is_some()) {
            Ok(true) => Err(Failure::new(
                Kind::Usage,
                format!("`{}` is not empty", path.display()),
            )
            .hint("give a name that is not there yet, or an empty folder")),
            Ok(false) => Ok(Self {
                path: path.to_owned(),
                name,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self {
                path: path.to_owned(),
                name,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                let message = format!("`{}` is there, and is no folder", path.display());
                Err(Failure::new(Kind::Usage, message)
                    .hint("give a name that is not there yet, or an empty folder"))
            }
            Err(error) => Err(Failure::cannot(Kind::Machine, "look at", path, &error)),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it is called so.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Writes files, in their order. Their paths. Nothing that is there is written over.
    ///
    /// # Errors
    ///
    /// When one cannot be written.
    pub(super) fn write(&self, files: &[File]) -> Result<Vec<String>, Failure> {
        for file in files {
            let path = self.path.join(&file.path);
            let parent = path.parent().unwrap_or(&self.path);
            fs::create_dir_all(parent)
                .and_then(|()| fs::File::create_new(&path)?.write_all(file.text.as_bytes()))
                .map_err(|error| Failure::cannot(Kind::Machine, "write", &path, &error))?;
        }
        Ok(files.iter().map(|file| file.path.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let root = tempfile::tempdir().expect("a folder for the test");
        let path = root.path().join("words");
        let folder = Folder::new(&path).expect("it is not there yet");
        let file = |path: &str| File {
            path: path.to_owned(),
            text: "x".to_owned(),
        };
        let files = [file("a"), file("b/c")];
        assert_eq!(
            folder.write(&files).expect("it can be written to"),
            ["a", "b/c"]
        );
        assert_eq!(fs::read(path.join("b/c")).expect("it is there"), b"x");
        let refused = Folder::new(&path).expect_err("it is not empty");
        assert!(
            refused.message.ends_with("is not empty"),
            "{}",
            refused.message
        );
        folder.write(&files).expect_err("nothing is written over");
        let empty = root.path().join("empty");
        fs::create_dir(&empty).expect("it can be made");
        assert_eq!(
            Folder::new(&empty.join(".")).expect("it is empty").name(),
            "empty"
        );
        let refused = Folder::new(&path.join("a")).expect_err("it is a file");
        assert!(
            refused.message.ends_with("is there, and is no folder"),
            "{}",
            refused.message
        );
    }
}
