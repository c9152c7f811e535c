//! Trying cases: each is called twice, in two instances with other random numbers, and twice more in an instance that the
//! other cases were called in before.

use std::time::{Duration, Instant};

use flowstone::core::{Function, RowFailure, Type, Value, is_same, to_wave};
use flowstone::{CallError, Compared, Component, FailureKind, Kept, Limits, LogLine};

use super::cases::{Case, CaseFile, Expected};
use super::granted::Granted;
use crate::failure::Failure;

/// The random numbers of the first and of the second call.
const SEEDS: [[u8; 32]; 2] = [[0; 32], [1; 32]];

/// What came of a call.
pub(super) type Outcome = Result<Option<Value>, Broken>;

/// A call that came to no result: a trap, a limit.
pub(super) struct Broken {
    kind: FailureKind,
    pub(super) reason: String,
}

/// What there is to say of a case.
pub(super) struct Verdict {
    /// What the first call came to.
    pub(super) outcome: Outcome,
    /// What is wrong.
    pub(super) fault: Option<Fault>,
    /// How long the calls took, each with a fresh instance.
    pub(super) times: Vec<Duration>,
    /// The most memory that a call had; none where no call came to its end.
    pub(super) memory_bytes_peak: Option<u64>,
    pub(super) log: Vec<LogLine>,
    /// Whether what it was granted is not the same in every call, so that its results need not be.
    pub(super) is_impure: bool,
}

/// Why a case failed.
pub(super) enum Fault {
    /// Another result than the one that is expected.
    Other(Compared),
    /// It was to fail with this in its reason, and came to a result, or failed for another reason.
    NotFailed { wanted: String, got: String },
    /// It was to give something, and there is no result.
    Broken(String),
    /// Nothing is expected, and this came.
    Unsaid(String),
    /// Two instances gave two results.
    Undetermined(Compared),
    /// It gave one result alone, and another one after other cases.
    Ordered(Compared),
}

/// Tries the cases, in their order.
pub(super) fn judge(
    component: &Component,
    chosen: &[(&CaseFile, &Case)],
    limits: &Limits,
) -> Result<Vec<Verdict>, Failure> {
    let mut verdicts = chosen
        .iter()
        .map(|(file, case)| alone(component, case, &file.granted, limits))
        .collect::<Result<Vec<_>, _>>()?;
    after_others(component, chosen, limits, &mut verdicts);
    Ok(verdicts)
}

/// Calls a case in instances of its own: in one alone, where two calls may well come to different results.
fn alone(
    component: &Component,
    case: &Case,
    granted: &Granted,
    limits: &Limits,
) -> Result<Verdict, Failure> {
    let (mut times, mut outcomes) = (Vec::new(), Vec::new());
    let (mut memory_bytes_peak, mut first_log) = (None, None);
    let calls = if granted.is_impure() { 1 } else { SEEDS.len() };
    for seed in &SEEDS[..calls] {
        let world = granted.world(*seed);
        let begun = Instant::now();
        let called = component.call(&case.function.name, &case.arguments, limits, world)?;
        times.push(begun.elapsed());
        let (outcome, log) = match called {
            Ok(output) => {
                memory_bytes_peak = memory_bytes_peak.max(Some(output.memory_bytes_peak));
                (Ok(output.value), output.log)
            }
            Err(error) => {
                let log = error.log.clone();
                (Err(Broken::from(error)), log)
            }
        };
        outcomes.push(outcome);
        first_log.get_or_insert(log);
    }
    let second = outcomes.get(1);
    let differs = second.and_then(|second| differ(&outcomes[0], second, &case.function));
    let outcome = outcomes.swap_remove(0);
    let fault = differs
        .map(Fault::Undetermined)
        .or_else(|| unexpected(case, &outcome));
    Ok(Verdict {
        outcome,
        fault,
        times,
        memory_bytes_peak,
        log: first_log.unwrap_or_default(),
        is_impure: granted.is_impure(),
    })
}

impl From<CallError> for Broken {
    fn from(error: CallError) -> Self {
        Self {
            kind: error.kind,
            reason: error.reason,
        }
    }
}

/// How two outcomes of the same call differ. That a call came to its limits says nothing of what it would have given.
fn differ(first: &Outcome, second: &Outcome, function: &Function) -> Option<Compared> {
    match (first, second) {
        (Ok(Some(a)), Ok(Some(b))) => {
            let ty = function.result.as_ref()?;
            (!is_same(a, b, ty)).then(|| Compared::values(a, b, ty))
        }
        (Err(a), Err(b)) if a.kind == b.kind => None,
        (Err(broken), _) | (_, Err(broken)) if broken.is_limit() => None,
        (Ok(None), Ok(None)) => None,
        (a, b) => Some(Compared::texts(&text(a, function), &text(b, function))),
    }
}

impl Broken {
    pub(super) fn is_limit(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::Timeout | FailureKind::OutOfMemory | FailureKind::ArgumentTooLarge
        )
    }
}

/// What a call came to, in words.
pub(super) fn text(outcome: &Outcome, function: &Function) -> String {
    match (outcome, &function.result) {
        (Ok(Some(value)), Some(ty)) => to_wave(value, ty),
        (Ok(_), _) => "no result".to_owned(),
        (Err(broken), _) => format!("a failure: {}", broken.reason),
    }
}

/// The reason of a failure: that of an err, or of a call that came to nothing.
pub(super) fn reason(outcome: &Outcome, function: &Function) -> Option<String> {
    let err = match outcome {
        Err(broken) => return Some(broken.reason.clone()),
        Ok(Some(Value::Result(Err(err)))) => err,
        Ok(_) => return None,
    };
    let Some(Type::Result { err: Some(ty), .. }) = &function.result else {
        return Some("err".to_owned());
    };
    Some(match err.as_deref() {
        Some(Value::Str(reason)) => reason.to_string(),
        Some(failure) if RowFailure::is_type(ty) => match RowFailure::of(failure) {
            Some(RowFailure::Invalid(reason) | RowFailure::RetryAfter(_, reason)) => {
                reason.to_string()
            }
            Some(RowFailure::Skip) | None => to_wave(failure, ty),
        },
        Some(value) => to_wave(value, ty),
        None => "err".to_owned(),
    })
}

fn unexpected(case: &Case, outcome: &Outcome) -> Option<Fault> {
    let function = &case.function;
    match (&case.expected, outcome) {
        (Expected::Failure(wanted), _) => {
            let reason = reason(outcome, function);
            let is_met = reason.is_some_and(|reason| reason.contains(&**wanted));
            (!is_met).then(|| Fault::NotFailed {
                wanted: wanted.clone(),
                got: text(outcome, function),
            })
        }
        (_, Err(broken)) => Some(Fault::Broken(broken.reason.clone())),
        (Expected::Value(wanted), Ok(got)) => {
            let (got, ty) = (got.as_ref()?, function.result.as_ref()?);
            (!is_same(wanted, got, ty)).then(|| Fault::Other(Compared::values(wanted, got, ty)))
        }
        (Expected::Unsaid, Ok(Some(_))) => Some(Fault::Unsaid(text(outcome, function))),
        (Expected::Unsaid, Ok(None)) => None,
    }
}

/// Calls each case twice more, last to first, in an instance that is kept: what it keeps of a call shows in the next ones,
/// also where there is but one case.
fn after_others<'a>(
    component: &'a Component,
    chosen: &[(&'a CaseFile, &Case)],
    limits: &Limits,
    verdicts: &mut [Verdict],
) {
    let mut instance = Instance::new(component, *limits);
    for ((file, case), verdict) in chosen.iter().zip(verdicts).rev() {
        let is_undetermined = matches!(verdict.fault, Some(Fault::Undetermined(_)));
        if is_undetermined || verdict.is_impure || verdict.outcome.is_err() {
            continue;
        }
        for _ in 0..2 {
            let Some(outcome) = instance.call(case, &file.granted) else {
                return;
            };
            if let Some(compared) = differ(&verdict.outcome, &outcome, &case.function) {
                verdict.fault = Some(Fault::Ordered(compared));
                break;
            }
        }
    }
}

/// An instance that is kept until a call fails in it, or one comes that is granted something else.
struct Instance<'a> {
    component: &'a Component,
    limits: Limits,
    kept: Option<(&'a Granted, Kept<'a>)>,
}

impl<'a> Instance<'a> {
    fn new(component: &'a Component, limits: Limits) -> Self {
        Self {
            component,
            limits,
            kept: None,
        }
    }

    /// What a call comes to in it; nothing where there cannot be an instance.
    fn call(&mut self, case: &Case, granted: &'a Granted) -> Option<Outcome> {
        // Only one at a time has a seat in the sandbox.
        self.kept.take_if(|(before, _)| !before.is_same(granted));
        if self.kept.is_none() {
            let kept = self.component.keep(&self.limits, granted.world(SEEDS[0]));
            self.kept = kept.ok().map(|kept| (granted, kept));
        }
        let (_, kept) = self.kept.as_mut()?;
        let called = (self.component).call_in(kept, &case.function.name, &case.arguments)?;
        if called.is_err() {
            self.kept = None;
        }
        Some(called.map(|output| output.value).map_err(Broken::from))
    }
}
