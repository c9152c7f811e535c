//! The store's database on a disk that fails, or loses its power, at every single operation of a run.

use std::io;

use flowstone::{Engine, Error};
use flowstone_store::{Store, StoreOptions};
use flowstone_tests::{Outcome, Project};

use crate::disk::{Disk, Stop, Survives};
use crate::{Edited, End};

fn run(project: &Project, disk: &Disk) -> Result<Outcome, Error> {
    let mut options = StoreOptions::default();
    options.code_key = project.config.code_key;
    let store = Store::open_on(&project.path(".flowstone"), disk.clone(), options)?;
    let engine = Engine::on(store, project.config.clone());
    let flow = project.flow_of(&engine)?;
    project.run_flow(&engine, &flow)
}

/// A run that is stopped at an operation, and what survives of the disk then.
fn stop_at(edited: &Edited, image: &[u8], end: &End, at: u64, stop: Stop) {
    let survives = match at % 3 {
        0 => Survives::All,
        1 => Survives::Nothing,
        _ => Survives::Some(at),
    };
    let fault = format!("{stop:?} at {at}, {survives:?}");
    edited.restore();
    let disk = Disk::with(image, Some((at, stop)));
    let stopped = run(&edited.project, &disk);
    assert!(disk.has_stopped(), "{fault}");
    if let (Err(error), Stop::Fail(_)) = (&stopped, stop) {
        assert!(matches!(error, Error::Store(_)), "{fault}: {error}");
    }
    let healthy = Disk::with(&disk.surviving(survives), None);
    edited.check(end, |project| run(project, &healthy), &fault);
}

fn stop_everywhere(stop: Stop) {
    let disk = Disk::default();
    let edited = Edited::new(|project| {
        run(project, &disk).unwrap();
    });
    let image = disk.surviving(Survives::All);
    let ends = edited.ends(|project| run(project, &Disk::with(&image, None)).unwrap());
    assert_eq!(ends[0].calls.len(), 4, "{:?}", ends[0].calls);
    edited.restore();
    let disk = Disk::with(&image, None);
    run(&edited.project, &disk).unwrap();
    let operations = disk.state().operations;
    assert!(operations > 20, "{operations}");
    for at in 0..operations {
        for end in &ends {
            stop_at(&edited, &image, end, at, stop);
        }
    }
}

#[test]
fn a_database_that_fails_at_any_operation_of_a_run_is_an_error_that_the_next_run_makes_good() {
    stop_everywhere(Stop::Fail(io::ErrorKind::Other));
}

#[test]
fn a_database_that_loses_what_is_written_from_any_operation_on_is_made_good_by_the_next_run() {
    stop_everywhere(Stop::PowerLoss);
}
