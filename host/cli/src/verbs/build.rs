//! `flowstone build`: a plugin's component from its sources.

use std::path::Path;
use std::time::Instant;

use flowstone::core::printable;
use serde_json::json;

use super::component;
use crate::args::BuildArgs;
use crate::build::{Built, replace};
use crate::failure::{EXIT_DONE, Failure, Kind};
use crate::outlet;
use crate::output::{Output, Style};
use crate::settings::STORE_FOLDER;
use crate::table;

/// Builds a plugin, and says what came of it.
pub(crate) fn build(args: &BuildArgs, output: Output) -> Result<u8, Failure> {
    let folder = args.folder.as_deref().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let message = format!("there is no folder `{}`", folder.display());
        return Err(Failure::new(Kind::NotFound, message)
            .hint("name the folder with the plugin's sources and manifest"));
    }
    if let Some(file) = &args.output {
        let own = folder.join(STORE_FOLDER);
        outlet::check_component(file, folder, args.store.as_deref().unwrap_or(&own))?;
    }
    let begun = Instant::now();
    let built = component::built(folder, args.store.as_deref(), output)?;
    let seconds = begun.elapsed().as_secs_f64();
    let fault = |error| flowstone::Error::Plugin {
        plugin: folder.display().to_string(),
        error,
    };
    let digest = flowstone::scan_component(&built.bytes)
        .map_err(fault)?
        .digest
        .to_string();
    if let Some(file) = &args.output {
        replace(file, &built.bytes)
            .map_err(|error| Failure::cannot(Kind::Machine, "write", file, &error))?;
    }
    let file = args.output.as_deref().unwrap_or(&built.file);
    if output.json {
        output.object(&json!({
            "component": file,
            "language": built.language.name(),
            "bytes": built.bytes.len(),
            "digest": digest,
            "built": !built.fresh,
            "seconds": seconds,
        }))?;
    } else {
        output.answer(&text(&built, file, &digest, seconds, output))?;
    }
    Ok(EXIT_DONE)
}

fn text(built: &Built, file: &Path, digest: &str, seconds: f64, output: Output) -> String {
    let size = flowstone::core::format_size(built.bytes.len() as u64);
    let how = if built.fresh {
        "as new as its sources".to_owned()
    } else {
        format!("built in {}", table::seconds(seconds))
    };
    format!(
        "{} ({}, {size}, {how})\ndigest {digest}\n",
        output
            .paint()
            .text(Style::Bold, &printable(&file.display().to_string(), &[])),
        built.language_shown,
    )
}
