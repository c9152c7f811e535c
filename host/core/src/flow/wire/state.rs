//! Transforms with state: each row of a collection, with what the function made of it and of those before it.

use super::arguments::{Parameter, check_given};
use super::find::{Ask, Spot, SpotKind, fits};
use super::{Found, Gathering, Wiring};
use crate::diagnostic::Diagnostic;
use crate::flow::declaration::TransformDecl;
use crate::flow::gather::{Fold, FoldKind, StateArgument, ok_of};
use crate::interface::Function;
use crate::types::Type;

/// The parameter that gets the state.
const STATE_PARAM: &str = "state";

impl Wiring<'_> {
    /// Checks that the function of a transform with state is one.
    pub(super) fn add_state(
        &mut self,
        at: usize,
        decl: &TransformDecl,
        errors: &mut Vec<Diagnostic>,
    ) {
        let rows_max = decl.state.as_ref().map_or(0, |state| state.rows_max);
        let Some((plugin, function)) = self.find_function(&decl.call, errors) else {
            self.gathers[at].at_fault = true;
            return;
        };
        let Some((state, output)) = shape(function) else {
            let message = format!("`{}` is no function with state", decl.call.value);
            errors.push(
                Diagnostic::at(&decl.call.span, message)
                    .label(function.to_string())
                    .help(
                        "it must be `func(state: option<S>, ...: list<T>) -> tuple<S, list<U>>`: one U per row, and the \
                         state for the next call",
                    ),
            );
            self.gathers[at].at_fault = true;
            return;
        };
        let fold = Fold {
            name: decl.name.value.clone(),
            plugin: plugin.to_owned(),
            function: function.clone(),
            kind: FoldKind::State {
                arguments: Vec::new(),
                state,
                output,
                rows_max,
            },
            cache: decl.cache.clone(),
        };
        self.gathers[at].fold = Some(fold);
    }

    pub(super) fn open_state(
        &mut self,
        at: usize,
        decl: &TransformDecl,
        errors: &mut Vec<Diagnostic>,
    ) {
        let function = self.gathers[at].fold.as_ref();
        let function = function.map(|fold| fold.function.clone());
        let asked = function.iter().flat_map(|function| &function.params);
        let params: Vec<(&str, Type)> = asked
            .filter(|param| !decl.gives(&param.name))
            .filter_map(|param| match &param.ty {
                Type::List(element) => Some((decl.path(&param.name).0, (**element).clone())),
                _ => None,
            })
            .collect();
        let by = decl.state.as_ref().map_or(&[][..], |state| &state.by);
        let relation = self.open_keys(at, by, &params, errors);
        let (Some(relation), Some(function)) = (relation, &function) else {
            return;
        };
        check_given(decl, function, errors);
        let given = decl.with.iter().map(|entry| &entry.key);
        let mut given = given.chain(decl.from.iter().map(|(name, _)| name));
        if let Some(name) = given.find(|name| name.value == STATE_PARAM) {
            errors.push(
                Diagnostic::at(&name.span, "the parameter `state` cannot be given")
                    .help("it gets what the call before has left, and none at first"),
            );
        }
        let mut bound = Vec::with_capacity(function.params.len());
        for param in &function.params {
            let parameter = Parameter {
                decl,
                function,
                param,
            };
            bound.extend(self.state_argument(at, relation, &parameter, errors));
        }
        let is_list = |argument: &StateArgument| matches!(argument, StateArgument::Members(_));
        if bound.len() == function.params.len() && !bound.iter().any(is_list) {
            let message = format!("`{}` gets nothing of the rows", decl.call.value);
            errors.push(
                Diagnostic::at(&decl.call.span, message)
                    .label(function.to_string())
                    .help("it must take at least one list that is not given in `with`"),
            );
        }
        if let Some(fold) = &mut self.gathers[at].fold
            && let FoldKind::State { arguments, .. } = &mut fold.kind
        {
            *arguments = bound;
        }
    }

    fn state_argument(
        &mut self,
        at: usize,
        relation: usize,
        parameter: &Parameter<'_>,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<StateArgument> {
        let each = self.gathers[at].feeds.first()?.collection;
        let param = parameter.param;
        if param.name == STATE_PARAM {
            return Some(StateArgument::State);
        }
        if let Some(value) = parameter.literal(errors) {
            return value.map(StateArgument::Literal);
        }
        let (path, place) = parameter.path();
        let Type::List(element) = &param.ty else {
            let message = format!(
                "parameter `{}` of `{}` is `{}`, which is no list",
                param.name, parameter.decl.call.value, param.ty
            );
            errors.push(
                Diagnostic::at(&place.span, message)
                    .label(parameter.function.to_string())
                    .help(format!(
                        "a function with state gets several rows at once: take `list<{}>`, or give one value for all with \
                         `with = {{ {} = ... }}`",
                        param.ty, param.name
                    )),
            );
            return None;
        };
        let column = self.bind(each, parameter, element, None, errors)?;
        let position = self.publish(&[relation], path, vec![column]);
        Some(StateArgument::Members(position))
    }

    /// What the function made of the row, or else a column of the row itself.
    pub(super) fn find_in_state(
        &self,
        state: &Gathering<'_>,
        path: &str,
        ask: Ask<'_>,
    ) -> Found<Spot> {
        if let Some(found) = self.find_made(state, path, ask) {
            return fits(state.root, path, found, ask.wanted);
        }
        let Some(each) = state.feeds.first() else {
            return Found::Nothing;
        };
        self.find_from(each.collection, path, ask).map(|spot| Spot {
            collection: state.root,
            ty: spot.ty.clone(),
            kind: SpotKind::Asked(path.to_owned(), [spot].into()),
        })
    }
}

/// The types S and U of a `func(state: option<S>, ...) -> tuple<S, list<U>>` that gets rows, or of one that returns a `result`
/// of that.
fn shape(function: &Function) -> Option<(Type, Type)> {
    let state = function
        .params
        .iter()
        .find(|param| param.name == STATE_PARAM)?;
    let Type::Option(state) = &state.ty else {
        return None;
    };
    let Some(Type::Tuple(parts)) = ok_of(function.result.as_ref()) else {
        return None;
    };
    let [left, Type::List(output)] = &**parts else {
        return None;
    };
    (left == &**state).then(|| ((**state).clone(), (**output).clone()))
}
