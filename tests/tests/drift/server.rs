//! Tables of PostgreSQL: whole runs, what others changed in them, and connections that end.

use flowstone_tests::{FLOW, PostgresDatabase, Project, postgres_database};

use crate::{NOTHING, drifted, listed, verify};

fn project(database: &PostgresDatabase) -> Project {
    let mut project = Project::new();
    let (_, target) = FLOW.split_once("[target.index]").unwrap();
    let same = format!("[target.index]{target}");
    let moved = same
        .replace("kind = \"sqlite\"", "kind = \"postgres\"")
        .replace(
            "path = \"out/lines.db\"",
            &format!("url = \"{}\"", database.url()),
        );
    project.flow = FLOW.replace(&same, &moved);
    project.write("a.md", "one\ntwo\n").write("b.md", "three\n");
    project
}

fn rows(database: &PostgresDatabase) -> Vec<String> {
    let rows = database.query("SELECT path, line, weight FROM line ORDER BY path, line");
    let rows = rows.into_iter().map(|row| {
        let cells = row
            .into_iter()
            .map(|cell| cell.unwrap_or("null".to_owned()));
        cells.collect::<Vec<_>>().join("|")
    });
    rows.collect()
}

const ALL: [&str; 3] = ["a.md|one|322", "a.md|two|346", "b.md|three|536"];

#[test]
fn a_table_on_a_server_is_kept_in_step() {
    let Some(database) = postgres_database() else {
        return;
    };
    let project = project(&database);
    assert_eq!(project.run().report.targets["index"].inserted, 3);
    assert_eq!(rows(&database), ALL);
    project.write("a.md", "one\nzwei\n").remove("b.md");
    let counts = project.run().report.targets["index"];
    assert_eq!(
        (counts.inserted, counts.deleted, counts.unchanged),
        (1, 2, 1)
    );
    assert_eq!(rows(&database), ["a.md|one|322", "a.md|zwei|447"]);
    let before = database.query("SELECT batch FROM _flowstone");
    assert_eq!(project.run().calls, NOTHING);
    assert_eq!(database.query("SELECT batch FROM _flowstone"), before);
}

#[test]
fn rows_that_others_changed_on_a_server_are_put_right() {
    let Some(database) = postgres_database() else {
        return;
    };
    let mut project = project(&database);
    project.run();
    database.query(
        "UPDATE line SET weight = NULL WHERE line = 'one'; DELETE FROM line WHERE line = 'two'; \
         INSERT INTO line VALUES ('z', 'zero', 0)",
    );
    let outcome = verify(&mut project);
    assert_eq!(outcome.calls, NOTHING);
    assert_eq!(
        listed(&outcome.report),
        [
            "index path=a.md, line=one changed",
            "index path=a.md, line=two missing",
            "index path=z, line=zero added",
        ]
    );
    assert_eq!(rows(&database), ALL);
    assert_eq!(drifted(&verify(&mut project).report, "index"), Some(0));
    for sql in [
        "ALTER TABLE line DROP COLUMN weight",
        "ALTER TABLE line ALTER COLUMN weight TYPE text",
        "ALTER TABLE line ALTER COLUMN path TYPE varchar(9)",
        "DROP TABLE line",
    ] {
        database.query(sql);
        let outcome = project.run();
        assert_eq!(outcome.calls, NOTHING, "{sql}");
        assert_eq!(outcome.report.targets["index"].inserted, 3, "{sql}");
        assert_eq!(rows(&database), ALL);
    }
}

#[test]
fn a_connection_that_ends_within_a_batch_is_made_good_by_the_next_run() {
    let Some(database) = postgres_database() else {
        return;
    };
    let project = project(&database);
    project.run();
    database.query(
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$; \
         CREATE TRIGGER cut BEFORE INSERT ON line FOR EACH ROW WHEN (NEW.line = 'four') EXECUTE FUNCTION cut()",
    );
    project.write("b.md", "three\nfour\n").remove("a.md");
    let error = project.try_run().err().unwrap().to_string();
    assert!(
        error.starts_with("target `index`: cannot reach `postgres://"),
        "{error}"
    );
    assert_eq!(rows(&database), ALL);
    database.query("DROP TRIGGER cut ON line");
    assert_eq!(project.run().calls, NOTHING);
    assert_eq!(rows(&database), ["b.md|four|444", "b.md|three|536"]);
}
