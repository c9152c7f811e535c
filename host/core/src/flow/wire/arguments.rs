//! The arguments of transforms: every parameter finds its literal or its column.

use super::batch::{check_columns, column_type, takes};
use super::{Found, Wiring};
use crate::diagnostic::{Diagnostic, suggest};
use crate::flow::connectors::SourceColumns;
use crate::flow::declaration::TransformDecl;
use crate::flow::literal;
use crate::flow::plan::Argument;
use crate::types::Type;

impl Wiring<'_> {
    pub(super) fn transforms(&mut self, errors: &mut Vec<Diagnostic>) -> Vec<Vec<Argument>> {
        (0..self.nodes.len())
            .map(|index| self.arguments(index, errors))
            .collect()
    }

    pub(super) fn arguments(
        &mut self,
        index: usize,
        errors: &mut Vec<Diagnostic>,
    ) -> Vec<Argument> {
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
            let Some(ty) = column_type(decl, (function, param), place, errors) else {
                continue;
            };
            match self.resolve(collection, path, Some(&ty), Some(index)) {
                Found::Column(column) => arguments.push(Argument::Column(column)),
                Found::OtherType(name, other) => {
                    let message = format!(
                        "parameter `{}` of `{}` {}, but `{name}` is `{other}`",
                        param.name,
                        decl.call.value,
                        takes(decl, &ty)
                    );
                    let mut fits = self.candidates(collection, Some(&ty));
                    fits.retain(|name| *name != decl.name.value);
                    let mut help = format!(
                        "of type `{ty}` {}; choose with `from = {{ {} = \"...\" }}`",
                        suggest("", fits.iter().map(String::as_str)),
                        param.name
                    );
                    if decl.batch.is_none() && ty == Type::list(other) {
                        help += "; or take many rows at once with `batch = true`";
                    }
                    let fault = Diagnostic::at(&place.span, message).label(function.to_string());
                    errors.push(fault.help(help));
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
        if arguments.len() == function.params.len() {
            check_columns(decl, &arguments, errors);
        }
        arguments
    }

    /// Whether a column-making transform has the name of a field or column of its row.
    pub(super) fn clashes(
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
}
