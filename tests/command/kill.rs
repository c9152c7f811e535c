//! Killed at any moment, nothing that was settled is lost, and the next run ends right.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use flowstone_tests::Project;

use crate::support::{command, flowstone, lay_out};

const FILES: usize = 5_000;
const KILLS: usize = 50;

#[test]
fn a_run_killed_fifty_times_ends_like_one_that_was_not() {
    let project = Project::new();
    for number in 0..FILES {
        let folder = number % 37;
        project.write(
            &format!("{folder}/{number}.md"),
            format!("first of {number}\nsecond of {number}\n{folder}\n"),
        );
    }
    lay_out(&project);
    // However fast the machine is, the kills come while there is work: soon after a run was done in time, later after one
    // was cut off.
    let (mut cut, mut latest_ms) = (0, 400);
    for kill in 0..KILLS {
        // Edits between the kills, so that rows are updated and deleted too, not only inserted.
        project.write(
            &format!("{}/{kill}.md", kill % 37),
            format!("edit {kill}\nfirst of {kill}\n"),
        );
        if kill % 5 == 4 {
            project.remove(&format!("{}/{}.md", (kill + 1000) % 37, kill + 1000));
        }
        let mut run = command(&project)
            .args(["run", "--quiet"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        thread::sleep(Duration::from_millis(random() % latest_ms));
        let running = run.try_wait().expect("the child is ours").is_none();
        cut += usize::from(running);
        latest_ms = if running {
            (latest_ms + 20).min(400)
        } else {
            (latest_ms / 2).max(8)
        };
        run.kill().expect("the child is ours");
        run.wait().expect("the child is ours");
    }
    assert!(
        cut > KILLS / 5,
        "only {cut} of the runs were cut off: the machine is too fast for this test"
    );
    let last = flowstone(&project, &["run", "--quiet"]);
    assert!(
        last.status.success(),
        "{}",
        String::from_utf8_lossy(&last.stderr)
    );
    let rows = project.rows();
    assert!(rows.len() > FILES * 2);
    assert!(
        rows == project.fresh_rows(),
        "the table differs from that of a fresh store"
    );
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
