//! What went wrong, as people and scripts get it: a kind, a message, what to do next, and the exit status.
//!
//! Every error of the libraries ends here; this is the only place that knows exit codes and hints.

pub(crate) mod pins;

mod archive;
mod store;

use std::io;
use std::path::Path;

use flowstone::{ConnectError, Diagnostic, Error, LoadError};

/// Exit status when everything is done.
pub(crate) const EXIT_DONE: u8 = 0;
/// Exit status when it is done, but rows failed, or a call did.
pub(crate) const EXIT_FAILED_ROWS: u8 = 1;
/// Exit status when the flow, a plugin or the arguments are wrong.
pub(crate) const EXIT_WRONG: u8 = 2;
/// Exit status when the store, a source or a target failed.
pub(crate) const EXIT_WORLD: u8 = 3;
/// Exit status when flowstone itself is wrong; also that of a panic.
pub(crate) const EXIT_BUG: u8 = 101;
/// Exit status after ctrl-c or a request to end.
pub(crate) const EXIT_INTERRUPTED: u8 = 130;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The arguments of the command.
    Usage,
    /// The flow file.
    Flow,
    /// A plugin's component.
    Plugin,
    /// Building a plugin.
    Build,
    /// Something that was asked for is not there.
    NotFound,
    /// The call itself: an `err`, a trap, a limit.
    Call,
    /// The store.
    Store,
    /// A source.
    Source,
    /// A target.
    Target,
    /// The guard against mass deletes.
    Deletes,
    /// This machine: no WebAssembly engine, no thread, no standard output.
    Machine,
    /// It was asked to stop.
    Interrupted,
    /// flowstone.
    Internal,
}

impl Kind {
    /// Its name in `--json`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Usage => "usage",
            Kind::Flow => "flow",
            Kind::Plugin => "plugin",
            Kind::Build => "build",
            Kind::NotFound => "not-found",
            Kind::Call => "call",
            Kind::Store => "store",
            Kind::Source => "source",
            Kind::Target => "target",
            Kind::Deletes => "deletes",
            Kind::Machine => "machine",
            Kind::Interrupted => "interrupted",
            Kind::Internal => "internal",
        }
    }

    fn exit(self) -> u8 {
        match self {
            Kind::Call => EXIT_FAILED_ROWS,
            Kind::Usage | Kind::Flow | Kind::Plugin | Kind::Build | Kind::NotFound => EXIT_WRONG,
            Kind::Store | Kind::Source | Kind::Target | Kind::Deletes | Kind::Machine => EXIT_WORLD,
            Kind::Interrupted => EXIT_INTERRUPTED,
            Kind::Internal => EXIT_BUG,
        }
    }
}

/// A flow file's text under the name that people know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlowText {
    /// The path as it was given.
    pub(crate) name: String,
    /// What it holds.
    pub(crate) text: String,
}

/// Why a verb could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(Box<Details>);

/// What there is to say about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Details {
    /// Whose fault it is.
    pub(crate) kind: Kind,
    /// What happened, in one sentence.
    pub(crate) message: String,
    /// What another program said about it, as it said it.
    pub(crate) detail: Option<String>,
    /// What to do next.
    pub(crate) hints: Vec<String>,
    /// What is wrong with the flow file, where that is it.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The text that the diagnostics point into.
    pub(crate) flow: Option<FlowText>,
}

impl std::ops::Deref for Failure {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl Failure {
    /// That `what`, such as "read", cannot be done with a file or folder.
    pub(crate) fn cannot(kind: Kind, what: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(kind, format!("cannot {what} `{}`: {error}", path.display()))
    }

    /// A failure without advice.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind,
            message: message.into(),
            detail: None,
            hints: Vec::new(),
            diagnostics: Vec::new(),
            flow: None,
        }))
    }

    /// The same with several pieces of advice.
    #[must_use]
    pub(crate) fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.0.hints.extend(hints);
        self
    }

    /// The same with advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// The same with what another program said.
    #[must_use]
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into()).filter(|detail| !detail.is_empty());
        self
    }

    /// The same as another's fault.
    #[must_use]
    pub(crate) fn of(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same with the flow file that its diagnostics point into.
    #[must_use]
    pub(crate) fn in_flow(mut self, flow: &FlowText) -> Self {
        if !self.diagnostics.is_empty() {
            let many = self.diagnostics.len();
            let problems = if many == 1 { "problem" } else { "problems" };
            self.0.message = format!("`{}` has {many} {problems}", flow.name);
            self.0.flow = Some(flow.clone());
        }
        self
    }

    /// The exit status that says it.
    pub(crate) fn exit(&self) -> u8 {
        self.kind.exit()
    }
}

impl From<flowstone::FlowErrors> for Failure {
    fn from(errors: flowstone::FlowErrors) -> Self {
        let message = errors.to_string();
        let mut failure = Failure::new(Kind::Flow, message);
        failure.0.diagnostics = errors.0;
        failure
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Flow(errors) => errors.into(),
            Error::Plugin { error, .. } => Failure::new(Kind::Plugin, message).hints(load_hints(&error)),
            Error::Sandbox(_) => Failure::new(Kind::Machine, message)
                .hint("WebAssembly needs address space and threads: look at the limits of this account (`ulimit -a`)"),
            Error::Store(error) => error.into(),
            Error::Source { error, .. } => Failure::new(connect_kind(&error, Kind::Source), message).hints(connect_hints(&error)),
            Error::Target { error, .. } => Failure::new(connect_kind(&error, Kind::Target), message).hints(connect_hints(&error)),
            Error::TargetTaken { .. } => Failure::new(Kind::Target, message)
                .hint("give this target a place of its own: another `path`, or another `table`"),
            Error::TargetPlace { .. } => Failure::new(Kind::Target, message)
                .hint("give this target a place of its own"),
            Error::TooManyDeletes { source_name, .. } => Failure::new(Kind::Deletes, message)
                .hint("nothing was changed; run again with `--allow-deletes` if they are meant to be gone")
                .hint(format!(
                    "if not, look at the `root` or `path`, `include` and `exclude` of source `{source_name}`"
                )),
            Error::HangsOnCallsBefore { .. } => Failure::new(Kind::Call, message)
                .hint("it hangs on the calls before: drop `instance = \"kept\"` of the transform, or mend the function")
                .hint("`flowstone test` shows which cases hang on the order of calls"),
            Error::NotFound(_) => Failure::new(Kind::NotFound, message),
            Error::Pin(error) => pins::failure(&error, None),
            Error::Archive(error) => Failure::archive(&error, message),
            Error::Interrupted => Failure::new(Kind::Interrupted, message),
            Error::Override { .. } => Failure::new(Kind::Usage, message),
            Error::Internal(_) => Failure::new(Kind::Internal, message)
                .hint("please report this with the command that you ran"),
            _ => Failure::new(Kind::Internal, message),
        }
    }
}

/// A fault of the flow file that only shows when a source or target is opened is still one of the flow file.
fn connect_kind(error: &ConnectError, otherwise: Kind) -> Kind {
    match error {
        ConnectError::UnknownKind { .. }
        | ConnectError::Option(_)
        | ConnectError::Column { .. }
        | ConnectError::OutsideFlow { .. } => Kind::Flow,
        _ => otherwise,
    }
}

fn connect_hints(error: &ConnectError) -> Vec<String> {
    let one = |hint: &str| vec![hint.to_owned()];
    match error {
        ConnectError::UnknownKind { candidates, .. } | ConnectError::Column { candidates, .. } => {
            listed(candidates)
        }
        ConnectError::Option(error) => listed(&error.candidates),
        ConnectError::Missing { .. } => {
            one("make it, or correct the path in the flow file; paths start at its folder")
        }
        ConnectError::WrongType { .. } => one("correct the path in the flow file"),
        ConnectError::Incomplete { .. } => one("nothing was deleted for it; run again"),
        ConnectError::OutsideFlow { .. } => {
            one("`--allow-outside` permits targets outside of the flow's folder")
        }
        ConnectError::NotOurs { .. } => one(
            "flowstone does not overwrite what it did not make: move, rename or drop it, or give the target another place",
        ),
        ConnectError::NewerFormat { .. } => {
            one("use the flowstone that wrote it, or give the target another place")
        }
        ConnectError::ReadOnly { .. } => one("make it writable, or give the target another place"),
        ConnectError::Full { .. } => {
            one("free some space and run again; nothing that was finished is lost")
        }
        ConnectError::Busy { .. } => one("close the program that holds it, then run again"),
        ConnectError::Unreachable { .. } => one(
            "see that the server runs and that the address, user and password are right, then run again; nothing that \
             was finished is lost",
        ),
        ConnectError::Io { .. } | ConnectError::Database { .. } => {
            one("run again when that is put right; nothing that was finished is lost")
        }
        _ => Vec::new(),
    }
}

fn listed(candidates: &[String]) -> Vec<String> {
    let names: Vec<String> = candidates.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        Vec::new()
    } else {
        vec![format!("there are {}", names.join(", "))]
    }
}

fn load_hints(error: &LoadError) -> Vec<String> {
    match error {
        LoadError::Malformed { .. } => vec!["build it again, or fetch it again".to_owned()],
        LoadError::MissingImports(_) | LoadError::ImportMismatch(_) => {
            vec!["plugins see nothing but their arguments; `flowstone check` lists what a component imports, with its functions".to_owned()]
        }
        // The others' messages say what to do.
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone::StoreError;
    use std::path::PathBuf;

    #[test]
    fn every_family_has_its_exit_status() {
        let exit = |error: Error| Failure::from(error).exit();
        assert_eq!(
            exit(Error::Flow(flowstone::FlowErrors(Vec::new()))),
            EXIT_WRONG
        );
        assert_eq!(
            exit(Error::Plugin {
                plugin: "text".to_owned(),
                error: LoadError::Text
            }),
            EXIT_WRONG
        );
        assert_eq!(exit(Error::NotFound("no such row".to_owned())), EXIT_WRONG);
        assert_eq!(
            exit(Error::Store(StoreError::Locked {
                path: PathBuf::new(),
                holder: None
            })),
            EXIT_WORLD
        );
        let missing = ConnectError::Missing {
            what: "the root",
            path: PathBuf::from("docs"),
        };
        assert_eq!(
            exit(Error::Source {
                source_name: "page".to_owned(),
                error: missing
            }),
            EXIT_WORLD
        );
        let deletes = Error::TooManyDeletes {
            source_name: "page".to_owned(),
            removed: 11,
            rows: 12,
        };
        assert_eq!(exit(deletes), EXIT_WORLD);
        assert_eq!(exit(Error::Internal("a thread is gone")), EXIT_BUG);
    }

    #[test]
    fn a_target_outside_is_a_fault_of_the_flow_and_says_what_permits_it() {
        let error = ConnectError::OutsideFlow {
            path: PathBuf::from("../out"),
        };
        let failure = Failure::from(Error::Target {
            target: "index".to_owned(),
            error,
        });
        assert_eq!((failure.kind, failure.exit()), (Kind::Flow, EXIT_WRONG));
        assert!(failure.hints[0].contains("--allow-outside"), "{failure:?}");
    }

    #[test]
    fn a_mass_delete_tells_how_to_go_on() {
        let error = Error::TooManyDeletes {
            source_name: "page".to_owned(),
            removed: 11,
            rows: 12,
        };
        let failure = Failure::from(error);
        assert_eq!(
            failure.message,
            "11 of the 12 rows of source `page` are gone"
        );
        assert!(failure.hints[0].contains("--allow-deletes"), "{failure:?}");
    }

    #[test]
    fn diagnostics_are_counted_under_the_name_of_the_file() {
        let errors = flowstone::FlowErrors(vec![
            Diagnostic::at(&(0..1), "a"),
            Diagnostic::at(&(1..2), "b"),
        ]);
        let flow = FlowText {
            name: "flow.toml".to_owned(),
            text: "xy".to_owned(),
        };
        assert_eq!(
            Failure::from(errors).in_flow(&flow).message,
            "`flow.toml` has 2 problems"
        );
    }
}
