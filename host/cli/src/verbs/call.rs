//! `flowstone call`: one call of one function, arguments and result as WAVE text.

use std::fs;
use std::time::Instant;

use flowstone::core::{Function, Interface, Param, Type, Value, from_wave, to_json, to_wave};
use flowstone::{CallError, Limits, LogLine, Output as CallOutput, printable};
use serde_json::{Value as Json, json};

use super::{component, inspect::signature};
use crate::args::CallArgs;
use crate::failure::{EXIT_DONE, EXIT_FAILED_ROWS, Failure, Kind};
use crate::output::{Output, Style};

/// Calls a function.
pub(crate) fn call(args: &CallArgs, output: Output) -> Result<u8, Failure> {
    let bytes = component::bytes(&args.component, output)?;
    let component = flowstone::Component::load(&args.component.component, &bytes)?;
    let function = function(component.interface(), &args.function)?;
    let arguments = arguments(function, &args.arguments)?;
    let mut limits = Limits::default();
    limits.memory_bytes_max = args.memory_limit.unwrap_or(limits.memory_bytes_max);
    limits.time_ms_max = args.time_limit.unwrap_or(limits.time_ms_max);
    let start = Instant::now();
    let outcome = component.call(&function.name, &arguments, &limits)?;
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
        _ => failure,
    }
}

fn say_log(log: &[LogLine], output: Output) {
    let paint = output.paint_notes();
    for line in log {
        output.note(&paint.text(Style::Dim, &printable(&line.to_string())));
    }
}

fn log_object(log: &[LogLine]) -> Vec<Json> {
    log.iter()
        .map(|line| json!({"level": line.level.to_string(), "text": line.text}))
        .collect()
}

fn function<'a>(interface: &'a Interface, name: &str) -> Result<&'a Function, Failure> {
    if let Some(function) = interface.function(name) {
        return Ok(function);
    }
    if let Some(unsupported) = interface
        .unsupported
        .iter()
        .find(|function| function.name == name)
    {
        let message = format!("`{name}` cannot be called: {}", unsupported.reason);
        return Err(Failure::new(Kind::Usage, message));
    }
    let full = |function: &&Function| function.short_name() == name;
    if interface.functions.iter().filter(full).count() > 1 {
        let names: Vec<_> = interface
            .functions
            .iter()
            .filter(full)
            .map(|function| format!("`{}`", function.name))
            .collect();
        let message = format!("several interfaces of the component have a function `{name}`");
        return Err(
            Failure::new(Kind::Usage, message).hint(format!("name one of {}", names.join(", ")))
        );
    }
    let names = interface.functions.iter().map(|function| &*function.name);
    Err(Failure::new(
        Kind::NotFound,
        format!("the component has no function `{name}`"),
    )
    .hint(flowstone::core::suggest(name, names)))
}

fn arguments(function: &Function, given: &[String]) -> Result<Vec<Value>, Failure> {
    let wanted = function.params.len();
    if given.len() != wanted {
        let message = match (given.len(), function.params.get(given.len())) {
            (_, Some(missing)) => format!("the argument `{}` is missing", missing.name),
            (many, None) => format!("{many} arguments were given, and the function takes {wanted}"),
        };
        return Err(Failure::new(Kind::Usage, message)
            .hint(format!("the function is `{}`", signature(function))));
    }
    function
        .params
        .iter()
        .zip(given)
        .map(|(param, text)| {
            argument(param, text).map_err(|reason| {
                Failure::new(
                    Kind::Usage,
                    format!("the argument `{}`: {reason}", param.name),
                )
                .hint(format!("the function is `{}`", signature(function)))
            })
        })
        .collect()
}

/// The value that a word of the command line stands for.
fn argument(param: &Param, text: &str) -> Result<Value, String> {
    if let Some(file) = text.strip_prefix('@') {
        return from_file(&param.ty, file).map_err(|reason| format!("`{file}`: {reason}"));
    }
    from_wave(text, &param.ty).or_else(|error| match &param.ty {
        // In quotes it was meant as WAVE, and a mistake there is one.
        _ if text.starts_with('"') => Err(error.to_string()),
        Type::String => Ok(Value::str(text)),
        Type::Option(inner) if **inner == Type::String => {
            Ok(Value::Option(Some(std::sync::Arc::new(Value::str(text)))))
        }
        _ => Err(error.to_string()),
    })
}

fn from_file(ty: &Type, file: &str) -> Result<Value, String> {
    let bytes = fs::read(file).map_err(|error| error.to_string())?;
    if *ty == Type::bytes() {
        return Ok(Value::bytes(bytes));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    if *ty == Type::String {
        return Ok(Value::str(text));
    }
    from_wave(text.trim(), ty).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(ty: Type, text: &str) -> Result<Value, String> {
        argument(
            &Param {
                name: "x".to_owned(),
                ty,
            },
            text,
        )
    }

    #[test]
    fn a_plain_word_is_a_string_where_one_is_wanted() {
        assert_eq!(
            value(Type::String, "hello world"),
            Ok(Value::str("hello world"))
        );
        assert_eq!(value(Type::String, "12"), Ok(Value::str("12")));
        assert_eq!(
            value(Type::String, "\"a\\nb\""),
            Ok(Value::str("a\nb")),
            "in quotes it is WAVE"
        );
        assert!(value(Type::String, "\"a").is_err());
        assert_eq!(value(Type::U32, "12"), Ok(Value::U32(12)));
        assert!(value(Type::U32, "twelve").is_err());
        let some = Value::Option(Some(std::sync::Arc::new(Value::str("word"))));
        assert_eq!(value(Type::option(Type::String), "word"), Ok(some));
        assert_eq!(
            value(Type::option(Type::String), "none"),
            Ok(Value::Option(None))
        );
    }

    #[test]
    fn a_file_is_read_as_the_parameter_wants_it() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let file = folder.path().join("x");
        fs::write(&file, "[1, 2]\n").expect("it can be written to");
        let at = format!("@{}", file.display());
        assert_eq!(value(Type::String, &at), Ok(Value::str("[1, 2]\n")));
        assert_eq!(value(Type::bytes(), &at), Ok(Value::bytes(*b"[1, 2]\n")));
        let list = Value::list_of(&Type::U32, vec![Value::U32(1), Value::U32(2)]);
        assert_eq!(value(Type::list(Type::U32), &at), Ok(list));
        assert!(value(Type::String, "@/no/such/file").is_err());
    }

    #[test]
    fn what_is_missing_or_too_much_is_named_with_the_functions_wit() {
        let params = vec![Param {
            name: "text".to_owned(),
            ty: Type::String,
        }];
        let function = Function {
            name: "count".to_owned(),
            params,
            result: Some(Type::U32),
            docs: None,
        };
        let missing = arguments(&function, &[]).expect_err("one is missing");
        assert_eq!(missing.message, "the argument `text` is missing");
        assert_eq!(
            missing.hints,
            ["the function is `count: func(text: string) -> u32`"]
        );
        let many =
            arguments(&function, &["a".to_owned(), "b".to_owned()]).expect_err("one is too much");
        assert_eq!(
            many.message,
            "2 arguments were given, and the function takes 1"
        );
    }
}
