//! Sources that never end, and runs that are stopped.

use std::sync::atomic::{AtomicBool, Ordering};

use flowstone::Event;
use flowstone_tests::Project;

#[test]
fn a_query_that_never_ends_ends_when_the_run_is_stopped() {
    // One gives rows for ever, the other is for ever at its first.
    for query in [
        "select cast(id as text) id from r",
        "select cast(id as text) id from r where id < 0",
    ] {
        let mut project = Project::new();
        project.flow = format!(
            r#"
name = "endless"

[source.s]
kind = "sqlite"
path = "docs/a.db"
query = "with recursive r(id) as (select 1 union all select id + 1 from r) {query}"
key = "id"

[target.items]
kind = "sqlite"
path = "out/lines.db"
table = "item"
rows = "s"
key = ["id"]
columns = {{ id = "s.id" }}
"#
        );
        rusqlite::Connection::open(project.path("docs/a.db"))
            .and_then(|database| database.execute_batch("CREATE TABLE t (id)"))
            .unwrap();
        let (engine, flow) = project.open().expect("the flow opens");
        let stop = AtomicBool::new(false);
        let observer = |event: &Event<'_>| {
            if matches!(event, Event::RunStarted { .. }) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let report = engine
            .run(&flow, &project.options, &stop, &observer)
            .expect("stopping is no error");
        assert!(report.interrupted);
        let options = &project.options.cache;
        let plan = engine.plan(&flow, options, &stop).expect("nor here");
        assert!(plan.rows.is_empty());
    }
}
