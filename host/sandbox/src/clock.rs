//! Time: when a call has to end, also while it waits; and the real clock, for calls that were granted it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::{Trap, UpdateDeadline};
use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi_io::async_trait;

use crate::config::Limits;
use crate::turns::TICK_MS;

/// When a call has to end: when its time is up, or when the sandbox is interrupted. Looked at once a tick while the plugin
/// runs, and while the host waits for it.
pub(crate) struct Deadline {
    /// None, when that is beyond what the machine can count.
    ends: Option<Instant>,
    interrupts: Arc<AtomicU64>,
    interrupts_before: u64,
    /// Whether there is anything to wait for.
    waits: bool,
}

impl Deadline {
    pub(crate) fn new(limits: &Limits, interrupts: &Arc<AtomicU64>, waits: bool) -> Self {
        Deadline {
            ends: ends(limits),
            interrupts: Arc::clone(interrupts),
            interrupts_before: interrupts.load(Ordering::Relaxed),
            waits,
        }
    }

    /// Begins anew, for another call. The store's deadline must be set to the next tick with it.
    pub(crate) fn renew(&mut self, limits: &Limits) {
        self.ends = ends(limits);
        self.interrupts_before = self.interrupts.load(Ordering::Relaxed);
    }

    /// Whether there is anything to wait for.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// Looks, once a tick, whether the call may go on. Ticks themselves are not counted: many pass at once while the host
    /// works for the plugin, and on a busy machine they come late.
    pub(crate) fn tick(&self) -> wasmtime::Result<UpdateDeadline> {
        self.left().map(|_| UpdateDeadline::Continue(1))
    }

    /// Waits for a moment on behalf of the plugin.
    ///
    /// # Errors
    ///
    /// When the time limit is over or the sandbox was interrupted: a sleeping plugin passes no other check.
    pub(crate) fn wait(&self) -> wasmtime::Result<()> {
        let moment = Duration::from_millis(TICK_MS) / 5;
        std::thread::sleep(self.left()?.map_or(moment, |left| left.min(moment)));
        Ok(())
    }

    /// The time that is left, where it has an end.
    fn left(&self) -> wasmtime::Result<Option<Duration>> {
        let left = self
            .ends
            .map(|ends| ends.saturating_duration_since(Instant::now()));
        let is_interrupted = self.interrupts.load(Ordering::Relaxed) != self.interrupts_before;
        if is_interrupted || left.is_some_and(|left| left.is_zero()) {
            return Err(Trap::Interrupt.into());
        }
        Ok(left)
    }
}

fn ends(limits: &Limits) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_millis(limits.time_ms_max))
}

/// The real clock. Its monotonic time starts at 0 with the instance.
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Clock {
            started: Instant::now(),
        }
    }

    /// Nanoseconds since the instance was made.
    pub(crate) fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Time since 1970. A machine that is set to an earlier time gets 0.
    pub(crate) fn wall() -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }

    /// Something to wait for: the time at which [`Clock::monotonic_ns`] is `when_ns`. Never, when that is beyond
    /// what the machine can count.
    pub(crate) fn until(&self, when_ns: u64) -> Until {
        Until(self.started.checked_add(Duration::from_nanos(when_ns)))
    }
}

/// A point in time, as a pollable. Whoever waits for it polls again until it is there.
pub(crate) struct Until(Option<Instant>);

#[async_trait]
impl Pollable for Until {
    async fn ready(&mut self) {
        let Until(when) = *self;
        std::future::poll_fn(|_| {
            if when.is_some_and(|when| when <= Instant::now()) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
}
