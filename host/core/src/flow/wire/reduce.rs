//! Reduces: a row per group, whose columns are the group's key, lists of its members' values, and what is made of them.

use super::arguments::Parameter;
use super::find::{Ask, Spot, SpotKind, fits, part, parts};
use super::{Found, Gathering, Wiring};
use crate::diagnostic::{Diagnostic, suggest};
use crate::flow::cache::CacheSettings;
use crate::flow::gather::{Fold, FoldKind, GatherColumn, ok_of};
use crate::flow::plan::{ColumnKind, ColumnRef};
use crate::flow::steps::ReduceDecl;
use crate::flow::tree::Located;
use crate::types::Type;

impl Wiring<'_> {
    /// Checks the function that combines the results of a reduce.
    pub(super) fn add_combine(
        &mut self,
        at: usize,
        combine: &Located<String>,
        errors: &mut Vec<Diagnostic>,
    ) {
        let node = self.gathers[at].node.map(|node| &self.nodes[node]);
        let Some((plugin, function)) = self.find_function(combine, errors) else {
            self.gathers[at].at_fault = true;
            return;
        };
        let Some((decl, ty)) =
            node.and_then(|node| Some((node.decl, &node.result.as_ref()?.value)))
        else {
            return;
        };
        let takes = function
            .params
            .iter()
            .filter(|param| param.ty == *ty)
            .count();
        let result = function.result.as_ref();
        let makes = result == Some(ty) || ok_of(result) == Some(ty);
        if takes != 2 || function.params.len() != 2 || !makes {
            let message = format!("`{}` does not combine two `{ty}` to one", combine.value);
            errors.push(
                Diagnostic::at(&combine.span, message)
                    .label(function.to_string())
                    .help(format!(
                        "`{}` makes a `{ty}` of each row, so this must be `func(a: {ty}, b: {ty}) -> {ty}`",
                        decl.call.value
                    )),
            );
            self.gathers[at].at_fault = true;
            return;
        }
        let fold = Fold {
            name: format!("{}.combine", decl.name.value),
            plugin: plugin.to_owned(),
            function: function.clone(),
            kind: FoldKind::Combine {
                column: 0,
                ty: ty.clone(),
            },
            // A pin stands for the code of `call`, and ages and grants are about that too.
            cache: CacheSettings {
                mode: decl.cache.mode,
                ..CacheSettings::default()
            },
        };
        self.gathers[at].fold = Some(fold);
    }

    pub(super) fn open_reduce(
        &mut self,
        at: usize,
        decl: &ReduceDecl,
        errors: &mut Vec<Diagnostic>,
    ) {
        let combines = decl.combine.is_some();
        let node = self.gathers[at].node;
        let function = node.and_then(|node| self.nodes[node].function);
        // What is combined is made of single rows: its parameters say nothing of the group.
        let function = function.filter(|_| !combines);
        let params = function.map_or(&[][..], |function| &function.params);
        let params: Vec<(&str, Type)> = params
            .iter()
            .filter(|param| !decl.call.gives(&param.name))
            .map(|param| (decl.call.path(&param.name).0, param.ty.clone()))
            .collect();
        let Some(relation) = self.open_keys(at, &decl.by, &params, errors) else {
            return;
        };
        self.check_result_names(at, decl, errors);
        let result = node.and_then(|node| Some((node, self.nodes[node].result.as_ref()?)));
        let (Some((node, result)), Some(over)) = (result, self.gathers[at].feeds.first()) else {
            return;
        };
        if combines {
            let column = ColumnRef {
                collection: over.collection,
                kind: ColumnKind::Result(node),
                ty: result.value.clone(),
            };
            let name = &decl.call.name.value;
            let position = self.publish(&[relation], name, vec![column]);
            if let Some(fold) = &mut self.gathers[at].fold
                && let FoldKind::Combine { column, .. } = &mut fold.kind
            {
                *column = position;
            }
        }
    }

    /// Refuses a field of the result that has the name of a group's column: from a row of the reduce, both are named so.
    fn check_result_names(&self, at: usize, decl: &ReduceDecl, errors: &mut Vec<Diagnostic>) {
        let gathering = &self.gathers[at];
        let made = gathering
            .node
            .and_then(|node| self.nodes[node].result.as_ref());
        let result = made.map(|made| match &made.value {
            Type::List(row) if decl.call.rows => &**row,
            value => value,
        });
        let fields = result
            .and_then(Type::fields)
            .map_or(&[][..], |fields| fields);
        for (key, path) in gathering.keys.iter().zip(&decl.by) {
            let is_field = fields.iter().any(|field| *field.name == *key.name);
            if is_field || key.name == decl.call.name.value {
                let what = if is_field {
                    format!("has a field `{}`", key.name)
                } else {
                    "has the name of the reduce".to_owned()
                };
                let message = format!(
                    "`{}` is a column of the groups of `{}`, whose result {what}",
                    key.name, decl.call.name.value
                );
                errors.push(Diagnostic::at(&path.span, message).help(format!(
                    "rename one of them, since `{}.{}` would mean both",
                    decl.call.name.value, key.name
                )));
            }
        }
    }

    pub(super) fn find_in_reduce(
        &self,
        reduce: &Gathering<'_>,
        path: &str,
        ask: Ask<'_>,
    ) -> Found<Spot> {
        let key = reduce.keys.iter().position(|key| key.name == path);
        let found = match key {
            Some(key) => {
                let kind = SpotKind::Gathered(GatherColumn::Group(key), path.to_owned());
                Some((kind, reduce.keys[key].ty.clone()))
            }
            None => self.find_made(reduce, path, ask),
        };
        found.map_or(Found::Nothing, |found| {
            fits(reduce.root, path, found, ask.wanted)
        })
    }

    /// What a step makes of a group or of a row, by the step's name, or a field of that by its own.
    pub(super) fn find_made(
        &self,
        gathering: &Gathering<'_>,
        path: &str,
        ask: Ask<'_>,
    ) -> Option<(SpotKind, Type)> {
        if ask.asking.is_some() && ask.asking == gathering.node {
            return None;
        }
        let (name, field) = parts(path);
        match field {
            _ if name == gathering.step.name().value => self.made(gathering, field),
            None => self.made(gathering, Some(name)),
            Some(_) => None,
        }
    }

    /// What a step makes of a group or of a row, or a field of that.
    pub(super) fn made(
        &self,
        gathering: &Gathering<'_>,
        field: Option<&str>,
    ) -> Option<(SpotKind, Type)> {
        if let Some(fold) = &gathering.fold {
            let step = &*gathering.step.name().value;
            let name = field.unwrap_or(step).to_owned();
            return part(fold.result(), field, |field| {
                SpotKind::Gathered(GatherColumn::Folded(field), name.clone())
            });
        }
        let (node, result) = gathering.node.zip(self.result_of(gathering))?;
        part(result, field, |field| {
            SpotKind::Fixed(match field {
                None => ColumnKind::Result(node),
                Some(field) => ColumnKind::ResultField(node, field),
            })
        })
    }

    /// The argument of a reduce's function: the key, where its path means a column of the group, else a list of the members'
    /// values.
    pub(super) fn group_argument(
        &mut self,
        at: usize,
        decl: &ReduceDecl,
        parameter: &Parameter<'_>,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<ColumnRef> {
        let over = self.gathers[at].feeds.first()?.collection;
        let relation = self.gathers[at].feeds.first()?.relation?;
        let root = self.gathers[at].root;
        let ty = &parameter.param.ty;
        let (path, place) = parameter.path();
        if let Some(position) = self.key_at(at, &decl.by, path) {
            let key = self.gathers[at].keys[position].clone();
            if key.ty != *ty {
                errors.push(key_fault(parameter, place, &key.name, &key.ty));
                return None;
            }
            let kind = SpotKind::Gathered(GatherColumn::Group(position), key.name);
            return Some(self.pull(&Spot {
                collection: root,
                kind,
                ty: key.ty,
            }));
        }
        let Type::List(element) = ty else {
            let keys: Vec<&str> = decl.by.iter().map(|by| &*by.value).collect();
            let message = format!(
                "parameter `{}` of `{}` is `{ty}`, but `{path}` is no column of the group",
                parameter.param.name, parameter.decl.call.value
            );
            errors.push(
                Diagnostic::at(&place.span, message)
                    .label(parameter.function.to_string())
                    .help(format!(
                        "of other columns it gets one value of each row: take `list<{ty}>`; columns of the group: {}",
                        suggest("", keys)
                    )),
            );
            return None;
        };
        let column = self.bind(over, parameter, element, None, errors)?;
        let position = self.publish(&[relation], path, vec![column]);
        let name = parameter.param.name.clone();
        Some(self.pull(&Spot {
            collection: root,
            kind: SpotKind::Gathered(GatherColumn::Members(position), name),
            ty: ty.clone(),
        }))
    }
}

fn key_fault(
    parameter: &Parameter<'_>,
    place: &Located<String>,
    key: &str,
    ty: &Type,
) -> Diagnostic {
    let message = format!(
        "parameter `{}` of `{}` is `{}`, but the groups' column `{key}` is `{ty}`",
        parameter.param.name, parameter.decl.call.value, parameter.param.ty
    );
    Diagnostic::at(&place.span, message)
        .label(parameter.function.to_string())
        .help(format!(
            "the rows of a group have it in common: take `{ty}`, or another column with `from = {{ {} = \"...\" }}`",
            parameter.param.name
        ))
}
