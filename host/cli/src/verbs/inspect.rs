//! `flowstone inspect`: what a component offers and needs, and how two builds of it differ.

mod compare;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use flowstone::core::{Function, FunctionDigest, Interface};
use serde_json::{Value as Json, json};

use super::component;
use crate::args::{ComponentArgs, InspectArgs};
use crate::failure::{EXIT_DONE, Failure};
use crate::output::{Output, Paint, Style};

/// A component, read.
struct Inspected {
    /// What the user calls it.
    shown: String,
    bytes: u64,
    digest: String,
    interface: Interface,
    /// The digests of what its functions can reach, by name.
    functions: BTreeMap<String, FunctionDigest>,
}

/// Shows a component, or how it differs from another one.
pub(crate) fn inspect(args: &InspectArgs, output: Output) -> Result<u8, Failure> {
    let this = read(&args.component, output)?;
    if let Some(other) = &args.other {
        let other = ComponentArgs {
            component: other.clone(),
            flow: args.component.flow.clone(),
        };
        return compare::compare(&this, &read(&other, output)?, output);
    }
    if output.json {
        output.object(&object(&this))?;
    } else {
        output.answer(&text(&this, output.paint()))?;
    }
    Ok(EXIT_DONE)
}

fn read(args: &ComponentArgs, output: Output) -> Result<Inspected, Failure> {
    let bytes = component::bytes(args, output)?;
    let shown = &args.component;
    let fault = |error| flowstone::Error::Plugin {
        plugin: shown.clone(),
        error,
    };
    let scan = flowstone::scan_component(&bytes).map_err(fault)?;
    let loaded = component::load(shown, &bytes, output)?;
    Ok(Inspected {
        shown: shown.clone(),
        bytes: bytes.len() as u64,
        digest: scan.digest.to_string(),
        interface: loaded.interface().clone(),
        functions: flowstone::function_digests(&bytes).map_err(fault)?,
    })
}

/// A function's WIT with its interface: `acme:text/stats#word-count: func(text: string) -> u32`.
pub(super) fn signature(function: &Function) -> String {
    let wit = function.to_string();
    let rest = wit.strip_prefix(function.short_name()).unwrap_or(&wit);
    format!("{}{rest}", function.name)
}

fn text(this: &Inspected, paint: Paint) -> String {
    let interface = &this.interface;
    let mut text = format!(
        "{} ({})\ndigest {}\n",
        paint.text(Style::Bold, &this.shown),
        flowstone::core::format_size(this.bytes),
        this.digest
    );
    text.push_str("\nfunctions\n");
    if interface.functions.is_empty() {
        text.push_str("  none\n");
    }
    for function in &interface.functions {
        let _ = writeln!(text, "  {}", signature(function));
        if let Some(digest) = this.functions.get(&function.name) {
            let digest = format!("reaches {digest}");
            let _ = writeln!(text, "      {}", paint.text(Style::Dim, &digest));
        }
        for line in function.docs.iter().flat_map(|docs| docs.lines()) {
            let _ = writeln!(text, "      {}", paint.text(Style::Dim, line.trim()));
        }
    }
    if !interface.unsupported.is_empty() {
        text.push_str("\nfunctions that cannot be transforms\n");
    }
    for function in &interface.unsupported {
        let _ = writeln!(text, "  {}: {}", function.name, function.reason);
    }
    text.push_str("\nimports\n");
    if interface.imports.is_empty() {
        text.push_str("  none\n");
    }
    for import in &interface.imports {
        let _ = writeln!(
            text,
            "  {import}{}",
            paint.text(Style::Dim, &grant_text(import))
        );
    }
    text
}

/// The grants that its imports are virtual without.
fn grants(interface: &Interface) -> Vec<&'static str> {
    let grants = interface.imports.iter();
    let mut grants: Vec<_> = (grants.filter_map(|import| Interface::grant_of(import))).collect();
    grants.sort_unstable();
    grants.dedup();
    grants
}

/// What a flow grants to make an import real, or what importing it means.
fn grant_text(import: &str) -> String {
    if Interface::is_row(import) {
        return "  the row in hand: it counts in keys".to_owned();
    }
    let grant = Interface::grant_of(import);
    grant.map_or_else(String::new, |grant| {
        format!("  virtual without the grant `{grant}`")
    })
}

fn object(this: &Inspected) -> Json {
    let interface = &this.interface;
    let functions = interface.functions.iter().map(|function| {
        let params = function
            .params
            .iter()
            .map(|param| json!({"name": param.name, "type": param.ty.to_string()}));
        json!({
            "name": function.name,
            "params": params.collect::<Vec<_>>(),
            "result": function.result.as_ref().map(ToString::to_string),
            "wit": signature(function),
            "docs": function.docs,
            "digest": this.functions.get(&function.name).map(ToString::to_string),
        })
    });
    let unsupported = interface.unsupported.iter();
    let unsupported =
        unsupported.map(|function| json!({"name": function.name, "reason": function.reason}));
    json!({
        "digest": this.digest,
        "bytes": this.bytes,
        "functions": functions.collect::<Vec<_>>(),
        "unsupported": unsupported.collect::<Vec<_>>(),
        "imports": interface.imports,
        "grants": grants(interface),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowstone::core::{Param, Type};

    #[test]
    fn a_function_of_an_interface_has_its_full_name() {
        let params = vec![Param {
            name: "text".to_owned(),
            ty: Type::String,
        }];
        let name = "acme:text/stats#word-count".to_owned();
        let function = Function {
            name,
            params,
            result: Some(Type::U32),
            docs: None,
        };
        assert_eq!(
            signature(&function),
            "acme:text/stats#word-count: func(text: string) -> u32"
        );
    }
}
