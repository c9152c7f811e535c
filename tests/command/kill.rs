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
        project.write(&format!("{folder}/{number}.md"), format!("first of {number}\nsecond of {number}\n{folder}\n"));
    }
    lay_out(&project);
    let mut cut = 0;
    for kill in 0..KILLS {
        // Edits between the kills, so that rows are updated and deleted too, not only inserted.
        project.write(&format!("{}/{kill}.md", kill % 37), format!("edit {kill}\nfirst of {kill}\n"));
        if kill % 5 == 4 {
            project.remove(&format!("{}/{}.md", (kill + 1000) % 37, kill + 1000));
        }
        let mut run = command(&project)
            .args(["run", "--quiet"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        thread::sleep(Duration::from_millis(random() % 400));
        cut += usize::from(run.try_wait().expect("the child is ours").is_none());
        run.kill().expect("the child is ours");
        run.wait().expect("the child is ours");
    }
    assert!(cut > KILLS / 5, "only {cut} of the runs were cut off: the machine is too fast for this test");
    let last = flowstone(&project, &["run", "--quiet"]);
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
    let rows = project.rows();
    assert!(rows.len() > FILES * 2);
    assert!(rows == project.fresh_rows(), "the table differs from that of a fresh store");
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
