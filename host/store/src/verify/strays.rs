//! Records that no entry of an index leads to. That there are some shows in that there are more than are led to; which
//! ones is found where they are to be removed.

use super::{BYTES_MAX, Done, RECORDS_MAX, Stopped, Verifier, VerifyPhase};
use crate::error::StoreError;
use crate::log::LogSlot;
use crate::slots::Tables;

/// One of the logs.
type LogOf = for<'t, 'txn> fn(&'t mut Tables<'txn>) -> &'t mut LogSlot<'txn>;

impl Verifier<'_> {
    pub(super) fn strays(&mut self) -> Done {
        let logs: [(_, LogOf); 2] = [
            (self.entry_records, |tables| &mut tables.memo),
            (self.object_records, |tables| &mut tables.object),
        ];
        for (records, log) in logs {
            let strays = records.strays();
            if strays == 0 {
                continue;
            }
            self.report.strays += strays;
            if self.repair && self.remove_strays(log)?.is_err() {
                return Ok(Err(Stopped));
            }
        }
        Ok(Ok(()))
    }

    fn remove_strays(&mut self, log: LogOf) -> Done {
        let (mut cursor, mut done) = (None, 0);
        loop {
            let (strays, all) = (self.store).write(|writer| {
                writer.collect(|tables, session, _| {
                    let log = log(tables);
                    let (_, all) = log.lens(session)?;
                    let strays = log.remove_strays(session, cursor, (RECORDS_MAX, BYTES_MAX))?;
                    Ok::<_, StoreError>((strays, all))
                })
            })?;
            done += strays.records as u64;
            if !self.goes_on(VerifyPhase::Records, done, all) {
                return Ok(Err(Stopped));
            }
            cursor = strays.cursor;
            if cursor.is_none() {
                return Ok(Ok(()));
            }
        }
    }
}
