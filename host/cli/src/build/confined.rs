//! What a plugin's folder may not have, whatever its language: sources that lie elsewhere, or that are pipes, which never
//! end.
//!
//! It is looked for before anything of the folder is read.

use std::fs;
use std::path::Path;

use super::freshness::{BUILD_FOLDERS, FILES_MAX};
use crate::failure::{Failure, Kind};

/// So many bytes may the files of `wit/` have together: people write them.
const WIT_BYTES_MAX: u64 = 4 << 20;

/// The folder with the world.
const WIT: &str = "wit";

/// Looks through a folder, a path without links. `is_source` tells the files, by their names, that may not lie elsewhere,
/// besides those of `wit/`.
///
/// # Errors
///
/// When something leads out of it, or is no file.
pub(super) fn check(
    plugin: &str,
    root: &Path,
    is_source: impl Fn(&Path) -> bool,
) -> Result<(), Failure> {
    let look = Look {
        plugin,
        root,
        is_source: &is_source,
    };
    let (mut wit_bytes, mut entries) = (0, 0);
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let cannot = |error| Failure::cannot(Kind::Build, "list", &folder, &error);
        for entry in fs::read_dir(&folder).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            entries += 1;
            if entries > FILES_MAX {
                let message =
                    format!("plugin `{plugin}`: its folder has more than {FILES_MAX} files");
                return Err(Failure::new(Kind::Build, message)
                    .hint("it is for sources: files of other kinds are better kept elsewhere"));
            }
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().map_err(cannot)?;
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            if kind.is_dir() {
                if !is_hidden && !BUILD_FOLDERS.iter().any(|folder| name == *folder) {
                    folders.push(path);
                }
                continue;
            }
            wit_bytes += look.at(&path, kind.is_symlink())?;
            if wit_bytes > WIT_BYTES_MAX {
                return Err(look.refused(Path::new(WIT), "has more than 4 MiB"));
            }
        }
    }
    Ok(())
}

struct Look<'a> {
    plugin: &'a str,
    root: &'a Path,
    is_source: &'a dyn Fn(&Path) -> bool,
}

impl Look<'_> {
    /// Looks at an entry that is no folder. How many bytes it adds to `wit/`.
    fn at(&self, path: &Path, is_link: bool) -> Result<u64, Failure> {
        let relative = path.strip_prefix(self.root).unwrap_or(path);
        let is_wit = relative.starts_with(WIT);
        // A link that leads nowhere is nobody's source.
        let Ok(meta) = fs::metadata(path) else {
            return Ok(0);
        };
        // Nobody reads what is none: sockets of programs that run here, say.
        if !is_wit && !(self.is_source)(relative) {
            return Ok(0);
        }
        if !meta.is_file() && !meta.is_dir() {
            return Err(self.refused(relative, "is a pipe, a socket or a device"));
        }
        if is_link {
            let inside = path.canonicalize();
            if !inside.is_ok_and(|path| path.starts_with(self.root)) {
                return Err(self
                    .refused(relative, "leads out of its folder")
                    .hint("a plugin is built from the files of its folder: copy the file there"));
            }
            if is_wit && meta.is_dir() {
                return Err(self.refused(relative, "is a link to a folder").hint(
                    "not all tools follow links there: put the files themselves into the folder",
                ));
            }
        }
        Ok(if is_wit { meta.len() } else { 0 })
    }

    fn refused(&self, relative: &Path, what: &str) -> Failure {
        let message = format!("plugin `{}`: `{}` {what}", self.plugin, relative.display());
        Failure::new(Kind::Build, message)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::process::Command;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().expect("a folder for the test");
        let plugin = root.path().canonicalize().expect("it is there").join("p");
        for folder in ["p/src", "p/wit/deps", "p/.git", "outside"] {
            fs::create_dir_all(root.path().join(folder)).expect("it can be made");
        }
        for file in ["p/wit/world.wit", "outside/a.wit", "outside/a.go"] {
            fs::write(root.path().join(file), "text").expect("it can be written to");
        }
        (root, plugin)
    }

    fn said(plugin: &Path) -> Result<(), String> {
        let is_go = |path: &Path| path.extension().is_some_and(|extension| extension == "go");
        check("p", plugin, is_go).map_err(|failure| failure.message.clone())
    }

    #[test]
    fn sources_that_lie_elsewhere_are_refused() {
        for (link, to) in [
            ("wit/other.wit", "../../outside/a.wit"),
            ("wit/deps/other", "../../../outside"),
            ("src/a.go", "../../outside/a.go"),
            ("a.go", "/etc/passwd"),
        ] {
            let (_root, plugin) = folder();
            symlink(to, plugin.join(link)).expect("it can be made");
            let message = format!("plugin `p`: `{link}` leads out of its folder");
            assert_eq!(said(&plugin), Err(message));
        }
        let (_root, plugin) = folder();
        fs::remove_dir_all(plugin.join("wit")).expect("it is there");
        symlink("../outside", plugin.join("wit")).expect("it can be made");
        let message = "plugin `p`: `wit` leads out of its folder".to_owned();
        assert_eq!(said(&plugin), Err(message));
    }

    #[test]
    fn links_within_and_what_is_no_source_are_let_be() {
        let (_root, plugin) = folder();
        for (link, to) in [
            ("wit/again.wit", "world.wit"),
            ("notes", "../outside"),
            ("src/gone.go", "nowhere"),
            (".git/other.go", "../../outside/a.go"),
        ] {
            symlink(to, plugin.join(link)).expect("it can be made");
        }
        assert_eq!(said(&plugin), Ok(()));
        symlink(".", plugin.join("wit/round")).expect("it can be made");
        let message = "plugin `p`: `wit/round` is a link to a folder".to_owned();
        assert_eq!(said(&plugin), Err(message));
    }

    #[test]
    fn pipes_among_the_sources_are_refused_also_behind_a_link() {
        for name in ["src/y.go", "wit/x.wit", "wit/.y.wit"] {
            let (_root, plugin) = folder();
            let made = Command::new("mkfifo").arg(plugin.join(name)).status();
            assert!(made.expect("mkfifo starts").success());
            let message = format!("plugin `p`: `{name}` is a pipe, a socket or a device");
            assert_eq!(said(&plugin), Err(message));
        }
        let (_root, plugin) = folder();
        symlink("/dev/zero", plugin.join("src/z.go")).expect("it can be made");
        said(&plugin).expect_err("it has no end");
    }

    #[test]
    fn pipes_that_nobody_reads_are_let_be() {
        let (_root, plugin) = folder();
        for name in ["src/notes", ".hidden", ".git/y.go"] {
            let made = Command::new("mkfifo").arg(plugin.join(name)).status();
            assert!(made.expect("mkfifo starts").success());
        }
        let _socket = std::os::unix::net::UnixListener::bind(plugin.join("s")).expect("it is made");
        assert_eq!(said(&plugin), Ok(()));
    }

    #[test]
    fn a_folder_that_is_no_plugins_is_not_looked_through() {
        let (_root, plugin) = folder();
        let many = plugin.join("many");
        fs::create_dir(&many).expect("it can be made");
        for number in 0..FILES_MAX {
            fs::create_dir(many.join(number.to_string())).expect("it can be made");
        }
        assert_eq!(
            said(&plugin),
            Err("plugin `p`: its folder has more than 20000 files".to_owned())
        );
    }

    #[test]
    fn a_world_is_not_larger_than_people_write() {
        let (_root, plugin) = folder();
        let file = fs::File::create(plugin.join("wit/large.wit")).expect("it can be made");
        file.set_len(WIT_BYTES_MAX + 1)
            .expect("a hole takes no room");
        assert_eq!(
            said(&plugin),
            Err("plugin `p`: `wit` has more than 4 MiB".to_owned())
        );
    }
}
