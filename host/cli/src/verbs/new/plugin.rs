//! `flowstone new plugin`: a plugin with two functions, in a language.

use super::folder::Folder;
use super::{Made, templates};
use crate::args::NewPluginArgs;
use crate::failure::Failure;

/// Writes the files of a plugin.
pub(super) fn plugin(args: &NewPluginArgs) -> Result<Made, Failure> {
    let folder = Folder::new(&args.folder)?;
    let files = folder.write(&templates::plugin(args.language, folder.name())?)?;
    Ok(Made {
        what: format!("plugin `{}` ({})", folder.name(), args.language.name()),
        folder,
        files,
        next: [
            "flowstone build",
            "flowstone test",
            r#"flowstone call . count '"one two three"'"#,
        ]
        .map(str::to_owned)
        .into(),
    })
}
