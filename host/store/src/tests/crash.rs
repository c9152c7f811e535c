//! The store after a crash, or a failure of the disk, at every single write.
//!
//! The database lies on a disk of bytes that stops at the n-th operation, in one of two ways: it reports an error, or
//! the power goes and nothing that comes later reaches it. Of what was written since the last sync, all, nothing, or an
//! arbitrary part survives. Reopened, the store must hold what some step of the history left, and no earlier one than
//! the last whose commit was acknowledged.

use std::io;

use tempfile::TempDir;

use super::disk::{Disk, Stop, Survives};
use super::history::{Contents, STEPS, step};
use super::write;
use crate::create::{initialise, open_database};
use crate::place::Place;
use crate::{Store, StoreError, StoreOptions};

pub(super) fn open(dir: &TempDir, disk: Disk) -> Result<Store, StoreError> {
    let options = StoreOptions {
        code_key: Some([1; 32]),
        ..StoreOptions::default()
    };
    Store::open_on(dir.path(), disk, options)
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
