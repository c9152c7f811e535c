//! Calls that fail: what kind of failure it was, told so that a person can do something about it.

use std::fmt::Write as _;

use wasmtime::{Trap, WasmBacktrace};

use crate::config::Limits;
use crate::filesystem::FileLost;
use crate::host::{MemoryRefused, bytes_text};
use crate::lift::Refused;
use crate::log::LogLine;
use crate::lower::Mismatch;
use crate::panics;
use crate::wasi::Exit;

/// How many functions of the plugin a reason names, innermost first.
const FRAMES_MAX: usize = 4;

/// A call that gave no result. None of these may be remembered: they depend on limits, or are faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct CallError {
    /// What kind of failure it was.
    pub kind: FailureKind,
    /// What happened, for a person: one or two sentences.
    pub reason: String,
    /// What the plugin logged before.
    pub log: Vec<LogLine>,
}

/// The kinds of failure of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The plugin's code failed: a panic, a division by zero, an access outside of its memory, an invalid result.
    Trap,
    /// It took longer than [`Limits::time_ms_max`].
    Timeout,
    /// It needs more memory than [`Limits::memory_bytes_max`].
    OutOfMemory,
    /// Its functions called each other too deeply.
    StackOverflow,
    /// Its result is larger than [`Limits::result_bytes_max`].
    ResultTooLarge,
    /// The arguments do not fit into its memory.
    ArgumentTooLarge,
    /// An argument is not of its parameter's type: a fault of the caller.
    ArgumentMismatch,
    /// It ended itself with `exit`.
    Exit,
    /// The host failed.
    Host,
}

/// How far a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Instantiating,
    Lowering,
    /// Running the function, or lifting its result.
    Running,
}

/// Tells what an error of wasmtime means. The log is left to be filled in.
pub(crate) fn explain(error: &wasmtime::Error, phase: Phase, limits: &Limits) -> CallError {
    let (kind, reason) = kind_and_reason(error, phase, limits);
    CallError {
        kind,
        reason,
        log: Vec::new(),
    }
}

fn kind_and_reason(
    error: &wasmtime::Error,
    phase: Phase,
    limits: &Limits,
) -> (FailureKind, String) {
    if let Some(refused) = error.downcast_ref::<MemoryRefused>() {
        return match phase {
            Phase::Lowering => (
                FailureKind::ArgumentTooLarge,
                format!("the arguments do not fit: {refused}"),
            ),
            _ => (
                FailureKind::OutOfMemory,
                format!("the plugin ran out of memory: {refused}"),
            ),
        };
    }
    if let Some(lost) = error.downcast_ref::<FileLost>() {
        return (FailureKind::Host, lost.to_string());
    }
    if let Some(Exit(status)) = error.downcast_ref::<Exit>() {
        let reason = format!(
            "the plugin ended itself with exit status {status} instead of returning a result"
        );
        return (FailureKind::Exit, reason);
    }
    if error.downcast_ref::<Mismatch>().is_some() {
        return (FailureKind::ArgumentMismatch, format!("{error}"));
    }
    match error.downcast_ref::<Refused>() {
        Some(Refused::TooLarge) => {
            let failed = result_too_large(limits);
            return (failed.kind, failed.reason);
        }
        Some(Refused::Invalid(reason)) => {
            return (
                FailureKind::Trap,
                format!("the plugin returned an invalid result: {reason}"),
            );
        }
        None => {}
    }
    let place = place(error);
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => {
            let reason = format!(
                "the plugin took longer than its time limit of {} ms{place}",
                limits.time_ms_max
            );
            (FailureKind::Timeout, reason)
        }
        Some(Trap::StackOverflow) => {
            let reason =
                format!("the plugin used up its stack, most likely by endless recursion{place}");
            (FailureKind::StackOverflow, reason)
        }
        Some(trap) if phase == Phase::Lowering => {
            let reason = format!(
                "the plugin failed to take its arguments: {}{place}",
                what(*trap)
            );
            (FailureKind::ArgumentTooLarge, reason)
        }
        Some(trap) => (
            FailureKind::Trap,
            format!("the plugin trapped: {}{place}", what(*trap)),
        ),
        None if phase == Phase::Instantiating => (
            FailureKind::Host,
            format!("the plugin could not be started: {}", cause(error)),
        ),
        None => (
            FailureKind::Trap,
            format!("the plugin failed: {}{place}", cause(error)),
        ),
    }
}

/// The failure of a result that is over its limit.
pub(crate) fn result_too_large(limits: &Limits) -> CallError {
    let limit = bytes_text(limits.result_bytes_max);
    let reason = format!(
        "the plugin's result is larger than its limit of {limit}: return less, or raise the limit"
    );
    CallError {
        kind: FailureKind::ResultTooLarge,
        reason,
        log: Vec::new(),
    }
}

/// The trap in words: `integer divide by zero`.
fn what(trap: Trap) -> String {
    let text = trap.to_string();
    text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned()
}

/// The innermost message: those around it only repeat the backtrace.
fn cause(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

/// The functions in which it happened, innermost first: `, in a < b < c`. Empty when their names are not known.
fn place(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let names = trace
        .frames()
        .iter()
        .filter_map(wasmtime::FrameInfo::func_name)
        .map(readable)
        .collect::<Vec<_>>();
    let mut names = match names.iter().position(|name| !is_runtime(name)) {
        // How a runtime ends the program says nothing: start with the plugin's own functions.
        Some(own) => names[own..].to_vec(),
        None => names,
    };
    names.dedup();
    names.truncate(FRAMES_MAX);
    names
        .iter()
        .enumerate()
        .fold(String::new(), |mut text, (index, name)| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}`{name}`", if index == 0 { ", in " } else { " < " });
            text
        })
}

/// A function's name without the compiler's decoration.
fn readable(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// Whether a function belongs to the runtime of a language.
fn is_runtime(name: &str) -> bool {
    let name = name.trim_start_matches(['<', '_']);
    name == "abort"
        || ["std::", "core::", "alloc::", "rustc", "rust_", "dlmalloc::"]
            .iter()
            .any(|start| name.starts_with(start))
}

impl CallError {
    /// Adds the log, and what it says about a panic.
    pub(crate) fn with_log(mut self, log: Vec<LogLine>) -> Self {
        if self.kind == FailureKind::Trap
            && let Some(reason) = panics::reason(&log)
        {
            self.reason = reason;
        }
        self.log = log;
        self
    }
}
