//! Lookups: a parameter that gets a row of another collection, found by the values of some of its columns.

use super::arguments::Parameter;
use super::find::Ask;
use super::{Found, Gathering, Origin, Published, Step, Wiring};
use crate::diagnostic::{Diagnostic, suggest};
use crate::flow::gather::{Lookup, RelationRef};
use crate::flow::plan::{ColumnKind, ColumnRef};
use crate::flow::steps::LookupDecl;
use crate::flow::tree::Located;
use crate::types::Type;

/// The columns of a row that is looked up.
struct Taken {
    columns: Vec<(String, ColumnRef)>,
    /// Whether the row is a record of them.
    record: bool,
}

impl Wiring<'_> {
    /// Wires one lookup of a transform: the column that holds what it finds, of the type that is wanted of each row.
    pub(super) fn lookup(
        &mut self,
        (index, collection): (usize, usize),
        parameter: &Parameter<'_>,
        decl: &LookupDecl,
        wanted: &Type,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<ColumnRef> {
        let Some(within) = self.collection(&decl.within.value) else {
            errors.extend(self.no_collection(&decl.within));
            return None;
        };
        let row = looked_up(parameter, decl, wanted, errors)?;
        let on = self.looked_on(within, parameter, decl, errors)?;
        if on.len() != decl.keys.len() {
            errors.push(counts_fault(decl, &on));
            return None;
        }
        let mut keys = Vec::with_capacity(on.len());
        let mut columns = Vec::with_capacity(on.len());
        for (given, on) in decl.keys.iter().zip(&on) {
            let field = row.fields().and_then(|fields| {
                let mut fields = fields.iter();
                fields.find(|field| *field.name == *on.value)
            });
            let wanted = field.map(|field| &field.ty);
            let (key, column) =
                self.pair((collection, given), (within, on), wanted, index, errors)?;
            // A record as a whole has no fingerprint that is the same wherever it comes from.
            if key.ty.fields().is_some() {
                let message = format!(
                    "`{}` is a record, which nothing is looked up by",
                    given.value
                );
                let help = "name its fields: `key = [\"row.a\", \"row.b\"]`, `on = [\"a\", \"b\"]`";
                errors.push(Diagnostic::at(&given.span, message).help(help));
                return None;
            }
            keys.push(key);
            columns.push((on.value.clone(), column));
        }
        let key_count = columns.len();
        let taken = self.taken(within, parameter, decl, &row, errors)?;
        columns.extend(taken.columns);
        let name = format!("{}.{}", parameter.decl.name.value, decl.param.value);
        let relation = self.shared_relation(name, within, key_count, columns);
        let lookup = Lookup {
            name: decl.param.value.clone(),
            within: decl.within.value.clone(),
            collection,
            keys,
            // Where it comes to stand is known when the stages are cut.
            relation: RelationRef { stage: 0, relation },
            many: decl.many,
            row,
            record: taken.record,
        };
        let ty = lookup.ty();
        self.lookups.push(lookup);
        Some(ColumnRef {
            collection,
            kind: ColumnKind::Lookup(self.lookups.len() - 1),
            ty,
        })
    }

    /// The columns that the key must equal: those of `on`, or else those that tell the rows apart.
    fn looked_on(
        &self,
        within: usize,
        parameter: &Parameter<'_>,
        decl: &LookupDecl,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<Vec<Located<String>>> {
        if let Some(on) = &decl.on {
            return Some(on.clone());
        }
        if self.is_tainted(within) {
            return None;
        }
        let names = match self.collections[within].origin {
            Some(Origin::Source(source)) => self
                .connectors
                .source_key(&source.kind.value, &source.options),
            Some(Origin::Gather(at)) => key_names(&self.gathers[at]),
            None => None,
        };
        let Some(names) = names else {
            let candidates = self.candidates(within, None);
            let message = format!(
                "the lookup `{}` of transform `{}` does not say which column of `{}` it looks at",
                decl.param.value, parameter.decl.name.value, decl.within.value
            );
            let mut help = "name it with `on = \"...\"`".to_owned();
            // Of a source whose columns are not known there are none to list.
            if !candidates.is_empty() {
                help = format!(
                    "{help}: {}",
                    suggest("", candidates.iter().map(String::as_str))
                );
            }
            errors.push(Diagnostic::at(&decl.param.span, message).help(help));
            return None;
        };
        let place = &decl.within.span;
        let located = names
            .into_iter()
            .map(|name| Located::new(name, place.clone()));
        Some(located.collect())
    }

    /// A column of the key and the one that it must equal, both of one type: that which the row asks for, if both can have
    /// it, or else that of the one whose type is decided.
    fn pair(
        &mut self,
        (collection, key): (usize, &Located<String>),
        (within, on): (usize, &Located<String>),
        wanted: Option<&Type>,
        index: usize,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<(ColumnRef, ColumnRef)> {
        let of_row = Ask {
            asking: Some(index),
            ..Ask::of(None)
        };
        let found = self.find(collection, &key.value, of_row);
        let other = self.find(within, &on.value, Ask::of(None));
        let (Found::Column(left), Found::Column(right)) = (&found, &other) else {
            errors.extend(self.column_fault(collection, key, &found));
            errors.extend(self.column_fault(within, on, &other));
            return None;
        };
        let types = wanted.into_iter().chain([&left.ty, &right.ty]);
        let pairs = types.map(|ty| {
            let of_row = Ask {
                wanted: Some(ty),
                ..of_row
            };
            let key = self.find(collection, &key.value, of_row).column();
            key.zip(self.find(within, &on.value, Ask::of(Some(ty))).column())
        });
        let pair = pairs.into_iter().flatten().next();
        let Some((left, right)) = pair else {
            let message = format!(
                "`{}` is `{}`, but `{}` of `{}` is `{}`",
                key.value, left.ty, on.value, self.collections[within].name, right.ty
            );
            errors.push(
                Diagnostic::at(&key.span, message)
                    .help("what is looked for and where must have the same type"),
            );
            return None;
        };
        Some((self.pull(&left), self.pull(&right)))
    }

    /// What of a row is handed over: one column, the whole row, or the columns that have the names of a record's fields.
    fn taken(
        &mut self,
        within: usize,
        parameter: &Parameter<'_>,
        decl: &LookupDecl,
        row: &Type,
        errors: &mut Vec<Diagnostic>,
    ) -> Option<Taken> {
        if let Some(take) = &decl.take {
            let found = self.resolve(within, &take.value, Some(row), None);
            let fault = self.taken_fault(within, take, row, parameter, &found);
            errors.extend(fault);
            return found.column().map(|column| Taken {
                columns: vec![(take.value.clone(), column)],
                record: false,
            });
        }
        if let Found::Column(whole) = self.find_whole(within, Ask::of(Some(row))) {
            let name = self.collections[within].name.clone();
            return Some(Taken {
                columns: vec![(name, self.pull(&whole))],
                record: false,
            });
        }
        let Some(fields) = row.fields() else {
            if self.is_tainted(within) {
                return None;
            }
            let fits = self.candidates(within, Some(row));
            let message = format!(
                "the lookup `{}` gives a `{row}`, but does not say which column of `{}` that is",
                decl.param.value, decl.within.value
            );
            errors.push(
                Diagnostic::at(&decl.param.span, message)
                    .label(parameter.function.to_string())
                    .help(format!(
                        "name it with `take = \"...\"`: of type `{row}` {}",
                        suggest("", fits.iter().map(String::as_str))
                    )),
            );
            return None;
        };
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields.iter() {
            let path = Located::new(field.name.to_string(), decl.param.span.clone());
            let found = self.resolve(within, &path.value, Some(&field.ty), None);
            let fault = self.taken_fault(within, &path, &field.ty, parameter, &found);
            errors.extend(fault);
            columns.extend(found.column().map(|column| (path.value, column)));
        }
        (columns.len() == fields.len()).then_some(Taken {
            columns,
            record: true,
        })
    }

    fn taken_fault(
        &self,
        within: usize,
        path: &Located<String>,
        ty: &Type,
        parameter: &Parameter<'_>,
        found: &Found<ColumnRef>,
    ) -> Option<Diagnostic> {
        let fault = self.column_fault(within, path, found)?;
        let param = parameter.param;
        let fault = fault.label(format!(
            "needed for parameter `{}: {}`",
            param.name, param.ty
        ));
        let Found::OtherType(name, other) = found else {
            return Some(fault);
        };
        let fits = self.candidates(within, Some(ty));
        Some(
            Diagnostic {
                message: format!(
                    "`{name}` of `{}` is `{other}`, but parameter `{}` of `{}` asks for `{ty}`",
                    self.collections[within].name, parameter.param.name, parameter.decl.call.value
                ),
                ..fault
            }
            .help(format!(
                "of type `{ty}` {}",
                suggest("", fits.iter().map(String::as_str))
            )),
        )
    }

    /// What the lookups in a collection by these columns and for these share.
    fn shared_relation(
        &mut self,
        name: String,
        collection: usize,
        keys: usize,
        columns: Vec<(String, ColumnRef)>,
    ) -> usize {
        let same = |relation: &Published| {
            relation.reader.is_none()
                && (relation.collection, relation.keys) == (collection, keys)
                && relation.columns == columns
        };
        if let Some(known) = self.relations.iter().position(same) {
            return known;
        }
        let relation = self.add_relation(name, collection, None);
        self.relations[relation].keys = keys;
        self.relations[relation].columns = columns;
        relation
    }
}

fn counts_fault(decl: &LookupDecl, on: &[Located<String>]) -> Diagnostic {
    let message = format!(
        "the lookup `{}` has {} columns in `key`, but {} in `on`",
        decl.param.value,
        decl.keys.len(),
        on.len()
    );
    let names = on.iter().map(|on| &*on.value);
    let help = format!(
        "each column of `key` must equal one of `on`: {}",
        suggest("", names)
    );
    Diagnostic::at(&decl.keys[0].span, message).help(help)
}

/// The type of a row that is looked up, which the parameter says.
fn looked_up(
    parameter: &Parameter<'_>,
    decl: &LookupDecl,
    wanted: &Type,
    errors: &mut Vec<Diagnostic>,
) -> Option<Type> {
    let (shape, other) = match (wanted, decl.many) {
        (Type::Option(row), false) | (Type::List(row), true) => return Some((**row).clone()),
        (_, false) => (
            "option<T>",
            "with `many = true` it gives a `list<T>` of all",
        ),
        (_, true) => (
            "list<T>",
            "without `many = true` it gives an `option<T>` of one",
        ),
    };
    let message = format!(
        "{}, but a lookup{} gives `{shape}`",
        parameter.takes(wanted),
        if decl.many { " of many" } else { "" },
    );
    errors.push(
        Diagnostic::at(&decl.param.span, message)
            .label(parameter.function.to_string())
            .help(format!("there may be no such row, or several: {other}")),
    );
    None
}

/// The columns that tell the rows of a reduce apart.
fn key_names(gathering: &Gathering<'_>) -> Option<Vec<String>> {
    let is_reduce = matches!(gathering.step, Step::Reduce(_)) && !gathering.keys.is_empty();
    is_reduce.then(|| gathering.keys.iter().map(|key| key.name.clone()).collect())
}
