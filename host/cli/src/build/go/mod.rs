//! Plugins in Go: flowstone makes the bindings, the Go compiler makes a core module for WASI 0.1 of them, and the
//! component with an adapter is put around it.

mod bindings;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::language::{Job, Made};
use super::world::PluginWorld;
use super::{generated, step, tools};
use crate::failure::{Failure, Kind};
use bindings::Bindings;

/// The manifest's name.
pub(super) const MANIFEST: &str = "go.mod";

/// The line of a manifest that names the world, where `wit/` has several.
const WORLD: &str = "//flowstone:world ";

/// Variables that would have the compiler make something else of the same sources.
const MISLEADING: [&str; 6] = [
    "GOAMD64",
    "GOROOT",
    "GOWASM",
    "GOFIPS140",
    "GO_EXTLINK_ENABLED",
    "GODEBUG",
];

/// Lists the files of the packages that a build takes in, but for those of Go itself.
const FILES: &str = "{{if not .Standard}}{{with .Module}}{{.GoMod}}\n{{end}}{{$d := .Dir}}\
    {{range .GoFiles}}{{$d}}/{{.}}\n{{end}}{{range .SFiles}}{{$d}}/{{.}}\n{{end}}\
    {{range .EmbedFiles}}{{$d}}/{{.}}\n{{end}}{{end}}";

/// Builds the component.
pub(super) fn build(job: &Job<'_>) -> Result<Made, Failure> {
    let manifest = Manifest::read(job)?;
    let world = PluginWorld::read(job.plugin, job.folder, manifest.world.as_deref())?;
    let compiler = Compiler {
        job,
        tool: tools::require(&tools::GO_BIN, job.output)?,
    };
    step::building(job, &tools::GO_BIN.shown(), || {
        let bindings = Bindings::of(&world, &manifest.module)?;
        generated::write(job, MANIFEST, &compiler.formatted(bindings.files)?)?;
        let inputs = compiler.inputs()?;
        let module = compiler.build().map_err(|failure| {
            let said = failure.detail.as_deref().unwrap_or_default();
            if is_about_functions(said) {
                failure.hint(format!(
                    "`wit/` asks the package in the plugin's folder for\n{}",
                    bindings::wanted(&bindings.wanted, &manifest.module)
                ))
            } else {
                failure
            }
        })?;
        Ok(Made {
            component: world.component_of(module)?,
            inputs: Some(inputs),
        })
    })
}

/// Whether the compiler speaks of the plugin's functions, where the bindings call them.
fn is_about_functions(said: &str) -> bool {
    let mut lines = said.lines();
    lines.any(|line| line.contains("/export_") && line.contains(" plugin."))
}

/// What a build needs to know of a `go.mod`.
#[derive(Debug, PartialEq, Eq)]
struct Manifest {
    /// The path of the plugin's own package.
    module: String,
    /// The world in `wit/`; the only one there where none is named.
    world: Option<String>,
}

impl Manifest {
    fn read(job: &Job<'_>) -> Result<Self, Failure> {
        Self::parse(&job.manifest(MANIFEST)?).ok_or_else(|| {
            job.wrong_manifest(MANIFEST, "names no module")
                .hint("it begins with a line such as `module local/my-plugin`")
        })
    }

    /// The path becomes part of the generated sources: it is one, and nothing else.
    fn parse(text: &str) -> Option<Self> {
        let value = |start: &str| {
            let rest = text.lines().find_map(|line| line.strip_prefix(start))?;
            let word = rest.split_whitespace().next()?.trim_matches(['"', '`']);
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~/".contains(c);
            (!word.is_empty() && word.chars().all(plain)).then(|| word.to_owned())
        };
        Some(Self {
            module: value("module ")?,
            world: value(WORLD),
        })
    }
}

struct Compiler<'a> {
    job: &'a Job<'a>,
    tool: PathBuf,
}

impl Compiler<'_> {
    fn program(&self, name: &str) -> Command {
        Command::new(self.tool.join("lib/go/bin").join(name))
    }

    /// The `go` command, in the folder of the plugin. Where modules come from is as the user has set it.
    fn go(&self) -> Command {
        let mut command = self.program("go");
        let cache = self.tool.join("cache");
        for variable in MISLEADING {
            command.env_remove(variable);
        }
        command
            .current_dir(self.job.folder)
            .env("GOOS", "wasip1")
            .env("GOARCH", "wasm")
            .env("CGO_ENABLED", "0")
            .env("GOCACHE", cache.join("build"))
            .env("GOPATH", cache.join("path"))
            .env("GOMODCACHE", cache.join("path/pkg/mod"))
            // No other version of Go than that of the table, nothing from a workspace around it or from its settings.
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off")
            .env("GOEXPERIMENT", "none")
            .env("GOFLAGS", "-trimpath");
        command
    }

    fn run(&self, command: &mut Command) -> Result<String, Failure> {
        let failed = || format!("plugin `{}`: it does not build", self.job.plugin);
        tools::run_installed(command, failed)
    }

    /// The files as `gofmt` would have them, since people read them.
    fn formatted(
        &self,
        mut files: Vec<(String, Vec<u8>)>,
    ) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let folder = self.job.work.path().join(generated::NAME);
        let failed = |error: std::io::Error| {
            let message = format!("cannot write to `{}`: {error}", folder.display());
            Failure::new(Kind::Machine, message)
        };
        for (path, bytes) in &files {
            let path = folder.join(path);
            path.parent()
                .map_or(Ok(()), fs::create_dir_all)
                .map_err(failed)?;
            fs::write(&path, bytes).map_err(failed)?;
        }
        self.run(self.program("gofmt").arg("-w").arg(&folder))?;
        for (path, bytes) in &mut files {
            *bytes = fs::read(folder.join(path)).map_err(failed)?;
        }
        Ok(files)
    }

    /// The core module: no `main`, it waits for calls.
    fn build(&self) -> Result<Vec<u8>, Failure> {
        let module = self.job.work.path().join("core.wasm");
        let mut command = self.go();
        command
            .args(["build", "-buildmode=c-shared", "-buildvcs=false"])
            // The memory that a host asks for before Go's own has begun is taken from a function that is not public.
            .arg("-ldflags=-s -w -buildid= -checklinkname=0")
            .arg("-o")
            .arg(&module)
            .arg("./gen/component");
        self.run(&mut command)?;
        fs::read(&module).map_err(|error| Failure::cannot(Kind::Build, "read", &module, &error))
    }

    /// The files that are built. All lie in the plugin's folder, or are of modules that Go fetched, which do not change.
    fn inputs(&self) -> Result<BTreeSet<PathBuf>, Failure> {
        let mut command = self.go();
        // What is wrong with them is said by the build.
        command.args(["list", "-e", "-deps", "-f", FILES, "./gen/component"]);
        let listed = self.run(&mut command)?;
        let kept = self.tool.join("cache").canonicalize();
        let mut own = BTreeSet::new();
        for file in listed
            .lines()
            .filter(|line| !line.is_empty())
            .map(Path::new)
        {
            // One that is not there is not built.
            let Ok(found) = file.canonicalize() else {
                continue;
            };
            if found.starts_with(self.job.folder) {
                own.insert(file.to_owned());
            } else if !kept.as_ref().is_ok_and(|kept| found.starts_with(kept)) {
                return Err(self.leads_out(&found));
            }
        }
        Ok(own)
    }

    fn leads_out(&self, file: &Path) -> Failure {
        let message = format!(
            "plugin `{}`: it is built from `{}`, which is not in its folder",
            self.job.plugin,
            file.display()
        );
        Failure::new(Kind::Build, message)
            .hint("copy the package into the plugin's folder, and let `replace` in `go.mod` name it there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_about_the_plugins_functions_are_taken_for_such() {
        for said in [
            "# local/a/gen/export_wit_world\ngen/export_wit_world/wit_bindings.go:9:16: undefined: plugin.Count",
            "gen/export_a_b_c/wit_bindings.go:9:9: cannot use plugin.Count(text) (value of type string) as uint32 value in return statement",
            "gen/export_wit_world/wit_bindings.go:9:16: not enough arguments in call to plugin.Count",
        ] {
            assert!(is_about_functions(said), "{said}");
        }
        for said in [
            "./plugin.go:3:3: //go:cgo_ldflag only allowed in cgo-generated code",
            "gen/component/main.go:3:8: malformed import path",
            "",
        ] {
            assert!(!is_about_functions(said), "{said}");
        }
    }

    #[test]
    fn a_manifest_names_the_module_and_the_world() {
        let parse =
            |text: &str| Manifest::parse(text).map(|manifest| (manifest.module, manifest.world));
        let module = |name: &str| Some((name.to_owned(), None));
        assert_eq!(
            parse("module local/words\n\ngo 1.24\n"),
            module("local/words")
        );
        assert_eq!(
            parse("// a word before\nmodule \"a.b/c\" // and after\n"),
            module("a.b/c")
        );
        assert_eq!(
            parse("module words\n//flowstone:world second\n"),
            Some(("words".to_owned(), Some("second".to_owned())))
        );
        for text in [
            "",
            "module",
            "module \n",
            "go 1.24",
            "module \"a\\nb\"",
            "module a\";x",
            "module (a",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
