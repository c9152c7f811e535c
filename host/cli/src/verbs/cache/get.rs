//! `flowstone cache get`: one result, as WAVE text, JSON, or its bytes.

use std::fs;
use std::path::Path;

use flowstone::core::{Type, Value, to_json, to_wave};
use flowstone::{CacheResult, CachedOutcome, printable};
use serde_json::json;

use crate::args::{CacheFormat, CacheGetArgs};
use crate::failure::{EXIT_DONE, EXIT_FAILED_ROWS, Failure, Kind};
use crate::opening;
use crate::outlet;
use crate::output::{Output, word, words_within};
use crate::signals;

/// Shows one result.
pub(super) fn get(args: &CacheGetArgs, output: Output) -> Result<u8, Failure> {
    let (settings, words) = args.words.split(&["TRANSFORM", "KEY"], 2)?;
    let opened = opening::open(&settings, output)?;
    if let Some(file) = &args.output {
        outlet::check_in_flow(file, &settings, &opened)?;
    }
    let stop = signals::listen();
    let found = opened
        .engine
        .cache_get(&opened.flow, &words[0], &words[1], stop)?;
    let value = match &found.outcome {
        CachedOutcome::Value { value, ty, .. } => Some((value, ty)),
        CachedOutcome::Nothing | CachedOutcome::Failed { .. } => None,
    };
    if let (Some((value, ty)), Some(file)) = (value, &args.output) {
        write(file, &bytes(value, ty, args.format, true)?)?;
    }
    if output.json {
        object(&found, output)?;
    } else if let Some((value, ty)) = value {
        if args.output.is_none() {
            output.answer_bytes(&bytes(value, ty, args.format, false)?)?;
        }
    } else {
        output.say(&words_of(&found, &words[0], &words[1]));
    }
    Ok(if value.is_some() {
        EXIT_DONE
    } else {
        EXIT_FAILED_ROWS
    })
}

/// What is said where there is no value.
fn words_of(found: &CacheResult, transform: &str, key: &str) -> String {
    let key = word(key);
    match &found.outcome {
        CachedOutcome::Failed { reason } => {
            let reason = words_within(reason, "    ");
            format!("`{transform}` failed for `{key}`: {reason}\n")
        }
        _ => format!("`{transform}` gave none for `{key}`: there is no row\n"),
    }
}

/// The value in a format. Text for a terminal is made fit for one, text for a file is left as it is.
fn bytes(value: &Value, ty: &Type, format: CacheFormat, to_file: bool) -> Result<Vec<u8>, Failure> {
    let text = match (format, value) {
        (CacheFormat::Raw, Value::Bytes(bytes)) => return Ok(bytes.to_vec()),
        (CacheFormat::Raw, Value::Str(text)) => return Ok(text.as_bytes().to_vec()),
        (CacheFormat::Raw, _) => {
            let message =
                format!("a `{ty}` has no raw bytes: only strings and lists of bytes have");
            return Err(Failure::new(Kind::Usage, message)
                .hint("`--format wave` and `--format json` write any value"));
        }
        (CacheFormat::Wave, value) => to_wave(value, ty),
        (CacheFormat::Json, value) => to_json(value, ty).to_string(),
    };
    let text = if to_file { text } else { printable(&text) };
    Ok((text + "\n").into_bytes())
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(file, bytes).map_err(|error| Failure::cannot(Kind::Usage, "write", file, &error))
}

fn object(found: &CacheResult, output: Output) -> Result<(), Failure> {
    let internal = |error| Failure::new(Kind::Internal, format!("the answer is not JSON: {error}"));
    let mut object = serde_json::to_value(found).map_err(internal)?;
    let outcome = match &found.outcome {
        CachedOutcome::Value {
            value,
            ty,
            fingerprint,
        } => json!({
            "outcome": "value",
            "type": ty.to_string(),
            "value": to_json(value, ty),
            "wave": to_wave(value, ty),
            "fingerprint": fingerprint.to_string(),
        }),
        CachedOutcome::Nothing => json!({"outcome": "none", "value": null}),
        CachedOutcome::Failed { reason } => {
            json!({"outcome": "failed", "value": null, "reason": reason})
        }
    };
    if let (Some(object), serde_json::Value::Object(outcome)) = (object.as_object_mut(), outcome) {
        object.extend(outcome);
    }
    output.object(&object)
}
