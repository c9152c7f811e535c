//! Turns and time: at most so many calls at once, and a thread that moves the clock of the time limits.
//!
//! The clock ("epoch" in wasmtime) advances only while a call runs, so an idle host does not wake up.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::Engine;

use crate::error::SandboxError;

/// How often time limits are checked.
pub(crate) const TICK_MS: u64 = 5;

/// Hands out turns, and keeps the clock going while any is taken.
pub(crate) struct Turns {
    shared: Arc<Shared>,
    ticker: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled when a turn is given back.
    freed: Condvar,
    /// Signalled when the first turn is taken, and when the sandbox goes away.
    wake: Condvar,
    calls_max: usize,
}

#[derive(Default)]
struct State {
    calls: usize,
    /// How many threads wait for a turn.
    waiting: usize,
    /// Whether the clock waits for a call.
    resting: bool,
    stopping: bool,
}

impl Shared {
    /// The state. It is plain fields, so a panic elsewhere cannot have left it broken.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    /// Starts the clock.
    pub(crate) fn new(engine: &Engine, calls_max: usize) -> Result<Self, SandboxError> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            freed: Condvar::new(),
            wake: Condvar::new(),
            calls_max: calls_max.max(1),
        });
        let (engine, seen) = (engine.clone(), Arc::clone(&shared));
        let ticker = std::thread::Builder::new()
            .name("flowstone-ticker".to_owned())
            .spawn(move || tick(&engine, &seen))
            .map_err(SandboxError::Ticker)?;
        Ok(Turns {
            shared,
            ticker: Some(ticker),
        })
    }

    /// Waits until fewer than the allowed number of calls run, and counts one more.
    pub(crate) fn take(&self) -> Turn<'_> {
        let mut state = self.shared.state();
        while state.calls >= self.shared.calls_max {
            state.waiting += 1;
            state = self
                .shared
                .freed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        state.calls += 1;
        // Waking nobody takes a system call as well.
        if state.resting {
            self.shared.wake.notify_one();
        }
        Turn(&self.shared)
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    let mut state = shared.state();
    while !state.stopping {
        if state.calls == 0 {
            state.resting = true;
            state = shared
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.resting = false;
            continue;
        }
        drop(state);
        std::thread::sleep(Duration::from_millis(TICK_MS));
        engine.increment_epoch();
        state = shared.state();
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.shared.state().stopping = true;
        self.shared.wake.notify_one();
        if let Some(ticker) = self.ticker.take() {
            // It only fails when the ticker panicked, and then there is nothing left to stop.
            let _ = ticker.join();
        }
    }
}

/// The right to run one call. Given back when dropped.
pub(crate) struct Turn<'a>(&'a Shared);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.calls -= 1;
        if state.waiting > 0 {
            self.0.freed.notify_one();
        }
    }
}
