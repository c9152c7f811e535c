//! Ctrl-c and requests to end. A run that listens ends in good order at the first one; everything else, and a second
//! one, ends at once: the store takes no harm from that.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::EXIT_INTERRUPTED;

/// Set at the first signal; the engine reads it.
static STOP: AtomicBool = AtomicBool::new(false);

/// Whether something listens to `STOP`.
static LISTENING: AtomicBool = AtomicBool::new(false);

/// Takes the signals over. Where that fails, the system ends the process, which is no harm either.
pub(crate) fn install() {
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) || !LISTENING.load(Ordering::SeqCst) {
            std::process::exit(i32::from(EXIT_INTERRUPTED));
        }
    });
}

/// From now on the first signal only sets the flag that this gives.
pub(crate) fn listen() -> &'static AtomicBool {
    LISTENING.store(true, Ordering::SeqCst);
    &STOP
}

/// Whether a signal came.
pub(crate) fn asked_to_stop() -> bool {
    STOP.load(Ordering::Relaxed)
}
