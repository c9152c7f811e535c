//! From a flow file to a flow that can be run: read it, find or build its components, open the store, wire it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use flowstone::core::{Grants, StoreSettings, Variable};
use flowstone::{Diagnostic, Engine, Flow, FlowErrors, FlowFile, PluginOrigin};

use crate::build::{self, BUILT};
use crate::failure::{Failure, FlowText, Kind};
use crate::output::Output;
use crate::settings::FlowSettings;
use crate::whole;

/// How many bytes a flow file may have; people write them.
const FLOW_BYTES_MAX: u64 = 4 << 20;

/// A flow, wired, and the engine that runs it.
pub(crate) struct Opened {
    /// The engine, with the flow's store.
    pub(crate) engine: Engine,
    /// The flow.
    pub(crate) flow: Flow,
    /// The plugins in the order of the file: name, where the component comes from, its digest.
    pub(crate) plugins: Vec<(String, String, String)>,
}

/// A flow file as it was read, with the places of its components.
pub(crate) struct Draft {
    text: FlowText,
    file: FlowFile,
    origins: Vec<(String, Origin)>,
}

/// A flow file with its components, not checked against them yet.
pub(crate) struct Built {
    text: FlowText,
    file: FlowFile,
    components: BTreeMap<String, Vec<u8>>,
    /// As [`Opened::plugins`].
    plugins: Vec<(String, String, String)>,
}

/// Reads a flow file. A flow that cannot be run leaves nothing behind: no store has been made yet.
pub(crate) fn draft(settings: &FlowSettings) -> Result<Draft, Failure> {
    let text = read_flow(settings)?;
    let mut file = parse(&text, settings)?;
    inherit(file.inherited_variables())?;
    let origins = origins(&file, &text, settings)?;
    Ok(Draft {
        text,
        file,
        origins,
    })
}

impl Draft {
    /// Where the components come from: the plugins' names and origins.
    pub(crate) fn origins(&self) -> &[(String, Origin)] {
        &self.origins
    }

    /// The variables and paths that the flow grants.
    pub(crate) fn grants(&self) -> impl Iterator<Item = &Grants> {
        self.file.grants()
    }

    /// Reads the components, and builds those that are not as new as their sources.
    pub(crate) fn build(self, settings: &FlowSettings, output: Output) -> Result<Built, Failure> {
        let mut components = BTreeMap::new();
        let mut plugins = Vec::with_capacity(self.origins.len());
        for (name, origin) in self.origins {
            let bytes = match &origin {
                Origin::Component(path) => read_component(path)?,
                Origin::Source(folder) => build::component(&name, folder, &settings.store, output)?,
            };
            let digest = flowstone::scan_component(&bytes)
                .map_or_else(|_| String::new(), |scan| scan.digest.to_string());
            plugins.push((name.clone(), origin.path().display().to_string(), digest));
            components.insert(name, bytes);
        }
        Ok(Built {
            text: self.text,
            file: self.file,
            components,
            plugins,
        })
    }
}

impl Built {
    /// Checks the flow against its components.
    pub(crate) fn check(self, engine: &Engine, settings: &FlowSettings) -> Result<Flow, Failure> {
        engine
            .flow(&self.file, settings.place.clone(), self.components)
            .map_err(|error| Failure::from(error).in_flow(&self.text))
    }
}

/// Opens a flow. Nothing is run.
pub(crate) fn open(settings: &FlowSettings, output: Output) -> Result<Opened, Failure> {
    let draft = draft(settings)?;
    make_store(&settings.store)?;
    let engine = Engine::open(&settings.store, settings.engine.clone())?;
    let mut built = draft.build(settings, output)?;
    let plugins = std::mem::take(&mut built.plugins);
    let flow = built.check(&engine, settings)?;
    Ok(Opened {
        engine,
        flow,
        plugins,
    })
}

/// The name of a flow, read from its file and nothing else.
pub(crate) fn flow_name(settings: &FlowSettings) -> Result<String, Failure> {
    let text = read_flow(settings)?;
    Ok(parse(&text, settings)?.name.value)
}

/// The component of one plugin of a flow.
pub(crate) fn plugin(
    settings: &FlowSettings,
    name: &str,
    output: Output,
) -> Result<Vec<u8>, Failure> {
    let text = read_flow(settings)?;
    let mut file = parse(&text, settings)?;
    let names: Vec<String> = file
        .plugins
        .iter()
        .map(|plugin| plugin.name.value.clone())
        .collect();
    file.plugins.retain(|plugin| plugin.name.value == name);
    match origins(&file, &text, settings)?.pop() {
        Some((_, Origin::Component(path))) => read_component(&path),
        Some((_, Origin::Source(folder))) => {
            make_store(&settings.store)?;
            build::component(name, &folder, &settings.store, output)
        }
        None => {
            let message = format!("`{}` has no plugin `{name}`", settings.shown);
            let hint = flowstone::core::suggest(name, names.iter().map(String::as_str));
            Err(Failure::new(Kind::NotFound, message).hint(hint))
        }
    }
}

/// What a flow says of its store. Nothing else of it is looked at.
pub(crate) fn store_settings(settings: &FlowSettings) -> Result<StoreSettings, Failure> {
    let text = read_flow(settings)?;
    Ok(parse(&text, settings)?.store)
}

/// The bytes of a component file.
pub(crate) fn read_component(path: &Path) -> Result<Vec<u8>, Failure> {
    whole::read(path, flowstone::COMPONENT_BYTES_MAX as u64).map_err(|error| {
        Failure::new(
            Kind::Plugin,
            format!("cannot read the component `{}`: {error}", path.display()),
        )
    })
}

fn parse(text: &FlowText, settings: &FlowSettings) -> Result<FlowFile, Failure> {
    FlowFile::parse(&text.text, &settings.variables)
        .map_err(|errors| Failure::from(errors).in_flow(text))
}

/// Gives granted variables that are only named their values.
pub(crate) fn inherit<'a>(
    variables: impl Iterator<Item = &'a mut Variable>,
) -> Result<(), Failure> {
    for variable in variables {
        variable.value = match env::var(&variable.name) {
            Ok(value) => Some(value),
            Err(env::VarError::NotPresent) => None,
            Err(env::VarError::NotUnicode(_)) => {
                let name = &variable.name;
                let message =
                    format!("the value of the granted variable `{name}` is no UTF-8 text");
                return Err(Failure::new(Kind::Flow, message)
                    .hint(format!("give it a value: `env = {{ {name} = \"...\" }}`")));
            }
        };
    }
    Ok(())
}

fn read_flow(settings: &FlowSettings) -> Result<FlowText, Failure> {
    let shown = &settings.shown;
    let failed = |error| Failure::new(Kind::Flow, format!("cannot read `{shown}`: {error}"));
    let bytes = whole::read(&settings.file, FLOW_BYTES_MAX).map_err(|error| {
        if error.kind() != ErrorKind::FileTooLarge {
            return failed(error);
        }
        let message = format!("`{shown}` has more than 4 MiB, which no flow file needs");
        Failure::new(Kind::Flow, message).hint("name a flow file; data belongs into a source")
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(FlowText {
            name: shown.clone(),
            text,
        }),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..at].split(|byte| *byte == b'\n').count();
            let message = format!("`{shown}` is not UTF-8 text: line {line}, byte {at}");
            Err(Failure::new(Kind::Flow, message).hint("save it as UTF-8"))
        }
    }
}

/// Where a component comes from.
pub(crate) enum Origin {
    /// A file that is one.
    Component(PathBuf),
    /// A folder that it is built from.
    Source(PathBuf),
}

impl Origin {
    fn path(&self) -> &Path {
        match self {
            Origin::Component(path) | Origin::Source(path) => path,
        }
    }
}

/// Where each plugin's component comes from, looked at so far that it is there.
fn origins(
    file: &FlowFile,
    text: &FlowText,
    settings: &FlowSettings,
) -> Result<Vec<(String, Origin)>, Failure> {
    let mut origins = Vec::with_capacity(file.plugins.len());
    let mut faults = Vec::new();
    for plugin in &file.plugins {
        let name = &plugin.name.value;
        let (path, folder) = match &plugin.origin.value {
            PluginOrigin::Source(path) => (settings.place.base.join(path), true),
            PluginOrigin::Component(path) => (settings.place.base.join(path), false),
        };
        let fault =
            |message: String, help: &str| Diagnostic::at(&plugin.origin.span, message).help(help);
        match fs::metadata(&path) {
            Ok(meta) if folder && meta.is_dir() => {
                origins.push((name.clone(), Origin::Source(path)));
            }
            Ok(meta) if !folder && meta.is_file() => {
                origins.push((name.clone(), Origin::Component(path)));
            }
            Ok(_) if folder => faults.push(fault(
                format!("the source of plugin `{name}` is not a folder"),
                "a component file is named with `component = \"FILE\"`",
            )),
            Ok(_) => faults.push(fault(
                format!("the component of plugin `{name}` is not a file"),
                "a folder with sources is named with `source = \"DIR\"`",
            )),
            Err(error) => faults.push(
                fault(
                    format!("plugin `{name}` cannot be found"),
                    "paths start at the flow file's folder",
                )
                .label(format!("`{}`: {}", path.display(), plain(&error))),
            ),
        }
    }
    if faults.is_empty() {
        Ok(origins)
    } else {
        Err(Failure::from(FlowErrors(faults)).in_flow(text))
    }
}

/// An I/O error without its number.
fn plain(error: &std::io::Error) -> String {
    if error.kind() == ErrorKind::NotFound {
        return "it does not exist".to_owned();
    }
    error.to_string()
}

/// Makes the store's folder, and keeps it out of version control.
pub(crate) fn make_store(store: &Path) -> Result<(), Failure> {
    Engine::check_store_folder(store)?;
    let built = store.join(BUILT);
    if fs::symlink_metadata(&built).is_ok_and(|metadata| metadata.is_symlink()) {
        let message = format!("the folder `{}` is a link", built.display());
        return Err(
            Failure::new(Kind::Store, message).hint("remove it: what it is for can be made again")
        );
    }
    if store.is_dir() {
        return Ok(());
    }
    let made = fs::create_dir_all(store).and_then(|()| fs::write(store.join(".gitignore"), "*\n"));
    made.map_err(|error| {
        Failure::new(
            Kind::Store,
            format!("cannot make the store `{}`: {error}", store.display()),
        )
        .hint("`--store DIR` puts the store elsewhere")
    })
}
