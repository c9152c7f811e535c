//! The folder `gen/` of a plugin, for sources that flowstone makes of its world. They lie beside the author's own, where
//! editors and the language's tools find them too.

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::language::Job;
use crate::failure::{Failure, Kind};

/// The folder's name.
pub(super) const NAME: &str = "gen";

/// Writes files by their paths below `gen/`, those that are not there as they are to be. Symbolic links do not lead it
/// out of the plugin's folder.
pub(super) fn write(job: &Job<'_>, files: &[(String, Vec<u8>)]) -> Result<(), Failure> {
    let write_all = || {
        let folder = Dir::open_ambient_dir(job.folder, ambient_authority())?;
        files.iter().try_for_each(|(path, bytes)| {
            let path = Path::new(NAME).join(path);
            if let Some(parent) = path.parent() {
                folder.create_dir_all(parent)?;
            }
            match folder.read(&path) {
                Ok(there) if there == *bytes => Ok(()),
                _ => folder.write(&path, bytes),
            }
        })
    };
    write_all().map_err(|error: std::io::Error| {
        let place = job.folder.join(NAME);
        let message = format!(
            "plugin `{}`: cannot write its bindings to `{}`: {error}",
            job.plugin,
            place.display()
        );
        Failure::new(Kind::Build, message)
            .hint("`gen/` is a folder for generated files alone: it can be removed at any time")
    })
}
