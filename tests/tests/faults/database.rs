//! The store's database on a disk that fails, or loses its power, at every single operation of a run.

use std::io;

use flowstone::{Engine, Error};
use flowstone_store::{Store, StoreOptions};
use flowstone_tests::{Outcome, Project, meeting};

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
    let ends = stop_in(&edited, &disk, stop, |_| true);
    assert_eq!(ends[0].calls.len(), 4, "{:?}", ends[0].calls);
}

/// Rows that are grouped, combined, looked up and counted with state.
const MEETING: &str = r#"
name = "meet"

[plugin.sample]
component = "sample.wasm"

[source.page]
kind = "files"
root = "docs"

[transform.line]
call = "sample.lines"
each = "page"
from = { content = "page.content" }
rows = true

[transform.weight]
call = "sample.weigh"
each = "line"

[reduce.joined]
call = "sample.join"
over = "line"
by = ["weight"]
from = { lines = "line" }

[reduce.told]
call = "sample.same"
over = "line"
by = []
from = { line = "line" }
combine = "sample.concat"

[transform.so-far]
call = "sample.running"
each = "line"
from = { lines = "line" }
state = { rows = 1 }

[transform.paired]
call = "sample.pair"
each = "so-far"
from = { line = "so-far.line" }
lookup = { found = { in = "joined", key = "so-far.weight", take = "joined" } }

[target.joined]
kind = "sqlite"
path = "out/lines.db"
table = "joined"
rows = "joined"
key = ["weight"]
columns = { weight = "joined.weight", text = "joined" }

[target.told]
kind = "sqlite"
path = "out/lines.db"
table = "told"
rows = "told"
key = ["text"]
columns = { text = "told" }

[target.so_far]
kind = "sqlite"
path = "out/lines.db"
table = "so_far"
rows = "so-far"
key = ["path", "line"]
columns = { path = "so-far.path", line = "so-far.line", length = "so-far", paired = "paired" }
"#;

/// The same where rows of different collections meet. Every operation is one at which it stops, with one of the two ends.
fn stop_where_rows_meet(stop: Stop) {
    let disk = Disk::default();
    let edited = Edited::of(MEETING.to_owned(), Some(meeting(0)), |project| {
        run(project, &disk).unwrap();
    });
    let ends = stop_in(&edited, &disk, stop, |at| at.is_multiple_of(2));
    let folds = ends[0]
        .calls
        .iter()
        .filter(|call| call.starts_with("told.combine"));
    assert!(folds.count() > 0, "{:?}", ends[0].calls);
}

/// Stops a run at every operation: with the first end where `both` is true of it, and with the other one where it is not.
/// Where `both` is always true, with both.
fn stop_in(edited: &Edited, disk: &Disk, stop: Stop, both: impl Fn(u64) -> bool) -> [End; 2] {
    let image = disk.surviving(Survives::All);
    let ends = edited.ends(|project| run(project, &Disk::with(&image, None)).unwrap());
    edited.restore();
    let disk = Disk::with(&image, None);
    run(&edited.project, &disk).unwrap();
    let operations = disk.state().operations;
    assert!(operations > 20, "{operations}");
    for at in 0..operations {
        let wanted = match (both(at), both(at + 1)) {
            (true, true) => &ends[..],
            (true, false) => &ends[..1],
            _ => &ends[1..],
        };
        for end in wanted {
            stop_at(edited, &image, end, at, stop);
        }
    }
    ends
}

#[test]
fn rows_that_meet_survive_a_database_that_fails_at_any_operation() {
    stop_where_rows_meet(Stop::Fail(io::ErrorKind::Other));
}

#[test]
fn rows_that_meet_survive_a_power_loss_at_any_operation() {
    stop_where_rows_meet(Stop::PowerLoss);
}

#[test]
fn a_database_that_fails_at_any_operation_of_a_run_is_an_error_that_the_next_run_makes_good() {
    stop_everywhere(Stop::Fail(io::ErrorKind::Other));
}

#[test]
fn a_database_that_loses_what_is_written_from_any_operation_on_is_made_good_by_the_next_run() {
    stop_everywhere(Stop::PowerLoss);
}
