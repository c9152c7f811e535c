//! A project in a temporary folder: files, a flow, the guest, runs, and the table that comes of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use flowstone::{
    Engine, EngineConfig, Error, Event, Flow, FlowFile, FlowPlace, PlanReport, RunOptions,
    RunReport,
};
use tempfile::TempDir;

use crate::guest::{Guest, guest};
use crate::lists::lists_guest;

/// A flow over Markdown-like files: lines, what they weigh, and a table of both.
pub const FLOW: &str = r#"
name = "lines"

[plugin.sample]
component = "sample.wasm"

[source.page]
kind = "files"
root = "docs"

[transform.line]
call = "sample.lines"
each = "page"
rows = true

[transform.weight]
call = "sample.weigh"
each = "line"

[target.index]
kind = "sqlite"
path = "out/lines.db"
table = "line"
rows = "line"
key = ["path", "line"]
columns = { path = "page.path", line = "line", weight = "weight" }
"#;

/// A project in a temporary folder.
pub struct Project {
    folder: TempDir,
    /// The flow file's text.
    pub flow: String,
    /// The guest's knobs.
    pub guest: Guest,
    /// A component in place of the guest.
    pub component: Option<Vec<u8>>,
    /// Components of plugins by their names in the flow, before any other.
    pub components: BTreeMap<String, Vec<u8>>,
    /// How the engine works.
    pub config: EngineConfig,
    /// How runs are done.
    pub options: RunOptions,
}

/// What a run did, as its events told.
pub struct Outcome {
    /// The run's report.
    pub report: RunReport,
    /// The calls that ran: the transform and the root row's key, sorted.
    pub calls: Vec<String>,
}

impl Project {
    /// A project with the flow [`FLOW`] and an empty folder `docs`.
    ///
    /// # Panics
    ///
    /// When there is no place for temporary files.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("docs")).expect("an empty folder takes a folder");
        let mut config = EngineConfig::default();
        config.threads = 2;
        // A few rows are several commits.
        config.commit_rows = 16;
        let options = RunOptions {
            observed: true,
            ..RunOptions::default()
        };
        Self {
            folder,
            flow: FLOW.to_owned(),
            guest: Guest::default(),
            component: None,
            components: BTreeMap::new(),
            config,
            options,
        }
    }

    /// A path in the project.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file below `docs`.
    ///
    /// # Panics
    ///
    /// When the files are not as the test says.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path("docs").join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("the project takes folders");
        }
        fs::write(path, text).expect("the project takes files");
        self
    }

    /// Removes a file below `docs`.
    ///
    /// # Panics
    ///
    /// When the files are not as the test says.
    pub fn remove(&self, name: &str) -> &Self {
        fs::remove_file(self.path("docs").join(name)).expect("the file is there");
        self
    }

    /// Renames a file below `docs`.
    ///
    /// # Panics
    ///
    /// When the files are not as the test says.
    pub fn rename(&self, from: &str, to: &str) -> &Self {
        let docs = self.path("docs");
        fs::rename(docs.join(from), docs.join(to)).expect("the file is there");
        self
    }

    /// The component of a plugin. One of the name `lists` takes many rows at once, with the guest's knobs.
    fn component(&self, plugin: &str) -> Vec<u8> {
        if let Some(component) = self.components.get(plugin) {
            return component.clone();
        }
        match &self.component {
            Some(component) => component.clone(),
            None if plugin == "lists" => lists_guest(self.guest.weight),
            None => guest(self.guest),
        }
    }

    /// The engine on the project's store, and the flow checked on it.
    ///
    /// # Errors
    ///
    /// As [`Engine::open`] and [`Engine::flow`].
    pub fn open(&self) -> Result<(Engine, Flow), Error> {
        let engine = Engine::open(&self.path(".flowstone"), self.config.clone())?;
        let flow = self.flow_of(&engine)?;
        Ok((engine, flow))
    }

    /// The flow, checked on an engine that is open.
    ///
    /// # Errors
    ///
    /// As [`Engine::flow`].
    pub fn flow_of(&self, engine: &Engine) -> Result<Flow, Error> {
        let file = FlowFile::parse(&self.flow, &BTreeMap::new())?;
        let components = file.plugins.iter().map(|plugin| {
            let name = plugin.name.value.clone();
            let component = self.component(&name);
            (name, component)
        });
        let place = FlowPlace {
            base: self.folder.path().to_owned(),
            file: "flow.toml".to_owned(),
        };
        engine.flow(&file, place, components.collect())
    }

    /// Runs the flow.
    ///
    /// # Errors
    ///
    /// As [`Engine::run`].
    ///
    /// # Panics
    ///
    /// When the observer panicked.
    pub fn try_run(&self) -> Result<Outcome, Error> {
        let (engine, flow) = self.open()?;
        self.run_flow(&engine, &flow)
    }

    /// Runs a flow on an engine that is open.
    ///
    /// # Errors
    ///
    /// As [`Engine::run`].
    ///
    /// # Panics
    ///
    /// When the observer panicked.
    pub fn run_flow(&self, engine: &Engine, flow: &Flow) -> Result<Outcome, Error> {
        let calls = Mutex::new(Vec::new());
        let observer = |event: &Event<'_>| {
            if let Event::WillCall { transform, key } = event {
                calls
                    .lock()
                    .expect("no observer panics")
                    .push(format!("{transform} {key}"));
            }
        };
        let report = engine.run(flow, &self.options, &AtomicBool::new(false), &observer)?;
        let mut calls = calls.into_inner().expect("no observer panics");
        calls.sort();
        Ok(Outcome { report, calls })
    }

    /// Runs another flow file on an engine that is open.
    ///
    /// # Errors
    ///
    /// As [`Engine::run`].
    pub fn run_as(&self, engine: &Engine, text: &str, file: &str) -> Result<RunReport, Error> {
        let flow = FlowFile::parse(text, &BTreeMap::new())?;
        let components = flow.plugins.iter().map(|plugin| {
            let name = plugin.name.value.clone();
            let component = self.component(&name);
            (name, component)
        });
        let components = components.collect();
        let place = FlowPlace {
            base: self.folder.path().to_owned(),
            file: file.to_owned(),
        };
        let flow = engine.flow(&flow, place, components)?;
        engine.run(
            &flow,
            &self.options,
            &AtomicBool::new(false),
            &|_: &Event<'_>| {},
        )
    }

    /// Runs the flow and expects that it can be run.
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub fn run(&self) -> Outcome {
        self.try_run()
            .unwrap_or_else(|error| panic!("the run failed: {error}"))
    }

    /// What a run would do.
    ///
    /// # Panics
    ///
    /// When that cannot be told.
    pub fn plan(&self) -> PlanReport {
        let (engine, flow) = self.open().expect("the flow opens");
        engine
            .plan(&flow, &self.options.cache, &AtomicBool::new(false))
            .expect("the plan can be made")
    }

    /// All rows of the table `line`, in the order of the key, each as text.
    ///
    /// # Panics
    ///
    /// When the files are not as the test says.
    pub fn rows(&self) -> Vec<String> {
        self.table("line")
    }

    /// All rows of a table of the database `out/lines.db`, in the order of the key, each as text.
    ///
    /// # Panics
    ///
    /// When the files are not as the test says.
    pub fn table(&self, name: &str) -> Vec<String> {
        table(&self.path("out/lines.db"), name)
    }

    /// What a run from nothing gives for the same files, flow and code.
    ///
    /// # Panics
    ///
    /// When it cannot be run.
    pub fn fresh_rows(&self) -> Vec<String> {
        self.fresh().rows()
    }

    /// A project with the same files, flow and code, run from nothing.
    ///
    /// # Panics
    ///
    /// When it cannot be run.
    #[must_use]
    pub fn fresh(&self) -> Self {
        let fresh = Project {
            flow: self.flow.clone(),
            guest: self.guest,
            component: self.component.clone(),
            components: self.components.clone(),
            ..Project::new()
        };
        copy_folder(&self.path("docs"), &fresh.path("docs"));
        fresh.run();
        fresh
    }
}

impl Default for Project {
    fn default() -> Self {
        Self::new()
    }
}

/// Copies what is in a folder into another one.
///
/// # Panics
///
/// When the files are not as the test says.
pub fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the folder can be listed") {
        let entry = entry.expect("the folder can be listed");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&to).expect("the project takes folders");
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("the file can be copied");
        }
    }
}

/// All rows of a table as text, columns separated by `|`, sorted.
fn table(path: &Path, name: &str) -> Vec<String> {
    if !path.exists() {
        return Vec::new();
    }
    let database = rusqlite::Connection::open(path).expect("the target is a database");
    let Ok(mut query) = database.prepare(&format!("SELECT * FROM \"{name}\"")) else {
        return Vec::new();
    };
    let columns = query.column_count();
    let mut rows = query.query([]).expect("the table can be read");
    let mut found = Vec::new();
    while let Some(row) = rows.next().expect("the table can be read") {
        let cells =
            (0..columns).map(
                |column| match row.get_ref(column).expect("the column is there") {
                    rusqlite::types::ValueRef::Null => "null".to_owned(),
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    rusqlite::types::ValueRef::Real(number) => number.to_string(),
                    rusqlite::types::ValueRef::Text(text) => {
                        String::from_utf8_lossy(text).into_owned()
                    }
                    rusqlite::types::ValueRef::Blob(bytes) => format!("{bytes:02x?}"),
                },
            );
        found.push(cells.collect::<Vec<_>>().join("|"));
    }
    found.sort();
    found
}
