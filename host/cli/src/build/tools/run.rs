//! Runs a program of a build, and says what went wrong in as few of its words as help.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output};

use super::limits::{CLOCK_MAX, Limits, PROCESSOR_MAX, ended, is_limited};
use crate::failure::{Failure, Kind};

/// How many lines of what a program said are shown, and how many of them are its first ones. Most are the last ones, where
/// compilers and interpreters say what it was.
const LINES_MAX: usize = 40;
const FIRST_LINES: usize = 12;

/// How many characters of a line are shown.
const LINE_MAX: usize = 300;

/// What to do about a program that was ended.
const NEVER_ENDS: &str = "while a component is built, modules are loaded and files included: does one of them never end?";

/// What a Python without pip says, as Debian's is.
const NO_PIP: &str = "No module named pip";

/// How pip is had for a Python that is there.
const GET_PIP: &str =
    "this Python has no pip: `apt install python3-pip python3-venv`, or `python3 -m ensurepip`";

/// A program that has to be there already.
#[derive(Debug)]
pub(in crate::build) struct Base {
    /// What it is called.
    pub(in crate::build) name: &'static str,
    /// How to get it.
    pub(in crate::build) get: &'static str,
}

/// Python, and pip with it.
pub(in crate::build) const PYTHON: Base = Base {
    name: "python3",
    get: "install Python 3.9 or later with pip, such as with `apt install python3-pip` or from https://python.org",
};

/// The JavaScript runtime that the tools run in.
pub(in crate::build) const NODE: Base = Base {
    name: "node",
    get: "install Node.js 20 or later with npm, such as from https://nodejs.org",
};

/// What comes with it and installs packages.
pub(in crate::build) const NPM: Base = Base {
    name: "npm",
    get: NODE.get,
};

impl Base {
    /// A command that runs it.
    pub(in crate::build) fn command(&self) -> Command {
        let mut command = Command::new(self.name);
        // Some are written in Rust: where in themselves they failed is of no use to who reads it.
        command.env("RUST_BACKTRACE", "0");
        command
    }

    /// Runs it. What it wrote to standard output; `failed` is what is said where it fails.
    pub(in crate::build) fn run(
        &self,
        command: &mut Command,
        failed: impl Fn() -> String,
    ) -> Result<String, Failure> {
        let fault = |message: String| Failure::new(Kind::Build, message);
        let limits = Limits {
            processor: Some(PROCESSOR_MAX),
            clock: None,
        };
        let output = ended(command, limits).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                fault(format!("there is no `{}` to build it with", self.name)).hint(self.get)
            }
            _ => fault(format!("cannot run `{}`: {error}", self.name)),
        })?;
        said(&output, failed).map_err(|failure| {
            if has_no_pip(&failure) {
                failure.hint(GET_PIP)
            } else {
                failure
            }
        })
    }
}

fn has_no_pip(failure: &Failure) -> bool {
    let said = failure.detail.as_ref();
    said.is_some_and(|said| said.contains(NO_PIP))
}

/// A hint about what a program that installs was asked for: none where it did not even run.
pub(in crate::build) fn hint_if_it_ran(failure: Failure, hint: &str) -> Failure {
    if failure.detail.is_some() && !has_no_pip(&failure) {
        failure.hint(hint)
    } else {
        failure
    }
}

/// Runs a program of a tool of the table. What it wrote to standard output; `failed` is what is said where it fails.
pub(in crate::build) fn run_installed(
    command: &mut Command,
    failed: impl Fn() -> String,
) -> Result<String, Failure> {
    run_within(command, Limits::default(), failed)
}

/// As [`run_installed`], for a program that only looks at sources: it is ended where it does not come to an end.
pub(in crate::build) fn run_looking(
    command: &mut Command,
    failed: impl Fn() -> String,
) -> Result<String, Failure> {
    let limits = Limits {
        processor: Some(PROCESSOR_MAX),
        clock: Some(CLOCK_MAX),
    };
    run_within(command, limits, failed)
}

fn run_within(
    command: &mut Command,
    limits: Limits,
    failed: impl Fn() -> String,
) -> Result<String, Failure> {
    let output = ended(command, limits).map_err(|error| {
        if error.kind() == ErrorKind::TimedOut {
            let seconds = CLOCK_MAX.as_secs();
            let message = format!("{}: it took more than {seconds} s, and was ended", failed());
            return Failure::new(Kind::Build, message).hint(NEVER_ENDS);
        }
        let program = Path::new(command.get_program());
        let message = format!("cannot run `{}`: {error}", program.display());
        Failure::new(Kind::Build, message)
            .hint("remove the tool's folder to have it installed anew")
    })?;
    said(&output, failed)
}

/// What a program wrote to standard output where all went well, else what it said of what went wrong.
fn said(output: &Output, failed: impl Fn() -> String) -> Result<String, Failure> {
    let (said, also) = (
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout),
    );
    if output.status.success() {
        return Ok(also.into_owned());
    }
    if is_limited(output) {
        let message = format!(
            "{}: it took more than {} s of the processor, and was ended",
            failed(),
            PROCESSOR_MAX.as_secs()
        );
        return Err(Failure::new(Kind::Build, message).hint(NEVER_ENDS));
    }
    let said = if said.trim().is_empty() { also } else { said };
    Err(Failure::new(Kind::Build, failed()).detail(short(&said)))
}

/// The first and the last lines, none of them long: some programs begin with what it was, others end with it.
fn short(said: &str) -> String {
    let said = without_stack(said);
    let lines: Vec<_> = said
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let line = |line: &&str| match line.char_indices().nth(LINE_MAX) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => (*line).to_owned(),
    };
    if lines.len() <= LINES_MAX {
        return lines.iter().map(line).collect::<Vec<_>>().join("\n");
    }
    let (first, last) = (
        &lines[..FIRST_LINES],
        &lines[lines.len() + FIRST_LINES - LINES_MAX..],
    );
    let between = format!("... {} lines more", lines.len() - LINES_MAX);
    let shown = first.iter().map(line);
    let shown = shown.chain([between]).chain(last.iter().map(line));
    shown.collect::<Vec<_>>().join("\n")
}

/// Without what Node.js says of itself when a program that it ran has failed, and said why.
fn without_stack(said: &str) -> &str {
    let starts = ["\nnode:internal/", "\nnode:child_process:"];
    let stack = starts.iter().filter_map(|start| said.find(start)).min();
    match stack {
        Some(at) if !said[..at].trim().is_empty() => &said[..at],
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_output_the_first_and_the_last_lines_are_shown() {
        let said: Vec<_> = (1..=50).map(|line| format!("line {line}")).collect();
        let shown = short(&said.join("\n\n"));
        assert!(shown.starts_with("line 1\nline 2\n"), "{shown}");
        assert!(
            shown.contains("\nline 12\n... 10 lines more\nline 23\n"),
            "{shown}"
        );
        assert!(shown.ends_with("\nline 50"), "{shown}");
        assert_eq!(short(&said[..40].join("\n")), said[..40].join("\n"));
        assert_eq!(
            short(&"ä".repeat(LINE_MAX + 1)),
            "ä".repeat(LINE_MAX) + "..."
        );
        assert_eq!(short("\n"), "");
    }

    #[test]
    fn the_stack_of_what_ran_a_program_is_left_out() {
        let said = "Could not resolve \"x\"\n1 error\nnode:internal/errors:985\n  throw err;\n    at a (b:1:2)\n";
        assert_eq!(short(said), "Could not resolve \"x\"\n1 error");
        let alone = "\nnode:internal/modules/loader:1\n  throw err;";
        assert_eq!(short(alone), alone.trim_start(), "nothing else was said");
    }

    #[test]
    fn a_missing_program_says_how_to_get_it() {
        const NONE: Base = Base {
            name: "no-such-program-anywhere",
            get: "install it",
        };
        let failure = NONE
            .run(&mut NONE.command(), String::new)
            .expect_err("there is none");
        assert_eq!(
            failure.message,
            "there is no `no-such-program-anywhere` to build it with"
        );
        assert_eq!(failure.hints, ["install it"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_failing_program_said_is_kept() {
        const SHELL: Base = Base {
            name: "sh",
            get: "",
        };
        let run = |script: &str| {
            SHELL.run(SHELL.command().args(["-c", script]), || {
                "it failed".to_owned()
            })
        };
        let failure = run("echo out; echo err >&2; exit 1").expect_err("it fails");
        assert_eq!(
            (&*failure.message, failure.detail.as_deref()),
            ("it failed", Some("err"))
        );
        let silent = run("echo out; exit 1").expect_err("it fails");
        assert_eq!(
            silent.detail.as_deref(),
            Some("out"),
            "some say it on standard output"
        );
        assert_eq!(
            run("echo out; echo err >&2").expect("it goes well"),
            "out\n"
        );
    }
}
