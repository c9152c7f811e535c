//! Clocks that jump: of the machine between runs, and of the files. What is asked of it: nothing stale, nothing lost.
//!
//! The only test here that moves the clock, which is one for the whole process; the others do not depend on it.

use std::fs::File;
use std::time::{Duration, SystemTime};

use flowstone::shift_clock;
use flowstone_tests::{FLOW, Project};

const HOUR: i64 = 3600;

#[test]
fn results_of_limited_age_are_made_again_whichever_way_the_clock_jumps() {
    let mut project = Project::new();
    project.flow = FLOW.replace(
        "call = \"sample.weigh\"",
        "call = \"sample.weigh\"\ncache = { max-age = \"1h\" }",
    );
    project.write("a.md", "one\n");
    let calls_at = |hours: i64| {
        shift_clock(hours * HOUR);
        let outcome = project.run();
        assert_eq!(project.rows(), ["a.md|one|322"]);
        (outcome.report.run.0, outcome.calls.len())
    };
    assert_eq!(calls_at(0), (1, 2));
    assert_eq!(calls_at(0), (2, 0));
    assert_eq!(calls_at(2), (3, 1), "it is too old");
    assert_eq!(calls_at(2), (4, 0));
    assert_eq!(calls_at(-100), (5, 1), "how old it is cannot be known");
    assert_eq!(calls_at(-100), (6, 0));
    assert_eq!(calls_at(2), (7, 1));
    assert_eq!(calls_at(2), (8, 0));
    // Before 1970, and long after: no age wraps around.
    assert_eq!(calls_at(-600_000), (9, 1));
    assert_eq!(calls_at(10_000_000), (10, 1));
    assert_eq!(calls_at(10_000_000), (11, 0));
    shift_clock(0);
}

#[test]
fn a_change_is_seen_whatever_time_its_file_has() {
    let project = Project::new();
    let now = SystemTime::now();
    let year = Duration::from_hours(24 * 365);
    let times = [
        now + year,
        now - year,
        SystemTime::UNIX_EPOCH,
        now + 50 * year,
        now + year,
    ];
    project.write("a.md", "line 0\n");
    project.run();
    for (number, time) in times.into_iter().enumerate() {
        // As long as before: only its content tells.
        project.write("a.md", format!("line {}\n", number + 1));
        let file = File::open(project.path("docs/a.md")).unwrap();
        file.set_modified(time).unwrap();
        let outcome = project.run();
        assert_eq!(outcome.report.sources["page"].changed, 1, "{time:?}");
        assert_eq!(project.rows(), project.fresh_rows());
        assert_eq!(project.run().calls, Vec::<String>::new());
    }
}
