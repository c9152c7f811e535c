//! Whether a built component is as new as its sources, found out without running a build tool.
//!
//! Everything that the builder says the component was made of is on record with size and time, and every other file of
//! the folder too: a new file there may be part of the next build. When anything differs, the builder decides.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flowstone::core::{Type, Value, fingerprint};
use serde::{Deserialize, Serialize};

/// Raised when the record's meaning changes.
const VERSION: u32 = 2;

/// So many files are looked at; a folder with more is built each time.
pub(super) const FILES_MAX: usize = 20_000;

/// What the file system's clock may be off from the system's.
const CLOCK_SLACK: Duration = Duration::from_millis(50);

/// What a component was built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    /// The language and the versions of its tools.
    tools: String,
    /// The fingerprint of the component's bytes.
    component: String,
    /// Every file by its path; none where there was no file.
    files: BTreeMap<PathBuf, Option<Stamp>>,
}

/// What tells that a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u64,
}

impl Record {
    /// What a component was made of: `inputs`, and all files of `folder`, with these tools. None when something changed
    /// since the build began at `begun`: the builder may have read it before or after.
    pub(super) fn of(
        folder: &Path,
        inputs: &BTreeSet<PathBuf>,
        tools: &str,
        begun: SystemTime,
    ) -> Option<Self> {
        let mut paths = files_of(folder)?;
        paths.extend(inputs.iter().cloned());
        let files: BTreeMap<_, _> = paths
            .into_iter()
            .map(|path| (path.clone(), stamp(&path)))
            .collect();
        let begun = nanoseconds(begun.checked_sub(CLOCK_SLACK)?)?;
        let settled = files.values().flatten().all(|stamp| stamp.modified < begun);
        // A builder writes a lock file itself when it is missing or old; the next build is then a short one.
        settled.then_some(Self {
            version: VERSION,
            tools: tools.to_owned(),
            component: String::new(),
            files,
        })
    }

    /// The same for these bytes.
    pub(super) fn for_component(&self, bytes: &[u8]) -> Self {
        Self {
            component: identity(bytes),
            ..self.clone()
        }
    }

    /// Whether it is about these bytes.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        self.component == identity(bytes)
    }

    /// Whether all files are as they were, no new one is in `folder`, and the tools are the same.
    pub(super) fn is_fresh(&self, folder: &Path, tools: &str) -> bool {
        let unchanged = self
            .files
            .iter()
            .all(|(path, before)| stamp(path) == *before);
        unchanged
            && self.tools == tools
            && files_of(folder)
                .is_some_and(|files| files.iter().all(|path| self.files.contains_key(path)))
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes)
            .ok()
            .filter(|record: &Self| record.version == VERSION)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The state of all files of a folder, and of those on record: another one when one of them changed.
pub(super) fn state(folder: &Path, record: Option<&Record>) -> u64 {
    let mut paths = files_of(folder).unwrap_or_default();
    paths.extend(
        record
            .into_iter()
            .flat_map(|record| record.files.keys().cloned()),
    );
    let mut hasher = DefaultHasher::new();
    for path in paths {
        let stamp = stamp(&path).map(|stamp| (stamp.bytes, stamp.modified));
        (path, stamp).hash(&mut hasher);
    }
    hasher.finish()
}

fn identity(bytes: &[u8]) -> String {
    let ty = Type::bytes();
    fingerprint(&Value::bytes(bytes), &ty, &ty.fingerprint()).to_string()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(Stamp {
        bytes: meta.len(),
        modified: nanoseconds(meta.modified().ok()?)?,
    })
}

fn nanoseconds(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

/// Folders of build tools, which hold no sources. Hidden ones are none either.
pub(super) const BUILD_FOLDERS: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// What is read by people and by tests, by its path in a plugin's folder. Where a component is made of it all the same,
/// the builder names it.
fn is_beside(path: &Path) -> bool {
    let of_cases = path.parent() == Some(Path::new("cases"));
    let is_toml = path
        .extension()
        .is_some_and(|extension| extension == "toml");
    [Path::new("cases.toml"), Path::new("README.md")].contains(&path) || (of_cases && is_toml)
}

/// Every file below `folder` but hidden ones, those of build folders, and what is beside. None when there are too many.
fn files_of(root: &Path) -> Option<BTreeSet<PathBuf>> {
    let (mut files, mut folders) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).ok()? {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let kind = entry.file_type().ok()?;
            if name.as_encoded_bytes().starts_with(b".")
                || (kind.is_dir() && is_build_folder(&name))
            {
                continue;
            }
            // A symbolic link is looked at as what it leads to, but not walked into.
            if kind.is_dir() {
                folders.push(entry.path());
            } else if !entry.path().strip_prefix(root).is_ok_and(is_beside) {
                files.insert(entry.path());
            }
        }
        if files.len() > FILES_MAX {
            return None;
        }
    }
    Some(files)
}

fn is_build_folder(name: &OsStr) -> bool {
    BUILD_FOLDERS.iter().any(|folder| name == *folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOLS: &str = "tool 1";

    /// A folder with sources, and files elsewhere that count too.
    struct Built {
        root: tempfile::TempDir,
    }

    impl Built {
        fn new() -> Self {
            let root = tempfile::tempdir().expect("a folder for the test");
            let built = Self { root };
            built.write("plugin/Cargo.toml", "[package]");
            built.write("plugin/src/lib.rs", "mod a;");
            built.write("shared/src/lib.rs", "");
            built
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.path(name);
            fs::create_dir_all(path.parent().expect("it is below the root"))
                .expect("it can be made");
            fs::write(path, text).expect("it can be written to");
        }

        fn record(&self) -> Record {
            let later = SystemTime::now() + Duration::from_mins(1);
            Record::of(&self.path("plugin"), &self.inputs(), TOOLS, later)
                .expect("nothing changed since")
        }

        fn inputs(&self) -> BTreeSet<PathBuf> {
            ["shared/src/lib.rs", "Cargo.lock"]
                .map(|name| self.path(name))
                .into()
        }
    }

    #[test]
    fn what_did_not_change_is_fresh() {
        let built = Built::new();
        assert!(built.record().is_fresh(&built.path("plugin"), TOOLS));
        for folder in BUILD_FOLDERS {
            built.write(&format!("plugin/{folder}/x"), "");
        }
        built.write("plugin/.flowstone/built/x", "");
        assert!(
            built.record().is_fresh(&built.path("plugin"), TOOLS),
            "artifacts and stores are no sources"
        );
    }

    #[test]
    fn a_change_anywhere_is_seen() {
        for (name, text) in [
            ("plugin/src/lib.rs", "mod a; mod b;"),
            ("plugin/src/new.rs", ""),
            ("plugin/wit/world.wit", ""),
            ("shared/src/lib.rs", "fn f() {}"),
            ("Cargo.lock", ""),
        ] {
            let built = Built::new();
            let record = built.record();
            built.write(name, text);
            assert!(!record.is_fresh(&built.path("plugin"), TOOLS), "{name}");
        }
        let built = Built::new();
        let record = built.record();
        fs::remove_file(built.path("plugin/src/lib.rs")).expect("it is there");
        assert!(
            !record.is_fresh(&built.path("plugin"), TOOLS),
            "a deleted file"
        );
    }

    #[test]
    fn cases_and_the_readme_count_only_where_they_are_built_in() {
        let built = Built::new();
        let record = built.record();
        for name in ["cases.toml", "README.md", "cases/more.toml"] {
            built.write(&format!("plugin/{name}"), "other");
            assert!(record.is_fresh(&built.path("plugin"), TOOLS), "{name}");
        }
        built.write("plugin/cases/a.c", "");
        assert!(!record.is_fresh(&built.path("plugin"), TOOLS), "a source");
        let inputs = [built.path("plugin/README.md")].into();
        let later = SystemTime::now() + Duration::from_mins(1);
        let record = Record::of(&built.path("plugin"), &inputs, TOOLS, later);
        built.write("plugin/README.md", "another one");
        let is_fresh = record.map(|record| record.is_fresh(&built.path("plugin"), TOOLS));
        assert_eq!(is_fresh, Some(false), "it is named");
    }

    #[test]
    fn other_tools_build_anew() {
        let built = Built::new();
        assert!(!built.record().is_fresh(&built.path("plugin"), "tool 2"));
    }

    #[test]
    fn a_file_written_during_the_build_leaves_no_record() {
        let built = Built::new();
        let begun = SystemTime::now() - Duration::from_mins(1);
        assert_eq!(
            Record::of(&built.path("plugin"), &built.inputs(), TOOLS, begun),
            None
        );
    }

    #[test]
    fn a_record_is_about_the_bytes_it_was_made_for() {
        let built = Built::new();
        let record = built.record().for_component(b"one");
        assert!(record.is_of(b"one") && !record.is_of(b"two"));
        assert_eq!(Record::read(&record.to_bytes()), Some(record));
        assert_eq!(Record::read(b"{}"), None);
    }
}
