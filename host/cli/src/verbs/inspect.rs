//! `flowstone inspect`: what a component offers and needs.

use std::fmt::Write as _;

use flowstone::core::{Function, Interface};
use serde_json::{Value as Json, json};

use super::component;
use crate::args::InspectArgs;
use crate::failure::{EXIT_DONE, Failure};
use crate::output::{Output, Paint, Style};

/// Shows a component.
pub(crate) fn inspect(args: &InspectArgs, output: Output) -> Result<u8, Failure> {
    let bytes = component::bytes(&args.component, output)?;
    let shown = &args.component.component;
    let scan = flowstone::scan_component(&bytes).map_err(|error| flowstone::Error::Plugin {
        plugin: shown.clone(),
        error,
    })?;
    let loaded = flowstone::Component::load(shown, &bytes)?;
    let interface = loaded.interface();
    let digest = scan.digest.to_string();
    if output.json {
        output.object(&object(&digest, bytes.len(), interface))?;
    } else {
        output.answer(&text(
            shown,
            &digest,
            bytes.len() as u64,
            interface,
            output.paint(),
        ))?;
    }
    Ok(EXIT_DONE)
}

/// A function's WIT with its interface: `acme:text/stats#word-count: func(text: string) -> u32`.
pub(super) fn signature(function: &Function) -> String {
    let wit = function.to_string();
    let rest = wit.strip_prefix(function.short_name()).unwrap_or(&wit);
    format!("{}{rest}", function.name)
}

fn text(shown: &str, digest: &str, bytes: u64, interface: &Interface, paint: Paint) -> String {
    let size = flowstone::core::format_size(bytes);
    let mut text = format!(
        "{} ({size})\ndigest {digest}\n",
        paint.text(Style::Bold, shown)
    );
    text.push_str("\nfunctions\n");
    if interface.functions.is_empty() {
        text.push_str("  none\n");
    }
    for function in &interface.functions {
        let _ = writeln!(text, "  {}", signature(function));
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
        let _ = writeln!(text, "  {import}");
    }
    text
}

fn object(digest: &str, bytes: usize, interface: &Interface) -> Json {
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
        })
    });
    let unsupported = interface.unsupported.iter();
    let unsupported =
        unsupported.map(|function| json!({"name": function.name, "reason": function.reason}));
    json!({
        "digest": digest,
        "bytes": bytes,
        "functions": functions.collect::<Vec<_>>(),
        "unsupported": unsupported.collect::<Vec<_>>(),
        "imports": interface.imports,
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
