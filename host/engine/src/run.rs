//! A run: a session with one round over everything, and the record of it.

mod guard;
mod late;
mod options;
mod outlets;
mod prepare;
mod round;
mod session;
mod summary;
mod turn;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Instant, SystemTime};

pub use self::options::{CacheOptions, RunOptions};
pub(crate) use self::outlets::{lookups, shape};
pub(crate) use self::prepare::{Shared, started};
pub(crate) use self::round::{Part, Round, Scope};
pub(crate) use self::session::Session;
pub(crate) use self::turn::{pass_of, standing, unsettle};
use crate::batch::Halt;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::event::Observer;
use crate::report::RunReport;

impl Engine {
    /// Brings the targets of a flow up to date with its sources.
    ///
    /// Setting `stop` ends the run early: what has been settled stays, the next run does the rest.
    ///
    /// # Errors
    ///
    /// When the store, a source or a target fails as a whole, or too many rows are gone. Rows that fail are no error:
    /// the report counts them.
    pub fn run(
        &self,
        flow: &Flow,
        options: &RunOptions,
        stop: &AtomicBool,
        observer: &dyn Observer,
    ) -> Result<RunReport, Error> {
        let (ground, books) = self.ground(flow, (options, false), stop, observer)?;
        let mut session = self.session(&ground, books)?;
        match session.round(&Scope::All) {
            Ok(_) | Err(Halt::Interrupted) => session.finish(),
            Err(Halt::Error(error)) => Err(error),
        }
    }
}

/// When a run began.
struct Start {
    at: Instant,
    unix_s: u64,
}

impl Start {
    fn now() -> Self {
        Self {
            at: Instant::now(),
            unix_s: now_s(),
        }
    }
}

/// What tests add to the time, in seconds.
static SHIFT_S: AtomicI64 = AtomicI64::new(0);

/// Moves the clock by which runs are dated and results grow old: for tests of clocks that jump.
#[doc(hidden)]
pub fn shift_clock(seconds: i64) {
    SHIFT_S.store(seconds, Ordering::Relaxed);
}

/// The time, in seconds since 1970. Nothing else in the engine asks for it.
pub(crate) fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now_s = now.map_or(0, |time| time.as_secs());
    now_s.saturating_add_signed(SHIFT_S.load(Ordering::Relaxed))
}
