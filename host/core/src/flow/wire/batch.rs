//! Batched transforms while wiring: their functions take and return lists, with one element per row.

use super::arguments::Parameter;
use super::{Node, Wiring};
use crate::diagnostic::Diagnostic;
use crate::flow::batch::row_function;
use crate::flow::declaration::TransformDecl;
use crate::flow::plan::{Argument, ResultShape};
use crate::interface::Function;
use crate::types::Type;

/// What the result of a transform's function means for a row.
pub(super) fn result(
    decl: &TransformDecl,
    function: &Function,
    errors: &mut Vec<Diagnostic>,
) -> Option<ResultShape> {
    let mut fault = |message: String, help: &str| {
        let fault = Diagnostic::at(&decl.call.span, message).label(function.to_string());
        errors.push(fault.help(help));
    };
    let call = &decl.call.value;
    let Some(result) = &function.result else {
        fault(format!("`{call}` returns no value"), &with_value(function));
        return None;
    };
    let element = match (decl.batch, result) {
        (None, whole) => whole,
        (Some(_), Type::List(element)) => element,
        (Some(_), other) => {
            let message = format!(
                "`{call}` returns `{other}`, and a batched transform needs `list<T>`, with one element per row"
            );
            let help = "`T` may be `option<...>` or `result<..., E>`, for rows that are none or fail alone; or drop `batch`";
            fault(message, help);
            return None;
        }
    };
    let shape = ResultShape::of(Some(element));
    if shape.is_none() {
        fault(format!("`{call}` returns no value"), &with_value(function));
    }
    shape
}

/// How a function without a value could have one.
fn with_value(function: &Function) -> String {
    let value = match &function.result {
        Some(Type::List(element)) => Type::list(valued(element)),
        Some(other) => valued(other),
        None => Type::Bool,
    };
    let function = Function {
        result: Some(value),
        ..function.clone()
    };
    format!("a transform gives each row a value, if only a `bool`: `{function}`")
}

fn valued(result: &Type) -> Type {
    match result {
        Type::Result { ok: None, err } => Type::Result {
            ok: Some(Type::Bool.into()),
            err: err.clone(),
        },
        other => other.clone(),
    }
}

/// The type of what a parameter gets of a row; none where it is none that gets anything of one.
pub(super) fn row_type<'p>(
    parameter: &Parameter<'p>,
    errors: &mut Vec<Diagnostic>,
) -> Option<&'p Type> {
    match (parameter.decl.batch, &parameter.param.ty) {
        (None, ty) => Some(ty),
        (Some(_), Type::List(element)) => Some(element),
        (Some(_), ty) => {
            let (name, call) = (&parameter.param.name, &parameter.decl.call.value);
            let message = format!(
                "parameter `{name}` of `{call}` is `{ty}`, and a batched transform needs `list<{ty}>`, with one element \
                 per row"
            );
            let help =
                format!("give it once for all rows, `with = {{ {name} = ... }}`, or drop `batch`");
            let (_, place) = parameter.path();
            let fault = Diagnostic::at(&place.span, message);
            errors.push(fault.label(parameter.function.to_string()).help(help));
            None
        }
    }
}

/// Refuses a batched transform whose arguments are the same for all rows.
pub(super) fn check_columns(
    decl: &TransformDecl,
    function: &Function,
    arguments: &[Argument],
    errors: &mut Vec<Diagnostic>,
) {
    let is_literal = |argument: &Argument| matches!(argument, Argument::Literal(_));
    if decl.batch.is_some() && arguments.iter().all(is_literal) {
        let message = format!(
            "no parameter of `{}` takes a column, so its batches would have no rows",
            decl.call.value
        );
        let help = "bind one with `from = { PARAMETER = \"column\" }`, or drop `batch`";
        let fault = Diagnostic::at(&decl.call.span, message).help(help);
        errors.push(fault.label(function.to_string()));
    }
}

impl Wiring<'_> {
    /// The function of a transform without faults, as it is for one row.
    pub(super) fn row_function(node: &Node<'_>, arguments: &[Argument]) -> Function {
        let function = node
            .function
            .expect("a flow without errors has all functions");
        if node.decl.batch.is_none() {
            return function.clone();
        }
        let is_literal = |position: usize| matches!(arguments[position], Argument::Literal(_));
        row_function(function, is_literal)
            .expect("a flow without errors has lists where it needs them")
    }
}
