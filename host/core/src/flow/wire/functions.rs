//! Functions: what `call` and `combine` name in the plugins' interfaces.

use super::{Node, Role, Wiring, batch};
use crate::diagnostic::{Diagnostic, suggest};
use crate::flow::declaration::TransformDecl;
use crate::flow::plan::ResultShape;
use crate::flow::tree::Located;
use crate::interface::{Function, Interface, NotFound};

impl<'a> Wiring<'a> {
    /// The transforms of the file, but those with state, whose functions are no transforms.
    pub(super) fn add_transforms(&mut self, errors: &mut Vec<Diagnostic>) {
        for decl in &self.file.transforms {
            if decl.state.is_none() {
                let node = self.node(decl, Role::Plain, errors);
                self.nodes.push(node);
            }
        }
    }

    pub(super) fn node(
        &self,
        decl: &'a TransformDecl,
        role: Role,
        errors: &mut Vec<Diagnostic>,
    ) -> Node<'a> {
        let found = self.find_function(&decl.call, errors);
        let (plugin, function) = found.map_or(("", None), |(plugin, found)| (plugin, Some(found)));
        let result = function.and_then(|function| batch::result(decl, function, errors));
        Node {
            decl,
            function,
            plugin,
            collection: None,
            makes: None,
            result,
            role,
        }
    }

    /// Whether a function is told the row that it is called for. With a batch there is none.
    pub(super) fn tells_row(&self, node: &Node<'_>) -> bool {
        let interface = self.interfaces.get(node.plugin);
        node.decl.batch.is_none() && interface.is_some_and(Interface::asks_row)
    }

    pub(super) fn find_function(
        &self,
        call: &Located<String>,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<(&'a str, &'a Function)> {
        let Some((plugin, function)) = call.value.split_once('.') else {
            let message = format!(
                "`{}` does not say which function of which plugin to call",
                call.value
            );
            errors.push(
                Diagnostic::at(&call.span, message).help("write `call = \"plugin.function\"`"),
            );
            return None;
        };
        let Some((plugin, interface)) = self.interfaces.get_key_value(plugin) else {
            let help = suggest(
                plugin,
                self.file.plugins.iter().map(|plugin| &*plugin.name.value),
            );
            let message = format!("there is no plugin `{plugin}`");
            errors.push(
                Diagnostic::at(&call.span, message)
                    .help(format!("{help}; plugins stand under `[plugin.NAME]`")),
            );
            return None;
        };
        let fault = match interface.find(function) {
            Ok(found) => return Some((plugin, found)),
            Err(NotFound::Unsupported(other)) => Diagnostic::at(
                &call.span,
                format!("`{}` cannot be a transform: {}", call.value, other.reason),
            )
            .help(format!(
                "of `{plugin}` these can: {}",
                usable(&interface.functions)
            )),
            Err(NotFound::Several(functions)) => {
                let message =
                    format!("several interfaces of plugin `{plugin}` have a function `{function}`");
                let names = functions
                    .iter()
                    .map(|function| format!("`{plugin}.{}`", function.name));
                let names = names.collect::<Vec<_>>();
                Diagnostic::at(&call.span, message)
                    .help(format!("name one of {}", names.join(", ")))
            }
            Err(NotFound::Unknown) => Diagnostic::at(
                &call.span,
                format!("plugin `{plugin}` has no function `{function}`"),
            )
            .help(suggest(function, interface.names_like(function))),
        };
        errors.push(fault);
        None
    }
}

/// The names of the functions that give a row something, or a word for none.
fn usable(functions: &[Function]) -> String {
    let usable = functions
        .iter()
        .filter(|function| ResultShape::of(function.result.as_ref()).is_some())
        .map(|function| format!("`{}`", function.short_name()))
        .collect::<Vec<_>>();
    if usable.is_empty() {
        return "none".to_owned();
    }
    usable.join(", ")
}
