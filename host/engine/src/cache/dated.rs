//! Dates of results that no run made. The age of a result is that of its run: so what is imported or put by hand gets the
//! number of a run, with a record of its own among those of the runs.

use serde::Serialize;

use flowstone_core::RunId;
use flowstone_store::{Snapshot, StoreError, Writer};

use crate::error::Error;
use crate::report::RunReport;
use crate::run::now_s;

/// A record that says since when results are here.
pub(super) struct Dated {
    pub(super) run: RunId,
    record: String,
}

/// The record: that of a run which did nothing, of no flow.
#[derive(Serialize)]
struct Record {
    /// No flow has this number: what is imported is not in the history of any.
    flow_number: u32,
    /// What was done instead of a run.
    what: &'static str,
    #[serde(flatten)]
    report: RunReport,
}

impl Dated {
    /// The next number, as of now. `what` was done: `import` or `put`.
    pub(super) fn new(snapshot: &Snapshot, what: &'static str) -> Result<Self, Error> {
        let run = RunId(snapshot.last_run()?.map_or(1, |last| last.0 + 1));
        let record = Record {
            flow_number: 0,
            what,
            report: RunReport {
                run,
                flow: format!("({what})"),
                started: now_s(),
                ..RunReport::default()
            },
        };
        let record = serde_json::to_string(&record);
        Ok(Self {
            run,
            record: record.map_err(|_| Error::Internal("a record is not JSON"))?,
        })
    }

    /// Writes the record, in the transaction with the first of the results.
    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), StoreError> {
        writer.put_run(self.run, &self.record)
    }
}
