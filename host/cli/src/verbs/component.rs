//! The component that a verb is given: a file, a folder with sources, or a plugin of a flow. It is compiled once and not
//! for each command: where a flow keeps its compiled code in its store, here is a folder of the user's.

use std::path::Path;

use flowstone::core::printable;
use flowstone::{CompiledFolder, Component, Error, KeptCode};

use crate::args::{ComponentArgs, EngineArgs};
use crate::build::{self, Built};
use crate::code_key::code_key;
use crate::failure::{Failure, Kind};
use crate::folders;
use crate::opening;
use crate::output::{Output, Style};
use crate::settings::{FlowSettings, authorities, store_in};

/// The component's bytes; built where it is a folder.
pub(super) fn bytes(args: &ComponentArgs, output: Output) -> Result<Vec<u8>, Failure> {
    if let Some(flow) = &args.flow {
        return opening::plugin(
            &FlowSettings::of(Some(flow), &EngineArgs::none())?,
            &args.component,
            output,
        );
    }
    let path = Path::new(&args.component);
    if path.is_dir() {
        return Ok(built(path, None, output)?.bytes);
    }
    if !path.exists() {
        let message = format!("there is no component `{}`", path.display());
        return Err(Failure::new(Kind::NotFound, message)
            .hint("name a component file, a folder with a plugin's sources, or a plugin with `--flow FLOW`"));
    }
    opening::read_component(path)
}

/// The component of a folder with sources. It is kept in `store`, else in a store of the folder's own.
pub(super) fn built(folder: &Path, store: Option<&Path>, output: Output) -> Result<Built, Failure> {
    let store = match store {
        Some(store) => store.to_owned(),
        None => store_in(folder)?,
    };
    let store = &*store;
    opening::make_store(store)?;
    let name = folder.canonicalize().ok();
    let name = name.as_deref().and_then(Path::file_name);
    // It stands in messages, and in the name of the component's file.
    let name = name.map_or_else(
        || "plugin".to_owned(),
        |name| printable(&name.to_string_lossy(), &[]),
    );
    build::build(&name, folder, store, output)
}

/// Loads a component, with the code that an earlier command compiled it to where that is kept. Its requests
/// trust the authorities that those of flows trust.
pub(super) fn load(shown: &str, bytes: &[u8], output: Output) -> Result<Component, Error> {
    let folder = folders::compiled().zip(code_key());
    let Some((path, key)) = folder else {
        return Component::load_trusting(shown, bytes, authorities());
    };
    let folder = CompiledFolder::new(path, key);
    let (component, kept) = Component::load_from(&folder, shown, bytes, authorities())?;
    let path = folder.path().display();
    let note = match kept {
        KeptCode::Used => format!("its compiled code was taken from `{path}`"),
        KeptCode::Added => format!("compiled; the code is kept in `{path}`"),
        KeptCode::NotKept(Some(error)) => format!("compiled; the code is not kept: {error}"),
        KeptCode::NotKept(None) => return Ok(component),
    };
    if output.verbose && !output.json {
        output.note(&output.paint_notes().text(Style::Dim, &note));
    }
    Ok(component)
}
