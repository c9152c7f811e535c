//! Former versions of a stage: lineage names transforms by their positions in the version that wrote it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use flowstone_core::{Fingerprint, Stage};
use flowstone_store::{CallRecord, Snapshot, StoreError};

use crate::books::stage_names;

/// The present positions of a former stage's transforms; none for one that is no longer there.
type Positions = Arc<Vec<Option<u16>>>;

/// Where the transforms of former versions of a stage are now, by the version's fingerprint.
#[derive(Default)]
pub(crate) struct Former(Mutex<HashMap<Fingerprint, Positions>>);

impl Former {
    /// The calls of a former version that are still of a transform of `stage`, in its positions.
    pub(crate) fn translate(
        &self,
        stage: &Stage,
        former: &Fingerprint,
        calls: impl Iterator<Item = CallRecord>,
        snapshot: &Snapshot,
    ) -> Result<Vec<CallRecord>, StoreError> {
        let positions = self.positions(stage, former, snapshot)?;
        let now = |call: CallRecord| {
            let transform = positions.get(usize::from(call.transform)).copied()??;
            Some(CallRecord { transform, ..call })
        };
        Ok(calls.filter_map(now).collect())
    }

    fn positions(
        &self,
        stage: &Stage,
        former: &Fingerprint,
        snapshot: &Snapshot,
    ) -> Result<Positions, StoreError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(positions) = known.get(former) {
            return Ok(Arc::clone(positions));
        }
        let now = |name: String| {
            let mut transforms = stage.transforms.iter();
            let position = transforms.position(|transform| transform.name == name);
            position.and_then(|position| u16::try_from(position).ok())
        };
        let names = stage_names(snapshot, former)?;
        let positions = Arc::new(names.into_iter().map(now).collect::<Vec<_>>());
        known.insert(*former, Arc::clone(&positions));
        Ok(positions)
    }
}
