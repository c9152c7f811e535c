//! Where paths of the flow file lead, and the rule that targets stay beside their flow.

use flowstone_core::OptionError;

use std::io;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::error::ConnectError;

/// Whether a `cap-std` error says that the path would have left the folder it was resolved in.
///
/// Such an error comes from no system call that failed with `EACCES`, so it has no number.
pub(crate) fn is_escape(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

/// Whether a target's path, as it is written, stays in the folder of the flow file.
pub(crate) fn check_inside(path: &Path) -> Result<(), ConnectError> {
    let inside = |c: Component<'_>| matches!(c, Component::Normal(_) | Component::CurDir);
    if path.components().all(inside) {
        return Ok(());
    }
    Err(ConnectError::OutsideFlow {
        path: path.to_owned(),
    })
}

/// The absolute place of the target that `option` of the flow file names, with all folders above it made. Nothing is made
/// at the place itself.
///
/// Unless `allow_outside`, the path must lead into the folder `base`: no absolute path, no `..`, and no symbolic link on
/// the way that leads out.
pub(crate) fn place_target(
    base: &Path,
    option: &str,
    path: &str,
    allow_outside: bool,
) -> Result<PathBuf, ConnectError> {
    let relative = Path::new(path);
    let outside = || ConnectError::OutsideFlow {
        path: relative.to_owned(),
    };
    if !allow_outside {
        check_inside(relative)?;
    }
    let Some(name) = relative.file_name() else {
        return Err(OptionError::new(
            option,
            format!("`{path}` does not name a file or folder of its own"),
        )
        .into());
    };
    let above = relative.parent().unwrap_or(Path::new(""));
    let full = base.join(above);
    if allow_outside {
        std::fs::create_dir_all(&full)
            .map_err(|error| ConnectError::io("create the folder", &full, error))?;
        return Ok(canonical(&full)?.join(name));
    }
    let base_dir = Dir::open_ambient_dir(base, ambient_authority())
        .map_err(|error| ConnectError::io("open the folder", base, error))?;
    if above.components().next().is_some() {
        base_dir
            .create_dir_all(above)
            .map_err(|error| match leads_out(base, &full) {
                Ok(false) if !is_escape(&error) => {
                    ConnectError::io("create the folder", &full, error)
                }
                _ => outside(),
            })?;
    }
    if leads_out(base, &full)? {
        return Err(outside());
    }
    Ok(canonical(&full)?.join(name))
}

/// Whether `path`, or as much of it as there is, lies outside of `base` once all links are followed.
pub(crate) fn leads_out(base: &Path, path: &Path) -> Result<bool, ConnectError> {
    let base = canonical(base)?;
    let real = path.ancestors().find_map(|above| canonical(above).ok());
    Ok(!real.is_some_and(|real| real.starts_with(base)))
}

/// Where a path leads once all links are followed, with what is not there yet as it is written: also what lies behind a
/// folder that is not there and `..`, since that folder may come to be.
pub fn real_place(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut real = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => {
                real.pop();
            }
            Component::CurDir => {}
            part => {
                real.push(part);
                if let Ok(there) = canonical(&real) {
                    real = there;
                }
            }
        }
    }
    real
}

fn canonical(path: &Path) -> Result<PathBuf, ConnectError> {
    // An empty path is the current folder to `join`, but not to the system.
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    path.canonicalize()
        .map_err(|error| ConnectError::io("resolve", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_inside_gets_its_folders() {
        let base = tempfile::tempdir().unwrap();
        let place = place_target(base.path(), "path", "a/./b/c.db", false).unwrap();
        assert_eq!(place, base.path().canonicalize().unwrap().join("a/b/c.db"));
        assert!(place.parent().unwrap().is_dir());
        assert!(!place.exists());
    }

    #[cfg(unix)]
    #[test]
    fn the_real_place_is_that_behind_links_also_behind_what_is_not_there_yet() {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("kept/inner")).unwrap();
        std::os::unix::fs::symlink("kept/inner", root.join("link")).unwrap();
        for (path, real) in [
            ("kept/./x/y", "kept/x/y"),
            ("link/x", "kept/inner/x"),
            ("link/../x", "kept/x"),
            ("missing/../link/x", "kept/inner/x"),
            ("missing/x/../../link", "kept/inner"),
        ] {
            assert_eq!(real_place(&root.join(path)), root.join(real), "{path}");
        }
    }

    #[test]
    fn a_target_outside_needs_leave() {
        let base = tempfile::tempdir().unwrap();
        let flow = base.path().join("flow");
        std::fs::create_dir(&flow).unwrap();
        for path in [
            "../x/y.db",
            "a/../../x/y.db",
            base.path().join("x/y.db").to_str().unwrap(),
        ] {
            let refused = place_target(&flow, "path", path, false);
            assert!(
                matches!(refused, Err(ConnectError::OutsideFlow { .. })),
                "{path}: {refused:?}"
            );
        }
        assert!(!base.path().join("x").exists());
        let place = place_target(&flow, "path", "../x/y.db", true).unwrap();
        assert_eq!(place, base.path().canonicalize().unwrap().join("x/y.db"));
    }

    #[test]
    #[cfg(unix)]
    fn a_link_that_leads_out_is_outside_too() {
        let base = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), base.path().join("out")).unwrap();
        for path in ["out/x.db", "out/deeper/x.db"] {
            let refused = place_target(base.path(), "path", path, false);
            assert!(
                matches!(refused, Err(ConnectError::OutsideFlow { .. })),
                "{path}: {refused:?}"
            );
        }
        assert_eq!(elsewhere.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn what_is_not_there_has_a_place_too() {
        let base = tempfile::tempdir().unwrap();
        let real = base.path().canonicalize().unwrap();
        let place = |path: &str| real_place(&base.path().join(path));
        assert_eq!(place("a/./b"), real.join("a/b"));
        assert_eq!(place("a/../b"), real.join("b"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(".", base.path().join("all")).unwrap();
            assert_eq!(place("all"), real);
            assert_eq!(place("all/x.db"), real.join("x.db"));
        }
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        let base = tempfile::tempdir().unwrap();
        for path in ["", ".", "./."] {
            assert!(
                matches!(
                    place_target(base.path(), "path", path, false),
                    Err(ConnectError::Option(_))
                ),
                "{path}"
            );
        }
    }
}
