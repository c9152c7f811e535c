//! Reasons: why a call is made, told as the difference between its key and that of the call it takes the place of.

use std::fmt;

use serde::Serialize;

use flowstone_core::{
    Argument, CacheMode, CodeId, ComponentDigest, Fingerprint, MemoKey, Recipe, RecipeRecord, Stage,
};
use flowstone_store::{CallRecord, RecipeId, Snapshot, StoreError};

use crate::recipe::Recipes;

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
        /// The former value's fingerprint.
        from: Fingerprint,
        /// The present one's.
        to: Fingerprint,
    },
    /// What is granted is other.
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
            Cause::Argument { column, .. } => write!(f, "argument `{column}` changed"),
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

/// A call that a former version of a row made.
#[derive(Clone, Debug)]
pub(crate) struct FormerCall {
    pub(crate) recipe: RecipeId,
    pub(crate) arguments: Vec<Fingerprint>,
}

/// The calls of one transform among `calls` of which the store still has a record.
pub(crate) fn former_calls(
    snapshot: &Snapshot,
    transform: usize,
    calls: impl Iterator<Item = CallRecord>,
) -> Result<Vec<FormerCall>, StoreError> {
    let of_transform = calls.filter(|call| usize::from(call.transform) == transform);
    let mut keys: Vec<MemoKey> = of_transform.map(|call| call.key).collect();
    keys.sort_unstable();
    let records = snapshot.memos(&keys)?;
    let former = records.into_iter().flatten().map(|record| FormerCall {
        recipe: record.recipe,
        arguments: record.arguments,
    });
    Ok(former.collect())
}

/// So many former calls are compared with a new one.
const COMPARED_MAX: usize = 256;

/// The difference between a call and the former call that is most like it; none when there is none to compare with.
pub(crate) fn difference(
    now: &RecipeRecord,
    arguments: &[Fingerprint],
    former: &[FormerCall],
    recipes: &Recipes,
    columns: &[String],
) -> Option<Vec<Cause>> {
    let alike = |call: &&FormerCall| {
        let same = call.arguments.iter().zip(arguments);
        let same = same.filter(|(old, new)| old == new).count();
        let recipe = recipes.get(call.recipe).map(|known| known.recipe.key());
        (same, recipe == Some(now.recipe.key()))
    };
    let nearest = former.iter().take(COMPARED_MAX).max_by_key(alike)?;
    let before = recipes.get(nearest.recipe)?;
    let mut causes = recipe_difference(before, now);
    let names = now.recipe.arguments().map(|(_, param)| &param.name);
    let both = nearest.arguments.iter().zip(arguments);
    for (((from, to), name), column) in both.zip(names).zip(columns) {
        if from != to {
            causes.push(Cause::Argument {
                parameter: name.clone(),
                column: column.clone(),
                from: *from,
                to: *to,
            });
        }
    }
    (!causes.is_empty()).then_some(causes)
}

/// The difference between two recipes.
pub(crate) fn recipe_difference(before: &RecipeRecord, now: &RecipeRecord) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (old, new) = (&before.recipe, &now.recipe);
    if old.code != new.code {
        causes.push(Cause::Code {
            from: code_text(&old.code, before),
            to: code_text(&new.code, now),
            builds: Some((before.maker.component, now.maker.component))
                .filter(|(from, to)| from != to),
            functions: None,
        });
    }
    let types = |recipe: &Recipe| {
        let params = recipe.function.params.iter().map(|param| param.ty.clone());
        (params.collect::<Vec<_>>(), recipe.function.result.clone())
    };
    if types(old) != types(new) {
        causes.push(Cause::Signature {
            from: old.function.to_string(),
            to: new.function.to_string(),
        });
    }
    literal_difference(old, new, &mut causes);
    let grants = |recipe: &Recipe| -> Vec<String> {
        recipe
            .grants
            .iter()
            .map(|grant| grant.name.clone())
            .collect()
    };
    if old.grants != new.grants {
        causes.push(Cause::Grants {
            from: grants(old),
            to: grants(new),
        });
    }
    if old.ignored != new.ignored {
        causes.push(Cause::Ignored {
            from: ignored_names(old),
            to: ignored_names(new),
        });
    }
    causes
}

/// What stands for the code, with the function where that is another.
fn code_text(code: &CodeId, record: &RecipeRecord) -> String {
    match code {
        CodeId::Component { .. } => format!("{code} `{}`", record.maker.function),
        _ => code.to_string(),
    }
}

fn ignored_names(recipe: &Recipe) -> Vec<String> {
    let name = |position: &u32| recipe.function.params.get(*position as usize);
    let names = recipe.ignored.iter().filter_map(name);
    names.map(|param| param.name.clone()).collect()
}

fn literal_difference(old: &Recipe, new: &Recipe, causes: &mut Vec<Cause>) {
    let text = |recipe: &Recipe, position: u32| {
        let literal = recipe
            .literals
            .iter()
            .find(|literal| literal.position == position);
        literal.map(|literal| literal.text.clone())
    };
    let count = old.function.params.len().max(new.function.params.len()) as u32;
    for position in 0..count {
        let (from, to) = (text(old, position), text(new, position));
        if from != to {
            let params = new.function.params.get(position as usize);
            let param = params.or_else(|| old.function.params.get(position as usize));
            causes.push(Cause::Literal {
                parameter: param.map_or_else(String::new, |param| param.name.clone()),
                from,
                to,
            });
        }
    }
}

/// The columns that the arguments which count come from, in order, as a flow file names them.
pub(crate) fn argument_columns(stage: &Stage, transform: usize) -> Vec<String> {
    let arguments = stage.transforms[transform].arguments.iter();
    let columns = arguments.filter_map(|argument| match argument {
        Argument::Column(column) if stage.counts(column) => Some(stage.column_path(column)),
        Argument::Column(_) | Argument::Literal(_) => None,
    });
    columns.collect()
}
