//! `flowstone check PLUGIN`: which functions of a component can be transforms, which cannot and why, and what it imports.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flowstone::core::{Function, Interface, ResultShape, Type, row_function};
use flowstone::{Error, LoadError};
use serde_json::{Value as Json, json};

use super::wit::Wit;
use crate::args::{ComponentArgs, FlowArgs};
use crate::build::Language;
use crate::failure::{EXIT_DONE, EXIT_WRONG, Failure, Kind};
use crate::output::{Output, Paint, Style};
use crate::render;
use crate::settings::FLOW_FILE;
use crate::table::count;
use crate::verbs::component;
use crate::verbs::inspect::signature;
use crate::whole;

/// The plugin that is meant where a flow could be: a component file, or a folder with sources and no flow.
pub(super) fn meant(args: &FlowArgs) -> Option<PathBuf> {
    let path = args.flow.as_deref().unwrap_or(Path::new("."));
    let is_plugin = if path.is_dir() {
        !path.join(FLOW_FILE).is_file() && Language::of(path).is_some()
    } else {
        is_component(path)
    };
    is_plugin.then(|| path.to_owned())
}

/// What is said of a folder that was named and is neither a flow nor a plugin.
pub(super) fn neither(args: &FlowArgs) -> Option<Failure> {
    let folder = args.flow.as_deref().filter(|path| path.is_dir())?;
    if folder.join(FLOW_FILE).exists() {
        return None;
    }
    let manifests = Language::ALL.map(|language| format!("`{}`", language.manifest()));
    let message = format!(
        "`{}` has neither a flow nor a plugin in it",
        folder.display()
    );
    Some(Failure::new(Kind::NotFound, message).hint(format!(
        "a flow has a `{FLOW_FILE}`, a plugin one of {}",
        manifests.join(", ")
    )))
}

/// Whether a file begins as WebAssembly does, or is called like it.
fn is_component(path: &Path) -> bool {
    let mut start = [0; 4];
    let read = whole::open(path).and_then(|mut file| file.read_exact(&mut start));
    let is_named = path.extension().is_some_and(|ending| ending == "wasm");
    (read.is_ok() && start == *b"\0asm") || (is_named && path.is_file())
}

/// Checks a plugin by itself.
pub(super) fn check(path: &Path, store: Option<&Path>, output: Output) -> Result<u8, Failure> {
    let shown = path.display().to_string();
    let bytes = if path.is_dir() {
        component::built(path, store, output)?.bytes
    } else {
        let component = shown.clone();
        component::bytes(
            &ComponentArgs {
                component,
                flow: None,
            },
            output,
        )?
    };
    let wit = Wit::of(&bytes);
    let report = match component::load(&shown, &bytes, output) {
        Ok(loaded) => Report::of_loaded(&shown, loaded.interface(), &wit),
        Err(error) => Report::of_refused(&shown, error, wit)?,
    };
    report.show(output)
}

/// What a plugin can be used for.
struct Report {
    shown: String,
    usable: Vec<Usable>,
    unusable: Vec<Unusable>,
    imports: Vec<Import>,
    /// Why the component as a whole is of no use.
    fault: Option<Failure>,
}

/// A function that can be a transform.
struct Usable {
    name: String,
    wit: String,
    /// What its result means for a row.
    gives: String,
    /// What it can be besides a plain transform.
    also: Vec<&'static str>,
}

/// A function that cannot.
struct Unusable {
    name: String,
    wit: Option<String>,
    reason: String,
}

struct Import {
    name: String,
    /// What a flow grants to make it real.
    grant: Option<&'static str>,
    /// Why it is not to be had.
    missing: Option<String>,
}

impl Report {
    fn of_loaded(shown: &str, interface: &Interface, wit: &Wit) -> Self {
        let (mut usable, mut unusable) = (Vec::new(), Vec::new());
        for function in &interface.functions {
            match ResultShape::of(function.result.as_ref()) {
                Some(shape) => usable.push(Usable::new(function, &shape)),
                None => unusable.push(Unusable {
                    name: function.name.clone(),
                    wit: Some(signature(function)),
                    reason: "it returns no value; return what it finds out, if only a `bool`"
                        .to_owned(),
                }),
            }
        }
        unusable.extend(interface.unsupported.iter().map(|function| {
            let mut described = wit.functions.iter();
            Unusable {
                name: function.name.clone(),
                wit: described
                    .find(|described| described.name == function.name)
                    .map(|described| described.wit.clone()),
                reason: function.reason.clone(),
            }
        }));
        Self {
            shown: shown.to_owned(),
            usable,
            unusable,
            imports: imports(&interface.imports, |_| None),
            fault: None,
        }
    }

    /// A component that cannot be loaded, as far as it can be read. Hands the error back where it cannot.
    fn of_refused(shown: &str, error: Error, wit: Wit) -> Result<Self, Failure> {
        let missing = match &error {
            _ if wit.functions.is_empty() => return Err(error.into()),
            Error::Plugin { error, .. } => match error {
                LoadError::MissingImports(missing) => missing.clone(),
                _ => Vec::new(),
            },
            _ => return Err(error.into()),
        };
        let unusable = wit.functions.into_iter().map(|function| Unusable {
            name: function.name,
            wit: Some(function.wit),
            reason: function.foreign.unwrap_or_else(|| {
                "nothing in its types is against it, but the component cannot be loaded".to_owned()
            }),
        });
        Ok(Self {
            shown: shown.to_owned(),
            usable: Vec::new(),
            unusable: unusable.collect(),
            imports: imports(&wit.imports, |name| {
                let mut missing = missing.iter();
                let missing = missing.find(|missing| missing.name == *name);
                missing.map(|missing| missing.advice.clone())
            }),
            fault: Some(error.into()),
        })
    }

    fn show(self, output: Output) -> Result<u8, Failure> {
        let is_of_use = self.fault.is_none() && !self.usable.is_empty();
        if output.json {
            output.object(&self.object())?;
        } else {
            output.answer(&self.text(output.paint()))?;
            if let Some(fault) = self.fault {
                return Err(fault);
            }
            if !is_of_use {
                let message = format!("no function of `{}` can be a transform", self.shown);
                return Err(Failure::new(Kind::Plugin, message));
            }
        }
        Ok(if is_of_use { EXIT_DONE } else { EXIT_WRONG })
    }

    fn text(&self, paint: Paint) -> String {
        let mut text = format!("plugin {}\n", paint.text(Style::Bold, &self.shown));
        let dim = |line: &str| paint.text(Style::Dim, line);
        if !self.usable.is_empty() {
            text.push_str("\nfunctions that can be transforms\n");
        }
        for function in &self.usable {
            let gives = format!("gives {}", function.gives);
            let _ = writeln!(text, "  {}\n      {}", function.wit, dim(&gives));
            for also in &function.also {
                let _ = writeln!(text, "      {}", dim(also));
            }
        }
        if !self.unusable.is_empty() {
            text.push_str("\nfunctions that cannot\n");
        }
        for function in &self.unusable {
            let wit = function.wit.as_ref().unwrap_or(&function.name);
            let reason = paint.text(Style::Yellow, &function.reason);
            let _ = writeln!(text, "  {wit}\n      {reason}");
        }
        if !self.imports.is_empty() {
            text.push_str("\nimports\n");
        }
        for import in &self.imports {
            let _ = write!(text, "  {}", import.name);
            match (&import.missing, import.grant) {
                (Some(missing), _) => {
                    let _ = write!(text, "\n      {}", paint.text(Style::Yellow, missing));
                }
                (None, Some(grant)) => {
                    let note = format!("  virtual; real with the grant `{grant}`");
                    text.push_str(&dim(&note));
                }
                (None, None) => {}
            }
            text.push('\n');
        }
        if self.fault.is_none() && !self.usable.is_empty() {
            let all = (self.usable.len() + self.unusable.len()) as u64;
            let ok = paint.text(Style::Green, "ok");
            let functions = count(all, "function");
            let _ = match self.unusable.len() {
                0 => writeln!(text, "\n{ok}: {functions}"),
                _ => writeln!(text, "\n{ok}: {} of {functions}", self.usable.len()),
            };
        }
        text
    }

    fn object(&self) -> Json {
        let usable = self.usable.iter().map(|function| {
            json!({
                "name": function.name,
                "wit": function.wit,
                "gives": function.gives,
                "also": function.also,
            })
        });
        let unusable = self.unusable.iter().map(|function| {
            json!({"name": function.name, "wit": function.wit, "reason": function.reason})
        });
        let imports = self.imports.iter().map(
            |import| json!({"name": import.name, "grant": import.grant, "missing": import.missing}),
        );
        let fault = self.fault.as_ref().map(render::object);
        json!({
            "plugin": self.shown,
            "ok": self.fault.is_none() && !self.usable.is_empty(),
            "functions": usable.collect::<Vec<_>>(),
            "unsupported": unusable.collect::<Vec<_>>(),
            "imports": imports.collect::<Vec<_>>(),
            "error": fault.map(|mut fault| fault["error"].take()),
        })
    }
}

impl Usable {
    fn new(function: &Function, shape: &ResultShape) -> Self {
        let mut gives = match &shape.value {
            Type::List(element) => {
                format!("a column of {}, or rows of {element}", shape.value)
            }
            value => format!("a column of {value}"),
        };
        if shape.fallible.is_some() {
            gives.push_str("; err fails the row");
        }
        match (shape.optional, shape.has_row_failure()) {
            (true, _) => gives.push_str("; none makes no row"),
            (false, true) => gives.push_str("; skip makes no row"),
            (false, false) => {}
        }
        Self {
            name: function.name.clone(),
            wit: signature(function),
            gives,
            also: also(function),
        }
    }
}

/// What else a function can be, by the shape of its types.
fn also(function: &Function) -> Vec<&'static str> {
    let mut also = Vec::new();
    let is_list = |at: usize| matches!(function.params[at].ty, Type::List(_));
    let has_list = (0..function.params.len()).any(is_list);
    if has_list && row_function(function, |at| !is_list(at)).is_some() {
        also.push("takes many rows in a call with `batch = true`");
    }
    if has_list {
        also.push("takes the rows of a group as a reduce");
    }
    if let ([a, b], Some(result)) = (&function.params[..], &function.result)
        && a.ty == b.ty
        && a.ty == *result
    {
        also.push("puts two results together as `combine`");
    }
    also
}

fn imports(names: &[String], missing: impl Fn(&String) -> Option<String>) -> Vec<Import> {
    let import = |name: &String| Import {
        name: name.clone(),
        grant: Interface::grant_of(name),
        missing: missing(name),
    };
    names.iter().map(import).collect()
}
