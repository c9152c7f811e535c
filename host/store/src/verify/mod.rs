//! Reading everything that a store holds, and dropping what is damaged, so that it is a miss.
//!
//! Every value is hashed again. Of which type it is, which its fingerprint depends on, is known from the recipe of the
//! entry that needs it: a table of marks, there only meanwhile, tells it for objects, so that each can be
//! checked by itself. What rows, their lineage and targets rest on cannot be dropped: damage to that is told.

mod code;
mod entries;
mod objects;
mod strays;
mod tables;

use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::read::READ;
use crate::slots::{Session, Tables, WRITE};
use crate::store::Store;
use crate::tables::{HalfBytes, TYPE_MARK};

/// The mark of an object that is damaged, in place of a recipe's number.
const DAMAGED: u64 = u64::MAX;

/// How many records are looked at in one transaction, and how many bytes of them.
const RECORDS_MAX: usize = 16 * 1024;
const BYTES_MAX: usize = 8 << 20;

/// What there is in a store, and what of it is damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Whether everything was looked at: not when it was stopped.
    pub finished: bool,
    /// The memo entries.
    pub entries: u64,
    /// Those that are not what was stored. With repair they are dropped.
    pub entries_damaged: u64,
    /// Those whose object is missing or damaged. With repair they are dropped.
    pub entries_lost: u64,
    /// Those whose type is not known, because their recipe is missing.
    pub entries_unchecked: u64,
    /// The objects.
    pub objects: u64,
    /// Those that are not what was stored. With repair they are dropped.
    pub objects_damaged: u64,
    /// Those that no entry needs, so that nobody knows their type. The next collection removes them.
    pub objects_unused: u64,
    /// The kept binaries of components.
    pub builds: u64,
    /// Those that are not what was stored. With repair they are dropped.
    pub builds_damaged: u64,
    /// The compiled components.
    pub compiled: u64,
    /// Those that are not what was stored. With repair they are dropped.
    pub compiled_damaged: u64,
    /// The recipes, descriptions of components, counts of use and records of runs.
    pub records: u64,
    /// Those that are not what was stored. With repair they are dropped.
    pub records_damaged: u64,
    /// The records of rows, their lineage, owners of target rows, intents and meta entries, and those of relations: their
    /// rows, who looked them up, which rows are due, and the steps and changes of folds.
    pub rows: u64,
    /// Those that are not what was stored. They stay: a run that comes to one says so, and stops.
    pub rows_damaged: u64,
    /// Files without a record. With repair they are removed.
    pub orphans: u64,
    /// Records of entries and objects that no key leads to: a collection that was cut off left them, or damage to the
    /// keys, which is told as that of entries and objects. With repair they are removed.
    pub strays: u64,
}

impl VerifyReport {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.damaged() == 0 && self.rows_damaged == 0
    }

    /// How much is damaged that can be dropped.
    pub fn damaged(&self) -> u64 {
        self.entries_damaged
            + self.entries_lost
            + self.objects_damaged
            + self.builds_damaged
            + self.compiled_damaged
            + self.records_damaged
    }
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum VerifyPhase {
    /// Memo entries.
    Entries,
    /// Objects.
    Objects,
    /// Entries whose objects are damaged.
    Lost,
    /// Binaries of components and compiled code.
    Code,
    /// Everything else in the database.
    Records,
    /// Files without a record.
    Files,
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// What is being read.
    pub phase: VerifyPhase,
    /// How many are done.
    pub done: u64,
    /// How many there are.
    pub total: u64,
}

/// A verification under way.
struct Verifier<'a> {
    store: &'a Store,
    repair: bool,
    stop: &'a AtomicBool,
    progress: &'a mut dyn FnMut(VerifyProgress),
    report: VerifyReport,
    entry_records: Records,
    object_records: Records,
}

/// How many records were led to, of how many there were at the beginning.
#[derive(Clone, Copy, Default)]
struct Records {
    led_to: u64,
    all: Option<u64>,
}

impl Records {
    /// After a chunk that leads to so many; `all` is how many there were before it.
    fn see(&mut self, (led_to, all): (u64, u64)) {
        self.led_to += led_to;
        self.all.get_or_insert(all);
    }

    fn strays(self) -> u64 {
        self.all.unwrap_or_default().saturating_sub(self.led_to)
    }
}

/// That it was stopped.
struct Stopped;

type Done = Result<Result<(), Stopped>, StoreError>;

impl Store {
    /// Reads everything, and where `repair` is set drops what is damaged. When `stop` is set it ends early.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the database itself is, so that it cannot be gone through; [`StoreError::Full`],
    /// [`StoreError::Io`].
    pub fn verify(
        &self,
        repair: bool,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(VerifyProgress),
    ) -> Result<VerifyReport, StoreError> {
        let _alone = (self.collection.lock()).unwrap_or_else(PoisonError::into_inner);
        let mut verifier = Verifier {
            store: self,
            repair,
            stop,
            progress,
            report: VerifyReport::default(),
            entry_records: Records::default(),
            object_records: Records::default(),
        };
        verifier.marks(true)?;
        let done = verifier.run()?;
        verifier.marks(false)?;
        verifier.report.finished = done.is_ok();
        Ok(verifier.report)
    }
}

impl Verifier<'_> {
    fn run(&mut self) -> Done {
        let parts: [fn(&mut Self) -> Done; 7] = [
            Self::entries,
            Self::objects,
            Self::lost,
            Self::strays,
            Self::code,
            Self::tables,
            Self::files,
        ];
        for part in parts {
            if part(self)?.is_err() {
                return Ok(Err(Stopped));
            }
        }
        Ok(Ok(()))
    }

    /// Makes the table of marks anew, or removes it.
    fn marks(&self, make: bool) -> Result<(), StoreError> {
        self.store.write(|writer| {
            writer.collect(|tables, session, _| {
                let deleted = session.transaction.delete_table(TYPE_MARK.definition);
                deleted.map_err(|error| session.place.redb(WRITE, error))?;
                if make {
                    tables.type_mark.open(session)?;
                }
                Ok(())
            })
        })
    }

    /// Whether to go on.
    fn goes_on(&mut self, phase: VerifyPhase, done: u64, total: u64) -> bool {
        let total = total.max(done);
        (self.progress)(VerifyProgress { phase, done, total });
        !self.stop.load(Ordering::Relaxed)
    }

    /// Files that no record names.
    fn files(&mut self) -> Done {
        for part in 0..crate::gc::PARTS {
            self.report.orphans += self.store.remove_orphans_of(!self.repair, part)?;
            if !self.goes_on(VerifyPhase::Files, part + 1, crate::gc::PARTS) {
                return Ok(Err(Stopped));
            }
        }
        Ok(Ok(()))
    }
}

/// The mark of an object, where it has one.
fn type_of<'txn>(
    object: &HalfBytes,
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
) -> Result<Option<u64>, StoreError> {
    let marks = tables.type_mark.open(session)?;
    let mark = marks
        .get(object)
        .map_err(|error| session.place.redb(READ, error))?;
    let bytes = mark.and_then(|mark| mark.value().try_into().ok());
    Ok(bytes.map(u64::from_le_bytes))
}

/// Whether to go on with a chunk of so many records and bytes.
fn flow(records: usize, bytes: usize) -> ControlFlow<()> {
    if records >= RECORDS_MAX || bytes >= BYTES_MAX {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}
