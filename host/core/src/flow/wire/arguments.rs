//! The arguments of transforms: every parameter finds its literal, its column or what it looks up.

use super::batch::{check_columns, row_type};
use super::candidates::UNEVEN_HELP;
use super::{Found, Origin, Role, Step, Wiring};
use crate::diagnostic::{Diagnostic, suggest};
use crate::flow::declaration::TransformDecl;
use crate::flow::literal;
use crate::flow::plan::{Argument, ColumnRef};
use crate::flow::tree::Located;
use crate::interface::{Function, Param};
use crate::types::Type;
use crate::value::Value;

/// A parameter of a function that is called.
#[derive(Clone, Copy)]
pub(super) struct Parameter<'p> {
    pub(super) decl: &'p TransformDecl,
    pub(super) function: &'p Function,
    pub(super) param: &'p Param,
}

impl<'p> Parameter<'p> {
    /// The path of its column, and where the flow file says so.
    pub(super) fn path(&self) -> (&'p str, &'p Located<String>) {
        self.decl.path(&self.param.name)
    }

    /// What it is, and what of that it gets of a row, in words.
    pub(super) fn takes(&self, wanted: &Type) -> String {
        let (name, call, ty) = (&self.param.name, &self.decl.call.value, &self.param.ty);
        let is = format!("parameter `{name}` of `{call}` is `{ty}`");
        if wanted == ty {
            is
        } else {
            format!("{is}, one `{wanted}` of each row")
        }
    }

    /// The value in the flow file, if one is given; within, none where it does not fit.
    pub(super) fn literal(&self, errors: &mut Vec<Diagnostic>) -> Option<Option<Value>> {
        let mut given = self.decl.with.iter();
        let entry = given.find(|entry| entry.key.value == self.param.name)?;
        Some(match literal::read(&entry.value, &self.param.ty) {
            Ok(value) => Some(value),
            Err(fault) => {
                let (param, call) = (&self.param.name, &self.decl.call.value);
                let message = format!("parameter `{param}` of `{call}`: {}", fault.message);
                errors.push(Diagnostic { message, ..fault }.label(self.function.to_string()));
                None
            }
        })
    }
}

impl TransformDecl {
    /// The path of the column for a parameter, and its place in the flow file.
    pub(super) fn path<'p>(&'p self, param: &'p str) -> (&'p str, &'p Located<String>) {
        let from = self.from.iter().find(|(name, _)| name.value == param);
        from.map_or((param, &self.call), |(_, path)| (&*path.value, path))
    }

    /// Whether the flow gives a parameter a value or has it looked up.
    pub(super) fn gives(&self, param: &str) -> bool {
        self.with.iter().any(|entry| entry.key.value == param)
            || self
                .lookups
                .iter()
                .any(|lookup| lookup.param.value == param)
    }
}

impl Wiring<'_> {
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
        check_given(decl, function, errors);
        if self.clashes(index, collection, errors) {
            return Vec::new();
        }
        let mut arguments = Vec::with_capacity(function.params.len());
        for param in &function.params {
            let parameter = Parameter {
                decl,
                function,
                param,
            };
            let literal = parameter.literal(errors);
            arguments.extend(match literal {
                Some(value) => value.map(Argument::Literal),
                None => self
                    .column_argument(index, collection, &parameter, errors)
                    .map(Argument::Column),
            });
        }
        if arguments.len() == function.params.len() {
            check_columns(decl, function, &arguments, errors);
        }
        arguments
    }

    fn column_argument(
        &mut self,
        index: usize,
        collection: usize,
        parameter: &Parameter<'_>,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<ColumnRef> {
        let wanted = row_type(parameter, errors)?;
        let mut lookups = parameter.decl.lookups.iter();
        if let Some(decl) = lookups.find(|lookup| lookup.param.value == parameter.param.name) {
            return self.lookup((index, collection), parameter, decl, wanted, errors);
        }
        if let Role::Group(at) = self.nodes[index].role
            && let Step::Reduce(decl) = self.gathers[at].step
        {
            return self.group_argument(at, decl, parameter, errors);
        }
        self.bind(collection, parameter, wanted, Some(index), errors)
    }

    /// Finds the column of a parameter. `wanted` is the type of the parameter, or of the elements of its list.
    pub(super) fn bind(
        &mut self,
        collection: usize,
        parameter: &Parameter<'_>,
        wanted: &Type,
        asking: Option<usize>,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<ColumnRef> {
        let (path, _) = parameter.path();
        let found = self.resolve(collection, path, Some(wanted), asking);
        errors.extend(self.argument_fault(collection, parameter, wanted, &found));
        found.column()
    }

    fn argument_fault(
        &self,
        collection: usize,
        parameter: &Parameter<'_>,
        wanted: &Type,
        found: &Found<ColumnRef>,
    ) -> Option<Diagnostic> {
        let (param, function) = (parameter.param, parameter.function);
        let (path, place) = parameter.path();
        Some(match found {
            Found::Column(_) => return None,
            _ if self.is_at_fault(collection, path) => return None,
            Found::OtherType(name, ty) => {
                let head = format!("{}, but `{name}` is `{ty}`", parameter.takes(wanted));
                let mut fits = self.candidates(collection, Some(wanted));
                fits.retain(|name| *name != parameter.decl.name.value);
                let mut help = format!(
                    "of type `{wanted}` {}; choose with `from = {{ {} = \"...\" }}`",
                    suggest("", fits.iter().map(String::as_str)),
                    param.name
                );
                if *wanted == param.ty && param.ty == Type::list(ty.clone()) {
                    help += "; or take many rows at once with `batch = true`";
                }
                let fault = Diagnostic::at(&place.span, head).label(function.to_string());
                fault.help(help)
            }
            Found::Uneven(how) => {
                let message = format!("parameter `{}`: {how}", param.name);
                Diagnostic::at(&place.span, message)
                    .label(function.to_string())
                    .help(UNEVEN_HELP)
            }
            Found::Nothing => self.no_column(collection, parameter),
        })
    }

    fn no_column(&self, collection: usize, parameter: &Parameter<'_>) -> Diagnostic {
        let (path, place) = parameter.path();
        let param = parameter.param;
        let (on, column) = self.split(collection, path);
        let mut names = self.candidates(collection, None);
        names.retain(|name| *name != parameter.decl.name.value);
        let mut help = suggest(column, names.iter().map(String::as_str));
        if place == &parameter.decl.call {
            let name = &param.name;
            help = format!(
                "{help}; name another column with `from = {{ {name} = \"...\" }}` or give a value with \
                 `with = {{ {name} = ... }}`"
            );
        }
        Diagnostic::at(&place.span, format!("no column `{column}` on `{on}`"))
            .label(format!(
                "needed for parameter `{}: {}`",
                param.name, param.ty
            ))
            .help(help)
    }

    /// Whether a column-making transform has the name of a field or column of its row.
    fn clashes(&self, index: usize, collection: usize, errors: &mut Vec<Diagnostic>) -> bool {
        let node = &self.nodes[index];
        let name = &node.decl.name;
        // The names of a group's columns and of its result are compared where the reduce is.
        if !node.makes_column(collection) || node.role != Role::Plain {
            return false;
        }
        let clashes = self.has(collection, &name.value, Some(index));
        if clashes {
            let rows = match self.collections[collection].origin {
                Some(Origin::Gather(_)) => self.stage_name(collection),
                _ => &self.collections[collection].name,
            };
            let message = format!("`{rows}` already has a column `{}`", name.value);
            errors
                .push(Diagnostic::at(&name.span, message).help("give the transform another name"));
        }
        clashes
    }
}

/// Refuses what is given for parameters that are none, or that have something already.
pub(super) fn check_given(decl: &TransformDecl, function: &Function, errors: &mut Vec<Diagnostic>) {
    let given = decl.with.iter().map(|entry| &entry.key);
    let given = given.chain(decl.from.iter().map(|(name, _)| name));
    let given = given.chain(decl.lookups.iter().map(|lookup| &lookup.param));
    let mut seen: Vec<&str> = Vec::new();
    for name in given {
        if function.params.iter().all(|param| param.name != name.value) {
            let message = format!("`{}` has no parameter `{}`", decl.call.value, name.value);
            let params = function.params.iter().map(|param| &*param.name);
            errors.push(
                Diagnostic::at(&name.span, message)
                    .label(function.to_string())
                    .help(suggest(&name.value, params)),
            );
        }
        if seen.contains(&&*name.value) {
            let message = format!("the parameter `{}` is given twice", name.value);
            errors.push(
                Diagnostic::at(&name.span, message)
                    .help("give it in one of `with`, `from` and `lookup`"),
            );
        }
        seen.push(&name.value);
    }
}
