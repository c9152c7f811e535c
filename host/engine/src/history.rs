//! History: the records of past runs, and of which flow each was.

use flowstone_core::RunId;
use flowstone_store::{RunIter, StoreError};
use serde::{Deserialize, Serialize};

use crate::books::Books;
use crate::engine::{Engine, FlowPlace};
use crate::error::Error;
use crate::report::RunReport;

/// A run as the store keeps it.
#[derive(Serialize)]
struct Record<'a> {
    /// The flow's number in the store, which stays the same when the flow is renamed or moved.
    flow_number: u32,
    #[serde(flatten)]
    report: &'a RunReport,
}

/// The same as it is read. What a version that is older or newer has otherwise, is as in a run that did nothing.
#[derive(Deserialize)]
struct Known {
    #[serde(default)]
    flow_number: u32,
    #[serde(flatten)]
    report: RunReport,
}

/// The record of a run, as the store keeps it.
pub(crate) fn record(report: &RunReport, books: &Books) -> Result<String, Error> {
    let record = Record {
        flow_number: books.flow,
        report,
    };
    serde_json::to_string(&record).map_err(|_| Error::Internal("a report is not JSON"))
}

/// Past runs, newest first: see [`Engine::runs`].
pub struct Runs {
    records: RunIter,
    /// The flow that they are of; none for all.
    flow: Option<u32>,
}

impl Iterator for Runs {
    type Item = Result<RunReport, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.records.next()? {
                Err(error) => return Some(Err(error.into())),
                Ok((run, text)) => {
                    if let Some(known) = known(run, &text)
                        && self.flow.is_none_or(|flow| flow == known.flow_number)
                    {
                        return Some(Ok(known.report));
                    }
                }
            }
        }
    }
}

impl Engine {
    /// The past runs of a flow, given by its name and place, or of all flows of the store; newest first. They are read
    /// as the iterator goes.
    ///
    /// A run has a record from its first batch on. One that was cut off, by a kill or by an error, is in the state in
    /// which it began: interrupted, and without figures. One that failed before its first batch has none.
    ///
    /// # Errors
    ///
    /// When the store cannot be read; the iterator yields the same, and ends after an error.
    pub fn runs(&self, flow: Option<(&str, &FlowPlace)>) -> Result<Runs, Error> {
        let snapshot = self.store.snapshot()?;
        let number = |(name, place)| Books::read(&snapshot, name, place).map(|books| books.flow);
        Ok(Runs {
            flow: flow.map(number).transpose()?,
            records: snapshot.runs()?,
        })
    }

    /// The record of a run, whatever flow it was of; none where the store has none, or a damaged one.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn past_run(&self, run: RunId) -> Result<Option<RunReport>, StoreError> {
        let text = self.store.snapshot()?.run(run)?;
        Ok(text.and_then(|text| Some(known(run, &text)?.report)))
    }
}

/// A record, read; none for one that is no such thing.
fn known(run: RunId, text: &str) -> Option<Known> {
    let mut known: Known = serde_json::from_str(text).ok()?;
    // The store says which run it was.
    known.report.run = run;
    Some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let report = RunReport {
            run: RunId(7),
            flow: "handbook".to_owned(),
            started: 1_777_638_645,
            seconds: 0.25,
            failures: 2,
            ..RunReport::default()
        };
        let text = serde_json::to_string(&Record {
            flow_number: 3,
            report: &report,
        })
        .expect("a record is JSON");
        let read = known(RunId(7), &text).expect("it is a record");
        assert_eq!(read.flow_number, 3);
        assert_eq!(
            serde_json::to_value(&read.report).ok(),
            serde_json::to_value(&report).ok()
        );
    }

    #[test]
    fn records_of_other_versions_and_of_nobody_are_no_reason_to_fail() {
        let read =
            known(RunId(2), r#"{"flow": "a", "later": [1]}"#).expect("unknown fields are no fault");
        assert_eq!((read.report.run, &*read.report.flow), (RunId(2), "a"));
        assert!(known(RunId(2), "[]").is_none());
        assert!(known(RunId(2), r#"{"flow": 7}"#).is_none());
        assert!(known(RunId(2), &"[".repeat(100_000)).is_none());
    }
}
