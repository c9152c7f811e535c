//! A flow that has been checked: what to run, in which order, on which columns.

use super::batch::BatchSettings;
use super::cache::{CacheMode, CacheSettings, StoreSettings};
use super::connectors::{Column, Options, TargetSpec};
use super::declaration::OnError;
use super::gather::{Gather, Lookup, Relation};
use super::grants::Grants;
use crate::failure::RowFailure;
use crate::interface::Function;
use crate::key::{KeyRecipe, LiteralArgument};
use crate::types::Type;
use crate::value::Value;
use crate::{Fingerprint, fingerprint, to_wave};

/// A checked flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The flow's name.
    pub name: String,
    /// One stage per source, reduce, union and transform with state: each after those whose relations it reads, otherwise in
    /// the order of the file.
    pub stages: Vec<Stage>,
    /// What the store keeps.
    pub store: StoreSettings,
}

impl Plan {
    /// The functions that are called, with the names of their plugins in the flow.
    pub fn functions(&self) -> impl Iterator<Item = (&str, &Function)> {
        self.stages.iter().flat_map(|stage| {
            let fold = stage
                .source
                .gather
                .as_ref()
                .and_then(|gather| gather.fold.as_ref());
            let fold = fold.map(|fold| (&fold.plugin[..], &fold.function));
            let transforms = stage.transforms.iter();
            fold.into_iter()
                .chain(transforms.map(|transform| (&transform.plugin[..], &transform.function)))
        })
    }
}

/// Everything row-wise below one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Where the root rows come from.
    pub source: SourcePlan,
    /// The collections: the source's at 0, every other after its parent.
    pub collections: Vec<Collection>,
    /// The transforms, each after those that it depends on.
    pub transforms: Vec<Transform>,
    /// What is looked up in other collections.
    pub lookups: Vec<Lookup>,
    /// The targets.
    pub targets: Vec<TargetPlan>,
    /// What it publishes for other stages.
    pub relations: Vec<Relation>,
}

/// A source and the columns that the flow reads.
#[derive(Clone, Debug, PartialEq)]
pub struct SourcePlan {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its options.
    pub options: Options,
    /// The columns that some transform or target reads, and no others.
    pub columns: Vec<Column>,
    /// What becomes of a failed row's target rows.
    pub on_error: OnError,
    /// How its rows are gathered, where they come from other stages.
    pub gather: Option<Gather>,
}

/// A collection of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// The collection whose rows its rows come from; none for the root.
    pub parent: Option<usize>,
    /// The type of its rows; none for the root, whose columns are the source's.
    pub row: Option<Type>,
}

/// A function placed in the flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Transform {
    /// Its name in the flow.
    pub name: String,
    /// The plugin's name in the flow.
    pub plugin: String,
    /// The function, as it is for one row: see [`row_function`](crate::row_function) for batched ones.
    pub function: Function,
    /// The collection that it is called for, once per row.
    pub collection: usize,
    /// The collection that its results make, where `rows = true`.
    pub makes: Option<usize>,
    /// How rows are put together in calls, where the exported function takes lists of rows.
    pub batch: Option<BatchSettings>,
    /// Which instance its calls run in.
    pub instance: InstanceMode,
    /// Its arguments, one per parameter.
    pub arguments: Vec<Argument>,
    /// What its result means.
    pub result: ResultShape,
    /// How its results are remembered.
    pub cache: CacheSettings,
    /// The real things that it is handed.
    pub grants: Grants,
    /// Whether it is told the row that it is called for, which then counts in its keys.
    pub tells_row: bool,
}

/// Which instance of its plugin a call runs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InstanceMode {
    /// One of its own: nothing of the calls before can show in what it gives.
    #[default]
    Fresh,
    /// One that other calls of the transform ran in: much cheaper, and for functions only whose results do not hang on what
    /// was called before.
    Kept,
}

/// Where an argument comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// From the flow file.
    Literal(Value),
    /// From a column.
    Column(ColumnRef),
}

/// A column, seen from a row of a collection or of one of its descendants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRef {
    /// The collection whose row holds it.
    pub collection: usize,
    /// Which of the row's columns.
    pub kind: ColumnKind,
    /// The type of its values.
    pub ty: Type,
}

/// Which of a row's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnKind {
    /// The column of the source at this position of [`SourcePlan::columns`].
    Source(usize),
    /// The row itself.
    Row,
    /// A field of the row's record.
    Field(usize),
    /// The result of the transform at this position of [`Stage::transforms`].
    Result(usize),
    /// A field of such a result.
    ResultField(usize, usize),
    /// What the lookup at this position of [`Stage::lookups`] finds.
    Lookup(usize),
}

/// What the result of a transform's function means for the row.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultShape {
    /// `result<T, E>`: err fails the row, unless it is a [`RowFailure`] that says otherwise. The type of what err carries,
    /// if anything.
    pub fallible: Option<Option<Type>>,
    /// `option<T>`: none means that there is no row here.
    pub optional: bool,
    /// T: the type of the column, or of the list of rows.
    pub value: Type,
}

/// A target.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetPlan {
    /// Its name.
    pub name: String,
    /// How to open it.
    pub spec: TargetSpec,
    /// The collection with one row per target row.
    pub collection: usize,
    /// Where its columns come from, in the order of the specification's columns.
    pub columns: Vec<ColumnRef>,
}

impl ResultShape {
    /// The shape of a function's result; none for a function without a result.
    pub fn of(result: Option<&Type>) -> Option<Self> {
        let mut shape = Self {
            fallible: None,
            optional: false,
            value: result?.clone(),
        };
        if let Type::Result { ok, err } = &shape.value {
            let value = ok.as_deref()?.clone();
            shape.fallible = Some(err.as_deref().cloned());
            shape.value = value;
        }
        if let Type::Option(inner) = &shape.value {
            shape.value = (**inner).clone();
            shape.optional = true;
        }
        Some(shape)
    }

    /// Whether err is a [`RowFailure`], which says what is to be done about it.
    pub fn has_row_failure(&self) -> bool {
        matches!(&self.fallible, Some(Some(err)) if RowFailure::is_type(err))
    }

    /// Whether a call can say that there is no row here.
    pub fn can_be_none(&self) -> bool {
        self.optional || self.has_row_failure()
    }
}

impl Transform {
    /// What it gets besides its arguments, as words: what the flow grants, and `row` where it is told the row in hand.
    pub fn granted_names(&self) -> Vec<String> {
        let row = self.tells_row.then(|| "row".to_owned());
        self.grants.names().into_iter().chain(row).collect()
    }

    /// The arguments that come from columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnRef> {
        self.arguments.iter().filter_map(|argument| match argument {
            Argument::Column(column) => Some(column),
            Argument::Literal(_) => None,
        })
    }

    /// The literal arguments.
    pub fn literals(&self) -> Vec<LiteralArgument> {
        let params = (0..).zip(self.arguments.iter().zip(&self.function.params));
        params
            .filter_map(|(position, (argument, param))| match argument {
                Argument::Literal(value) => Some(LiteralArgument {
                    position,
                    fingerprint: fingerprint(value, &param.ty, &param.ty.fingerprint()),
                    text: to_wave(value, &param.ty),
                }),
                Argument::Column(_) => None,
            })
            .collect()
    }
}

impl ColumnKind {
    /// The transform that it is a result of, by its position, if any.
    pub fn transform(self) -> Option<usize> {
        match self {
            ColumnKind::Result(transform) | ColumnKind::ResultField(transform, _) => {
                Some(transform)
            }
            ColumnKind::Source(_)
            | ColumnKind::Row
            | ColumnKind::Field(_)
            | ColumnKind::Lookup(_) => None,
        }
    }
}

impl Stage {
    /// Whether a column counts in the keys of what depends on it.
    pub fn counts(&self, column: &ColumnRef) -> bool {
        let transform = column.kind.transform();
        transform.is_none_or(|at| self.transforms[at].cache.mode != CacheMode::Ignore)
    }

    /// The positions of a transform's parameters whose arguments do not count in its keys.
    pub fn ignored(&self, transform: &Transform) -> Vec<u32> {
        let arguments = (0..).zip(&transform.arguments);
        arguments
            .filter(|(_, argument)| matches!(argument, Argument::Column(column) if !self.counts(column)))
            .map(|(position, _)| position)
            .collect()
    }

    /// The targets, then the relations as such: everything that lineage keeps rows of.
    pub fn outputs(&self) -> impl Iterator<Item = &TargetPlan> {
        let relations = self.relations.iter().map(|relation| &relation.rows);
        self.targets.iter().chain(relations)
    }

    /// One of the [outputs](Stage::outputs), by its position.
    ///
    /// # Panics
    ///
    /// When there are not so many.
    pub fn output(&self, position: usize) -> &TargetPlan {
        match position.checked_sub(self.targets.len()) {
            None => &self.targets[position],
            Some(relation) => &self.relations[relation].rows,
        }
    }

    /// Whether a target or a relation holds the column that a transform makes.
    fn is_kept(&self, transform: usize) -> bool {
        let mut columns = self.outputs().flat_map(|target| &target.columns);
        columns.any(|column| column.kind.transform() == Some(transform))
    }

    /// A column as a flow file may name it: `page.content`, `section.heading`, `words`, `info.title`.
    pub fn column_path(&self, column: &ColumnRef) -> String {
        let collection = &self.collections[column.collection];
        let field = |ty: Option<&Type>, position: usize| {
            let field = ty
                .and_then(Type::fields)
                .and_then(|fields| fields.get(position));
            field.map_or_else(String::new, |field| field.name.to_string())
        };
        match column.kind {
            ColumnKind::Source(position) => {
                format!(
                    "{}.{}",
                    self.source.name, self.source.columns[position].name
                )
            }
            ColumnKind::Row => collection.name.clone(),
            ColumnKind::Field(position) => format!(
                "{}.{}",
                collection.name,
                field(collection.row.as_ref(), position)
            ),
            ColumnKind::Result(transform) => self.transforms[transform].name.clone(),
            ColumnKind::Lookup(lookup) => self.lookups[lookup].name.clone(),
            ColumnKind::ResultField(transform, position) => {
                let transform = &self.transforms[transform];
                format!(
                    "{}.{}",
                    transform.name,
                    field(Some(&transform.result.value), position)
                )
            }
        }
    }

    /// The identity of what is done to a row of this stage: equal for two flows that do the same under other names.
    ///
    /// `source` is the identity of the source's columns, `recipes` are those of the transforms, in order; `targets` say
    /// what each target and relation is to the caller, `lookups` what those are that are looked in.
    pub fn fingerprint(
        &self,
        source: &Fingerprint,
        recipes: &[KeyRecipe],
        targets: &[u64],
        lookups: &[u64],
    ) -> Fingerprint {
        let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 stage");
        let mut put = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u32).to_le_bytes());
            hasher.update(bytes);
        };
        put(source.as_bytes());
        put(&[u8::from(self.source.on_error == OnError::Drop)]);
        for (index, (transform, recipe)) in self.transforms.iter().zip(recipes).enumerate() {
            // What does not count makes no row run again, but where it is kept in a target.
            if transform.cache.mode != CacheMode::Ignore || self.is_kept(index) {
                put(recipe.as_bytes());
            }
            put(format!("{} {:?}", transform.collection, transform.makes).as_bytes());
            for column in transform.columns() {
                put(format!("{} {:?}", column.collection, column.kind).as_bytes());
            }
        }
        for (lookup, id) in self.lookups.iter().zip(lookups) {
            put(&id.to_le_bytes());
            put(format!(
                "{} {} {} {}",
                lookup.collection, lookup.many, lookup.record, lookup.row
            )
            .as_bytes());
            for key in &lookup.keys {
                put(format!("{} {:?}", key.collection, key.kind).as_bytes());
            }
        }
        for (target, id) in self.outputs().zip(targets) {
            put(&id.to_le_bytes());
            put(format!("{} {:?}", target.collection, target.spec.key).as_bytes());
            for (column, spec) in target.columns.iter().zip(&target.spec.columns) {
                put(spec.name.as_bytes());
                put(format!("{} {:?} {}", column.collection, column.kind, column.ty).as_bytes());
            }
        }
        Fingerprint::from_bytes(*hasher.finalize().as_bytes())
    }
}
