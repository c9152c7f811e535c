//! Targets: every column and key column finds its place, and no two targets share one.

use super::{Wiring, option_fault};
use crate::diagnostic::{Diagnostic, suggest};
use crate::flow::connectors::{Column, TargetSpec};
use crate::flow::declaration::TargetDecl;
use crate::flow::plan::{ColumnRef, TargetPlan};
use crate::flow::tree::Located;

impl Wiring<'_> {
    pub(super) fn targets(&mut self, errors: &mut Vec<Diagnostic>) -> Vec<(usize, TargetPlan)> {
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

    pub(super) fn target(
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
        let Some(collection) = self.collection(&decl.rows.value) else {
            errors.extend(self.no_collection(&decl.rows));
            return None;
        };
        let mut columns = Vec::new();
        for (name, path) in &decl.columns {
            let found = self.resolve(collection, &path.value, None, None);
            errors.extend(self.column_fault(collection, path, &found));
            columns.extend(found.column().map(|column| (name.value.clone(), column)));
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

    pub(super) fn target_key(
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
}
