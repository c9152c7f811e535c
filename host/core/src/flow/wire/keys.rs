//! Keys of gathered rows: the columns that the rows of a group have in common.

use super::Wiring;
use super::find::Ask;
use crate::diagnostic::Diagnostic;
use crate::flow::connectors::Column;
use crate::flow::tree::Located;
use crate::types::Type;

impl Wiring<'_> {
    /// Adds what a gathered root's collection publishes for it, with the columns of `by` as its key.
    ///
    /// `params` are the columns that the function asks for, with the types that it asks them in: of a source whose columns
    /// have the types that somebody asks for, the key takes the same.
    pub(super) fn open_keys(
        &mut self,
        at: usize,
        by: &[Located<String>],
        params: &[(&str, Type)],
        errors: &mut Vec<Diagnostic>,
    ) -> Option<usize> {
        let (root, step) = (self.gathers[at].root, self.gathers[at].step);
        let collection = self.gathers[at].feeds.first()?.collection;
        let relation = self.add_relation(step.name().value.clone(), collection, Some(root));
        self.gathers[at].feeds[0].relation = Some(relation);
        for path in by {
            let name = path.value.rsplit('.').next().unwrap_or_default().to_owned();
            if self.gathers[at].keys.iter().any(|key| key.name == name) {
                let message = format!("`by` of `{}` has two columns `{name}`", step.name().value);
                errors.push(Diagnostic::at(&path.span, message).help(
                    "name a column once; of two with the same name, give one another in a transform",
                ));
                continue;
            }
            let wanted = self.key_type(collection, &path.value, &name, params);
            let found = self.resolve(collection, &path.value, wanted.as_ref(), None);
            let fault = self.column_fault(collection, path, &found);
            if let Some(column) = found.column() {
                self.gathers[at].keys.push(Column {
                    name: name.clone(),
                    ty: column.ty.clone(),
                });
                self.relations[relation].columns.push((name, column));
            } else {
                errors.extend(fault);
                self.gathers[at].at_fault = true;
            }
        }
        self.relations[relation].keys = self.relations[relation].columns.len();
        Some(relation)
    }

    fn key_type(
        &self,
        collection: usize,
        path: &str,
        name: &str,
        params: &[(&str, Type)],
    ) -> Option<Type> {
        let mut params = params.iter();
        let (_, ty) =
            params.find(|(param, _)| *param == name || self.is_same(collection, param, path))?;
        let found = self.find(collection, path, Ask::of(Some(ty)));
        found.column().map(|spot| spot.ty)
    }

    /// The position of the key column that a path means, if it is one.
    pub(super) fn key_at(&self, at: usize, by: &[Located<String>], path: &str) -> Option<usize> {
        let gathering = &self.gathers[at];
        let named = |key: &Column| key.name == path;
        if let Some(position) = gathering.keys.iter().position(named) {
            return Some(position);
        }
        let collection = gathering.feeds.first()?.collection;
        // Without faults, there is a key column for each path of `by`.
        let mut paths = by.iter().take(gathering.keys.len());
        paths.position(|by| self.is_same(collection, path, &by.value))
    }
}
