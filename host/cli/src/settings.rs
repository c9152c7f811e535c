//! The arguments resolved: which flow file, which store, how the engine works. The second of two steps.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use flowstone::{CacheOptions, EngineConfig, FlowPlace};

use crate::args::{CacheArgs, EngineArgs, FlowArgs};
use crate::code_key;
use crate::failure::{Failure, Kind};

/// The flow file where none is named.
pub(crate) const FLOW_FILE: &str = "flow.toml";

/// The store's folder where none is named, beside the flow file.
pub(crate) const STORE_FOLDER: &str = ".flowstone";

/// Which flow, on which store, and how.
#[derive(Clone, Debug)]
pub(crate) struct FlowSettings {
    /// The flow file, as a path that people know.
    pub(crate) shown: String,
    /// The flow file.
    pub(crate) file: PathBuf,
    /// Where the flow lives, for the engine.
    pub(crate) place: FlowPlace,
    /// The store's folder.
    pub(crate) store: PathBuf,
    /// The variables given for the flow.
    pub(crate) variables: BTreeMap<String, String>,
    /// How the engine works.
    pub(crate) engine: EngineConfig,
}

impl FlowSettings {
    /// Resolves the arguments of a verb that takes a flow.
    pub(crate) fn new(args: &FlowArgs) -> Result<Self, Failure> {
        Self::of(args.flow.as_deref(), &args.engine)
    }

    /// Resolves a flow that is named in another way.
    pub(crate) fn of(flow: Option<&Path>, args: &EngineArgs) -> Result<Self, Failure> {
        let typed = flow_file(flow)?;
        let (base, name) = folder_and_name(&typed)?;
        let own_store = base.join(STORE_FOLDER);
        let store = match &args.store {
            Some(store) => absolute(store)?,
            None => store_in(&base)?,
        };
        // In its own store a flow is known by its name alone, so that the project can be moved.
        let file = if store == own_store {
            PathBuf::from(&name)
        } else {
            base.join(&name)
        };
        let mut variables = BTreeMap::new();
        for (name, value) in &args.variables {
            if variables.insert(name.clone(), value.clone()).is_some() {
                let message = format!("the variable `{name}` is set twice");
                return Err(Failure::new(Kind::Usage, message).hint("keep one `--set` of it"));
            }
        }
        let mut engine = engine_config();
        engine.memory_bytes_max = args.memory;
        engine.allow_outside = args.allow_outside;
        engine.code_key = code_key::code_key();
        if let Some(jobs) = args.jobs {
            engine.threads = usize::from(jobs);
        }
        Ok(Self {
            shown: typed.display().to_string(),
            file: base.join(&name),
            place: FlowPlace {
                base,
                file: file.to_string_lossy().into_owned(),
            },
            store,
            variables,
            engine,
        })
    }
}

/// The store that a folder has of its own. A link is not followed: a folder that came from somebody else could lead to one
/// of the user's.
pub(crate) fn store_in(base: &Path) -> Result<PathBuf, Failure> {
    let store = base.join(STORE_FOLDER);
    let is_link = fs::symlink_metadata(&store).is_ok_and(|metadata| metadata.is_symlink());
    if is_link {
        let message = format!("the store `{}` is a link", store.display());
        return Err(Failure::new(Kind::Store, message)
            .hint("name the folder that it leads to with `--store DIR`"));
    }
    Ok(store)
}

/// The store where there is no flow file: the one that is named, or the one here.
pub(crate) fn store_alone(named: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    if Path::new(FLOW_FILE).exists() {
        return Ok(None);
    }
    match named {
        Some(store) => Ok(Some(store.to_owned())),
        None => Ok(Some(store_in(Path::new(""))?).filter(|own| own.is_dir())),
    }
}

/// How the engine of this command works, but for what arguments say. Of the command itself others may learn the verb: there
/// can be passwords in its arguments.
pub(crate) fn engine_config() -> EngineConfig {
    let mut engine = EngineConfig::default();
    let verb = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    let verb = verb
        .take_while(|word| word != "--")
        .find(|word| !word.starts_with('-'));
    engine.holder = Some(format!("flowstone {}", verb.unwrap_or_default()));
    engine.authorities = authorities();
    engine
}

/// The file of the authorities that encrypted requests trust, by the variable that other programs know too.
pub(crate) fn authorities() -> Option<PathBuf> {
    std::env::var_os("SSL_CERT_FILE")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// The flow file that is meant: the one named, the one in the folder named, or the one here.
fn flow_file(flow: Option<&Path>) -> Result<PathBuf, Failure> {
    let named = flow.unwrap_or(Path::new(FLOW_FILE));
    let (path, meta) = match fs::metadata(named) {
        Ok(meta) if meta.is_dir() => (named.join(FLOW_FILE), fs::metadata(named.join(FLOW_FILE))),
        meta => (named.to_owned(), meta),
    };
    let shown = path.display();
    match meta {
        Ok(meta) if meta.is_file() => Ok(path),
        Ok(_) => Err(Failure::new(
            Kind::NotFound,
            format!("`{shown}` is not a file"),
        )),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            let failure = Failure::new(Kind::NotFound, format!("there is no flow file `{shown}`"));
            Err(match flow {
                Some(_) => failure.hint("name a flow file, or a folder with a `flow.toml` in it"),
                None => failure.hint(
                    "run this in the folder of a flow, or name the flow: `flowstone run FLOW`",
                ),
            })
        }
        Err(error) => Err(Failure::new(
            Kind::NotFound,
            format!("cannot look at `{shown}`: {error}"),
        )),
    }
}

/// The folder of a file that is there, without symbolic links, and the file's name in it.
fn folder_and_name(file: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = file.file_name().map(PathBuf::from);
    match (fs::canonicalize(folder), name) {
        (Ok(folder), Some(name)) => Ok((folder, name)),
        (Err(error), _) => Err(Failure::new(
            Kind::NotFound,
            format!("cannot look at the folder `{}`: {error}", folder.display()),
        )),
        (_, None) => Err(Failure::new(
            Kind::NotFound,
            format!("`{}` is not a file", file.display()),
        )),
    }
}

/// The path without `.`, `..` and symbolic links as far as it is there.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    if let Ok(path) = fs::canonicalize(path) {
        return Ok(path);
    }
    let failed = |error| {
        Failure::new(
            Kind::Usage,
            format!("`{}` is no path: {error}", path.display()),
        )
    };
    let path = std::path::absolute(path).map_err(failed)?;
    Ok(
        match (path.parent().map(fs::canonicalize), path.file_name()) {
            (Some(Ok(parent)), Some(name)) => parent.join(name),
            _ => path,
        },
    )
}

impl CacheArgs {
    /// What the engine is asked to look up and remember.
    pub(crate) fn options(&self) -> CacheOptions {
        CacheOptions {
            recompute: self.recompute.iter().cloned().collect(),
            disable: self.disable.iter().cloned().collect(),
            refresh: self.refresh,
            no_cache: self.no_cache,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(store: Option<PathBuf>) -> EngineArgs {
        EngineArgs {
            store,
            variables: Vec::new(),
            memory: 1 << 20,
            jobs: Some(3),
            allow_outside: true,
        }
    }

    fn settings(flow: &Path, store: Option<PathBuf>) -> FlowSettings {
        FlowSettings::of(Some(flow), &args(store)).expect("the flow is there")
    }

    #[test]
    fn a_folder_means_its_flow_and_the_store_is_beside_it() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let base = folder.path().canonicalize().expect("it is there");
        fs::write(base.join(FLOW_FILE), "").expect("it can be written to");
        let of_folder = settings(&base, None);
        let of_file = settings(&base.join(FLOW_FILE), None);
        assert_eq!(of_folder.file, of_file.file);
        assert_eq!(of_folder.store, base.join(STORE_FOLDER));
        assert_eq!(of_folder.place.base, base);
        assert_eq!(
            (of_folder.engine.threads, of_folder.engine.allow_outside),
            (3, true)
        );
    }

    #[test]
    fn a_flow_is_known_by_its_name_in_its_own_store_and_by_its_path_in_another() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let base = folder.path().canonicalize().expect("it is there");
        fs::write(base.join("a.toml"), "").expect("it can be written to");
        let file = |store| settings(&base.join("a.toml"), store).place.file;
        assert_eq!(file(None), "a.toml");
        assert_eq!(
            file(Some(base.join(".").join(STORE_FOLDER))),
            "a.toml",
            "the same store, named otherwise"
        );
        assert_eq!(
            file(Some(base.join("elsewhere"))),
            base.join("a.toml").display().to_string()
        );
    }

    #[test]
    fn a_missing_flow_says_what_to_name() {
        let failure = FlowSettings::of(Some(Path::new("/no/such/flow.toml")), &args(None))
            .expect_err("it is missing");
        assert_eq!(
            failure.message,
            "there is no flow file `/no/such/flow.toml`"
        );
        assert_eq!(
            (failure.exit(), failure.hints.len()),
            (crate::failure::EXIT_WRONG, 1)
        );
    }
}
