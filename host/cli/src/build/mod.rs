//! Building plugins from their sources, in the language that the folder's manifest tells, only when these changed.
//!
//! ```text
//! <store>/built/
//!   text-0f3c9a….wasm     the component of plugin `text`, by the hash of its source folder's path
//!   text-0f3c9a….json     the files that it was built from, with their sizes and times
//! ```

mod c;
mod confined;
mod exports;
mod freshness;
mod generated;
mod go;
mod javascript;
mod kept;
mod language;
mod place;
mod python;
mod rust;
mod sources;
mod step;
mod tools;
mod wit;
mod work;
mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::failure::{Failure, Kind};
use crate::output::Output;
use freshness::Record;
use language::Job;
pub(crate) use language::Language;
use place::Place;
pub(crate) use place::{BUILT, replace};
use work::Work;

/// A component, and how it came to be.
pub(crate) struct Built {
    /// The component.
    pub(crate) bytes: Vec<u8>,
    /// Where it is kept.
    pub(crate) file: PathBuf,
    /// What it was built from.
    pub(crate) language: Language,
    /// The same as people call it.
    pub(crate) language_shown: &'static str,
    /// Whether it was as new as its sources, so that nothing had to be built.
    pub(crate) fresh: bool,
}

/// The component of a plugin: the built one when it is as new as its sources, else built.
pub(crate) fn component(
    plugin: &str,
    folder: &Path,
    store: &Path,
    output: Output,
) -> Result<Vec<u8>, Failure> {
    Ok(build(plugin, folder, store, output)?.bytes)
}

/// The component of a plugin as [`component`], with what there is to say of it.
pub(crate) fn build(
    plugin: &str,
    folder: &Path,
    store: &Path,
    output: Output,
) -> Result<Built, Failure> {
    let folder = &fs::canonicalize(folder).map_err(|error| {
        let message = format!(
            "plugin `{plugin}`: cannot look at `{}`: {error}",
            folder.display()
        );
        Failure::new(Kind::Build, message)
    })?;
    let Some(language) = Language::of(folder) else {
        return Err(no_manifest(plugin, folder));
    };
    if language.is_confined() {
        confined::check(plugin, folder, |path| language.is_own(path))?;
    }
    let recipe = language.recipe();
    let place = Place::new(plugin, folder, store);
    let built = |bytes, fresh| Built {
        bytes,
        file: place.wasm.clone(),
        language,
        language_shown: language.shown(folder),
        fresh,
    };
    if let Some(bytes) = place.fresh(folder, &recipe) {
        return Ok(built(bytes, true));
    }
    let begun = SystemTime::now();
    let work = Work::new(&place.folder)?;
    let made = language.build(&Job {
        plugin,
        folder,
        recipe: &recipe,
        work: &work,
        output,
    })?;
    let inputs = made.inputs.as_ref();
    let record = inputs.and_then(|inputs| Record::of(folder, inputs, &recipe, begun));
    place.keep(&made.component, record.as_ref())?;
    Ok(built(made.component, false))
}

/// The state of the files that a component is built from: another one when one of them changed.
pub(crate) fn state(plugin: &str, folder: &Path, store: &Path) -> u64 {
    let Ok(folder) = fs::canonicalize(folder) else {
        return 0;
    };
    let record = Place::new(plugin, &folder, store).record();
    freshness::state(&folder, record.as_ref())
}

fn no_manifest(plugin: &str, folder: &Path) -> Failure {
    let manifests = Language::ALL.map(|language| format!("`{}`", language.manifest()));
    let message = format!(
        "plugin `{plugin}`: `{}` has no manifest that tells its language: none of {}",
        folder.display(),
        manifests.join(", ")
    );
    Failure::new(Kind::Build, message).hint(
        "of another language, build the component yourself and name it: `component = \"FILE.wasm\"`",
    )
}
