//! A flow that stays up: a full round, then rounds over what sources tell of, and a full one now and then.
//!
//! ```text
//! sources --(changes)--> inbox --(quiet for a moment)--> round --> targets
//! ```
//!
//! What a source tells is where to look, no more: it may tell too much, and what it fails to tell the next full listing
//! finds. From one full listing to the next it is one session, and so one run of the history.

mod faults;
mod inbox;
mod sources;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use self::faults::{Faults, backoff};
use self::inbox::{Dirty, Inbox, Patience};
use self::sources::Sources;
use crate::batch::Halt;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::report::RunReport;
use crate::run::{Part, Round, RunOptions, Scope, Session};

/// How often it is looked whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// Below a folder that went there may have been so many rows to look at one by one; with more, the source is listed.
const KEYS_BELOW_MAX: usize = 10_000;

/// How a flow is watched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WatchOptions {
    /// How rounds are done.
    pub run: RunOptions,
    /// How long nothing more must be told before a round begins. An eighth of it is enough where all that was told of are files
    /// whose writers are done.
    pub quiet: Duration,
    /// How long a round waits for that at most.
    pub wait_max: Duration,
    /// How far apart full listings of all sources are.
    pub rescan: Duration,
    /// How often sources are asked that do not push.
    pub poll: Duration,
    /// Whether it ends when the first round cannot be done, instead of trying again.
    pub strict: bool,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            run: RunOptions::default(),
            quiet: Duration::from_millis(20),
            wait_max: Duration::from_millis(200),
            rescan: Duration::from_mins(1),
            poll: Duration::from_secs(1),
            strict: true,
        }
    }
}

/// Why a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnEnd {
    /// It was asked to stop.
    Stopped,
    /// It was asked to pause.
    Paused,
    /// The next full listing is due.
    Rescan,
}

/// A turn of a flow that is watched, from one full listing to the next.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Why it ended.
    pub end: TurnEnd,
    /// What its rounds came to; none when none could be done.
    pub report: Option<RunReport>,
    /// Why no work could be done when it ended; none where all was.
    pub stalled: Option<String>,
}

/// What a turn looks at, to see whether it is to end.
#[derive(Clone, Copy)]
pub struct Signals<'a> {
    /// Ends it at once: calls that are running are cut off, and what they were for is left to the next run.
    pub stop: &'a AtomicBool,
    /// Ends it between two rounds.
    pub pause: &'a AtomicBool,
}

/// A flow that is watched: what is known of its sources from turn to turn.
pub struct Live {
    options: WatchOptions,
    inbox: Arc<Inbox>,
    sources: Sources,
    faults: Faults,
    /// Whether a full round has been done.
    began: bool,
    patience: Patience,
}

/// What there is to do.
enum Wake {
    End(TurnEnd),
    Work(BTreeMap<String, Dirty>),
}

impl Live {
    /// Begins to watch at the first turn.
    pub fn new(options: WatchOptions) -> Self {
        let inbox = Arc::new(Inbox::default());
        Self {
            sources: Sources::new(Arc::clone(&inbox), options.poll),
            options,
            inbox,
            faults: Faults::default(),
            began: false,
            patience: Patience::default(),
        }
    }

    /// Keeps the targets in step until the next full listing is due, or it is asked to end. Each turn is of the same flow.
    ///
    /// Sources that cannot be had, and targets that cannot be written, are reported to the observer, once, and tried again.
    ///
    /// # Errors
    ///
    /// When the store fails. With `strict`, also when a source or a target does in the first round.
    pub fn turn(
        &mut self,
        engine: &Engine,
        flow: &Flow,
        signals: Signals<'_>,
        observer: &dyn Observer,
    ) -> Result<Turn, Error> {
        self.patience = self.patience_of(flow);
        let mut attempts = 0;
        loop {
            let error = match self.session(engine, flow, signals, observer) {
                Ok(turn) => return Ok(turn),
                Err(error) if self.passes(&error) => error,
                Err(error) => return Err(error),
            };
            let reason = error.to_string();
            self.faults.stalled(&reason, observer);
            attempts += 1;
            if let Some(end) = wait_for(backoff(attempts, self.options.rescan), signals) {
                return Ok(Turn {
                    end,
                    report: None,
                    stalled: Some(reason),
                });
            }
        }
    }

    /// For how long changes are gathered for a flow: for its batched functions as long as these ask for.
    fn patience_of(&self, flow: &Flow) -> Patience {
        let batches = flow.plan().stages.iter().filter_map(|stage| {
            let rows = stage.batch_rows()?;
            Some((
                stage.source.name.clone(),
                (rows as usize, stage.batch_wait()),
            ))
        });
        Patience {
            quiet: self.options.quiet,
            wait_max: self.options.wait_max,
            batches: batches.collect(),
        }
    }

    /// Whether an error may pass, and is waited for.
    fn passes(&self, error: &Error) -> bool {
        let may = error.is_of_source() || matches!(error, Error::Target { .. });
        may && (self.began || !self.options.strict)
    }

    fn session(
        &mut self,
        engine: &Engine,
        flow: &Flow,
        signals: Signals<'_>,
        observer: &dyn Observer,
    ) -> Result<Turn, Error> {
        let lenient = self.began || !self.options.strict;
        let options = (&self.options.run, lenient);
        let (ground, books) = engine.ground(flow, options, signals.stop, observer)?;
        let mut session = engine.session(&ground, books)?;
        // Watched before it is listed, so that nothing happens in between unseen.
        let watched = self.sources.watch_all(&session, observer);
        self.inbox.clear();
        let end = match session.round(&Scope::All) {
            Ok(round) => {
                self.began = true;
                session.be_lenient();
                self.faults.resumed(observer);
                self.done(&Scope::All, round, observer);
                for (source, error) in watched {
                    self.faults
                        .add(&source, &error, self.options.rescan, observer);
                }
                self.rounds(&mut session, signals, observer)?
            }
            Err(Halt::Interrupted) => TurnEnd::Stopped,
            Err(Halt::Error(error)) => return Err(error),
        };
        let report = Some(session.finish()?);
        Ok(Turn {
            end,
            report,
            stalled: None,
        })
    }

    /// Rounds over what is told, until the turn is to end.
    fn rounds(
        &mut self,
        session: &mut Session<'_>,
        signals: Signals<'_>,
        observer: &dyn Observer,
    ) -> Result<TurnEnd, Error> {
        let due = Instant::now() + self.options.rescan;
        loop {
            let dirty = match self.wait(due, signals, observer) {
                Wake::End(end) => return Ok(end),
                Wake::Work(dirty) => dirty,
            };
            let scope = self.scope(session, dirty, observer)?;
            match session.round(&scope) {
                Ok(round) => self.done(&scope, round, observer),
                Err(Halt::Interrupted) => return Ok(TurnEnd::Stopped),
                Err(Halt::Error(error)) => return Err(error),
            }
        }
    }

    /// Waits for something to do.
    fn wait(&mut self, due: Instant, signals: Signals<'_>, observer: &dyn Observer) -> Wake {
        loop {
            if let Some(end) = asked(signals) {
                return Wake::End(end);
            }
            let now = Instant::now();
            if now >= due {
                return Wake::End(TurnEnd::Rescan);
            }
            let faults = &self.faults;
            for (source, error) in self.sources.poll(now, |source| faults.holds(source)) {
                self.faults
                    .add(&source, &error, self.options.rescan, observer);
            }
            for source in self.faults.due(now) {
                self.inbox.ask_for(&source);
            }
            let faults = &self.faults;
            let next_poll = (self.sources).next_poll(due, |source| faults.held_until(source));
            let until = next_poll.min(now + TICK);
            let Some(mut dirty) = self.inbox.take(until, &self.patience) else {
                continue;
            };
            // What cannot be had now is listed when it can.
            dirty.retain(|source, _| !self.faults.holds(source));
            if !dirty.is_empty() {
                return Wake::Work(dirty);
            }
        }
    }

    /// What the next round looks at. A source that is listed because its watch told all it could is watched anew before.
    fn scope(
        &mut self,
        session: &Session<'_>,
        dirty: BTreeMap<String, Dirty>,
        observer: &dyn Observer,
    ) -> Result<Scope, Error> {
        let mut parts = BTreeMap::new();
        for (source, dirty) in dirty {
            let Some(mut keys) = dirty.keys else {
                if let Err(error) = self.sources.watch(session, &source, observer) {
                    self.faults
                        .add(&source, &error, self.options.rescan, observer);
                }
                parts.insert(source, Part::Whole);
                continue;
            };
            let mut part = None;
            for prefix in &dirty.below {
                match session.keys_below(&source, prefix, KEYS_BELOW_MAX)? {
                    Some(below) => keys.extend(below),
                    None => part = Some(Part::Whole),
                }
            }
            parts.insert(source, part.unwrap_or(Part::Keys(keys)));
        }
        Ok(Scope::Some(parts))
    }

    /// Takes note of a round.
    fn done(&mut self, scope: &Scope, round: Round, observer: &dyn Observer) {
        let Round { report, faults } = round;
        let took = Duration::try_from_secs_f64(report.seconds).unwrap_or_default();
        for source in report.sources.keys() {
            if matches!(scope.part(source), Some(Part::Whole)) {
                self.sources.listed(source, took);
                let is_fine = faults.iter().all(|(name, _)| name != source);
                // It may have come back between the try to watch it and its listing: then it is tried again.
                if is_fine && self.sources.is_watched(source) {
                    self.faults.clear(source, observer);
                }
            }
        }
        for (source, error) in faults {
            self.faults
                .add(&source, &error, self.options.rescan, observer);
        }
        observer.event(&Event::RoundDone { report: &report });
    }
}

fn asked(signals: Signals<'_>) -> Option<TurnEnd> {
    if signals.stop.load(Ordering::Relaxed) {
        return Some(TurnEnd::Stopped);
    }
    signals
        .pause
        .load(Ordering::Relaxed)
        .then_some(TurnEnd::Paused)
}

/// Waits so long, unless it is asked to end.
fn wait_for(time: Duration, signals: Signals<'_>) -> Option<TurnEnd> {
    let end = Instant::now() + time;
    loop {
        if let Some(end) = asked(signals) {
            return Some(end);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::sleep(left.min(TICK));
    }
}
