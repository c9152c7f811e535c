//! Whole runs on storage that fails: whatever stops a run, the next one on healthy storage ends like a fresh build, and what
//! was settled before is not called again.

mod clock;
mod database;
#[path = "../../../host/store/src/tests/disk.rs"]
mod disk;
mod objects;
mod targets;

use std::fs;

use flowstone::Error;
use flowstone_tests::{FLOW, Outcome, Project, copy_folder};
use tempfile::TempDir;

/// A target of one file per line, besides the table.
const FILES: &str = r#"
[target.pages]
kind = "files"
root = "out/pages"
rows = "line"
path = "{page}/{line}.txt"
columns = { page = "page.path", line = "line", content = "line" }
"#;

/// A project whose first run is done and whose files were edited since; its folder can be put back to that.
pub(crate) struct Edited {
    pub(crate) project: Project,
    kept: TempDir,
}

/// What the run after one that was stopped must come to.
pub(crate) struct End {
    /// Whether files are edited between the two, so that what the first one was about to write is wanted no more.
    edits: bool,
    /// What the targets hold after a run from nothing.
    fresh: Vec<String>,
    /// The calls that a run makes that was not preceded by one that was stopped.
    pub(crate) calls: Vec<String>,
}

/// The folders that runs and tests write.
const WRITTEN: [&str; 3] = [".flowstone", "out", "docs"];

impl Edited {
    /// Runs the flow with `first`, then edits: a line is new, one is gone, a file is gone and one is new.
    pub(crate) fn new(first: impl FnOnce(&Project)) -> Self {
        Self::of(format!("{FLOW}{FILES}"), None, first)
    }

    /// The same of another flow, with another component.
    pub(crate) fn of(
        flow: String,
        component: Option<Vec<u8>>,
        first: impl FnOnce(&Project),
    ) -> Self {
        let mut project = Project::new();
        project.flow = flow;
        project.component = component;
        // One thread: the n-th write is the same in every run.
        project.config.threads = 1;
        project.config.code_key = Some([1; 32]);
        project
            .write("a.md", "one\ntwo\n")
            .write("b.md", "three\n")
            .write("c.md", "four\n");
        first(&project);
        project
            .write("a.md", "one\nzwei\n")
            .remove("b.md")
            .write("d.md", "four\nfive\n");
        let kept = tempfile::tempdir().unwrap();
        let edited = Self { project, kept };
        edited.keep();
        edited
    }

    /// Takes the folder as it is for what is put back.
    pub(crate) fn keep(&self) {
        for name in WRITTEN {
            let kept = self.kept.path().join(name);
            fs::create_dir_all(&kept).unwrap();
            copy_folder(&self.project.path(name), &kept);
        }
    }

    /// Edits once more: what is new goes again, and other lines come.
    fn edit_again(&self) {
        self.project.write("a.md", "one\ndrei\n").remove("d.md");
    }

    /// What the next run must come to, whether or not files are edited before it; `run` is one that nothing stops.
    pub(crate) fn ends(&self, run: impl Fn(&Project) -> Outcome) -> [End; 2] {
        [false, true].map(|edits| {
            self.restore();
            if edits {
                self.edit_again();
            }
            let calls = run(&self.project).calls;
            let mut copy = Project::new();
            copy.flow.clone_from(&self.project.flow);
            copy.component.clone_from(&self.project.component);
            copy_folder(&self.project.path("docs"), &copy.path("docs"));
            copy.run();
            let fresh = held(&copy);
            End {
                edits,
                fresh,
                calls,
            }
        })
    }

    /// Puts the folder back.
    pub(crate) fn restore(&self) {
        for name in WRITTEN {
            let folder = self.project.path(name);
            fs::remove_dir_all(&folder).unwrap();
            fs::create_dir_all(&folder).unwrap();
            copy_folder(&self.kept.path().join(name), &folder);
        }
    }

    /// Does the next run, and checks its end: the targets are those of a fresh build, nothing was called that was settled
    /// before, and a run after it calls and writes nothing.
    pub(crate) fn check(
        &self,
        end: &End,
        run: impl Fn(&Project) -> Result<Outcome, Error>,
        fault: &str,
    ) {
        let fault = format!("{fault}, edits: {}", end.edits);
        if end.edits {
            self.edit_again();
        }
        let failed = |error| -> Outcome { panic!("{fault}: {error}") };
        let outcome = run(&self.project).unwrap_or_else(failed);
        assert_eq!(held(&self.project), end.fresh, "{fault}");
        assert_eq!(outcome.report.failures, 0, "{fault}");
        let mut usual = end.calls.clone();
        for call in &outcome.calls {
            let known = usual.iter().position(|other| other == call);
            let known = known.unwrap_or_else(|| panic!("{fault}: {call} was settled before"));
            usual.remove(known);
        }
        let outcome = run(&self.project).unwrap_or_else(failed);
        assert!(outcome.calls.is_empty(), "{fault}: {:?}", outcome.calls);
        for (name, counts) in &outcome.report.targets {
            let written = counts.inserted + counts.updated + counts.deleted;
            assert_eq!(written, 0, "{fault}: target {name}");
        }
    }
}

/// What the targets of a project hold, read without flowstone.
pub(crate) fn held(project: &Project) -> Vec<String> {
    let mut held = Vec::new();
    for table in ["line", "joined", "told", "so_far"] {
        held.extend(
            project
                .table(table)
                .iter()
                .map(|row| format!("{table}: {row}")),
        );
    }
    let mut folders = vec![project.path("out/pages")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)
            .into_iter()
            .flatten()
            .map(Result::unwrap)
        {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if entry.file_name() != ".flowstone-target.db" {
                let below = path
                    .strip_prefix(project.path("out"))
                    .unwrap()
                    .display()
                    .to_string();
                held.push(format!("{below}: {}", fs::read_to_string(&path).unwrap()));
            }
        }
    }
    held.sort();
    held
}
