//! Reasons: why a call is made, told as the difference between its key and that of the call it takes the place of.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use flowstone_core::{
    Argument, CacheMode, ColumnKind, ColumnRef, ComponentDigest, Fingerprint, GatherColumn,
    MemoKey, RecipeRecord, Stage,
};
use flowstone_store::{CallRecord, RecipeId, Snapshot, StoreError};

pub(crate) use self::recipes::recipe_difference;
use crate::granted::Trees;
use crate::recipe::Recipes;

mod recipes;

/// One part of why a call was, or will be, made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cause {
    /// The row is new.
    NewRow,
    /// Nothing like it was called for the row before.
    NeverSeen,
    /// The mode of the transform, or of the run, asks for it.
    Mode {
        /// The mode.
        mode: CacheMode,
    },
    /// The remembered result was too old.
    Expired,
    /// The former result was no longer in the store, or had never been kept.
    Removed,
    /// The former call failed in a way that is never remembered.
    Retried,
    /// The code is other code.
    Code {
        /// What stood for the code.
        from: String,
        /// What stands for it now.
        to: String,
        /// The components, where it is code of two components.
        #[serde(skip)]
        builds: Option<(ComponentDigest, ComponentDigest)>,
        /// The functions of the component whose code differs, where both builds are at hand.
        #[serde(skip_serializing_if = "Option::is_none")]
        functions: Option<Vec<String>>,
    },
    /// The function has other types.
    Signature {
        /// The former function, as WIT.
        from: String,
        /// The present one.
        to: String,
    },
    /// A literal argument is another.
    Literal {
        /// The parameter.
        parameter: String,
        /// The former value as WAVE text; none where it was no literal.
        from: Option<String>,
        /// The present one; none where it is no literal any more.
        to: Option<String>,
    },
    /// An argument from a column is another.
    Argument {
        /// The parameter.
        parameter: String,
        /// The column.
        column: String,
        /// Where it comes from.
        origin: ArgumentOrigin,
        /// The former value's fingerprint.
        from: Fingerprint,
        /// The present one's.
        to: Fingerprint,
    },
    /// The function is told the row in hand, and that is another.
    Row,
    /// Something that is granted has another content.
    Granted {
        /// What, as the flow names it: `read data/stop-words`, `env LANG`.
        name: String,
        /// How its content differs, where both are known: `~en.txt, +de.txt`.
        #[serde(skip_serializing_if = "Option::is_none")]
        difference: Option<String>,
    },
    /// Something else is granted.
    Grants {
        /// The former grants.
        from: Vec<String>,
        /// The present ones.
        to: Vec<String>,
    },
    /// The arguments that do not count are others.
    Ignored {
        /// The parameters that did not count.
        from: Vec<String>,
        /// Those that do not now.
        to: Vec<String>,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| match names {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        };
        match self {
            Cause::NewRow => f.write_str("new rows"),
            Cause::NeverSeen => f.write_str("never called with these arguments"),
            Cause::Mode { mode } => match mode {
                CacheMode::Recompute => f.write_str("mode `recompute`"),
                CacheMode::Ignore => f.write_str("mode `ignore`"),
                _ => f.write_str("mode `disable`"),
            },
            Cause::Expired => f.write_str("the remembered result is older than `max-age`"),
            Cause::Removed => f.write_str("the former result is not in the store"),
            Cause::Retried => f.write_str("the former call failed and is tried again"),
            Cause::Code { from, to, .. } => write!(f, "code changed from {from} to {to}"),
            Cause::Signature { from, to } => {
                write!(f, "signature changed from `{from}` to `{to}`")
            }
            Cause::Literal {
                parameter,
                from,
                to,
            } => match (from, to) {
                (Some(from), Some(to)) => {
                    write!(f, "literal `{parameter}` changed from {from} to {to}")
                }
                (_, Some(to)) => write!(f, "`{parameter}` is a literal now: {to}"),
                (_, None) => write!(f, "`{parameter}` is no literal any more"),
            },
            Cause::Argument { column, origin, .. } => match origin {
                ArgumentOrigin::Row => write!(f, "argument `{column}` changed"),
                ArgumentOrigin::Members => write!(f, "members changed: `{column}`"),
                ArgumentOrigin::Lookup => write!(f, "what `{column}` looks up changed"),
            },
            Cause::Row => f.write_str("the row that it is told is another"),
            Cause::Granted { name, difference } => match difference {
                Some(difference) => write!(f, "granted `{name}` changed: {difference}"),
                None => write!(f, "granted `{name}` changed"),
            },
            Cause::Grants { from, to } => {
                write!(f, "grants changed from {} to {}", list(from), list(to))
            }
            Cause::Ignored { from, to } => write!(
                f,
                "ignored parameters changed from {} to {}",
                list(from),
                list(to)
            ),
        }
    }
}

/// The words of all causes.
pub(crate) fn words(causes: &[Cause]) -> String {
    let words: Vec<String> = causes.iter().map(Cause::to_string).collect();
    words.join("; ")
}

/// The calls of one transform that a former version of a row made: what its present calls are compared with.
#[derive(Default)]
pub(crate) struct FormerCalls {
    /// Those of which the store still has a record.
    calls: Vec<FormerCall>,
    /// Where the first call with these arguments is.
    by_arguments: HashMap<Vec<Fingerprint>, usize>,
    /// Whether there were calls, and the store has no record of any.
    are_gone: bool,
}

struct FormerCall {
    recipe: RecipeId,
    /// Whether it has the recipe that the transform has now.
    is_present: bool,
    arguments: Vec<Fingerprint>,
}

/// So many former calls are compared with a new one that has the arguments of none.
const COMPARED_MAX: usize = 256;

impl FormerCalls {
    /// Those of a transform among `calls`; `now` is its present recipe.
    pub(crate) fn read(
        snapshot: &Snapshot,
        transform: usize,
        calls: impl Iterator<Item = CallRecord>,
        (recipes, now): (&Recipes, &RecipeRecord),
    ) -> Result<Self, StoreError> {
        let of_transform = calls.filter(|call| usize::from(call.transform) == transform);
        let mut keys: Vec<MemoKey> = of_transform.map(|call| call.key).collect();
        if keys.is_empty() {
            return Ok(Self::default());
        }
        keys.sort_unstable();
        let now = now.recipe.key();
        let mut present: HashMap<RecipeId, bool> = HashMap::new();
        let mut former = Self::default();
        for record in snapshot.memos(&keys)?.into_iter().flatten() {
            let is_present = *present.entry(record.recipe).or_insert_with(|| {
                let known = recipes.get(record.recipe);
                known.is_some_and(|known| known.recipe.key() == now)
            });
            let (recipe, arguments) = (record.recipe, record.arguments);
            let place = former.calls.len();
            former
                .by_arguments
                .entry(arguments.clone())
                .or_insert(place);
            former.calls.push(FormerCall {
                recipe,
                is_present,
                arguments,
            });
        }
        former.are_gone = former.calls.is_empty();
        Ok(former)
    }

    /// Why a call is made: how it differs from the former one that is most like it.
    pub(crate) fn causes(
        &self,
        now: &RecipeRecord,
        arguments: &[Fingerprint],
        recipes: &Recipes,
        columns: &[ArgumentColumn],
    ) -> Vec<Cause> {
        let causes = self.nearest(arguments).and_then(|nearest| {
            let before = recipes.get(nearest.recipe)?;
            let causes = difference(
                before,
                now,
                (&nearest.arguments, arguments),
                columns,
                &recipes.trees,
            );
            (!causes.is_empty()).then_some(causes)
        });
        let without = if self.are_gone {
            Cause::Removed
        } else {
            Cause::NeverSeen
        };
        causes.unwrap_or_else(|| vec![without])
    }

    fn nearest(&self, arguments: &[Fingerprint]) -> Option<&FormerCall> {
        if let Some(place) = self.by_arguments.get(arguments) {
            return self.calls.get(*place);
        }
        let alike = |call: &&FormerCall| {
            let same = call.arguments.iter().zip(arguments);
            let same = same.filter(|(old, new)| old == new).count();
            (same, call.is_present)
        };
        self.calls.iter().take(COMPARED_MAX).max_by_key(alike)
    }
}

/// The difference between two calls: of their recipes, and of their arguments.
fn difference(
    before: &RecipeRecord,
    now: &RecipeRecord,
    (old, new): (&[Fingerprint], &[Fingerprint]),
    columns: &[ArgumentColumn],
    trees: &Trees,
) -> Vec<Cause> {
    let mut causes = recipe_difference(before, now, trees);
    let names = now.recipe.arguments().map(|(_, param)| &param.name);
    for (((from, to), name), column) in old.iter().zip(new).zip(names).zip(columns) {
        if from != to {
            causes.push(Cause::Argument {
                parameter: name.clone(),
                column: column.name.clone(),
                origin: column.origin,
                from: *from,
                to: *to,
            });
        }
    }
    let told = now.recipe.tells_row() && before.recipe.tells_row();
    if told && old.last() != new.last() {
        causes.push(Cause::Row);
    }
    causes
}

/// A column that an argument comes from.
pub(crate) struct ArgumentColumn {
    /// The column as a flow file names it.
    name: String,
    origin: ArgumentOrigin,
}

/// Where an argument that is no literal comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArgumentOrigin {
    /// The row, or one that it descends from.
    Row,
    /// The members of the group that the row is.
    Members,
    /// Rows of another collection, which it looks up.
    Lookup,
}

impl ArgumentOrigin {
    fn of(stage: &Stage, column: &ColumnRef) -> Self {
        let gather = stage.source.gather.as_ref();
        let gathered = |at: usize| gather.and_then(|gather| gather.columns.get(at));
        match column.kind {
            ColumnKind::Lookup(_) => Self::Lookup,
            ColumnKind::Source(at) => match gathered(at) {
                Some(GatherColumn::Members(_)) => Self::Members,
                _ => Self::Row,
            },
            _ => Self::Row,
        }
    }
}

/// The columns that the arguments which count come from, in order.
pub(crate) fn argument_columns(stage: &Stage, transform: usize) -> Vec<ArgumentColumn> {
    let arguments = stage.transforms[transform].arguments.iter();
    let columns = arguments.filter_map(|argument| match argument {
        Argument::Column(column) if stage.counts(column) => Some(ArgumentColumn {
            name: stage.column_path(column),
            origin: ArgumentOrigin::of(stage, column),
        }),
        Argument::Column(_) | Argument::Literal(_) => None,
    });
    columns.collect()
}
