//! Files that a verb writes where `-o` says: an earlier output may be there, but nothing that the verb read, and nothing
//! of a store.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::failure::{Failure, Kind};
use crate::opening::Opened;
use crate::settings::FlowSettings;
use crate::whole;

/// Refuses a place for output that is one of the `inputs`, or lies in the `store`; to be asked before anything is done.
pub(crate) fn check<'a>(
    file: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
    store: &Path,
) -> Result<(), Failure> {
    if inputs.into_iter().any(|input| is_same(file, input)) {
        return Err(refused(file, "is what this command reads"));
    }
    if lies_in(file, store) {
        return Err(refused(file, "lies in the store"));
    }
    Ok(())
}

/// As [`check`] for a component that is built in a folder: of what lies in there, only components are overwritten.
pub(crate) fn check_component(file: &Path, folder: &Path, store: &Path) -> Result<(), Failure> {
    check(file, [], store)?;
    let is_component = || {
        let mut start = [0; 4];
        let read = whole::open(file).and_then(|mut file| file.read_exact(&mut start));
        read.is_ok() && start == *b"\0asm"
    };
    if file.exists() && lies_in(file, folder) && !is_component() {
        return Err(refused(
            file,
            "is no component, and lies in the plugin's folder",
        ));
    }
    Ok(())
}

/// That this file is not written to.
fn refused(file: &Path, why: &str) -> Failure {
    let message = format!("`{}` {why}: it is not overwritten", file.display());
    Failure::new(Kind::Usage, message).hint("name another file")
}

/// As [`check`] for a verb that opened a flow.
pub(crate) fn check_in_flow(
    file: &Path,
    settings: &FlowSettings,
    opened: &Opened,
) -> Result<(), Failure> {
    let plugins = opened.plugins.iter().map(|(_, path, _)| Path::new(path));
    let inputs = plugins.chain([settings.file.as_path()]);
    check(file, inputs, &settings.store)
}

/// Whether a file lies or would lie in a folder that is there, once links are followed.
fn lies_in(file: &Path, folder: &Path) -> bool {
    fs::canonicalize(folder).is_ok_and(|folder| flowstone::real_place(file).starts_with(folder))
}

/// Whether both paths lead to one file that is there.
#[cfg(unix)]
fn is_same(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    matches!((id(a), id(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(not(unix))]
fn is_same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}
