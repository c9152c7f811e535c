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
    /// Those of them that somebody may still be changing.
    open: BTreeSet<Vec<u8>>,
    /// The beginnings of the keys of rows to look at, of those that the store knows.
    pub(super) below: BTreeSet<Vec<u8>>,
}

impl Default for Dirty {
    fn default() -> Self {
        Self {
            keys: Some(BTreeSet::new()),
            open: BTreeSet::new(),
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
            Change::Row(key) => {
                self.open.insert(key.clone());
                keys.insert(key);
            }
            Change::Done(key) => {
                self.open.remove(&key);
                keys.insert(key);
            }
            Change::Below(prefix) => _ = self.below.insert(prefix),
            Change::Any => return self.be_listed(),
        }
        if keys.len() + self.below.len() > CHANGES_MAX {
            self.be_listed();
        }
    }

    /// How many rows wait; none where that is not known: the source is listed, or asked for what lies below a folder.
    fn rows(&self) -> Option<usize> {
        let keys = self.keys.as_ref()?;
        self.below.is_empty().then_some(keys.len())
    }

    /// Whether nobody is changing any of it, as far as was told.
    fn is_done(&self) -> bool {
        self.keys.is_some() && self.open.is_empty() && self.below.is_empty()
    }

    fn be_listed(&mut self) {
        self.keys = None;
        self.open.clear();
        self.below.clear();
    }
}

#[derive(Default)]
struct Waiting {
    sources: BTreeMap<String, Dirty>,
    /// When the first of what waits came, and the last.
    times: Option<(Instant, Instant)>,
}

/// Where whoever made the changes is done with them, it is enough that it was quiet for one part in so many.
const QUIET_PART: u32 = 8;

/// For how long changes are gathered.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience {
    /// For how long nothing more must be told.
    pub(super) quiet: Duration,
    /// How long it waits for that at most.
    pub(super) wait_max: Duration,
    /// What batched functions wait for, by source: rows, and for how long at most. With so many rows they wait no longer.
    pub(super) batches: BTreeMap<String, (usize, Duration)>,
}

impl Patience {
    /// When changes are taken, of which the first and the last came then.
    fn ready(
        &self,
        sources: &BTreeMap<String, Dirty>,
        (first, last): (Instant, Instant),
    ) -> Instant {
        let quiet = if sources.values().all(Dirty::is_done) {
            self.quiet / QUIET_PART
        } else {
            self.quiet
        };
        let usual = (last + quiet).min(first + self.wait_max);
        self.batch_wait(sources)
            .map_or(usual, |wait| usual.max(first + wait))
    }

    /// For how long waiting fills the batches of the sources that told something; none where it does not help.
    fn batch_wait(&self, sources: &BTreeMap<String, Dirty>) -> Option<Duration> {
        let mut longest = None;
        for (source, dirty) in sources {
            let rows = dirty.rows()?;
            if let Some((enough, wait)) = self.batches.get(source)
                && rows < *enough
            {
                longest = longest.max(Some(*wait));
            }
        }
        longest
    }
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

    /// Waits for changes until then, and then for more with so much patience: gives what there is, or nothing.
    pub(super) fn take(
        &self,
        until: Instant,
        patience: &Patience,
    ) -> Option<BTreeMap<String, Dirty>> {
        let mut waiting = self.waiting();
        loop {
            let now = Instant::now();
            let times = waiting.times;
            let ready = times.map(|times| patience.ready(&waiting.sources, times));
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

    const NOW: &Patience = &Patience {
        quiet: Duration::ZERO,
        wait_max: Duration::ZERO,
        batches: BTreeMap::new(),
    };

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
        let patience = |wait_max| Patience {
            quiet: hour,
            wait_max,
            batches: BTreeMap::new(),
        };
        let now = Instant::now();
        assert_eq!(inbox.take(now, &patience(hour)), None, "not quiet yet");
        assert!(inbox.take(now, &patience(Duration::ZERO)).is_some());
    }

    #[test]
    fn it_waits_less_where_nobody_is_changing_anything_any_more() {
        let done = |key: &str| Change::Done(key.as_bytes().to_vec());
        let ready = |changes: &[Change]| {
            let mut sources: BTreeMap<String, Dirty> = BTreeMap::new();
            for change in changes {
                let dirty = sources.entry("page".to_owned()).or_default();
                dirty.add(change.clone());
            }
            let patience = Patience {
                quiet: Duration::from_millis(80),
                wait_max: Duration::from_millis(800),
                batches: BTreeMap::new(),
            };
            let now = Instant::now();
            (patience.ready(&sources, (now, now)) - now).as_millis()
        };
        assert_eq!(ready(&[row("a"), done("a")]), 10);
        assert_eq!(ready(&[done("a"), done("b")]), 10);
        // It was opened again, or there is another one, or nobody knows.
        assert_eq!(ready(&[done("a"), row("a")]), 80);
        assert_eq!(ready(&[done("a"), row("b")]), 80);
        assert_eq!(ready(&[done("a"), Change::Below(b"b/".to_vec())]), 80);
        assert_eq!(ready(&[done("a"), Change::Any]), 80);
    }

    #[test]
    fn a_batch_is_waited_for_until_it_is_full() {
        let inbox = Inbox::default();
        let batch = (2, Duration::from_hours(1));
        let patience = Patience {
            batches: BTreeMap::from([("page".to_owned(), batch)]),
            ..Patience::default()
        };
        inbox.tell("page", row("a"));
        assert_eq!(
            inbox.take(Instant::now(), &patience),
            None,
            "one row is not enough"
        );
        inbox.tell("page", row("b"));
        assert!(inbox.take(Instant::now(), &patience).is_some());
        // Where waiting does not help, there is none.
        inbox.tell("other", row("a"));
        assert!(inbox.take(Instant::now(), &patience).is_some());
        for unknown in [Change::Any, Change::Below(b"a/".to_vec())] {
            inbox.tell("page", row("a"));
            inbox.tell("page", unknown);
            assert!(inbox.take(Instant::now(), &patience).is_some());
        }
        inbox.tell("page", row("a"));
        inbox.tell("other", Change::Any);
        assert!(inbox.take(Instant::now(), &patience).is_some());
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
