//! Another flow while one is watched: sees that the flow file, a plugin or a granted file changed, and reads and builds the
//! flow on a thread of its own.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use flowstone::GrantWatch;

use crate::build;
use crate::failure::Failure;
use crate::opening::{self, Built, Draft, Origin};
use crate::output::Output;
use crate::settings::FlowSettings;

/// How often it is looked. Something that changed is read when it did not change any more from one look to the next.
const LOOK: Duration = Duration::from_millis(250);

/// How many times as long as looking took it waits at least before it looks again.
const REST: u32 = 10;

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
    let (mut watch, mut took) = (GrantWatch::default(), Duration::ZERO);
    loop {
        // Large folders are not looked at all the time.
        thread::sleep(LOOK.max(took * REST));
        let begun = Instant::now();
        let now = self::state(settings, &mut watch);
        took = begun.elapsed();
        if now != known && now == last {
            known = now;
            let built = opening::draft(settings).and_then(|draft| draft.build(settings, output));
            *shared.changed() = Some(built);
            shared.ready.store(true, Ordering::Relaxed);
        }
        last = now;
    }
}

/// The state of the flow file, of all that its plugins are made of, and of what they are granted.
pub(crate) fn state(settings: &FlowSettings, watch: &mut GrantWatch) -> u64 {
    let mut hasher = DefaultHasher::new();
    stamp(&settings.file).hash(&mut hasher);
    // While the flow file is broken, it alone can change that.
    let draft = opening::draft(settings);
    for (name, origin) in draft.iter().flat_map(Draft::origins) {
        name.hash(&mut hasher);
        match origin {
            Origin::Component(path) => stamp(path).hash(&mut hasher),
            Origin::Source(folder) => {
                build::state(name, folder, &settings.store).hash(&mut hasher);
            }
        }
    }
    let read: BTreeSet<&str> = (draft.iter().flat_map(Draft::grants))
        .flat_map(|grants| &grants.read)
        .map(|path| &*path.value)
        .collect();
    for path in read {
        watch.state(&settings.place.base, path).hash(&mut hasher);
    }
    hasher.finish()
}

/// Size and time of a file; none where there is none.
fn stamp(path: &Path) -> Option<(u64, u128)> {
    let meta = fs::metadata(path).ok()?;
    let modified = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((meta.len(), modified.as_nanos()))
}
