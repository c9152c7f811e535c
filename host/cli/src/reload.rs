//! Another flow while one is watched: sees that the flow file or a plugin changed, and reads and builds it on a thread of
//! its own.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use crate::build;
use crate::failure::Failure;
use crate::opening::{self, Built, Origin};
use crate::output::Output;
use crate::settings::FlowSettings;

/// How often it is looked. Something that changed is read when it did not change any more from one look to the next.
const LOOK: Duration = Duration::from_millis(250);

/// What became of a flow that changed.
pub(crate) type Changed = Result<Built, Failure>;

/// Looks out for changes of the flow.
pub(crate) struct Reload {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Set when there is something to take.
    ready: AtomicBool,
    changed: Mutex<Option<Changed>>,
}

impl Reload {
    /// Begins to look; the process ends without waiting for it. `state` is that of the flow that is watched now.
    pub(crate) fn start(settings: FlowSettings, state: u64, output: Output) -> Self {
        let shared = Arc::new(Shared::default());
        let telling = Arc::clone(&shared);
        thread::spawn(move || look_out(&settings, state, output, &telling));
        Self { shared }
    }

    /// Set while there is something to take.
    pub(crate) fn ready(&self) -> &AtomicBool {
        &self.shared.ready
    }

    /// The flow that changed, if one did.
    pub(crate) fn take(&self) -> Option<Changed> {
        let mut changed = self.shared.changed();
        self.shared.ready.store(false, Ordering::Relaxed);
        changed.take()
    }
}

impl Shared {
    fn changed(&self) -> std::sync::MutexGuard<'_, Option<Changed>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look_out(settings: &FlowSettings, state: u64, output: Output, shared: &Shared) {
    let (mut known, mut last) = (state, state);
    loop {
        thread::sleep(LOOK);
        let now = self::state(settings);
        if now != known && now == last {
            known = now;
            let built = opening::draft(settings).and_then(|draft| draft.build(settings, output));
            *shared.changed() = Some(built);
            shared.ready.store(true, Ordering::Relaxed);
        }
        last = now;
    }
}

/// The state of the flow file, and of all that its plugins are made of.
pub(crate) fn state(settings: &FlowSettings) -> u64 {
    let mut hasher = DefaultHasher::new();
    stamp(&settings.file).hash(&mut hasher);
    // While the flow file is broken, it alone can change that.
    let origins = opening::draft(settings);
    for (name, origin) in origins.iter().flat_map(opening::Draft::origins) {
        name.hash(&mut hasher);
        match origin {
            Origin::Component(path) => stamp(path).hash(&mut hasher),
            Origin::Source(folder) => {
                build::state(name, folder, &settings.store).hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

/// Size and time of a file; none where there is none.
fn stamp(path: &Path) -> Option<(u64, u128)> {
    let meta = fs::metadata(path).ok()?;
    let modified = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((meta.len(), modified.as_nanos()))
}
