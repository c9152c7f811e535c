//! `flowstone cache put`: a result that is given, in place of what the call would give.

use std::io::ErrorKind;
use std::path::Path;

use flowstone::core::{Plan, Type};
use flowstone::{Flow, GivenValue, Limits, PutReport};

use crate::args::{CacheFormat, CachePutArgs};
use crate::failure::{EXIT_DONE, Failure, Kind};
use crate::opening;
use crate::output::{Output, word};
use crate::settings::FlowSettings;
use crate::signals;
use crate::table::count;
use crate::verbs::given::TEXT_BYTES_MAX;
use crate::whole;
use crate::words;

/// Remembers a result that is given.
pub(super) fn put(args: &CachePutArgs, output: Output) -> Result<u8, Failure> {
    let usage = ["TRANSFORM", "KEY", "VALUE"];
    let (flow, words) = words::split(&args.words, args.flow.as_deref(), &usage, usage.len())?;
    let (transform, key, value) = (&words[0], &words[1], &words[2]);
    let opened = opening::open(&FlowSettings::of(flow, &args.engine)?, output)?;
    let (bytes, format) = given(value, args.format, &opened.flow, transform)?;
    let text = || {
        let text = std::str::from_utf8(&bytes);
        text.map_err(|_| Failure::new(Kind::Usage, format!("`{value}` is not UTF-8 text")))
    };
    let given = match format {
        CacheFormat::Wave => GivenValue::Wave(text()?),
        CacheFormat::Json => GivenValue::Json(text()?),
        CacheFormat::Raw => GivenValue::Raw(&bytes),
    };
    let stop = signals::listen();
    let report = opened
        .engine
        .cache_put(&opened.flow, transform, key, given, stop)?;
    if output.json {
        output.object(&report)?;
    } else {
        output.answer(&said(&report, transform, key))?;
    }
    Ok(EXIT_DONE)
}

/// What is given, and how it is written.
fn given(
    value: &str,
    format: Option<CacheFormat>,
    flow: &Flow,
    transform: &str,
) -> Result<(Vec<u8>, CacheFormat), Failure> {
    let Some(file) = value.strip_prefix('@') else {
        let format = format.unwrap_or(CacheFormat::Wave);
        return Ok((value.as_bytes().to_vec(), format));
    };
    let format = format.unwrap_or_else(|| of_file(flow.plan(), transform));
    let bytes_max = match format {
        CacheFormat::Raw => Limits::default().result_bytes_max,
        CacheFormat::Wave | CacheFormat::Json => TEXT_BYTES_MAX,
    };
    let mut bytes = whole::read(Path::new(file), bytes_max).map_err(|error| {
        let failure = Failure::new(Kind::Usage, format!("cannot read `{file}`: {error}"));
        match error.kind() {
            ErrorKind::FileTooLarge => failure,
            _ => failure.hint("a value that begins with `@` is written in quotes: '\"@home\"'"),
        }
    })?;
    if format != CacheFormat::Raw {
        // The line break at the end is the editor's, not the value's.
        bytes.truncate(bytes.trim_ascii_end().len());
    }
    Ok((bytes, format))
}

/// How the file of a value is read: that of a string or of bytes holds just these.
fn of_file(plan: &Plan, name: &str) -> CacheFormat {
    let short = name.rsplit_once('.').map_or(name, |(_, short)| short);
    let mut transforms = plan.stages.iter().flat_map(|stage| &stage.transforms);
    let found = transforms.find(|transform| transform.name == short);
    match found.map(|transform| &transform.result.value) {
        Some(Type::String) => CacheFormat::Raw,
        Some(ty) if *ty == Type::bytes() => CacheFormat::Raw,
        _ => CacheFormat::Wave,
    }
}

fn said(report: &PutReport, transform: &str, key: &str) -> String {
    let what = match report.outcome {
        "value" => "a value",
        "none" => "none",
        _ => "a failure",
    };
    let place = if report.replaced {
        ", in place of another result"
    } else {
        ""
    };
    let next = match report.rows {
        0 => "no row has used this call yet".to_owned(),
        1 => "the next run looks at 1 row again".to_owned(),
        rows => format!("the next run looks at {} again", count(rows, "row")),
    };
    let key = word(key);
    let short = report.key.get(..12).unwrap_or(&report.key);
    format!(
        "remembered {what} as the result of `{transform}` for `{key}` ({short}){place}; {next}\n"
    )
}
