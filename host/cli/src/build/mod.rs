//! Building plugins from their sources, only when these changed.
//!
//! ```text
//! <store>/built/
//!   text-0f3c9a….wasm     the component of plugin `text`, by the hash of its source folder's path
//!   text-0f3c9a….json     the files that it was built from, with their sizes and times
//! ```

mod cargo;
mod freshness;
mod guest;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use flowstone::core::{Type, Value, fingerprint};

use crate::failure::{Failure, Kind};
use crate::output::Output;
use crate::table::seconds;
use freshness::Record;

/// The target of plugins in Rust.
const GUEST: &str = "wasm32-wasip2";

/// The component of a plugin: the built one when it is as new as its sources, else built.
pub(crate) fn component(
    plugin: &str,
    folder: &Path,
    store: &Path,
    output: Output,
) -> Result<Vec<u8>, Failure> {
    let failed = |error| {
        Failure::new(
            Kind::Build,
            format!(
                "plugin `{plugin}`: cannot look at `{}`: {error}",
                folder.display()
            ),
        )
    };
    let folder = fs::canonicalize(folder).map_err(failed)?;
    let place = Place::new(plugin, &folder, store);
    if let Some(bytes) = place.fresh(&folder) {
        return Ok(bytes);
    }
    if !folder.join("Cargo.toml").is_file() {
        let message = format!(
            "plugin `{plugin}`: `{}` has no Cargo.toml",
            folder.display()
        );
        return Err(Failure::new(Kind::Build, message)
            .hint("sources are built where they are Rust, with a Cargo.toml; that is the only language known so far")
            .hint("of another language, build the component yourself and name it: `component = \"FILE.wasm\"`"));
    }
    guest::require(&folder, output)?;
    let begun = (SystemTime::now(), Instant::now());
    let progress = format!("building plugin `{plugin}` (cargo, {GUEST}) ");
    if !output.quiet {
        output.say(&progress);
    }
    let built = cargo::build(plugin, &folder);
    let end = if built.is_ok() {
        seconds(begun.1.elapsed().as_secs_f64())
    } else {
        "failed".to_owned()
    };
    output.note(&end);
    let artifact = built?;
    let bytes = fs::read(&artifact).map_err(|error| {
        Failure::new(
            Kind::Build,
            format!("cannot read `{}`: {error}", artifact.display()),
        )
    })?;
    // It is only kept for the next time: without it that builds again.
    let _ = place.keep(&bytes, Record::of(&folder, &artifact, begun.0).as_ref());
    Ok(bytes)
}

/// The state of the files that a component is built from: another one when one of them changed.
pub(crate) fn state(plugin: &str, folder: &Path, store: &Path) -> u64 {
    let Ok(folder) = fs::canonicalize(folder) else {
        return 0;
    };
    let record = fs::read(Place::new(plugin, &folder, store).record).ok();
    let record = record.and_then(|bytes| Record::read(&bytes));
    freshness::state(&folder, record.as_ref())
}

/// Where a built component lies.
struct Place {
    wasm: PathBuf,
    record: PathBuf,
}

impl Place {
    fn new(plugin: &str, folder: &Path, store: &Path) -> Self {
        let path = Value::str(&*folder.to_string_lossy());
        let hash = fingerprint(&path, &Type::String, &Type::String.fingerprint()).short();
        let built = store.join("built");
        Self {
            wasm: built.join(format!("{plugin}-{hash}.wasm")),
            record: built.join(format!("{plugin}-{hash}.json")),
        }
    }

    /// The component, if nothing that it was built from changed.
    fn fresh(&self, folder: &Path) -> Option<Vec<u8>> {
        let record = Record::read(&fs::read(&self.record).ok()?)?;
        if !record.is_fresh(folder) {
            return None;
        }
        let bytes = fs::read(&self.wasm).ok()?;
        record.is_of(&bytes).then_some(bytes)
    }

    /// Keeps a component. A kill in between leaves a record that does not fit, which is none.
    fn keep(&self, bytes: &[u8], record: Option<&Record>) -> std::io::Result<()> {
        let Some(record) = record else {
            return fs::remove_file(&self.record);
        };
        if let Some(folder) = self.wasm.parent() {
            fs::create_dir_all(folder)?;
        }
        replace(&self.wasm, bytes)?;
        replace(&self.record, &record.for_component(bytes).to_bytes())
    }
}

/// Writes a file as a whole: whoever reads it sees the old or the new one.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| fs::rename(&temporary, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    replaced
}
