//! Wiring: every parameter and every target column finds its column, and the types are checked.
//!
//! A parameter is looked up in `with`, then in `from`, then by its name among the columns of the row, then among those
//! of the row's parents.

use std::collections::BTreeMap;

use super::connectors::{Column, Connectors, OptionError, SourceColumns, TargetSpec};
use super::declaration::{FlowFile, SourceDecl, TargetDecl, TransformDecl};
use super::literal;
use super::plan::{
    Argument, Collection, ColumnKind, ColumnRef, Plan, ResultShape, SourcePlan, Stage, TargetPlan,
    Transform,
};
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
            let result = function.and_then(|function| {
                let shape = ResultShape::of(function.result.as_ref());
                if shape.is_none() {
                    let message = format!("`{}` returns no value", decl.call.value);
                    errors
                        .push(Diagnostic::at(&decl.call.span, message).label(function.to_string()));
                }
                shape
            });
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
            let message = format!(
                "`{}` returns `{}`, which is no list of rows",
                decl.call.value, result.value
            );
            errors.push(Diagnostic::at(&decl.call.span, message).help(
                "`rows = true` needs a function that returns `list<T>` or `result<list<T>, E>`",
            ));
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

    fn transforms(&mut self, errors: &mut Vec<Diagnostic>) -> Vec<Vec<Argument>> {
        (0..self.nodes.len())
            .map(|index| self.arguments(index, errors))
            .collect()
    }

    fn arguments(&mut self, index: usize, errors: &mut Vec<Diagnostic>) -> Vec<Argument> {
        let decl = self.nodes[index].decl;
        let (Some(function), Some(collection)) =
            (self.nodes[index].function, self.nodes[index].collection)
        else {
            return Vec::new();
        };
        let given = decl
            .with
            .iter()
            .map(|entry| &entry.key)
            .chain(decl.from.iter().map(|(name, _)| name));
        let mut seen: Vec<&str> = Vec::new();
        for name in given {
            if function.params.iter().all(|param| param.name != name.value) {
                let message = format!("`{}` has no parameter `{}`", decl.call.value, name.value);
                let help = suggest(
                    &name.value,
                    function.params.iter().map(|param| &*param.name),
                );
                errors.push(
                    Diagnostic::at(&name.span, message)
                        .label(function.to_string())
                        .help(help),
                );
            }
            if seen.contains(&&*name.value) {
                let message = format!("the parameter `{}` is given twice", name.value);
                errors.push(
                    Diagnostic::at(&name.span, message).help("give it in `with` or in `from`"),
                );
            }
            seen.push(&name.value);
        }
        if self.clashes(collection, decl, errors) {
            return Vec::new();
        }
        let mut arguments = Vec::with_capacity(function.params.len());
        for param in &function.params {
            if let Some(entry) = decl.with.iter().find(|entry| entry.key.value == param.name) {
                match literal::read(&entry.value, &param.ty) {
                    Ok(value) => arguments.push(Argument::Literal(value)),
                    Err(fault) => {
                        let about =
                            format!("parameter `{}` of `{}`: ", param.name, decl.call.value);
                        errors.push(Diagnostic {
                            message: about + &fault.message,
                            ..fault
                        });
                    }
                }
                continue;
            }
            let from = decl.from.iter().find(|(name, _)| name.value == param.name);
            let (path, place) =
                from.map_or((&*param.name, &decl.call), |(_, path)| (&*path.value, path));
            match self.resolve(collection, path, Some(&param.ty), Some(index)) {
                Found::Column(column) => arguments.push(Argument::Column(column)),
                Found::OtherType(name, ty) => {
                    let message = format!(
                        "parameter `{}` of `{}` is `{}`, but `{name}` is `{ty}`",
                        param.name, decl.call.value, param.ty
                    );
                    let mut fits = self.candidates(collection, Some(&param.ty));
                    fits.retain(|name| *name != decl.name.value);
                    errors.push(
                        Diagnostic::at(&place.span, message)
                            .label(function.to_string())
                            .help(format!(
                                "of type `{}` {}; choose with `from = {{ {} = \"...\" }}`",
                                param.ty,
                                suggest("", fits.iter().map(String::as_str)),
                                param.name
                            )),
                    );
                }
                Found::Nothing if self.is_at_fault(path) => {}
                Found::Nothing => {
                    let (on, column) = self.split(collection, path);
                    let mut names = self.candidates(collection, None);
                    names.retain(|name| *name != decl.name.value);
                    let mut help = suggest(column, names.iter().map(String::as_str));
                    if from.is_none() {
                        let name = &param.name;
                        help += "; name another column with `from = { ";
                        help += name;
                        help += " = \"...\" }` or give a value with `with = { ";
                        help += name;
                        help += " = ... }`";
                    }
                    let message = format!("no column `{column}` on `{on}`");
                    let label = format!("needed for parameter `{}: {}`", param.name, param.ty);
                    errors.push(Diagnostic::at(&place.span, message).label(label).help(help));
                }
            }
        }
        arguments
    }

    /// Whether a column-making transform has the name of a field or column of its row.
    fn clashes(
        &self,
        collection: usize,
        decl: &TransformDecl,
        errors: &mut Vec<Diagnostic>,
    ) -> bool {
        if decl.rows {
            return false;
        }
        let rows = &self.collections[collection];
        let field = rows.row.as_ref().and_then(Type::fields);
        let field =
            field.is_some_and(|fields| fields.iter().any(|field| *field.name == *decl.name.value));
        let column = rows.parent.is_none()
            && matches!(
                self.connectors.source_columns(&rows.source.kind.value),
                Some(SourceColumns::Fixed(columns)) if columns.iter().any(|(name, _)| *name == decl.name.value)
            );
        if field || column {
            let message = format!("`{}` already has a column `{}`", rows.name, decl.name.value);
            errors.push(
                Diagnostic::at(&decl.name.span, message).help("give the transform another name"),
            );
        }
        field || column
    }

    /// Resolves `column`, `column.field`, `collection.column` or `collection.column.field`, seen from `collection`.
    fn resolve(
        &mut self,
        collection: usize,
        path: &str,
        wanted: Option<&Type>,
        asking: Option<usize>,
    ) -> Found {
        if let Some((first, rest)) = path.split_once('.') {
            let named = self
                .lineage(collection)
                .find(|&up| self.collections[up].name == first);
            if let Some(named) = named {
                return self.resolve_on(named, rest, wanted, asking);
            }
        }
        let lineage: Vec<usize> = self.lineage(collection).collect();
        let mut other = Found::Nothing;
        for up in lineage {
            match self.resolve_on(up, path, wanted, asking) {
                Found::Nothing => {}
                found @ Found::Column(_) => return found,
                found @ Found::OtherType(..) => {
                    if matches!(other, Found::Nothing) {
                        other = found;
                    }
                }
            }
        }
        other
    }

    /// Whether a path leads to the result of a transform whose function could not be found.
    fn is_at_fault(&self, path: &str) -> bool {
        let named = |node: &Node<'_>| path.split('.').any(|part| part == node.decl.name.value);
        self.nodes
            .iter()
            .any(|node| node.result.is_none() && named(node))
    }

    /// The collection that a path names, or else the row's own, and the rest of the path.
    fn split<'p>(&self, collection: usize, path: &'p str) -> (&'a str, &'p str) {
        let named = path.split_once('.').and_then(|(first, rest)| {
            let up = self
                .lineage(collection)
                .find(|&up| self.collections[up].name == first)?;
            Some((self.collections[up].name, rest))
        });
        named.unwrap_or((self.collections[collection].name, path))
    }

    /// Resolves `column` or `column.field` on just this collection.
    fn resolve_on(
        &mut self,
        collection: usize,
        path: &str,
        wanted: Option<&Type>,
        asking: Option<usize>,
    ) -> Found {
        let fits = |kind, ty: &Type| {
            if wanted.is_none_or(|wanted| wanted == ty) {
                Found::Column(ColumnRef {
                    collection,
                    kind,
                    ty: ty.clone(),
                })
            } else {
                Found::OtherType(path.to_owned(), ty.clone())
            }
        };
        let (name, field) = path
            .split_once('.')
            .map_or((path, None), |(name, field)| (name, Some(field)));
        for (index, node) in self.nodes.iter().enumerate() {
            let is_column =
                node.collection == Some(collection) && !node.decl.rows && Some(index) != asking;
            let Some(result) = node
                .result
                .as_ref()
                .filter(|_| is_column && node.decl.name.value == name)
            else {
                continue;
            };
            let Some(field) = field else {
                return fits(ColumnKind::Result(index), &result.value);
            };
            let fields = result.value.fields().map_or(&[][..], |fields| fields);
            return match fields
                .iter()
                .position(|candidate| *candidate.name == *field)
            {
                Some(position) => fits(
                    ColumnKind::ResultField(index, position),
                    &fields[position].ty,
                ),
                None => Found::Nothing,
            };
        }
        if field.is_some() {
            return Found::Nothing;
        }
        let rows = &self.collections[collection];
        if let Some(row) = &rows.row {
            let fields = row.fields().map_or(&[][..], |fields| fields);
            if let Some(position) = fields.iter().position(|candidate| *candidate.name == *name) {
                return fits(ColumnKind::Field(position), &fields[position].ty);
            }
            return if rows.name == name {
                fits(ColumnKind::Row, row)
            } else {
                Found::Nothing
            };
        }
        self.source_column(collection, name, wanted)
    }

    fn source_column(&mut self, collection: usize, name: &str, wanted: Option<&Type>) -> Found {
        let rows = &mut self.collections[collection];
        let kind = &rows.source.kind.value;
        let default = match self.connectors.source_columns(kind) {
            Some(SourceColumns::Fixed(columns)) => {
                match columns.into_iter().find(|(column, _)| column == name) {
                    Some((_, types)) => types.into_iter().next(),
                    None => None,
                }
            }
            Some(SourceColumns::Open) => Some(Type::String),
            None => None,
        };
        let Some(default) = default else {
            return Found::Nothing;
        };
        // Whoever does not say which type takes the one that others ask for, when that is only one.
        let mut asked = rows.columns.iter().filter(|column| column.name == name);
        let ty = match (wanted, asked.next(), asked.next()) {
            (Some(wanted), ..) => wanted.clone(),
            (None, Some(only), None) => only.ty.clone(),
            (None, ..) => default.clone(),
        };
        if !self.connectors.accepts(kind, name, &ty) {
            return Found::OtherType(name.to_owned(), default);
        }
        let column = Column {
            name: name.to_owned(),
            ty: ty.clone(),
        };
        let position = rows
            .columns
            .iter()
            .position(|known| *known == column)
            .unwrap_or_else(|| {
                rows.columns.push(column);
                rows.columns.len() - 1
            });
        Found::Column(ColumnRef {
            collection,
            kind: ColumnKind::Source(position),
            ty,
        })
    }

    /// The collection and its parents, nearest first.
    fn lineage(&self, collection: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(collection), |&up| self.collections[up].parent)
    }

    /// The columns that can be named from a row of `collection`, of one type or of all.
    fn candidates(&self, collection: usize, wanted: Option<&Type>) -> Vec<String> {
        let fits = |ty: &Type| wanted.is_none_or(|wanted| wanted == ty);
        let mut names = Vec::new();
        for up in self.lineage(collection) {
            let rows = &self.collections[up];
            match (
                &rows.row,
                self.connectors.source_columns(&rows.source.kind.value),
            ) {
                (Some(Type::Record(fields)), _) => {
                    names.extend(
                        fields
                            .iter()
                            .filter(|field| fits(&field.ty))
                            .map(|field| field.name.to_string()),
                    );
                }
                (Some(ty), _) if fits(ty) => names.push(rows.name.to_owned()),
                (None, Some(SourceColumns::Fixed(columns))) => {
                    let columns = columns
                        .into_iter()
                        .filter(|(_, types)| types.iter().any(fits));
                    names.extend(columns.map(|(name, _)| name));
                }
                _ => {}
            }
            for node in self
                .nodes
                .iter()
                .filter(|node| node.collection == Some(up) && !node.decl.rows)
            {
                if node
                    .result
                    .as_ref()
                    .is_some_and(|result| fits(&result.value))
                {
                    names.push(node.decl.name.value.clone());
                }
            }
        }
        names
    }

    fn targets(&mut self, errors: &mut Vec<Diagnostic>) -> Vec<(usize, TargetPlan)> {
        let file = self.file;
        let mut targets: Vec<(usize, TargetPlan)> = Vec::new();
        for decl in &file.targets {
            let Some(target) = self.target(decl, errors) else {
                continue;
            };
            let place = self.connectors.place(&target.1.spec);
            let other = targets
                .iter()
                .find(|(_, other)| self.connectors.place(&other.spec) == place);
            if let Some((_, other)) = other {
                let message = format!(
                    "target `{}` is written to the same place as `{}`",
                    decl.name.value, other.name
                );
                errors.push(
                    Diagnostic::at(&decl.name.span, message)
                        .help("give it another table, file or folder"),
                );
            }
            targets.push(target);
        }
        targets
    }

    fn target(
        &mut self,
        decl: &TargetDecl,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<(usize, TargetPlan)> {
        let before = errors.len();
        let kind = &decl.kind;
        if !self.connectors.target_kinds().contains(&&*kind.value) {
            let help = suggest(&kind.value, self.connectors.target_kinds().iter().copied());
            errors.push(
                Diagnostic::at(
                    &kind.span,
                    format!("there is no target of kind `{}`", kind.value),
                )
                .help(help),
            );
        }
        let Some(collection) = self
            .collections
            .iter()
            .position(|rows| rows.name == decl.rows.value)
        else {
            // A collection that is missing because its transform is broken has been reported there.
            if !self
                .nodes
                .iter()
                .any(|node| node.decl.rows && node.decl.name.value == decl.rows.value)
            {
                let help = suggest(
                    &decl.rows.value,
                    self.collections.iter().map(|rows| rows.name),
                );
                let message = format!("there is no collection `{}`", decl.rows.value);
                errors.push(Diagnostic::at(&decl.rows.span, message).help(help));
            }
            return None;
        };
        let mut columns = Vec::new();
        for (name, path) in &decl.columns {
            match self.resolve(collection, &path.value, None, None) {
                Found::Column(column) => columns.push((name.value.clone(), column)),
                // What hangs on a transform that is at fault has been reported there.
                _ if self.is_at_fault(&path.value) => {}
                _ => {
                    let names = self.candidates(collection, None);
                    let (on, column) = self.split(collection, &path.value);
                    let message = format!("no column `{column}` on `{on}`");
                    let help = suggest(column, names.iter().map(String::as_str));
                    errors.push(Diagnostic::at(&path.span, message).help(help));
                }
            }
        }
        let key = self.target_key(decl, &columns, errors);
        let spec_columns = columns.iter().map(|(name, column)| Column {
            name: name.clone(),
            ty: column.ty.clone(),
        });
        let spec = TargetSpec {
            kind: kind.value.clone(),
            options: decl.options.clone(),
            columns: spec_columns.collect(),
            key,
        };
        if errors.len() == before
            && let Err(error) = self.connectors.check_target(&spec)
        {
            errors.push(option_fault(&decl.name, &decl.option_spans, error));
        }
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        Some((
            collection,
            TargetPlan {
                name: decl.name.value.clone(),
                spec,
                collection,
                columns,
            },
        ))
    }

    fn target_key(
        &self,
        decl: &TargetDecl,
        columns: &[(String, ColumnRef)],
        errors: &mut Vec<Diagnostic>,
    ) -> Vec<usize> {
        let implied = self.connectors.implied_key(&decl.kind.value, &decl.options);
        let names: Vec<Located<String>> = match (&decl.key, implied) {
            (Some(key), None) => key.clone(),
            (Some(key), Some(_)) => {
                let place = key.first().map_or(&decl.name.span, |name| &name.span);
                let message = format!("a target of kind `{}` takes no `key`", decl.kind.value);
                errors.push(Diagnostic::at(place, message).help("its options say what the key is"));
                return Vec::new();
            }
            (None, Some(names)) => names
                .into_iter()
                .map(|name| Located::new(name, decl.name.span.clone()))
                .collect(),
            (None, None) => Vec::new(),
        };
        let mut key = Vec::with_capacity(names.len());
        for name in &names {
            match columns.iter().position(|(column, _)| *column == name.value) {
                Some(position) if key.contains(&position) => {
                    if decl.key.is_some() {
                        let message = format!("`{}` is in the key twice", name.value);
                        errors.push(Diagnostic::at(&name.span, message));
                    }
                }
                Some(position) => key.push(position),
                None if decl
                    .columns
                    .iter()
                    .any(|(column, _)| column.value == name.value) => {}
                None => {
                    let message = format!(
                        "the key column `{}` is no column of target `{}`",
                        name.value, decl.name.value
                    );
                    let help = suggest(
                        &name.value,
                        decl.columns.iter().map(|(column, _)| &*column.value),
                    );
                    errors.push(Diagnostic::at(&name.span, message).help(help));
                }
            }
        }
        key
    }

    /// Splits the flow into stages and renumbers positions from the whole flow to the stage.
    fn stages(
        &self,
        order: &[usize],
        arguments: &[Vec<Argument>],
        targets: &[(usize, TargetPlan)],
    ) -> Vec<Stage> {
        let roots =
            (0..self.collections.len()).filter(|&index| self.collections[index].parent.is_none());
        roots
            .map(|root| self.stage(root, order, arguments, targets))
            .collect()
    }

    fn stage(
        &self,
        root: usize,
        order: &[usize],
        arguments: &[Vec<Argument>],
        targets: &[(usize, TargetPlan)],
    ) -> Stage {
        let in_stage = |collection: usize| self.lineage(collection).last() == Some(root);
        let collections: Vec<usize> = (0..self.collections.len())
            .filter(|&index| in_stage(index))
            .collect();
        let nodes: Vec<usize> = order
            .iter()
            .copied()
            .filter(|&index| self.nodes[index].collection.is_some_and(in_stage))
            .collect();
        let collection_at = |index: usize| {
            collections
                .iter()
                .position(|&other| other == index)
                .expect("a stage holds the collections it refers to")
        };
        let node_at = |index: usize| {
            nodes
                .iter()
                .position(|&other| other == index)
                .expect("a stage holds its transforms")
        };
        let column = |column: &ColumnRef| ColumnRef {
            collection: collection_at(column.collection),
            kind: match column.kind {
                ColumnKind::Result(node) => ColumnKind::Result(node_at(node)),
                ColumnKind::ResultField(node, field) => {
                    ColumnKind::ResultField(node_at(node), field)
                }
                other => other,
            },
            ty: column.ty.clone(),
        };
        let transforms = nodes.iter().map(|&index| {
            let node = &self.nodes[index];
            Transform {
                name: node.decl.name.value.clone(),
                plugin: node.plugin.to_owned(),
                function: node
                    .function
                    .expect("a flow without errors has all functions")
                    .clone(),
                collection: collection_at(
                    node.collection
                        .expect("only placed transforms are in a stage"),
                ),
                makes: node.makes.map(collection_at),
                arguments: arguments[index]
                    .iter()
                    .map(|argument| match argument {
                        Argument::Literal(value) => Argument::Literal(value.clone()),
                        Argument::Column(reference) => Argument::Column(column(reference)),
                    })
                    .collect(),
                result: node
                    .result
                    .clone()
                    .expect("a flow without errors has all results"),
            }
        });
        let targets = targets
            .iter()
            .filter(|(collection, _)| in_stage(*collection))
            .map(|(collection, target)| TargetPlan {
                collection: collection_at(*collection),
                columns: target.columns.iter().map(column).collect(),
                ..target.clone()
            });
        let rows = &self.collections[root];
        Stage {
            source: SourcePlan {
                name: rows.name.to_owned(),
                kind: rows.source.kind.value.clone(),
                options: rows.source.options.clone(),
                columns: rows.columns.clone(),
                on_error: rows.source.on_error,
            },
            transforms: transforms.collect(),
            targets: targets.collect(),
            collections: collections
                .iter()
                .map(|&index| Collection {
                    name: self.collections[index].name.to_owned(),
                    parent: self.collections[index].parent.map(collection_at),
                    row: self.collections[index].row.clone(),
                })
                .collect(),
        }
    }
}

/// A topological order of the transforms, those of the file where there is a choice.
fn order(nodes: &[Node<'_>], arguments: &[Vec<Argument>]) -> Result<Vec<usize>, Diagnostic> {
    let needs: Vec<Vec<usize>> = (0..nodes.len())
        .map(|index| needed_by(index, nodes, &arguments[index]))
        .collect();
    let mut order = Vec::with_capacity(nodes.len());
    let mut done = vec![false; nodes.len()];
    while order.len() < nodes.len() {
        let ready = (0..nodes.len())
            .find(|&index| !done[index] && needs[index].iter().all(|&need| done[need]));
        let Some(ready) = ready else {
            return Err(cycle(nodes, &needs, &done));
        };
        done[ready] = true;
        order.push(ready);
    }
    Ok(order)
}

fn needed_by(index: usize, nodes: &[Node<'_>], arguments: &[Argument]) -> Vec<usize> {
    let mut needs = Vec::new();
    for argument in arguments {
        if let Argument::Column(ColumnRef {
            kind: ColumnKind::Result(n) | ColumnKind::ResultField(n, _),
            ..
        }) = argument
        {
            needs.push(*n);
        }
    }
    // The transform that makes the collection; those further up are needed by it in turn.
    needs.extend(
        nodes
            .iter()
            .position(|node| node.makes.is_some() && node.makes == nodes[index].collection),
    );
    needs
}

fn cycle(nodes: &[Node<'_>], needs: &[Vec<usize>], done: &[bool]) -> Diagnostic {
    let start = done
        .iter()
        .position(|done| !done)
        .expect("a cycle leaves transforms over");
    let mut path = vec![start];
    let repeated = loop {
        let last = path[path.len() - 1];
        let next = *needs[last]
            .iter()
            .find(|&&need| !done[need])
            .expect("what is left over needs what is left over");
        if let Some(position) = path.iter().position(|&seen| seen == next) {
            break position;
        }
        path.push(next);
    };
    path.drain(..repeated);
    path.push(path[0]);
    let names: Vec<&str> = path
        .iter()
        .map(|&index| &*nodes[index].decl.name.value)
        .collect();
    let message = format!(
        "transforms depend on each other in a circle: {}",
        names.join(" -> ")
    );
    Diagnostic::at(&nodes[path[0]].decl.name.span, message)
        .help("each of these needs the result of the next")
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
