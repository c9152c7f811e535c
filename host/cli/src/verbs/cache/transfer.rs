//! `flowstone cache export` and `import`: results on their way to another store.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use flowstone::core::format_size;
use flowstone::{Error, ExportOptions, ExportReport, ImportReport};

use super::Place;
use crate::args::{CacheExportArgs, CacheImportArgs};
use crate::failure::{EXIT_DONE, Failure, Kind};
use crate::outlet;
use crate::output::Output;
use crate::signals;
use crate::table::count;
use crate::whole;

/// The buffer for writing.
const BUFFER_BYTES: usize = 256 << 10;

/// Writes results to a file, which is there whole or not at all.
pub(super) fn export(args: &CacheExportArgs, output: Output) -> Result<u8, Failure> {
    let place = Place::of(args.flow.flow.as_deref(), &args.flow.engine)?;
    let flow = place.flow.as_ref().map(|flow| flow.file.as_path());
    outlet::check(&args.file, flow, &place.store)?;
    let (engine, filter) =
        args.filter
            .open(args.flow.flow.as_deref(), &args.flow.engine, output)?;
    let cannot = |error: &std::io::Error| Failure::cannot(Kind::Usage, "write", &args.file, error);
    let part = Part::beside(&args.file);
    let file = File::create(&part.0).map_err(|error| cannot(&error))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let options = ExportOptions {
        builds: args.with_builds,
    };
    let stop = signals::listen();
    let report = engine
        .cache_export(&filter, options, &mut out, stop)
        .map_err(|error| named(error, &args.file))?;
    out.flush()
        .and_then(|()| out.get_ref().sync_all())
        .and_then(|()| fs::rename(&part.0, &args.file))
        .map_err(|error| cannot(&error))?;
    if output.json {
        output.object(&report)?;
    } else {
        output.answer(&exported(&report, &args.file))?;
    }
    Ok(EXIT_DONE)
}

/// The file being written, beside the one that it becomes. It goes when it was not renamed.
struct Part(PathBuf);

impl Part {
    fn beside(file: &Path) -> Self {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        Self(file.with_file_name(name))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already where all went well.
        let _ = fs::remove_file(&self.0);
    }
}

/// Remembers the results of a file.
pub(super) fn import(args: &CacheImportArgs, output: Output) -> Result<u8, Failure> {
    let mut file = whole::open(&args.file)
        .map_err(|error| Failure::cannot(Kind::NotFound, "read", &args.file, &error))?;
    let engine = Place::of(args.flow.flow.as_deref(), &args.flow.engine)?.open_or_make()?;
    let report = engine
        .cache_import(&mut file, args.dry_run, signals::listen())
        .map_err(|error| named(error, &args.file))?;
    if output.json {
        output.object(&report)?;
    } else {
        output.answer(&imported(&report, args.dry_run))?;
    }
    Ok(EXIT_DONE)
}

/// The failure, with the file's name where it is the file's.
fn named(error: Error, file: &Path) -> Failure {
    match error {
        Error::Archive(error) => Failure::of_archive(&error, file),
        error => error.into(),
    }
}

fn exported(report: &ExportReport, file: &Path) -> String {
    let mut text = format!(
        "wrote {} of {} to `{}`, {}\n",
        count(report.results, "result"),
        count(report.recipes, "recipe"),
        file.display(),
        format_size(report.bytes)
    );
    if report.builds > 0 {
        let _ = writeln!(text, "with {}", count(report.builds, "component"));
    }
    if report.put > 0 {
        let _ = writeln!(
            text,
            "left out {} that were put there by hand",
            count(report.put, "result")
        );
    }
    if report.impure > 0 {
        let _ = writeln!(
            text,
            "left out {} that hang on a clock or on random numbers",
            count(report.impure, "result")
        );
    }
    if report.lost > 0 {
        let _ = writeln!(
            text,
            "left out {} that the store has lost",
            count(report.lost, "result")
        );
    }
    text
}

fn imported(report: &ImportReport, dry_run: bool) -> String {
    let did = if dry_run {
        "would remember"
    } else {
        "remembered"
    };
    let mut text = format!(
        "{did} {} of {}; {} were there already\n",
        report.imported,
        count(report.results, "result"),
        report.present
    );
    if report.builds > 0 {
        let keep = if dry_run { "would keep" } else { "kept" };
        let _ = writeln!(text, "{keep} {}", count(report.builds, "component"));
    }
    if report.impure > 0 {
        let _ = writeln!(
            text,
            "left out {} that hang on a clock or on random numbers",
            count(report.impure, "result")
        );
    }
    text
}
