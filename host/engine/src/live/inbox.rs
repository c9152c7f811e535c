//! What sources tell, gathered until it is quiet for a moment. Bounded: a source that tells too much is listed instead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flowstone_connect::Change;

/// So many rows and folders of a source may wait.
const CHANGES_MAX: usize = 50_000;

/// What a source told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dirty {
    /// The rows to look at; none where the source has to be listed.
    pub(super) keys: Option<BTreeSet<Vec<u8>>>,
    /// The beginnings of the keys of rows to look at, of those that the store knows.
    pub(super) below: BTreeSet<Vec<u8>>,
}

impl Default for Dirty {
    fn default() -> Self {
        Self {
            keys: Some(BTreeSet::new()),
            below: BTreeSet::new(),
        }
    }
}

impl Dirty {
    fn add(&mut self, change: Change) {
        let Some(keys) = &mut self.keys else {
            return;
        };
        match change {
            Change::Row(key) => _ = keys.insert(key),
            Change::Below(prefix) => _ = self.below.insert(prefix),
            Change::Any => return self.be_listed(),
        }
        if keys.len() + self.below.len() > CHANGES_MAX {
            self.be_listed();
        }
    }

    fn be_listed(&mut self) {
        self.keys = None;
        self.below.clear();
    }
}

#[derive(Default)]
struct Waiting {
    sources: BTreeMap<String, Dirty>,
    /// When the first of what waits came, and the last.
    times: Option<(Instant, Instant)>,
}

/// What was told and not looked at yet.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Inbox {
    // A panic in between leaves at worst a change too many.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a change.
    pub(super) fn tell(&self, source: &str, change: Change) {
        let mut waiting = self.waiting();
        let now = Instant::now();
        let first = waiting.times.map_or(now, |(first, _)| first);
        waiting.times = Some((first, now));
        match waiting.sources.get_mut(source) {
            Some(dirty) => dirty.add(change),
            None => waiting
                .sources
                .entry(source.to_owned())
                .or_default()
                .add(change),
        }
        drop(waiting);
        self.changed.notify_all();
    }

    /// Has a source listed.
    pub(super) fn ask_for(&self, source: &str) {
        self.tell(source, Change::Any);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        *self.waiting() = Waiting::default();
    }

    /// Waits for changes until then, and for a moment without any, but not for long: gives what there is, or nothing.
    pub(super) fn take(
        &self,
        until: Instant,
        (quiet, wait_max): (Duration, Duration),
    ) -> Option<BTreeMap<String, Dirty>> {
        let mut waiting = self.waiting();
        loop {
            let now = Instant::now();
            let ready = waiting
                .times
                .map(|(first, last)| (last + quiet).min(first + wait_max));
            let next = match ready {
                Some(ready) if now >= ready => {
                    return Some(std::mem::take(&mut *waiting).sources);
                }
                Some(ready) => ready.min(until),
                None => until,
            };
            if now >= next {
                return None;
            }
            waiting = self
                .changed
                .wait_timeout(waiting, next - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: (Duration, Duration) = (Duration::ZERO, Duration::ZERO);

    fn row(key: &str) -> Change {
        Change::Row(key.as_bytes().to_vec())
    }

    #[test]
    fn changes_of_a_source_are_gathered_and_taken_once() {
        let inbox = Inbox::default();
        for key in ["a", "b", "a"] {
            inbox.tell("page", row(key));
        }
        inbox.tell("page", Change::Below(b"c/".to_vec()));
        inbox.tell("other", Change::Any);
        inbox.tell("other", row("x"));
        let taken = inbox.take(Instant::now(), NOW).expect("something waits");
        assert_eq!(taken["page"].keys.as_ref().map(BTreeSet::len), Some(2));
        assert_eq!(taken["page"].below.len(), 1);
        assert_eq!(taken["other"].keys, None);
        assert_eq!(inbox.take(Instant::now(), NOW), None);
        inbox.tell("page", row("a"));
        inbox.clear();
        assert_eq!(inbox.take(Instant::now(), NOW), None);
    }

    #[test]
    fn it_waits_for_a_quiet_moment_but_not_for_ever() {
        let inbox = Inbox::default();
        let hour = Duration::from_hours(1);
        inbox.tell("page", row("a"));
        assert_eq!(
            inbox.take(Instant::now(), (hour, hour)),
            None,
            "not quiet yet"
        );
        assert!(inbox.take(Instant::now(), (hour, Duration::ZERO)).is_some());
    }

    #[test]
    fn a_source_that_tells_too_much_is_listed() {
        let inbox = Inbox::default();
        for number in 0..=CHANGES_MAX {
            inbox.tell("page", row(&number.to_string()));
        }
        let taken = inbox.take(Instant::now(), NOW).expect("something waits");
        assert_eq!(taken["page"].keys, None);
    }
}
