//! Wiring: every parameter and every target column finds its column, and the types are checked.
//!
//! A parameter is looked up in `with`, then in `from`, then by its name among the columns of the row, then among those
//! of the row's parents.

mod arguments;
mod batch;
mod pins;
mod resolve;
mod stages;
mod targets;

use std::collections::BTreeMap;

use self::stages::order;
use super::connectors::{Column, Connectors, OptionError};
use super::declaration::{FlowFile, SourceDecl, TransformDecl};
use super::plan::{ColumnRef, Plan, ResultShape};
use super::tree::Located;
use crate::diagnostic::{Diagnostic, FlowErrors, suggest};
use crate::interface::{Function, Interface};
use crate::types::Type;

impl FlowFile {
    /// Wires the flow: finds the functions in the plugins' interfaces, resolves every column, checks every type.
    ///
    /// # Errors
    ///
    /// Everything that does not fit, each with its place in the flow file, what was expected, and the candidates.
    pub fn wire(
        &self,
        interfaces: &BTreeMap<String, Interface>,
        connectors: &dyn Connectors,
    ) -> Result<Plan, FlowErrors> {
        let mut errors = Vec::new();
        let mut wiring = Wiring::new(self, interfaces, connectors, &mut errors);
        let transforms = wiring.transforms(&mut errors);
        let targets = wiring.targets(&mut errors);
        wiring.check_pins(&mut errors);
        let mut stages = Vec::new();
        if errors.is_empty() {
            match order(&wiring.nodes, &transforms) {
                Ok(order) => stages = wiring.stages(&order, &transforms, &targets),
                Err(cycle) => errors.push(cycle),
            }
        }
        errors.sort_by_key(|fault| fault.span.as_ref().map_or(0, |span| span.start));
        if errors.is_empty() {
            Ok(Plan {
                name: self.name.value.clone(),
                stages,
                store: self.store,
            })
        } else {
            Err(FlowErrors(errors))
        }
    }
}

/// A collection while wiring; positions count over the whole flow.
struct Rows<'a> {
    name: &'a str,
    parent: Option<usize>,
    source: &'a SourceDecl,
    row: Option<Type>,
    /// The source's columns that somebody reads, for a root.
    columns: Vec<Column>,
}

/// A transform while wiring.
struct Node<'a> {
    decl: &'a TransformDecl,
    function: Option<&'a Function>,
    plugin: &'a str,
    collection: Option<usize>,
    makes: Option<usize>,
    result: Option<ResultShape>,
}

struct Wiring<'a> {
    file: &'a FlowFile,
    interfaces: &'a BTreeMap<String, Interface>,
    connectors: &'a dyn Connectors,
    collections: Vec<Rows<'a>>,
    nodes: Vec<Node<'a>>,
}

/// What became of looking a name up.
enum Found {
    Column(ColumnRef),
    /// There is a column of that name, but of this type.
    OtherType(String, Type),
    Nothing,
}

impl<'a> Wiring<'a> {
    fn new(
        file: &'a FlowFile,
        interfaces: &'a BTreeMap<String, Interface>,
        connectors: &'a dyn Connectors,
        errors: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut wiring = Self {
            file,
            interfaces,
            connectors,
            collections: Vec::new(),
            nodes: Vec::new(),
        };
        wiring.check_names(errors);
        for source in &file.sources {
            wiring.add_source(source, errors);
        }
        for decl in &file.transforms {
            let (plugin, function) = wiring
                .find_function(decl, errors)
                .map_or(("", None), |(p, f)| (p, Some(f)));
            let result = function.and_then(|function| batch::result(decl, function, errors));
            wiring.nodes.push(Node {
                decl,
                function,
                plugin,
                collection: None,
                makes: None,
                result,
            });
        }
        wiring.place(errors);
        wiring
    }

    fn check_names(&self, errors: &mut Vec<Diagnostic>) {
        let mut seen = BTreeMap::new();
        let sources = self
            .file
            .sources
            .iter()
            .map(|source| (&source.name, "source"));
        let transforms = self
            .file
            .transforms
            .iter()
            .map(|transform| (&transform.name, "transform"));
        for (name, what) in sources.chain(transforms) {
            if let Some(other) = seen.insert(&name.value, what) {
                let message = format!("`{}` is the name of a {other} and of a {what}", name.value);
                errors.push(Diagnostic::at(&name.span, message).help("rename one of them"));
            }
        }
    }

    fn add_source(&mut self, source: &'a SourceDecl, errors: &mut Vec<Diagnostic>) {
        let kind = &source.kind;
        if self.connectors.source_columns(&kind.value).is_none() {
            let help = suggest(&kind.value, self.connectors.source_kinds().iter().copied());
            errors.push(
                Diagnostic::at(
                    &kind.span,
                    format!("there is no source of kind `{}`", kind.value),
                )
                .help(help),
            );
        } else if let Err(error) = self.connectors.check_source(&kind.value, &source.options) {
            errors.push(option_fault(&source.name, &source.option_spans, error));
        }
        self.collections.push(Rows {
            name: &source.name.value,
            parent: None,
            source,
            row: None,
            columns: Vec::new(),
        });
    }

    fn find_function(
        &self,
        decl: &'a TransformDecl,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<(&'a str, &'a Function)> {
        let call = &decl.call;
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
        if let Some(found) = interface.function(function) {
            return Some((plugin, found));
        }
        let fault = match interface
            .unsupported
            .iter()
            .find(|other| other.name == function)
        {
            Some(other) => Diagnostic::at(
                &call.span,
                format!("`{}` cannot be a transform: {}", call.value, other.reason),
            ),
            None => Diagnostic::at(
                &call.span,
                format!("plugin `{plugin}` has no function `{function}`"),
            )
            .help(suggest(
                function,
                interface.functions.iter().map(Function::short_name),
            )),
        };
        errors.push(fault);
        None
    }

    /// Finds the collection of every transform and makes those of `rows = true`, parents before children.
    fn place(&mut self, errors: &mut Vec<Diagnostic>) {
        let mut waiting: Vec<usize> = (0..self.nodes.len()).collect();
        loop {
            let before = waiting.len();
            waiting.retain(|&index| !self.try_place(index, errors));
            if waiting.len() == before {
                break;
            }
        }
        for index in waiting {
            let each = &self.nodes[index].decl.each;
            let named = self
                .file
                .transforms
                .iter()
                .find(|other| other.name.value == each.value);
            let collections = self.collection_names();
            let fault = match named {
                Some(other) if !other.rows => Diagnostic::at(
                    &each.span,
                    format!("`{}` is a column, not a collection", each.value),
                )
                .help(format!(
                    "`rows = true` on transform `{}` makes its list a collection; {}",
                    each.value,
                    suggest(&each.value, collections)
                )),
                Some(_) if self.transform_without_function(&each.value) => continue,
                Some(_) => Diagnostic::at(&each.span, format!("`{}` comes of itself", each.value))
                    .help("a chain of `each` must begin at a source"),
                None => Diagnostic::at(
                    &each.span,
                    format!("there is no collection `{}`", each.value),
                )
                .help(suggest(&each.value, collections)),
            };
            errors.push(fault);
        }
    }

    /// The collections of the flow, also those whose transform is at fault.
    fn collection_names(&self) -> impl Iterator<Item = &'a str> {
        let file = self.file;
        let made = file
            .transforms
            .iter()
            .filter(|transform| transform.rows)
            .map(|transform| &*transform.name.value);
        file.sources
            .iter()
            .map(|source| &*source.name.value)
            .chain(made)
    }

    /// Whether the collection is missing only because of a fault that has been reported already.
    fn transform_without_function(&self, name: &str) -> bool {
        self.nodes.iter().any(|node| {
            node.decl.name.value == name && (node.result.is_none() || node.collection.is_some())
        })
    }

    fn try_place(&mut self, index: usize, errors: &mut Vec<Diagnostic>) -> bool {
        let decl = self.nodes[index].decl;
        let Some(parent) = self
            .collections
            .iter()
            .position(|rows| rows.name == decl.each.value)
        else {
            return false;
        };
        self.nodes[index].collection = Some(parent);
        if !decl.rows {
            return true;
        }
        let Some(result) = &self.nodes[index].result else {
            return true;
        };
        let Type::List(element) = result.value.clone() else {
            let (each, needed) = match decl.batch {
                None => ("", "`list<T>` or `result<list<T>, E>`"),
                Some(_) => (
                    " for each row",
                    "`list<list<T>>` or `list<result<list<T>, E>>`",
                ),
            };
            let message = format!(
                "`{}` returns `{}`{each}, which is no list of rows",
                decl.call.value, result.value
            );
            let help = format!("`rows = true` needs a function that returns {needed}");
            errors.push(Diagnostic::at(&decl.call.span, message).help(help));
            return true;
        };
        self.nodes[index].makes = Some(self.collections.len());
        self.collections.push(Rows {
            name: &decl.name.value,
            parent: Some(parent),
            source: self.collections[parent].source,
            row: Some((*element).clone()),
            columns: Vec::new(),
        });
        true
    }
}

fn option_fault(
    owner: &Located<String>,
    spans: &BTreeMap<String, Located<()>>,
    error: OptionError,
) -> Diagnostic {
    let span = error
        .option
        .as_ref()
        .and_then(|option| spans.get(option))
        .map_or(&owner.span, |located| &located.span);
    let fault = Diagnostic::at(span, error.message);
    match (&error.option, error.candidates.is_empty()) {
        (Some(option), false) => {
            fault.help(suggest(option, error.candidates.iter().map(String::as_str)))
        }
        _ => fault,
    }
}
