//! What plugins may import, and what to tell about everything else.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker, Val};
use wasmtime::{Engine, StoreContextMut};

use crate::error::{LoadError, MissingImport};
use crate::host::Host;
use crate::http;
use crate::log::LogLevel;

/// The interfaces of WASI 0.2 that exist here, virtual but for what is granted.
const WASI: [&str; 29] = [
    "cli/environment",
    "cli/exit",
    "cli/stderr",
    "cli/stdin",
    "cli/stdout",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stderr",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "clocks/monotonic-clock",
    "clocks/wall-clock",
    "filesystem/preopens",
    "filesystem/types",
    "http/outgoing-handler",
    "http/types",
    "io/error",
    "io/poll",
    "io/streams",
    "random/insecure",
    "random/insecure-seed",
    "random/random",
    "sockets/instance-network",
    "sockets/ip-name-lookup",
    "sockets/network",
    "sockets/tcp",
    "sockets/tcp-create-socket",
    "sockets/udp",
    "sockets/udp-create-socket",
];

const LOG: &str = "flowstone:plugin/log@0.1.0";
const ROW: &str = "flowstone:plugin/row@0.1.0";

/// A linker with everything that is offered, but for `wasi:http`, which few plugins import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    crate::wasi::add_to_linker(&mut linker)?;
    linker.instance(LOG)?.func_new(
        "log",
        |store: StoreContextMut<'_, Host>, _, arguments, _| {
            if let [Val::Enum(level), Val::String(message)] = arguments {
                let level = level_named(level);
                store.data().log.with(|log| log.message(level, message));
            }
            Ok(())
        },
    )?;
    linker.instance(ROW)?.func_new(
        "current",
        |store: StoreContextMut<'_, Host>, _, _, results| {
            if let [result] = results {
                let row = store.data().row.as_ref().map(|row| {
                    let field =
                        |name: &str, text: &str| (name.to_owned(), Val::String(text.to_owned()));
                    let fields = [("collection", &row.collection), ("key", &row.key)];
                    let fields = fields.map(|(name, text)| field(name, text));
                    Box::new(Val::Record(fields.into()))
                });
                *result = Val::Option(row);
            }
            Ok(())
        },
    )?;
    Ok(linker)
}

/// Links a component with what it imports.
pub(crate) fn link(
    component: &Component,
    linker: &Linker<Host>,
    imports: &[String],
) -> wasmtime::Result<InstancePre<Host>> {
    if !imports.iter().any(|import| http::is_http(import)) {
        return linker.instantiate_pre(component);
    }
    let mut linker = linker.clone();
    http::add_to_linker(&mut linker)?;
    linker.instantiate_pre(component)
}

fn level_named(name: &str) -> LogLevel {
    match name {
        "trace" => LogLevel::Trace,
        "debug" => LogLevel::Debug,
        "warn" => LogLevel::Warn,
        "error" => LogLevel::Error,
        _ => LogLevel::Info,
    }
}

/// The names of the component's imports. Refuses those that nobody offers, all of them at once.
pub(crate) fn check(component: &Component, engine: &Engine) -> Result<Vec<String>, LoadError> {
    let ty = component.component_type();
    let mut names = Vec::new();
    let mut missing = Vec::new();
    for (name, import) in ty.imports(engine) {
        names.push(name.to_owned());
        if needs_nobody(&import.ty, engine) {
            continue;
        }
        if let Some(advice) = advice(name) {
            missing.push(MissingImport {
                name: name.to_owned(),
                advice,
            });
        }
    }
    if missing.is_empty() {
        Ok(names)
    } else {
        Err(LoadError::MissingImports(missing))
    }
}

/// Whether an import only gives names to types of plain values, as worlds do that share types between interfaces.
fn needs_nobody(import: &ComponentItem, engine: &Engine) -> bool {
    let ComponentItem::ComponentInstance(instance) = import else {
        return false;
    };
    let mut exports = instance.exports(engine).peekable();
    exports.peek().is_some()
        && exports.all(|(_, export)| matches!(export.ty, ComponentItem::Type(_)))
}

/// Why an import is not offered. Nothing for those that are.
fn advice(import: &str) -> Option<String> {
    let (path, version) = import.split_once('@').unwrap_or((import, ""));
    let Some((package, interface)) = path.split_once('/') else {
        return Some(if path.contains(':') {
            "this is a whole component or package, which plugins cannot be given; compose it in with `wac plug`".to_owned()
        } else {
            "the world imports this by itself; plugins are given functions only through WASI 0.2 and flowstone:plugin; \
             compose the component with one that provides it (`wac plug`), or pass what it gives as a parameter"
                .to_owned()
        });
    };
    match package.split_once(':') {
        Some(("wasi", name)) => wasi_advice(name, interface, version),
        Some(("flowstone", "plugin")) => plugin_advice(interface, version),
        _ => Some(
            "nobody provides it here; compose the component with one that does (`wac plug`), \
             or pass what it gives as a parameter"
                .to_owned(),
        ),
    }
}

fn wasi_advice(package: &str, interface: &str, version: &str) -> Option<String> {
    let path = format!("{package}/{interface}");
    let is_0_2 = version.starts_with("0.2.");
    if WASI.contains(&&*path) && is_0_2 {
        return None;
    }
    Some(match package {
        "http" if interface == "incoming-handler" => {
            "plugins answer no requests: they are called for rows".to_owned()
        }
        "tls" | "messaging" => {
            "it is not offered: a plugin reaches the hosts that a flow grants it (`grants = { network = [\"host:port\"] }`) \
             through wasi:http and wasi:sockets; or fetch the data with a source and pass it as a parameter"
                .to_owned()
        }
        "keyvalue" | "blobstore" | "sql" | "config" | "logging" => {
            "plugins have no access to services: pass what they give as a parameter (for messages there is \
             flowstone:plugin/log@0.1.0)"
                .to_owned()
        }
        "nn" | "webgpu" | "gfx" => "plugins have no access to accelerators".to_owned(),
        _ if WASI.contains(&&*path) || matches!(package, "cli" | "http" | "io") => {
            format!("this is WASI {version}, plugins are given WASI 0.2: build it for the target wasm32-wasip2")
        }
        _ => "this part of WASI is not offered to plugins".to_owned(),
    })
}

fn plugin_advice(interface: &str, version: &str) -> Option<String> {
    match (interface, version) {
        ("log" | "row" | "types", "0.1.0") => None,
        ("log" | "row" | "types", _) => Some(
            "this flowstone offers version 0.1.0: build against its WIT, or use a newer flowstone"
                .to_owned(),
        ),
        _ => Some(
            "this flowstone does not offer it: use a newer one, or build against its WIT"
                .to_owned(),
        ),
    }
}
