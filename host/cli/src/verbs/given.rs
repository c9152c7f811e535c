//! Functions and arguments as people name them, on the command line and in cases.

use std::cell::Cell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowstone::core::{Function, Interface, NotFound, Param, Type, Value, from_wave, suggest};

use super::inspect::signature;
use crate::failure::{Failure, Kind};
use crate::whole;

/// The function of this name.
pub(super) fn function<'a>(interface: &'a Interface, name: &str) -> Result<&'a Function, Failure> {
    let failure = match interface.find(name) {
        Ok(function) => return Ok(function),
        Err(NotFound::Unsupported(function)) => Failure::new(
            Kind::Usage,
            format!("`{name}` cannot be called: {}", function.reason),
        ),
        Err(NotFound::Several(functions)) => {
            let names = functions
                .iter()
                .map(|function| format!("`{}`", function.name));
            let names = names.collect::<Vec<_>>().join(", ");
            let message = format!("several interfaces of the component have a function `{name}`");
            Failure::new(Kind::Usage, message).hint(format!("name one of {names}"))
        }
        Err(NotFound::Unknown) => Failure::new(
            Kind::NotFound,
            format!("the component has no function `{name}`"),
        )
        .hint(suggest(name, interface.names_like(name))),
    };
    Err(failure)
}

/// How many bytes the files that a file of cases names may have together, each counted as often as it is named.
pub(super) const CASES_BYTES_MAX: u64 = 64 << 20;

/// How many bytes a file of WAVE or JSON text may have: the values that it says take many times as much memory.
pub(super) const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Which files `@FILE` may mean.
#[derive(Clone, Copy, Debug)]
pub(super) enum Files<'a> {
    /// Any: the person at the terminal may read them anyway.
    Any {
        /// How many bytes more may be read: no call can take more than its memory holds.
        room: &'a Cell<u64>,
    },
    /// Those of cases: they may be somebody else's.
    In {
        /// The folder that they lie in, where paths begin.
        folder: &'a Path,
        /// How many bytes more may be read.
        room: &'a Cell<u64>,
    },
}

/// The values that these words stand for, one per parameter.
pub(super) fn arguments(
    function: &Function,
    given: &[String],
    files: Files<'_>,
) -> Result<Vec<Value>, Failure> {
    let wrong = |message: String| {
        Failure::new(Kind::Usage, message)
            .hint(format!("the function is `{}`", signature(function)))
    };
    count(function, given.len()).map_err(wrong)?;
    function
        .params
        .iter()
        .zip(given)
        .map(|(param, text)| {
            argument(param, text, files)
                .map_err(|reason| wrong(format!("the argument `{}`: {reason}", param.name)))
        })
        .collect()
}

/// Whether there are as many arguments as parameters.
pub(super) fn count(function: &Function, given: usize) -> Result<(), String> {
    let wanted = function.params.len();
    match function.params.get(given) {
        Some(missing) => Err(format!("the argument `{}` is missing", missing.name)),
        None if given == wanted => Ok(()),
        None => Err(format!(
            "{given} arguments were given, and the function takes {wanted}"
        )),
    }
}

/// The value that a word stands for.
fn argument(param: &Param, text: &str, files: Files<'_>) -> Result<Value, String> {
    if let Some(file) = text.strip_prefix('@') {
        return from_file(&param.ty, file, files).map_err(|reason| format!("`{file}`: {reason}"));
    }
    from_wave(text, &param.ty).or_else(|error| match &param.ty {
        // In quotes it was meant as WAVE, and a mistake there is one.
        _ if text.starts_with('"') => Err(error.to_string()),
        Type::String => Ok(Value::str(text)),
        Type::Option(inner) if **inner == Type::String => {
            Ok(Value::Option(Some(Arc::new(Value::str(text)))))
        }
        _ => Err(error.to_string()),
    })
}

fn from_file(ty: &Type, file: &str, files: Files<'_>) -> Result<Value, String> {
    let is_text = *ty != Type::bytes() && *ty != Type::String;
    let bytes = bytes(&path(file, files)?, is_text, files)?;
    if *ty == Type::bytes() {
        return Ok(Value::bytes(bytes));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    if *ty == Type::String {
        return Ok(Value::str(text));
    }
    from_wave(text.trim(), ty).map_err(|error| error.to_string())
}

/// What a file holds; `is_text` where it is the text of values.
fn bytes(path: &Path, is_text: bool, files: Files<'_>) -> Result<Vec<u8>, String> {
    let (Files::Any { room } | Files::In { room, .. }) = files;
    let bytes_max = if is_text {
        TEXT_BYTES_MAX.min(room.get())
    } else {
        room.get()
    };
    let bytes = whole::read(path, bytes_max).map_err(|error| match (error.kind(), files) {
        (ErrorKind::FileTooLarge, Files::In { .. }) => {
            "the files that the cases name have more than 64 MiB together".to_owned()
        }
        (ErrorKind::FileTooLarge, _) if bytes_max < room.get() => {
            format!("{error} as WAVE text")
        }
        (ErrorKind::FileTooLarge, _) => format!(
            "{error}: the files of a call must fit into its memory, and `--memory-limit SIZE` gives it more"
        ),
        _ => error.to_string(),
    })?;
    room.set(room.get() - bytes.len() as u64);
    Ok(bytes)
}

fn path(file: &str, files: Files<'_>) -> Result<PathBuf, String> {
    let folder = match files {
        Files::Any { .. } => return Ok(PathBuf::from(file)),
        Files::In { folder, .. } => folder,
    };
    let inside = |path: &Path| {
        let path = path.canonicalize().map_err(|error| error.to_string())?;
        let folder = folder.canonicalize().map_err(|error| error.to_string())?;
        // Symbolic links are followed by then.
        if !path.starts_with(folder) {
            return Err("it lies outside of the folder of the cases".to_owned());
        }
        if !path.is_file() {
            return Err("it is not a file".to_owned());
        }
        Ok(path)
    };
    inside(&folder.join(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn value(ty: Type, text: &str) -> Result<Value, String> {
        let name = "x".to_owned();
        let room = Cell::new(1 << 20);
        argument(&Param { name, ty }, text, Files::Any { room: &room })
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
        let some = Value::Option(Some(Arc::new(Value::str("word"))));
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

    #[cfg(unix)]
    #[test]
    fn files_of_cases_lie_in_their_folder() {
        let outside = tempfile::tempdir().expect("a folder for the test");
        let folder = outside.path().join("in");
        fs::create_dir_all(folder.join("deep")).expect("it can be written to");
        fs::write(outside.path().join("secret"), "s").expect("it can be written to");
        fs::write(folder.join("deep/open"), "o").expect("it can be written to");
        std::os::unix::fs::symlink("../secret", folder.join("link")).expect("links can be made");
        let param = Param {
            name: "x".to_owned(),
            ty: Type::String,
        };
        let made = std::process::Command::new("mkfifo")
            .arg(folder.join("pipe"))
            .status();
        assert!(made.expect("mkfifo starts").success());
        let room = &Cell::new(CASES_BYTES_MAX);
        let folder = &*folder;
        let read = |text: &str| argument(&param, text, Files::In { folder, room });
        assert_eq!(read("@deep/open"), Ok(Value::str("o")));
        assert_eq!(read("@deep/../deep/open"), Ok(Value::str("o")));
        let secret = format!("@{}/secret", outside.path().display());
        for text in [
            "@../secret",
            "@link",
            "@deep",
            "@pipe",
            "@/dev/zero",
            &secret,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn files_of_cases_have_room_for_so_much_together() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let folder = folder.path();
        fs::write(folder.join("x"), "12345").expect("it can be written to");
        let param = Param {
            name: "x".to_owned(),
            ty: Type::String,
        };
        let room = &Cell::new(14);
        let read = || argument(&param, "@x", Files::In { folder, room });
        assert_eq!(read(), Ok(Value::str("12345")));
        assert_eq!(read(), Ok(Value::str("12345")));
        let full = "`x`: the files that the cases name have more than 64 MiB together";
        assert_eq!(read(), Err(full.to_owned()));
        fs::write(folder.join("x"), "1234").expect("it can be written to");
        assert_eq!(read(), Ok(Value::str("1234")), "to the last byte");
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
        let room = Cell::new(0);
        let files = Files::Any { room: &room };
        let missing = arguments(&function, &[], files).expect_err("one is missing");
        assert_eq!(missing.message, "the argument `text` is missing");
        assert_eq!(
            missing.hints,
            ["the function is `count: func(text: string) -> u32`"]
        );
        let many = arguments(&function, &["a".to_owned(), "b".to_owned()], files);
        let many = many.expect_err("one is too much");
        assert_eq!(
            many.message,
            "2 arguments were given, and the function takes 1"
        );
    }
}
