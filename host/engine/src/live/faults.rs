//! What is wrong with sources and targets for now: told once, and tried again, ever more rarely.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::event::{Event, Observer};

/// What is tried again is, the first time, after so long.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// How long to wait before the next try, after so many.
pub(super) fn backoff(attempts: u32, most: Duration) -> Duration {
    RETRY_FIRST
        .saturating_mul(1 << attempts.saturating_sub(1).min(16))
        .min(most)
}

/// What is wrong with a source.
struct Fault {
    reason: String,
    attempts: u32,
    /// When it is tried again; none where the next full listing does that.
    retry: Option<Instant>,
}

/// What is wrong for now.
#[derive(Default)]
pub(super) struct Faults {
    sources: BTreeMap<String, Fault>,
    /// Why no work is done at all.
    stalled: Option<String>,
}

impl Faults {
    /// Notes that a source cannot be had, or lacks too many rows.
    pub(super) fn add(
        &mut self,
        source: &str,
        error: &Error,
        most: Duration,
        observer: &dyn Observer,
    ) {
        let refused = matches!(error, Error::TooManyDeletes { .. });
        let reason = error.to_string();
        let known = self.sources.get(source);
        let attempts = known.map_or(0, |known| known.attempts) + 1;
        let told =
            known.is_some_and(|known| known.reason == reason || (refused && known.retry.is_none()));
        if !told {
            observer.event(&Event::SourceFailed { source, error });
        }
        let retry = (!refused).then(|| Instant::now() + backoff(attempts, most));
        let fault = Fault {
            reason,
            attempts,
            retry,
        };
        self.sources.insert(source.to_owned(), fault);
    }

    /// Notes that a source is listed as it should be.
    pub(super) fn clear(&mut self, source: &str, observer: &dyn Observer) {
        if self.sources.remove(source).is_some() {
            observer.event(&Event::SourceRecovered { source });
        }
    }

    /// Whether nothing is asked of a source until it is tried again.
    pub(super) fn holds(&self, source: &str) -> bool {
        self.held_until(source)
            .is_some_and(|retry| Instant::now() < retry)
    }

    /// When a source is tried again.
    pub(super) fn held_until(&self, source: &str) -> Option<Instant> {
        self.sources.get(source)?.retry
    }

    /// The sources to try again now.
    pub(super) fn due(&self, now: Instant) -> Vec<String> {
        let due = |fault: &Fault| fault.retry.is_some_and(|retry| now >= retry);
        let sources = self.sources.iter().filter(|(_, fault)| due(fault));
        sources.map(|(source, _)| source.clone()).collect()
    }

    /// Notes that no work can be done.
    pub(super) fn stalled(&mut self, reason: &str, observer: &dyn Observer) {
        if self.stalled.as_deref() != Some(reason) {
            observer.event(&Event::Stalled { reason });
            self.stalled = Some(reason.to_owned());
        }
    }

    /// Notes that work is done.
    pub(super) fn resumed(&mut self, observer: &dyn Observer) {
        if self.stalled.take().is_some() {
            observer.event(&Event::Resumed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn the_same_fault_is_told_once_and_tried_ever_more_rarely() {
        let told = Mutex::new(Vec::new());
        let observer = |event: &Event<'_>| {
            let told_now = match event {
                Event::SourceFailed { source, .. } => format!("failed {source}"),
                Event::SourceRecovered { source } => format!("recovered {source}"),
                _ => "else".to_owned(),
            };
            told.lock().expect("nobody panics").push(told_now);
        };
        let error = |removed| Error::TooManyDeletes {
            source_name: "page".to_owned(),
            removed,
            rows: 100,
        };
        let mut faults = Faults::default();
        let most = Duration::from_mins(1);
        let missing = Error::NotFound("gone".to_owned());
        faults.add("page", &missing, most, &observer);
        faults.add("page", &missing, most, &observer);
        assert!(faults.holds("page") && !faults.holds("other"));
        assert_eq!(faults.due(Instant::now()), [""; 0]);
        assert_eq!(faults.due(Instant::now() + most), ["page"]);
        faults.add("page", &error(60), most, &observer);
        faults.add("page", &error(61), most, &observer);
        assert!(!faults.holds("page"), "its changes go on");
        faults.clear("page", &observer);
        faults.clear("page", &observer);
        let told = told.into_inner().expect("nobody panics");
        assert_eq!(told, ["failed page", "failed page", "recovered page"]);
        let waits: Vec<u64> = (1..8).map(|n| backoff(n, most).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60]);
        assert_eq!(backoff(u32::MAX, most), most);
    }
}
