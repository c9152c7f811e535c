//! `flowstone call`: one call of one function, arguments and result as WAVE text.

use std::cell::Cell;
use std::time::Instant;

use flowstone::core::{Function, Value, to_json, to_wave};
use flowstone::{CallError, LogLine, Output as CallOutput, printable};
use serde_json::{Value as Json, json};

use super::component;
use super::given::{self, Files};
use super::inspect::signature;
use crate::args::CallArgs;
use crate::failure::{EXIT_DONE, EXIT_FAILED_ROWS, Failure, Kind};
use crate::output::{Output, Style};

/// Calls a function.
pub(crate) fn call(args: &CallArgs, output: Output) -> Result<u8, Failure> {
    let bytes = component::bytes(&args.component, output)?;
    let component = component::load(&args.component.component, &bytes, output)?;
    let function = given::function(component.interface(), &args.function)?;
    let limits = args.limits.limits();
    let room = Cell::new(limits.memory_bytes_max);
    let arguments = given::arguments(function, &args.arguments, Files::Any { room: &room })?;
    let start = Instant::now();
    let outcome = component.call(&function.name, &arguments, &limits, [0; 32])?;
    let seconds = start.elapsed().as_secs_f64();
    match outcome {
        Ok(returned) => show(function, &returned, seconds, output),
        Err(error) => Err(failed(function, &error, output)),
    }
}

fn show(
    function: &Function,
    returned: &CallOutput,
    seconds: f64,
    output: Output,
) -> Result<u8, Failure> {
    let result = returned.value.as_ref().zip(function.result.as_ref());
    if output.json {
        output.object(&json!({
            "result": result.map(|(value, ty)| to_json(value, ty)),
            "wave": result.map(|(value, ty)| to_wave(value, ty)),
            "seconds": seconds,
            "memory_bytes_peak": returned.memory_bytes_peak,
            "log": log_object(&returned.log),
        }))?;
    } else {
        say_log(&returned.log, output);
        if let Some((value, ty)) = result {
            output.answer(&(printable(&to_wave(value, ty)) + "\n"))?;
        }
    }
    let is_err = matches!(returned.value, Some(Value::Result(Err(_))));
    Ok(if is_err { EXIT_FAILED_ROWS } else { EXIT_DONE })
}

fn failed(function: &Function, error: &CallError, output: Output) -> Failure {
    if !output.json {
        say_log(&error.log, output);
    }
    let failure = Failure::new(
        Kind::Call,
        format!("`{}` failed: {}", function.name, printable(&error.reason)),
    );
    match error.kind {
        flowstone::FailureKind::Timeout => failure.hint("`--time-limit TIME` gives it more time"),
        flowstone::FailureKind::OutOfMemory | flowstone::FailureKind::ArgumentTooLarge => {
            failure.hint("`--memory-limit SIZE` gives it more memory")
        }
        flowstone::FailureKind::Trap => {
            failure.hint(format!("the function is `{}`", signature(function)))
        }
        _ => failure,
    }
}

pub(super) fn say_log(log: &[LogLine], output: Output) {
    let paint = output.paint_notes();
    for line in log {
        output.note(&paint.text(Style::Dim, &printable(&line.to_string())));
    }
}

pub(super) fn log_object(log: &[LogLine]) -> Vec<Json> {
    log.iter()
        .map(|line| json!({"level": line.level.to_string(), "text": line.text}))
        .collect()
}
