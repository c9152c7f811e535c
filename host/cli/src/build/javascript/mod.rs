//! Plugins in JavaScript and TypeScript: esbuild makes one module of all, and a tool puts it into a component with an
//! engine.
//!
//! The component holds the engine's memory after it has loaded the module, with a random seed: see `kept`.

mod inputs;
mod lock;
mod manifest;
mod packages;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::kept::{self, Identity};
use super::language::{Job, Made};
use super::sources::Sources;
use super::world::PluginWorld;
use super::{step, tools, wit};
use crate::failure::{Failure, Kind};

use manifest::{Manifest, Tool};

/// The names of modules, of what they load, and of the settings of TypeScript.
const EXTENSIONS: [&str; 9] = ["js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "json"];

/// The name of the module that esbuild writes.
const BUNDLE: &str = "bundle.js";

/// Builds the component.
pub(super) fn build(job: &Job<'_>) -> Result<Made, Failure> {
    let mut sources = Sources::read(job.plugin, job.folder, is_source)?;
    let manifest = Manifest::read(job, &sources)?;
    let world = PluginWorld::of_tool(job.plugin, job.folder, manifest.world.as_deref())?;
    world.add_offered(&mut sources);
    let folder = job.work.path().join("sources");
    sources.lay_out(&folder)?;
    let modules = packages::installed(job, &manifest, &sources)?;
    let bundle = bundle((job, &manifest), &world, &sources, &folder, modules)?;
    // What counts is the module that was made of them: comments, types, and what is never used are not in it.
    let wit = sources.only(|name| name.starts_with("wit/"));
    let tool = manifest.tool.of_table();
    let named = manifest.world.as_deref().unwrap_or_default();
    let tool = tool.shown();
    let mut settings = vec![named, &*tool, &*bundle];
    settings.extend(manifest.fetch.then_some("fetch"));
    let identity = Identity::new(job.recipe, &settings, &wit);
    let component = kept::component(&identity, || {
        world.only_exports(&make(job, &manifest, &folder)?)
    })?;
    Ok(Made {
        component,
        inputs: Some(sources.paths(job.folder)),
    })
}

/// Whether the module with the functions of a plugin is written in TypeScript.
pub(super) fn is_typescript(folder: &Path) -> bool {
    let main = manifest::main_of(folder);
    let extension = main.as_deref().map(Path::new).and_then(Path::extension);
    extension.is_some_and(|extension| {
        ["ts", "mts", "cts", "tsx"]
            .iter()
            .any(|ts| extension == *ts)
    })
}

fn is_source(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|name| name.to_str());
    name.starts_with("wit/") || extension.is_some_and(|name| EXTENSIONS.contains(&name))
}

/// One module of all, written beside the sources.
fn bundle(
    (job, manifest): (&Job<'_>, &Manifest),
    world: &PluginWorld<'_>,
    sources: &Sources,
    folder: &Path,
    modules: Option<PathBuf>,
) -> Result<String, Failure> {
    let tool = tools::require(&tools::ESBUILD, job.output)?;
    let listed = job.work.path().join("inputs.json");
    let mut command = tools::NODE.command();
    command
        .arg(tool.join("node_modules/esbuild/bin/esbuild"))
        .arg(format!("./{}", manifest.main))
        .args(["--bundle", "--format=esm", "--platform=neutral"])
        .args(["--main-fields=module,main", "--target=es2023"])
        .args(["--charset=utf8", "--legal-comments=none"])
        .args(["--log-level=warning", "--color=false"])
        .arg(format!("--outfile={BUNDLE}"))
        .arg(format!("--metafile={}", listed.display()))
        // Where the packages lie on this machine is not to be in the module.
        .arg("--preserve-symlinks")
        .current_dir(folder);
    // Settings in folders above are somebody else's.
    match sources.get("tsconfig.json") {
        Some(_) => command.arg("--tsconfig=tsconfig.json"),
        None => command.arg("--tsconfig-raw={}"),
    };
    for namespace in namespaces(sources) {
        command.arg(format!("--external:{namespace}:*"));
    }
    if let Some(modules) = modules {
        link(&modules.join("node_modules"), &folder.join("node_modules"))?;
    }
    tools::NODE.run(&mut command, || not_built(job))?;
    let list = std::fs::read(&listed).map_err(|error| cannot_read(&listed, &error))?;
    inputs::check(&list).map_err(|what| {
        let message = format!("plugin `{}`: {what}", job.plugin);
        Failure::new(Kind::Build, message).hint(
            "name the package in `dependencies` of `package.json`, or copy the file into the plugin's folder",
        )
    })?;
    let missing = inputs::missing(&list, &world.exports());
    if !missing.is_empty() {
        return Err(not_exported(job, manifest, &missing));
    }
    let wide = wit::with_wide_integers(world.resolve(), world.world());
    if manifest.tool == Tool::ComponentizeQjs && !wide.is_empty() {
        job.output.note(&format!(
            "plugin `{}`: integers of 64 bits are exact only up to 2^53 here, in `{}`; with `\"tool\": \"componentize-js\"` they are `bigint`",
            job.plugin,
            wide.join("`, `")
        ));
    }
    let file = folder.join(BUNDLE);
    std::fs::read_to_string(&file).map_err(|error| cannot_read(&file, &error))
}

fn not_exported(job: &Job<'_>, manifest: &Manifest, missing: &[String]) -> Failure {
    let message = format!(
        "plugin `{}`: `{}` does not export `{}`, which `wit/` asks for",
        job.plugin,
        manifest.main,
        missing.join("`, `")
    );
    Failure::new(Kind::Build, message).hint(
        "a function `word-count` is `export function wordCount(...)`, an interface `my-shapes` is `export const myShapes = { ... }`",
    )
}

/// The namespaces of the packages in `wit/`: what a module imports of these is offered by the host.
fn namespaces(sources: &Sources) -> BTreeSet<String> {
    let is_namespace = |name: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !name.is_empty() && name.chars().all(plain)
    };
    sources
        .iter()
        .filter(|(name, _)| name.starts_with("wit/"))
        .flat_map(|(_, bytes)| std::str::from_utf8(bytes).unwrap_or_default().lines())
        .filter_map(|line| line.trim_start().strip_prefix("package ")?.split_once(':'))
        .map(|(namespace, _)| namespace.trim())
        .filter(is_namespace)
        .map(str::to_owned)
        .chain(["flowstone", "wasi"].map(str::to_owned))
        .collect()
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> Result<(), Failure> {
    std::os::unix::fs::symlink(from, to).map_err(|error| {
        let message = format!("cannot make `{}`: {error}", to.display());
        Failure::new(Kind::Machine, message)
    })
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> Result<(), Failure> {
    std::os::windows::fs::symlink_dir(from, to).map_err(|error| {
        let message = format!("cannot make `{}`: {error}", to.display());
        Failure::new(Kind::Machine, message)
    })
}

impl Tool {
    fn of_table(self) -> &'static tools::Tool {
        match self {
            Tool::ComponentizeQjs => &tools::COMPONENTIZE_QJS,
            Tool::ComponentizeJs => &tools::COMPONENTIZE_JS,
        }
    }

    /// The program, in the folder of the tool, and what only it is told.
    fn program(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Tool::ComponentizeQjs => (
                "node_modules/componentize-qjs/cli.mjs",
                &["--sync", "--js", BUNDLE, "--output"],
            ),
            Tool::ComponentizeJs => (
                "node_modules/@bytecodealliance/componentize-js/src/cli.js",
                &[BUNDLE, "--disable", "fetch-event", "--out"],
            ),
        }
    }

    /// How it is told to leave out what sends requests.
    fn without(self, fetch: bool) -> &'static [&'static str] {
        match self {
            Tool::ComponentizeJs if !fetch => &["--disable", "http"],
            _ => &[],
        }
    }

    /// How it is told which world is meant.
    fn world(self) -> &'static str {
        match self {
            Tool::ComponentizeQjs => "--world",
            Tool::ComponentizeJs => "--world-name",
        }
    }
}

fn make(job: &Job<'_>, manifest: &Manifest, folder: &Path) -> Result<Vec<u8>, Failure> {
    let tool = manifest.tool;
    let place = tools::require(tool.of_table(), job.output)?;
    let (program, arguments) = tool.program();
    let component = job.work.path().join("component.wasm");
    let mut command = tools::NODE.command();
    command
        .arg(place.join(program))
        .args(arguments)
        .arg(&component)
        .args(["--wit", "wit"])
        .args(manifest.tool.without(manifest.fetch))
        .args(
            manifest
                .world
                .iter()
                .flat_map(|world| [tool.world(), world]),
        )
        .current_dir(folder);
    step::building(job, &tool.of_table().shown(), || {
        tools::NODE.run(&mut command, || not_built(job))
    })?;
    std::fs::read(&component).map_err(|error| cannot_read(&component, &error))
}

fn not_built(job: &Job<'_>) -> String {
    format!("plugin `{}`: it does not build", job.plugin)
}

fn cannot_read(file: &Path, error: &std::io::Error) -> Failure {
    Failure::cannot(Kind::Build, "read", file, error)
}
