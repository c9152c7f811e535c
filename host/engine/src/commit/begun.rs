//! The beginning of a run, as it is written down.

use flowstone_core::{Fingerprint, RunId};
use flowstone_store::{StoreError, Writer};

use crate::books::put_stage_names;

/// The beginning of a run: written with its first batch, so that whatever a run makes can be dated, also where the run
/// is cut off.
pub(crate) struct Begun {
    /// The run's record, as far as it is known.
    pub(crate) record: String,
    /// The names of the transforms of every stage, by its fingerprint.
    pub(crate) names: Vec<(Fingerprint, Vec<String>)>,
}

impl Begun {
    pub(super) fn write(&self, run: RunId, writer: &mut Writer<'_>) -> Result<(), StoreError> {
        for (stage, names) in &self.names {
            put_stage_names(writer, stage, names)?;
        }
        writer.put_run(run, &self.record)
    }
}
