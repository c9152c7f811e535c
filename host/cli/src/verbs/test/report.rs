//! What came of the cases: the ones that failed, and a line per function with its times and its memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use flowstone::core::{Interface, format_size, printable};
use flowstone::{Compared, LogLine, printable as printable_lines};
use serde_json::{Value as Json, json};

use super::cases::{Case, CaseFile};
use super::judge::{Fault, Verdict, text};
use crate::failure::Failure;
use crate::output::{Output, Paint, Style};
use crate::table::{Table, count, short};
use crate::verbs::call::log_object;
use crate::verbs::verify::pair;

/// How many lines of its log are shown of a case that failed.
const LOG_LINES_MAX: usize = 30;

/// Cases with what came of them.
pub(super) struct Report<'a> {
    interface: &'a Interface,
    tried: Vec<Tried<'a>>,
}

struct Tried<'a> {
    file: &'a CaseFile,
    case: &'a Case,
    verdict: &'a Verdict,
    accepted: bool,
}

/// The cases of a function.
#[derive(Default)]
struct Figures {
    cases: u64,
    failed: u64,
    times: Vec<Duration>,
    memory_bytes_peak: Option<u64>,
    undetermined: bool,
    ordered: bool,
    /// Whether a case of it was not looked at for these.
    impure: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        interface: &'a Interface,
        chosen: &[(&'a CaseFile, &'a Case)],
        verdicts: &'a [Verdict],
    ) -> Self {
        let tried = chosen.iter().zip(verdicts);
        let tried = tried.map(|((file, case), verdict)| Tried {
            file,
            case,
            verdict,
            accepted: false,
        });
        Self {
            interface,
            tried: tried.collect(),
        }
    }

    /// Takes a case for passed.
    pub(super) fn accept(&mut self, at: usize) {
        self.tried[at].accepted = true;
    }

    /// How many cases failed.
    pub(super) fn failed(&self) -> u64 {
        self.tried.iter().filter(|tried| tried.is_failed()).count() as u64
    }

    /// Prints it; with the functions that have no case where `all` were to be tried.
    pub(super) fn show(&self, all: bool, output: Output) -> Result<(), Failure> {
        if output.json {
            return output.object(&self.object(all));
        }
        let paint = output.paint();
        let mut text = String::new();
        for tried in &self.tried {
            text.push_str(&tried.text(output));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        if !output.quiet {
            text.push_str(&self.table(paint));
            text.push('\n');
        }
        let untested = self.untested(all);
        if !untested.is_empty() && !output.quiet {
            let _ = writeln!(text, "without a case: {}", untested.join(", "));
        }
        text.push_str(&self.sum(paint));
        output.answer(&text)
    }

    fn sum(&self, paint: Paint) -> String {
        let (failed, all) = (self.failed(), self.tried.len() as u64);
        let accepted = self.tried.iter().filter(|tried| tried.accepted).count();
        let mut text = if failed == 0 {
            format!("{}: {}", paint.text(Style::Green, "ok"), count(all, "case"))
        } else {
            let failed = format!("{failed} of {} failed", count(all, "case"));
            paint.text(Style::Red, &failed)
        };
        if accepted > 0 {
            let _ = write!(text, ", {accepted} accepted");
        }
        text + "\n"
    }

    fn figures(&self) -> BTreeMap<&str, Figures> {
        let mut functions: BTreeMap<&str, Figures> = BTreeMap::new();
        for tried in &self.tried {
            let figures = functions.entry(&tried.case.function.name).or_default();
            figures.cases += 1;
            figures.failed += u64::from(tried.is_failed());
            figures.times.extend(&tried.verdict.times);
            let peak = tried.verdict.memory_bytes_peak;
            figures.memory_bytes_peak = figures.memory_bytes_peak.max(peak);
            figures.impure |= tried.verdict.is_impure;
            match tried.verdict.fault {
                Some(Fault::Undetermined(_)) => figures.undetermined = true,
                Some(Fault::Ordered(_)) => figures.ordered = true,
                _ => {}
            }
        }
        for figures in functions.values_mut() {
            figures.times.sort_unstable();
        }
        functions
    }

    fn table(&self, paint: Paint) -> String {
        let heads = ["function", "cases", "failed", "median", "longest", "memory"];
        let mut table = Table::of_numbers(&heads);
        for (name, figures) in self.figures() {
            table.row([
                name.to_owned(),
                figures.cases.to_string(),
                figures.failed.to_string(),
                short(figures.median()),
                short(figures.longest()),
                figures
                    .memory_bytes_peak
                    .map_or("-".to_owned(), format_size),
            ]);
        }
        table.text(paint)
    }

    /// The functions that no case calls.
    fn untested(&self, all: bool) -> Vec<&str> {
        let functions = self.interface.functions.iter().filter(|_| all);
        let functions = functions.map(|function| &*function.name);
        let tried = self.tried.iter().map(|tried| &*tried.case.function.name);
        let tried = tried.collect::<BTreeSet<_>>();
        functions.filter(|name| !tried.contains(name)).collect()
    }

    fn object(&self, all: bool) -> Json {
        let functions = self.figures().into_iter().map(|(name, figures)| {
            json!({
                "name": name,
                "cases": figures.cases,
                "failed": figures.failed,
                "seconds": {"median": figures.median(), "longest": figures.longest()},
                "memory_bytes_peak": figures.memory_bytes_peak,
                "deterministic": figures.holds(figures.undetermined),
                "independent_of_order": figures.holds(figures.ordered),
            })
        });
        json!({
            "cases": self.tried.iter().map(Tried::object).collect::<Vec<_>>(),
            "functions": functions.collect::<Vec<_>>(),
            "untested": self.untested(all),
            "passed": self.tried.len() as u64 - self.failed(),
            "failed": self.failed(),
        })
    }
}

impl Figures {
    /// Whether something holds that a case may have shown not to; not known where it was not looked at.
    fn holds(&self, is_refuted: bool) -> Option<bool> {
        (is_refuted || !self.impure).then_some(!is_refuted)
    }

    fn median(&self) -> f64 {
        let middle = self.times.get(self.times.len() / 2);
        middle.map_or(0.0, Duration::as_secs_f64)
    }

    fn longest(&self) -> f64 {
        self.times.last().map_or(0.0, Duration::as_secs_f64)
    }
}

impl Tried<'_> {
    fn is_failed(&self) -> bool {
        self.verdict.fault.is_some() && !self.accepted
    }

    fn outcome(&self) -> &'static str {
        match (self.accepted, &self.verdict.fault) {
            (true, _) => "accepted",
            (false, None) => "passed",
            (false, Some(_)) => "failed",
        }
    }

    /// The case's place and name, and what is wrong with it; nothing for one that passed, unless it is asked for.
    fn text(&self, output: Output) -> String {
        let paint = output.paint();
        let style = match (self.accepted, &self.verdict.fault) {
            (false, None) if !output.verbose => return String::new(),
            (false, Some(_)) => Style::Red,
            (true, _) if output.quiet => return String::new(),
            _ => Style::Green,
        };
        let mut text = format!(
            "{} {}:{} {}",
            paint.text(style, self.outcome()),
            self.file.text.name,
            self.case.line,
            self.case.function.name,
        );
        if let Some(name) = &self.case.name {
            let _ = write!(text, " {}", paint.text(Style::Bold, &printable(name, &[])));
        }
        text.push('\n');
        if let Some(fault) = self.verdict.fault.as_ref().filter(|_| !self.accepted) {
            text.push_str(&said(fault, paint));
            if !output.quiet {
                text.push_str(&logged(&self.verdict.log));
            }
        }
        text
    }

    fn object(&self) -> Json {
        let fault = self.verdict.fault.as_ref().filter(|_| !self.accepted);
        json!({
            "file": self.file.text.name,
            "line": self.case.line,
            "name": self.case.name,
            "function": self.case.function.name,
            "outcome": self.outcome(),
            "got": text(&self.verdict.outcome, &self.case.function),
            "fault": fault.map(object),
            "seconds": self.verdict.times.iter().map(Duration::as_secs_f64).collect::<Vec<_>>(),
            "memory_bytes_peak": self.verdict.memory_bytes_peak,
            "log": log_object(&self.verdict.log),
        })
    }
}

/// What is wrong, as lines for people.
fn said(fault: &Fault, paint: Paint) -> String {
    match fault {
        Fault::Other(compared) => beside(compared, ["expected", "got"], paint),
        Fault::NotFailed { wanted, got } => format!(
            "  expected  a failure with {wanted:?} in its reason\n  got       {}\n",
            indented(got)
        ),
        Fault::Broken(reason) => format!("  failed    {}\n", indented(reason)),
        Fault::Unsaid(got) => format!(
            "  expected  nothing is said; `--accept` writes down what came\n  got       {}\n",
            indented(got)
        ),
        Fault::Undetermined(compared) => {
            "  two instances gave two results: it hangs on random numbers, or on the order of a hash map\n".to_owned()
                + &beside(compared, ["one", "other"], paint)
        }
        Fault::Ordered(compared) => {
            "  it hangs on the calls before: something is kept in the instance, which flows make anew for every call\n".to_owned()
                + &beside(compared, ["alone", "after"], paint)
        }
    }
}

/// The last lines of what a call logged, where interpreters say what went wrong.
fn logged(log: &[LogLine]) -> String {
    let from = log.len().saturating_sub(LOG_LINES_MAX);
    let mut text = String::new();
    if from > 0 {
        let _ = writeln!(text, "  log       {} before", count(from as u64, "line"));
    }
    for line in &log[from..] {
        let _ = writeln!(text, "  log       {}", indented(&line.to_string()));
    }
    text
}

fn indented(text: &str) -> String {
    printable_lines(text.trim_end()).replace('\n', "\n            ")
}

fn beside(compared: &Compared, labels: [&str; 2], paint: Paint) -> String {
    let part = match &*compared.part {
        "" => String::new(),
        part => format!("  at {part}\n"),
    };
    part + &pair(compared, labels, paint)
}

fn object(fault: &Fault) -> Json {
    let two = |kind: &str, compared: &Compared| {
        json!({
            "kind": kind,
            "part": compared.part,
            "first": compared.first,
            "second": compared.second,
            "equal_characters": compared.equal_characters,
        })
    };
    match fault {
        Fault::Other(compared) => two("other-result", compared),
        Fault::NotFailed { wanted, .. } => json!({"kind": "not-failed", "expected": wanted}),
        Fault::Broken(reason) => json!({"kind": "failed", "reason": reason}),
        Fault::Unsaid(_) => json!({"kind": "nothing-expected"}),
        Fault::Undetermined(compared) => two("not-deterministic", compared),
        Fault::Ordered(compared) => two("depends-on-order", compared),
    }
}
