//! `flowstone watch` end to end: what is edited is in the target, whatever it is, and it stops in good order.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use flowstone_tests::{Guest, Project, guest};
use serde_json::Value as Json;

use crate::support::{command, flowstone, lay_out};

/// Far more than anything here takes, also on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// `flowstone watch --json`, and what it says.
struct Watch<'p> {
    project: &'p Project,
    child: Child,
    said: Receiver<Json>,
}

impl<'p> Watch<'p> {
    /// Starts it, with the next full listing so far away that none helps out.
    fn start(project: &'p Project, more: &[&str]) -> Self {
        lay_out(project);
        let mut child = command(project)
            .args(["watch", "--json", "--poll", "20ms"])
            // A file that is written in two steps is one change, also when this machine is busy.
            .args(["--debounce", "100ms"])
            .args(if more.contains(&"--rescan") {
                &[][..]
            } else {
                &["--rescan", "1h"]
            })
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let stdout = child.stdout.take().expect("it is a pipe");
        let (say, said) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let json = serde_json::from_str(&line).expect("each line is JSON");
                if say.send(json).is_err() {
                    return;
                }
            }
        });
        let watch = Self {
            project,
            child,
            said,
        };
        watch.until("round");
        watch
    }

    /// Waits for an event.
    fn until(&self, event: &str) -> Json {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(said) = self.said.recv_timeout(left) else {
                panic!("it does not say `{event}`");
            };
            if said["event"] == event {
                return said;
            }
        }
    }

    /// Waits until the table is that of a fresh run over what is there now.
    fn until_fresh(&self) {
        let fresh = self.project.fresh_rows();
        self.until_rows(|rows| *rows == fresh);
    }

    fn until_rows(&self, good: impl Fn(&Vec<String>) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let rows = self.project.rows();
            if good(&rows) {
                return;
            }
            assert!(Instant::now() < end, "the table stays {rows:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to end; its exit status and the last it says.
    fn stop(mut self) -> (Option<i32>, Json) {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(killed.is_ok_and(|status| status.success()));
        let stopped = self.until("stopped");
        let status = self.child.wait().expect("the child is ours");
        (status.code(), stopped)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn project() -> Project {
    let project = Project::new();
    for number in 0..12 {
        project.write(&format!("{number}.md"), format!("line {number}\n"));
    }
    project
}

#[test]
fn every_kind_of_edit_is_in_the_target_and_it_stops_in_good_order() {
    let project = project();
    let watch = Watch::start(&project, &[]);
    watch.until_fresh();
    project.write("1.md", "edited\n");
    let round = watch.until("round");
    assert_eq!(round["sources"]["page"]["changed"], 1);
    assert_eq!(round["transforms"]["line"]["called"], 1);
    watch.until_fresh();
    project.write("new/deep/er.md", "new\nlines\n");
    watch.until_fresh();
    project.remove("2.md");
    watch.until_fresh();
    project.rename("3.md", "new/3.md");
    watch.until_fresh();
    // An editor that writes beside the file and moves it into place.
    project.write(".4.md.tmp", "replaced\n");
    project.rename(".4.md.tmp", "4.md");
    watch.until_fresh();
    project.rename("new", "newer");
    watch.until_fresh();
    project.write("newer/deep/er.md", "new\nand other\n");
    watch.until_fresh();
    for number in 0..500 {
        project.write(
            &format!("burst/{}/{number}.md", number % 7),
            format!("b{number}\n"),
        );
    }
    watch.until_fresh();
    std::fs::rename(project.path("docs/burst/3"), project.path("away")).expect("it can be moved");
    watch.until_fresh();
    std::fs::rename(project.path("away"), project.path("docs/back")).expect("it can be moved");
    watch.until_fresh();
    let (status, stopped) = watch.stop();
    assert_eq!(
        (status, &stopped["interrupted"]),
        (Some(0), &Json::Bool(false))
    );
    // Nothing is left to do, and the store is free again.
    let run = flowstone(&project, &["run", "--json"]);
    let report: Json = serde_json::from_slice(&run.stdout).expect("a report");
    assert_eq!(report["transforms"]["line"]["called"], 0);
    assert_eq!(report["targets"]["index"]["updated"], 0);
    assert_eq!(report["targets"]["index"]["inserted"], 0);
}

#[test]
fn another_flow_or_plugin_takes_over_and_a_broken_one_does_not() {
    let mut project = project();
    let watch = Watch::start(&project, &[]);
    let good = std::fs::read_to_string(project.path("flow.toml")).expect("it is there");
    let put =
        |text: &str| std::fs::write(project.path("flow.toml"), text).expect("it can be written");
    put(&good.replace("call = \"sample.weigh\"", "call = \"sample.weihg\""));
    let broken = watch.until("flow-broken");
    assert_eq!(broken["error"]["kind"], "flow");
    project.write("1.md", "the old one goes on\n");
    watch.until_fresh();
    put("name = \"lines\" [");
    watch.until("flow-broken");
    project.write("2.md", "and on\n");
    watch.until_fresh();
    put(&good.replace(
        "kind = \"files\"",
        "kind = \"files\"\ninclude = [\"1*.md\"]",
    ));
    watch.until("flow-replaced");
    // Nine of twelve go, which is more than half: they stay, and the rest goes on.
    let failed = watch.until("source-failed");
    assert_eq!(
        (&failed["source"], &failed["refused"]),
        (&"page".into(), &Json::Bool(true))
    );
    put(&good);
    watch.until("flow-replaced");
    drop(watch);
    let watch = Watch::start(&project, &[]);
    let other = Guest {
        weight: 1000,
        ..project.guest
    };
    std::fs::write(project.path("sample.wasm"), "no component").expect("it can be written");
    watch.until("flow-broken");
    std::fs::write(project.path("sample.wasm"), guest(other)).expect("it can be written");
    watch.until("flow-replaced");
    watch.until_rows(|rows| {
        rows.iter().all(|row| {
            row.rsplit('|')
                .next()
                .is_some_and(|weight| weight.len() == 4)
        })
    });
    drop(watch);
    project.guest = other;
    assert_eq!(project.rows(), project.fresh_rows());
}

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let project = project();
    let watch = Watch::start(&project, &[]);
    let second = flowstone(&project, &["run"]);
    assert_eq!(second.status.code(), Some(3));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains(&watch.child.id().to_string()), "{said}");
    watch.until_fresh();
}

#[test]
fn a_root_that_goes_is_told_once_and_taken_up_again() {
    let project = project();
    let watch = Watch::start(&project, &[]);
    watch.until_fresh();
    let before = project.rows();
    std::fs::rename(project.path("docs"), project.path("elsewhere")).expect("it can be moved");
    let failed = watch.until("source-failed");
    assert_eq!(failed["refused"], false);
    assert_eq!(
        project.rows(),
        before,
        "nothing is deleted for a root that is gone"
    );
    std::fs::rename(project.path("elsewhere"), project.path("docs")).expect("it can be moved");
    watch.until("source-recovered");
    project.write("1.md", "watched again\n");
    watch.until_fresh();
    // An empty folder in its place is no reason to delete everything either.
    std::fs::rename(project.path("docs"), project.path("elsewhere")).expect("it can be moved");
    watch.until("source-failed");
    std::fs::create_dir(project.path("docs")).expect("it can be made");
    let refused = watch.until("source-failed");
    assert_eq!(refused["refused"], true);
    assert_eq!(project.rows().len(), before.len());
    let (status, _) = watch.stop();
    assert_eq!(status, Some(0));
}

#[test]
fn most_files_removed_at_once_stay_in_the_target_until_it_is_allowed() {
    let project = project();
    let watch = Watch::start(&project, &[]);
    watch.until_fresh();
    for number in 0..10 {
        project.remove(&format!("{number}.md"));
    }
    let refused = watch.until("source-failed");
    assert_eq!(refused["refused"], true);
    assert!(project.rows().len() > 6, "no more than half of them went");
    project.write("11.md", "goes on\n");
    watch.until_rows(|rows| rows.iter().any(|row| row.contains("goes on")));
    drop(watch);
    let watch = Watch::start(&project, &["--allow-deletes"]);
    watch.until_fresh();
    project.remove("10.md");
    watch.until_fresh();
}

#[test]
fn a_row_that_fails_is_told_and_tried_again_when_it_changes() {
    let project = project();
    let watch = Watch::start(&project, &[]);
    project.write("1.md", "fine\n!trap\n");
    let round = watch.until("round");
    assert_eq!(round["failures"], 1);
    assert_eq!(round["failed"][0]["key"], "1.md");
    project.write("2.md", "another\n");
    let round = watch.until("round");
    assert_eq!(
        (&round["failures"], &round["failed"]),
        (&1.into(), &Json::Array(Vec::new()))
    );
    project.write("1.md", "mended\n");
    let round = watch.until("round");
    assert_eq!(round["failures"], 0);
    watch.until_fresh();
}

#[test]
fn figures_and_health_are_served() {
    let project = project();
    let watch = Watch::start(&project, &[]);
    watch.until_fresh();
    drop(watch);
    lay_out(&project);
    let mut child = command(&project)
        .args(["watch", "--json", "--metrics", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
    let mut until = |event: &str| -> Json {
        loop {
            let line = lines.next().expect("it goes on").expect("it is text");
            let json: Json = serde_json::from_str(&line).expect("each line is JSON");
            if json["event"] == event {
                return json;
            }
        }
    };
    let url = until("metrics")["url"].as_str().expect("a text").to_owned();
    let place = url
        .strip_prefix("http://")
        .and_then(|url| url.strip_suffix("/metrics"));
    let place = place.expect("it is served here").to_owned();
    assert!(place.starts_with("127.0.0.1:"), "on this machine only");
    until("round");
    project.write("1.md", "edited\n");
    until("round");
    let get = |path: &str| -> String {
        let mut connection = TcpStream::connect(&place).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {place}\r\n\r\n");
        connection.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("it answers");
        answer
    };
    assert!(get("/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
    let figures = get("/metrics");
    for line in [
        "flowstone_rows_total{source=\"page\",change=\"changed\"} 1",
        "flowstone_calls_total{transform=\"line\"} 1",
        "flowstone_source_up{source=\"page\"} 1",
        "flowstone_rescans_total 1",
        "flowstone_failed_rows 0",
    ] {
        assert!(
            figures.lines().any(|found| found == line),
            "{line} in\n{figures}"
        );
    }
    child.kill().expect("the child is ours");
    child.wait().expect("the child is ours");
}

/// A flow over a table of a database and a CSV file, which do not push.
const ASKED: &str = r#"
name = "asked"

[plugin.sample]
component = "sample.wasm"

[source.note]
kind = "sqlite"
path = "in.db"
table = "note"
key = "id"
updated-at = "at"

[source.item]
kind = "csv"
path = "in.csv"
key = "id"

[transform.weight]
call = "sample.weigh"
each = "note"
from = { line = "note.text" }

[transform.load]
call = "sample.weigh"
each = "item"
from = { line = "item.text" }

[target.notes]
kind = "sqlite"
path = "out/lines.db"
table = "line"
rows = "note"
key = ["id"]
columns = { id = "note.id", text = "note.text", weight = "weight" }

[target.items]
kind = "sqlite"
path = "out/lines.db"
table = "item"
rows = "item"
key = ["id"]
columns = { id = "item.id", weight = "load" }
"#;

#[test]
fn sources_that_do_not_push_are_asked() {
    let mut project = Project::new();
    project.flow = ASKED.to_owned();
    let database = |sql: &str| {
        let connection =
            rusqlite::Connection::open(project.path("in.db")).expect("it can be opened");
        connection.execute_batch(sql).expect("it can be written");
    };
    let csv = |text: &str| std::fs::write(project.path("in.csv"), text).expect("it can be written");
    database(
        "CREATE TABLE note (id TEXT PRIMARY KEY, text TEXT, at INTEGER);
         INSERT INTO note VALUES ('a', 'one', 100), ('b', 'two', 200);",
    );
    csv("id,text\n1,x\n2,y\n");
    let watch = Watch::start(&project, &[]);
    watch.until_rows(|rows| *rows == ["a|one|322", "b|two|346"]);
    database(
        "UPDATE note SET text = 'two', at = 300 WHERE id = 'a'; INSERT INTO note VALUES ('c', 'one', 301)",
    );
    let round = watch.until("round");
    watch.until_rows(|rows| *rows == ["a|two|346", "b|two|346", "c|one|322"]);
    assert!(
        round["sources"].get("item").is_none(),
        "only what was told is looked at: {round}"
    );
    assert_eq!(
        round["transforms"]["weight"]["called"], 0,
        "both are remembered"
    );
    csv("id,text\n1,x\n2,z\n3,y\n");
    let round = watch.until("round");
    assert_eq!(
        (
            &round["sources"]["item"]["changed"],
            &round["sources"]["item"]["added"]
        ),
        (&1.into(), &1.into())
    );
    let (status, _) = watch.stop();
    assert_eq!(status, Some(0));
    // What is deleted is seen when the table is listed in full.
    database("DELETE FROM note WHERE id = 'b'");
    let watch = Watch::start(&project, &["--rescan", "200ms"]);
    watch.until_rows(|rows| *rows == ["a|two|346", "c|one|322"]);
    database("DELETE FROM note WHERE id = 'c'");
    watch.until_rows(|rows| *rows == ["a|two|346"]);
}

#[test]
fn a_granted_file_that_is_edited_is_in_the_target() {
    let mut project = Project::new();
    project.component = Some(flowstone_tests::prober().to_vec());
    project.flow = project
        .flow
        .replace("sample.weigh", "sample.probe")
        .replace(
            "each = \"line\"",
            "each = \"line\"\ngrants = { read = [\"words.txt\"] }",
        );
    std::fs::write(project.path("words.txt"), "the").expect("the project takes files");
    project.write("a.md", "read words.txt\n");
    let watch = Watch::start(&project, &[]);
    watch.until_rows(|rows| rows == &["a.md|read words.txt|the"]);
    std::fs::write(project.path("words.txt"), "The").expect("the project takes files");
    watch.until("flow-replaced");
    watch.until_rows(|rows| rows == &["a.md|read words.txt|The"]);
    // One that cannot be had leaves the flow as it was; once it is back, work goes on.
    std::fs::remove_file(project.path("words.txt")).expect("it is there");
    let broken = watch.until("flow-broken");
    let message = &broken["error"]["diagnostics"][0]["message"];
    assert_eq!(
        message,
        "`words.txt` cannot be granted: there is no `words.txt`"
    );
    std::fs::write(project.path("words.txt"), "das").expect("the project takes files");
    watch.until_rows(|rows| rows == &["a.md|read words.txt|das"]);
    assert_eq!(watch.stop().0, Some(0));
}
