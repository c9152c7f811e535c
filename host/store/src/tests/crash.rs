//! The store after a crash, or a failure of the disk, at every single write.
//!
//! The database lies on a disk of bytes that stops at the n-th operation, in one of two ways: it reports an error, or
//! the power goes and nothing that comes later reaches it. Of what was written since the last sync, all, nothing, or an
//! arbitrary part survives. Reopened, the store must hold what some step of the history left, and no earlier one than
//! the last whose commit was acknowledged.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;
use tempfile::TempDir;

use super::history::{Contents, STEPS, step};
use super::{hash, write};
use crate::lock::Lock;
use crate::place::Place;
use crate::store::{initialise, open_database, prepare_folders};
use crate::{Store, StoreError, StoreOptions};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stop {
    /// Every operation from then on fails with this.
    Fail(io::ErrorKind),
    /// Every operation from then on seems to work, but nothing reaches the disk.
    PowerLoss,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Survives {
    All,
    Nothing,
    /// Each write or not, by the seed.
    Some(u64),
}

enum Operation {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Default)]
pub(super) struct State {
    /// What the process sees.
    now: Vec<u8>,
    /// What is sure to survive.
    synced: Vec<u8>,
    /// What was done since.
    pending: Vec<Operation>,
    pub(super) operations: u64,
    stop: Option<(u64, Stop)>,
}

#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}

impl Operation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => bytes.resize(*len as usize, 0),
            Self::Write(offset, data) => {
                let end = *offset as usize + data.len();
                // A write can survive without the growth before it: the system grows the file then.
                bytes.resize(bytes.len().max(end), 0);
                bytes[*offset as usize..end].copy_from_slice(data);
            }
        }
    }
}

impl State {
    /// Counts an operation; whether it reaches the disk.
    fn operate(&mut self) -> io::Result<bool> {
        self.operations += 1;
        match self.stop {
            Some((at, Stop::Fail(kind))) if self.operations > at => Err(kind.into()),
            Some((at, Stop::PowerLoss)) if self.operations > at => Ok(false),
            _ => Ok(true),
        }
    }

    fn change(&mut self, operation: Operation) -> io::Result<()> {
        let reaches = self.operate()?;
        operation.apply(&mut self.now);
        if reaches {
            self.pending.push(operation);
        }
        Ok(())
    }
}

impl Disk {
    pub(super) fn with(image: &[u8], stop: Option<(u64, Stop)>) -> Self {
        let state = State {
            now: image.to_vec(),
            synced: image.to_vec(),
            stop,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn has_stopped(&self) -> bool {
        let state = self.state();
        state.stop.is_some_and(|(at, _)| state.operations > at)
    }

    /// What is on the disk after the crash.
    pub(super) fn surviving(&self, survives: Survives) -> Vec<u8> {
        let state = self.state();
        let mut bytes = state.synced.clone();
        for (index, operation) in state.pending.iter().enumerate() {
            let survives = match survives {
                Survives::All => true,
                Survives::Nothing => false,
                Survives::Some(seed) => hash(seed << 32 | index as u64)[0] & 1 == 0,
            };
            if survives {
                operation.apply(&mut bytes);
            }
        }
        bytes
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let found = state.now.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state().change(Operation::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.operate()? {
            let State {
                synced, pending, ..
            } = &mut *state;
            pending
                .drain(..)
                .for_each(|operation| operation.apply(synced));
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.state().change(Operation::Write(offset, data.to_vec()))
    }
}

pub(super) fn open(dir: &TempDir, disk: Disk) -> Result<Store, StoreError> {
    let place = Place::at(dir.path())?;
    let lock = Lock::take(&place)?;
    prepare_folders(&place)?;
    let options = StoreOptions {
        code_key: Some([1; 32]),
        ..StoreOptions::default()
    };
    Store::assemble(place, lock, disk, options)
}

/// The bytes of an initialised, closed database.
pub(super) fn empty_image(dir: &TempDir) -> Vec<u8> {
    let disk = Disk::default();
    let place = Place::at(dir.path()).unwrap();
    let database = open_database(&place, disk.clone(), &StoreOptions::default()).unwrap();
    initialise(&place, &database).unwrap();
    drop(database);
    disk.surviving(Survives::All)
}

/// What the store holds after each number of steps, and how many operations all of them take.
fn uninterrupted(dir: &TempDir, image: &[u8]) -> (Vec<Contents>, u64) {
    let disk = Disk::with(image, None);
    let store = open(dir, disk.clone()).unwrap();
    let mut contents = vec![Contents::of(&store).unwrap()];
    for number in 0..STEPS {
        write(&store, |writer| step(writer, number)).unwrap();
        contents.push(Contents::of(&store).unwrap());
    }
    drop(store);
    let operations = disk.state().operations;
    (contents, operations)
}

fn stop_everywhere(stop: Stop, survivals: &[Survives]) {
    let dir = TempDir::new().unwrap();
    let image = empty_image(&dir);
    let (contents, operations) = uninterrupted(&dir, &image);
    for at in 0..=operations {
        let disk = Disk::with(&image, Some((at, stop)));
        let mut acknowledged = 0;
        let mut begun = 0;
        match open(&dir, disk.clone()) {
            Ok(store) => {
                for number in 0..STEPS {
                    begun = number + 1;
                    let result = write(&store, |writer| step(writer, number));
                    if disk.has_stopped() {
                        check_failure(stop, result);
                        break;
                    }
                    result.unwrap();
                    acknowledged = begun;
                }
            }
            Err(error) => check_failure(stop, Err(error)),
        }
        for survives in survivals {
            let store = open(&dir, Disk::with(&disk.surviving(*survives), None))
                .unwrap_or_else(|error| panic!("{stop:?} at {at}, {survives:?}: {error}"));
            let found = Contents::of(&store).unwrap();
            let possible = &contents[acknowledged as usize..=begun as usize];
            assert!(
                possible.contains(&found),
                "{stop:?} at {at}, {survives:?}: after step {acknowledged}"
            );
            // It can be used further.
            write(&store, |writer| step(writer, STEPS - 1)).unwrap();
        }
    }
}

/// The failure is named for what it is. The step may also not have noticed it.
fn check_failure(stop: Stop, result: Result<(), StoreError>) {
    let Err(error) = result else { return };
    let named = match stop {
        Stop::Fail(io::ErrorKind::StorageFull) => matches!(error, StoreError::Full { .. }),
        Stop::Fail(_) => matches!(error, StoreError::Io { .. }),
        Stop::PowerLoss => false,
    };
    assert!(named, "{stop:?} was reported as {error:?}");
}

#[test]
fn after_a_power_loss_at_any_write_every_acknowledged_commit_is_there_and_whole() {
    let survivals = [
        Survives::All,
        Survives::Nothing,
        Survives::Some(1),
        Survives::Some(2),
    ];
    stop_everywhere(Stop::PowerLoss, &survivals);
}

#[test]
fn a_disk_that_fails_at_any_write_is_an_error_and_loses_nothing() {
    stop_everywhere(
        Stop::Fail(io::ErrorKind::Other),
        &[Survives::All, Survives::Nothing, Survives::Some(3)],
    );
}

#[test]
fn a_disk_that_is_full_at_any_write_is_called_full_and_loses_nothing() {
    stop_everywhere(Stop::Fail(io::ErrorKind::StorageFull), &[Survives::All]);
}
