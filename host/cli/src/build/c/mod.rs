//! Plugins in C: flowstone makes the bindings, `zig cc` with its wasi-libc compiles them, and the component is put
//! around the core module.

mod flags;
mod includes;
mod manifest;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_bindgen_c::Opts;

use super::language::{Job, Made};
use super::world::PluginWorld;
use super::{generated, step, tools};
use crate::failure::{Failure, Kind};
use manifest::Manifest;

/// The manifest's name.
pub(super) const MANIFEST: &str = manifest::NAME;

/// What all is compiled for: the libc speaks WASI 0.1, for which the component has an adapter.
const TARGET: &str = "--target=wasm32-wasi";

/// How much stack there is. It lies before the data, so that overflowing it is a trap.
const STACK: &str = "-Wl,-z,stack-size=1048576";

/// So much of a source is looked through for what it names.
const SOURCE_BYTES_MAX: u64 = 16 << 20;

/// Variables that would have the compiler find or do other things.
const MISLEADING: [&str; 7] = [
    "CPATH",
    "C_INCLUDE_PATH",
    "CCC_OVERRIDE_OPTIONS",
    "CLANG_CONFIG_FILE_USER_DIR",
    "ZIG_LIB_DIR",
    "ZIG_LIBC",
    "LIBRARY_PATH",
];

/// Builds the component.
pub(super) fn build(job: &Job<'_>) -> Result<Made, Failure> {
    let manifest = Manifest::read(job)?;
    let world = PluginWorld::read(job.plugin, job.folder, manifest.world.as_deref())?;
    let compiler = Compiler {
        job,
        tool: tools::require(&tools::ZIGLANG, job.output)?,
    };
    step::building(job, &tools::ZIGLANG.shown(), || {
        let mut bindings = world.generate(Opts::default().build())?;
        // What says the world is no source: it is linked in.
        let says = bindings.extract_if(.., |(path, _)| is(Path::new(path), "o"));
        let mut objects = says
            .map(|(path, bytes)| keep(job, &path, &bytes))
            .collect::<Result<Vec<_>, _>>()?;
        generated::write(job, MANIFEST, &bindings)?;
        let made = bindings
            .iter()
            .map(|(path, _)| Path::new(generated::NAME).join(path));
        let made = made.filter(|path| is(path, "c"));
        let mut inputs = BTreeSet::new();
        let sources: Vec<_> = manifest.sources.iter().cloned().chain(made).collect();
        for source in &sources {
            compiler.check_named(source, &manifest)?;
            inputs.extend(compiler.included(source, &manifest)?);
        }
        for source in &sources {
            objects.push(compiler.compile(source, objects.len(), &manifest)?);
        }
        let module = compiler.link(&objects)?;
        Ok(Made {
            component: world.component(&module)?,
            inputs: Some(inputs),
        })
    })
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// Writes a file among those that are needed on the way.
fn keep(job: &Job<'_>, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let path = job.work.path().join(name);
    fs::write(&path, bytes)
        .map_err(|error| Failure::cannot(Kind::Machine, "write", &path, &error))?;
    Ok(path)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::cannot(Kind::Build, "read", path, &error))
}

struct Compiler<'a> {
    job: &'a Job<'a>,
    tool: PathBuf,
}

impl Compiler<'_> {
    /// `zig cc`, in the folder of the plugin, so that no path in the component says where that is.
    fn command(&self) -> Command {
        let mut command = Command::new(self.tool.join("lib/ziglang/zig"));
        // What is compiled is kept by its content: libc, and the sources that did not change.
        let cache = self.tool.join("cache");
        command
            .args(["cc", TARGET, "-O2"])
            .current_dir(self.job.folder)
            .env("ZIG_GLOBAL_CACHE_DIR", &cache)
            .env("ZIG_LOCAL_CACHE_DIR", &cache)
            // `__DATE__` and `__TIME__` would make every build another one.
            .env("SOURCE_DATE_EPOCH", "0");
        for variable in MISLEADING {
            command.env_remove(variable);
        }
        command
    }

    fn run(&self, command: &mut Command) -> Result<(), Failure> {
        tools::run_installed(command, || self.failed()).map(drop)
    }

    fn failed(&self) -> String {
        format!("plugin `{}`: it does not build", self.job.plugin)
    }

    /// The compiler with what all sources of a plugin are translated with.
    fn translating(&self, manifest: &Manifest) -> Command {
        let mut command = self.command();
        let include = manifest.include.iter();
        command
            .args(["-iquote", generated::NAME])
            .args(include.flat_map(|folder| [Path::new("-I"), folder]))
            .args(&manifest.flags);
        command
    }

    /// Looks at the files that a source names, before the compiler does: it would wait for a pipe.
    fn check_named(&self, source: &Path, manifest: &Manifest) -> Result<(), Failure> {
        let path = self.job.folder.join(source);
        let mut text = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(SOURCE_BYTES_MAX).read_to_end(&mut text))
            .map_err(|error| Failure::cannot(Kind::Build, "read", &path, &error))?;
        let beside = source.parent().unwrap_or(Path::new(""));
        let folders = manifest.include.iter().map(PathBuf::as_path);
        let folders: Vec<_> = folders.chain([beside]).collect();
        for named in includes::named(&String::from_utf8_lossy(&text)) {
            if Path::new(named).is_absolute() {
                return Err(self.leads_out(source, named));
            }
            let is_odd = |folder: &&Path| {
                let meta = fs::metadata(self.job.folder.join(folder).join(named));
                meta.is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
            };
            if folders.iter().any(is_odd) {
                let message = format!(
                    "plugin `{}`: `{}` includes `{named}`, which is a pipe, a socket or a device",
                    self.job.plugin,
                    source.display()
                );
                return Err(Failure::new(Kind::Build, message));
            }
        }
        Ok(())
    }

    /// The files of the folder that a source includes. It is asked for before the compiler looks at more than that: it
    /// shows lines of what it does not understand.
    fn included(&self, source: &Path, manifest: &Manifest) -> Result<Vec<PathBuf>, Failure> {
        let list = self.job.work.path().join("included.d");
        let mut command = self.translating(manifest);
        command.args(["-M", "-w", "-MF"]).arg(&list).arg(source);
        let failed = || self.failed();
        tools::run_looking(&mut command, failed).map_err(|failure| {
            let said = failure.detail.as_deref().unwrap_or_default();
            let elsewhere = includes::in_messages(said)
                .into_iter()
                .find(|path| matches!(self.place(path), Place::Elsewhere));
            match elsewhere {
                Some(path) => self.leads_out(source, path),
                None => failure,
            }
        })?;
        let mut files = Vec::new();
        for path in includes::listed(&String::from_utf8_lossy(&read(&list)?)) {
            match self.place(&path) {
                Place::Folder => files.push(self.job.folder.join(path)),
                Place::Tool => {}
                Place::Elsewhere | Place::Nowhere => return Err(self.leads_out(source, &path)),
            }
        }
        Ok(files)
    }

    fn place(&self, path: &str) -> Place {
        let is_of_tool = |found: &Path| {
            let tool = self.tool.canonicalize();
            tool.is_ok_and(|tool| found.starts_with(tool))
        };
        match includes::place(self.job.folder, path) {
            Some(found) if found.starts_with(self.job.folder) => Place::Folder,
            Some(found) if is_of_tool(&found) => Place::Tool,
            Some(_) => Place::Elsewhere,
            None => Place::Nowhere,
        }
    }

    /// Like the sources, what they include lies in the plugin's folder: else the component would be another one on
    /// another machine.
    fn leads_out(&self, source: &Path, path: &str) -> Failure {
        let message = format!(
            "plugin `{}`: `{}` includes `{path}`, which is not in its folder",
            self.job.plugin,
            source.display()
        );
        Failure::new(Kind::Build, message).hint("copy the file into the plugin's folder")
    }

    /// Compiles one source; its object file.
    fn compile(
        &self,
        source: &Path,
        number: usize,
        manifest: &Manifest,
    ) -> Result<PathBuf, Failure> {
        let object = self.job.work.path().join(format!("{number}.o"));
        let mut command = self.translating(manifest);
        command
            .args(["-g0", "-c"])
            .arg(source)
            .arg("-o")
            .arg(&object);
        self.run(&mut command)?;
        Ok(object)
    }

    /// The core module of these object files. It has no `main`: it waits for calls.
    fn link(&self, objects: &[PathBuf]) -> Result<Vec<u8>, Failure> {
        let module = self.job.work.path().join("core.wasm");
        let mut command = self.command();
        command
            .args(["-mexec-model=reactor", "-s", STACK])
            .args(objects)
            .arg("-o")
            .arg(&module);
        self.run(&mut command).map_err(|failure| {
            failure.hint(format!(
                "what `wit/` asks for is declared in `{}/`: every function there is to be written",
                generated::NAME
            ))
        })?;
        read(&module)
    }
}

/// Where an included file lies.
enum Place {
    Folder,
    Tool,
    Elsewhere,
    Nowhere,
}
