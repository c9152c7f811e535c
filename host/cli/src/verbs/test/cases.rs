//! Case files: TOML with `[[case]]` tables, read against what the component offers. All that is wrong with a file is told
//! at once, with its place.

use std::cell::Cell;
use std::ops::Range;
use std::path::{Path, PathBuf};

use flowstone::core::{Function, Interface, Value, from_json, from_wave, suggest};
use flowstone::{Diagnostic, FlowErrors};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::granted::Granted;
use super::json::json;
use super::text::{self, Lines};
use crate::args::TestArgs;
use crate::failure::{Failure, FlowText, Kind};
use crate::verbs::given::{self, CASES_BYTES_MAX, Files};
use crate::verbs::inspect::signature;

/// How many faults of a file are told; those after them mostly are the same.
const FAULTS_MAX: usize = 20;

/// What a case may say.
const SETTINGS: [&str; 7] = [
    "name",
    "function",
    "args",
    "json",
    "expect",
    "expect-json",
    "fails",
];

/// A case file.
pub(super) struct CaseFile {
    pub(super) path: PathBuf,
    pub(super) text: FlowText,
    pub(super) cases: Vec<Case>,
    pub(super) granted: Granted,
}

/// A call with what is expected of it.
pub(super) struct Case {
    pub(super) name: Option<String>,
    pub(super) function: Function,
    pub(super) arguments: Vec<Value>,
    pub(super) expected: Expected,
    /// The line that it begins at, from 1.
    pub(super) line: usize,
    pub(super) place: Place,
}

/// What a case expects.
pub(super) enum Expected {
    /// It does not say; a function without a result has nothing that could be said.
    Unsaid,
    /// This result.
    Value(Value),
    /// A failure whose reason has this in it.
    Failure(String),
}

/// Where the parts of a case are in the file's text.
pub(super) struct Place {
    /// The setting that says what is expected, with its value.
    pub(super) expectation: Option<Range<usize>>,
    /// The end of the last value.
    pub(super) end: usize,
}

/// Reads a file. Where results are to be accepted, it does not matter that what it expects is of no use any more. Granted paths
/// start at the plugin's `folder`; where there is none, at that of the file.
pub(super) fn read(
    path: &Path,
    folder: Option<&Path>,
    interface: &Interface,
    args: &TestArgs,
) -> Result<CaseFile, Failure> {
    let text = FlowText {
        name: path.display().to_string(),
        text: text::read(path)?,
    };
    let own = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let own = own.unwrap_or(Path::new("."));
    let room = Cell::new(CASES_BYTES_MAX);
    let mut reader = Reader {
        interface,
        text: &text.text,
        files: Files::In {
            folder: own,
            room: &room,
        },
        accept: args.accept,
        faults: Vec::new(),
        is_listed: false,
        lines: Lines::default(),
    };
    let cases = reader.file();
    let mut faults = reader.faults;
    if faults.is_empty() {
        let granted = Granted::read(&text, folder.unwrap_or(own), args.allow_grants)?;
        return Ok(CaseFile {
            path: path.to_owned(),
            text,
            cases,
            granted,
        });
    }
    faults.sort_by_key(|fault| fault.span.as_ref().map(|span| span.start));
    let failure = Failure::from(FlowErrors(faults)).of(Kind::Usage);
    Err(failure.in_flow(&text))
}

struct Reader<'a> {
    interface: &'a Interface,
    text: &'a str,
    files: Files<'a>,
    accept: bool,
    faults: Vec<Diagnostic>,
    /// Whether the functions of the component were listed.
    is_listed: bool,
    lines: Lines,
}

/// The settings of a case, as they stand in the file.
struct Settings<'a, 'b> {
    table: &'a DeTable<'b>,
    span: Range<usize>,
}

impl<'a, 'b> Settings<'a, 'b> {
    fn get(&self, name: &str) -> Option<&'a Spanned<DeValue<'b>>> {
        self.table.get(name)
    }

    /// The settings of these names that are there.
    fn of(&self, names: &[&'static str]) -> Vec<(&'static str, &'a Spanned<DeValue<'b>>)> {
        let found = names.iter().map(|name| Some((*name, self.get(name)?)));
        found.flatten().collect()
    }

    /// Where it is shown: at the function's name, else where it begins.
    fn shown(&self) -> Range<usize> {
        self.get("function")
            .map_or(self.span.clone(), Spanned::span)
    }
}

impl<'a> Reader<'a> {
    fn fault(&mut self, fault: Diagnostic) {
        self.faults.push(fault);
    }

    fn file(&mut self) -> Vec<Case> {
        let table = match DeTable::parse(self.text) {
            Ok(table) => table,
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                let message = error.message().lines().collect::<Vec<_>>().join(", ");
                let help = "files of cases are TOML, see https://toml.io; WAVE texts go well in single quotes";
                self.fault(Diagnostic::at(&span, message).help(help));
                return Vec::new();
            }
        };
        let mut cases = Vec::new();
        for (key, value) in table.get_ref() {
            match (&**key.get_ref(), value.get_ref()) {
                ("case", DeValue::Array(items)) => {
                    for (number, item) in items.iter().enumerate() {
                        if self.faults.len() >= FAULTS_MAX {
                            let left = items.len() - number;
                            let message = format!("{left} more cases were not looked at");
                            self.fault(Diagnostic::at(&item.span(), message));
                            break;
                        }
                        cases.extend(self.item(item));
                    }
                }
                // Read when all cases are.
                ("grants", _) => {}
                (name, _) => {
                    let message = format!("`{name}` is no setting of a file of cases");
                    let help = "each case begins with a line `[[case]]`; what they are granted stands under `[grants]`";
                    self.fault(Diagnostic::at(&key.span(), message).help(help));
                }
            }
        }
        cases
    }

    fn item(&mut self, item: &Spanned<DeValue<'_>>) -> Option<Case> {
        let DeValue::Table(table) = item.get_ref() else {
            let message = "a case is a table: a line `[[case]]`, then its settings";
            self.fault(Diagnostic::at(&item.span(), message));
            return None;
        };
        let settings = Settings {
            table,
            span: item.span(),
        };
        let known = table.iter().fold(true, |known, (key, _)| {
            let name = &**key.get_ref();
            let is_known = SETTINGS.contains(&name);
            if !is_known {
                let message = format!("`{name}` is no setting of a case");
                let help = suggest(name, SETTINGS);
                self.fault(Diagnostic::at(&key.span(), message).help(help));
            }
            known && is_known
        });
        let case = self.case(&settings);
        case.filter(|_| known)
    }

    fn case(&mut self, settings: &Settings<'_, '_>) -> Option<Case> {
        let name = settings.get("name").map(|name| self.string(name, "name"));
        let function = self.function(settings)?;
        let arguments = self.arguments(settings, function);
        let expected = self.expected(settings, function);
        let values = settings.table.values().map(|value| value.span().end);
        let expectation = settings.table.iter().find_map(|(key, value)| {
            let says = ["expect", "expect-json", "fails"].contains(&&**key.get_ref());
            says.then(|| key.span().start..value.span().end)
        });
        let line = self.lines.of(settings.span.start, self.text);
        Some(Case {
            name: name.flatten(),
            function: function.clone(),
            arguments: arguments?,
            expected: expected?,
            line,
            place: Place {
                expectation,
                end: values.max().unwrap_or(settings.span.end),
            },
        })
    }

    fn string(&mut self, value: &Spanned<DeValue<'_>>, name: &str) -> Option<String> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(text.to_string());
        }
        let message = format!("`{name}` is a text in quotes");
        self.fault(Diagnostic::at(&value.span(), message));
        None
    }

    fn function(&mut self, settings: &Settings<'_, '_>) -> Option<&'a Function> {
        let Some(value) = settings.get("function") else {
            let help = "write `function = \"NAME\"`";
            self.fault(Diagnostic::at(&settings.span, "this case names no function").help(help));
            return None;
        };
        let name = self.string(value, "function")?;
        match given::function(self.interface, &name) {
            Ok(function) => Some(function),
            Err(failure) => {
                let mut fault = refused(&value.span(), &failure);
                if failure.kind == Kind::NotFound {
                    // The list of all functions is told once.
                    if std::mem::replace(&mut self.is_listed, true) {
                        fault.help = fault.help.and_then(|help| nearest_of(&help));
                    }
                }
                self.fault(fault);
                None
            }
        }
    }

    fn arguments(
        &mut self,
        settings: &Settings<'_, '_>,
        function: &Function,
    ) -> Option<Vec<Value>> {
        match settings.of(&["args", "json"])[..] {
            [] => self.words(&settings.shown(), function, &[]),
            [("args", value)] => {
                let DeValue::Array(items) = value.get_ref() else {
                    let message = "`args` is a list of WAVE texts: `args = ['\"one\"', '2']`";
                    self.fault(Diagnostic::at(&value.span(), message));
                    return None;
                };
                let words = items.iter().map(|item| self.word(item));
                let words = words.collect::<Vec<_>>();
                let words = words.into_iter().collect::<Option<Vec<_>>>()?;
                self.words(&value.span(), function, &words)
            }
            [(_, value)] => self.values(value, function),
            _ => {
                let message = "this case gives its arguments twice: in `args` and in `json`";
                self.fault(Diagnostic::at(&settings.shown(), message));
                None
            }
        }
    }

    fn word(&mut self, item: &Spanned<DeValue<'_>>) -> Option<String> {
        if let DeValue::String(text) = item.get_ref() {
            return Some(text.to_string());
        }
        let message = "an argument in `args` is a WAVE text, in quotes";
        let help = "write numbers as '2' too, or give all arguments as `json = [...]`";
        self.fault(Diagnostic::at(&item.span(), message).help(help));
        None
    }

    fn words(
        &mut self,
        span: &Range<usize>,
        function: &Function,
        words: &[String],
    ) -> Option<Vec<Value>> {
        let values = given::arguments(function, words, self.files);
        values
            .map_err(|failure| self.fault(refused(span, &failure)))
            .ok()
    }

    fn values(&mut self, value: &Spanned<DeValue<'_>>, function: &Function) -> Option<Vec<Value>> {
        let the_function = format!("the function is `{}`", signature(function));
        let DeValue::Array(items) = value.get_ref() else {
            let message = "`json` is a list with one value per parameter";
            self.fault(Diagnostic::at(&value.span(), message).help(the_function));
            return None;
        };
        if let Err(message) = given::count(function, items.len()) {
            self.fault(Diagnostic::at(&value.span(), message).help(the_function));
            return None;
        }
        let mut values = Vec::with_capacity(items.len());
        for (item, param) in items.iter().zip(&function.params) {
            match from_json(&json(item.get_ref()), &param.ty) {
                Ok(value) => values.push(value),
                Err(error) => {
                    let message = format!("the argument `{}`: {error}", param.name);
                    let fault = Diagnostic::at(&item.span(), message);
                    self.fault(fault.help(the_function.clone()));
                }
            }
        }
        (values.len() == items.len()).then_some(values)
    }

    fn expected(&mut self, settings: &Settings<'_, '_>, function: &Function) -> Option<Expected> {
        let (name, value) = match settings.of(&["expect", "expect-json", "fails"])[..] {
            [] => return Some(Expected::Unsaid),
            [one] => one,
            _ => {
                let message = "this case expects more than one thing";
                let help = "keep one of `expect`, `expect-json` and `fails`";
                self.fault(Diagnostic::at(&settings.shown(), message).help(help));
                return None;
            }
        };
        if name == "fails" {
            return self.string(value, name).map(Expected::Failure);
        }
        let Some(ty) = &function.result else {
            let message = format!("`{}` has no result that could be expected", function.name);
            let help = "leave `expect` out: the case passes when the call does not fail";
            self.fault(Diagnostic::at(&value.span(), message).help(help));
            return None;
        };
        let read = if name == "expect" {
            from_wave(&self.string(value, name)?, ty).map_err(|error| error.to_string())
        } else {
            from_json(&json(value.get_ref()), ty).map_err(|error| error.to_string())
        };
        match read {
            Ok(value) => Some(Expected::Value(value)),
            // What comes is written in its place.
            Err(_) if self.accept => Some(Expected::Unsaid),
            Err(message) => {
                let help = format!("the function is `{}`", signature(function));
                self.fault(Diagnostic::at(&value.span(), message).help(help));
                None
            }
        }
    }
}

/// The part of an advice that names what is near, without the list after it.
fn nearest_of(help: &str) -> Option<String> {
    let (nearest, _) = help.split_once("? ")?;
    Some(format!("{nearest}?"))
}

fn refused(span: &Range<usize>, failure: &Failure) -> Diagnostic {
    let fault = Diagnostic::at(span, &*failure.message);
    match &failure.hints[..] {
        [] => fault,
        hints => fault.help(hints.join("; ")),
    }
}
