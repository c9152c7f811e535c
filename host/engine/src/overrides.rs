//! Overrides: results that are given for a run, in place of what a transform would give for the rows that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;

use crate::relation::{display_key, noun};
use flowstone_core::{Fingerprint, Fold, FoldKind, Plan, Stage, Transform, from_json, suggest};

use crate::answer::{Answer, Typed};
use crate::error::Error;

/// The most bytes of one line of an override file.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Results that are given for a run.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// By source, root row and transform.
    sources: BTreeMap<String, BTreeMap<String, Given>>,
    /// The identity of all that is given; none when nothing is.
    fingerprint: Option<Fingerprint>,
}

/// What is given for the rows below one root row, by transform.
type Given = BTreeMap<String, Vec<GivenResult>>;

/// A result that is given.
#[derive(Clone, Debug)]
pub(crate) struct GivenResult {
    /// Which row below the root row: the positions in the lists from the top down.
    pub(crate) index: Vec<u32>,
    pub(crate) answer: Arc<Answer>,
    /// Where it stands, for people.
    pub(crate) place: String,
}

/// A line of an override file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    #[serde(default)]
    index: Vec<u32>,
    value: serde_json::Value,
}

impl Overrides {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Reads the results that `text` gives for the transform `name`: `words`, or `section.words` with its collection.
    ///
    /// Every line is a JSON object: `key`, the key of the root row as people see it; `index`, for a row further down,
    /// its positions in the lists from the top; and `value`, null where the transform gives none. `file` is what errors
    /// call the text.
    ///
    /// # Errors
    ///
    /// When the flow has no such transform, or a line is no such object or gives a value of another type; with its
    /// number.
    pub fn add(&mut self, plan: &Plan, name: &str, file: &str, text: &str) -> Result<(), Error> {
        let (stage, transform) = find(plan, name)?;
        let typed = Typed::new(transform.result.clone(), transform.makes.is_some());
        let depth = depth(stage, transform.collection);
        let rows = self.sources.entry(stage.source.name.clone()).or_default();
        let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 overrides");
        if let Some(before) = &self.fingerprint {
            hasher.update(before.as_bytes());
        }
        hasher.update(blake3::hash(transform.name.as_bytes()).as_bytes());
        hasher.update(blake3::hash(text.as_bytes()).as_bytes());
        self.fingerprint = Some(Fingerprint::from_bytes(*hasher.finalize().as_bytes()));
        let mut seen: BTreeSet<(String, Vec<u32>)> = BTreeSet::new();
        for (key, given) in rows.iter() {
            let given = given.get(&transform.name).into_iter().flatten();
            seen.extend(given.map(|given| (key.clone(), given.index.clone())));
        }
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() {
                continue;
            }
            let place = format!("{file}:{number}");
            let wrong = |message: String| Error::Override {
                place: place.clone(),
                message,
            };
            if line.len() > LINE_BYTES_MAX {
                return Err(wrong("the line is longer than 64 MiB".to_owned()));
            }
            let line: Line = serde_json::from_str(line).map_err(|error| {
                let example = r#"{"key": "a.md", "index": [0], "value": 7}"#;
                wrong(format!("{error}; a line looks like `{example}`"))
            })?;
            if line.index.len() != depth {
                return Err(wrong(format!(
                    "`{}` needs an `index` of {depth} positions, not {}",
                    transform.name,
                    line.index.len()
                )));
            }
            if !seen.insert((line.key.clone(), line.index.clone())) {
                return Err(wrong("the row has been given a value before".to_owned()));
            }
            let answer = answer(&line.value, transform, &typed).map_err(wrong)?;
            let given = rows.entry(line.key).or_default();
            let given = given.entry(transform.name.clone()).or_default();
            given.push(GivenResult {
                index: line.index,
                answer: Arc::new(answer),
                place,
            });
        }
        self.sources.retain(|_, rows| !rows.is_empty());
        Ok(())
    }

    /// What is given for rows of a source.
    pub(crate) fn of_source(&self, name: &str) -> SourceOverrides<'_> {
        SourceOverrides {
            rows: self.sources.get(name),
            fingerprint: self.fingerprint,
        }
    }
}

/// What is given for the rows of one source.
#[derive(Clone, Copy, Default)]
pub(crate) struct SourceOverrides<'a> {
    rows: Option<&'a BTreeMap<String, Given>>,
    fingerprint: Option<Fingerprint>,
}

impl<'a> SourceOverrides<'a> {
    /// What is given below a root row. `kind` is the kind of the source.
    pub(crate) fn of_row(&self, kind: &str, key: &[u8]) -> Option<&'a Given> {
        self.rows?.get(&display_key(kind, key))
    }

    /// The identity of what is done to a row, where results are given for it: with other ones it is done again.
    pub(crate) fn flow(&self, stage: &Fingerprint, kind: &str, key: &[u8]) -> Fingerprint {
        match (self.of_row(kind, key), &self.fingerprint) {
            (Some(_), Some(given)) => Self::mixed(stage, given),
            _ => *stage,
        }
    }

    /// The identity of what is done to the rows for which results are given.
    pub(crate) fn given_flow(&self, stage: &Fingerprint) -> Option<Fingerprint> {
        self.rows?;
        Some(Self::mixed(stage, &self.fingerprint?))
    }

    fn mixed(stage: &Fingerprint, given: &Fingerprint) -> Fingerprint {
        let mixed = blake3::keyed_hash(stage.as_bytes(), given.as_bytes());
        Fingerprint::from_bytes(*mixed.as_bytes())
    }

    /// The rows that have not been listed: where the first of each stands.
    pub(crate) fn unlisted(&self, listed: &BTreeSet<String>) -> Option<(&'a str, &'a str)> {
        let (key, given) = self.rows?.iter().find(|(key, _)| !listed.contains(*key))?;
        let first = given.values().flatten().next()?;
        Some((key, &first.place))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_none()
    }
}

/// The transform that `name` or `collection.name` means.
pub(crate) fn find<'a>(plan: &'a Plan, name: &str) -> Result<(&'a Stage, &'a Transform), Error> {
    let all = || {
        (plan.stages.iter()).flat_map(|stage| {
            let named = move |transform| (stage, transform);
            stage.transforms.iter().map(named)
        })
    };
    let (collection, short) = match name.rsplit_once('.') {
        Some((collection, short)) => (Some(collection), short),
        None => (None, name),
    };
    let found = all().find(|(stage, transform)| {
        let own = &stage.collections[transform.collection].name;
        transform.name == short && collection.is_none_or(|named| named == own)
    });
    found.ok_or_else(|| {
        Error::NotFound(other_than_a_transform(plan, name).unwrap_or_else(|| {
            let help = suggest(short, all().map(|(_, transform)| &*transform.name));
            format!("the flow has no transform `{name}`: {help}")
        }))
    })
}

/// The fold of this name, and the stage whose rows follow from it.
pub(crate) fn find_fold<'a>(plan: &'a Plan, name: &str) -> Option<(&'a Stage, &'a Fold)> {
    plan.stages.iter().find_map(|stage| {
        let fold = stage.source.gather.as_ref()?.fold.as_ref()?;
        (fold.name == name).then_some((stage, fold))
    })
}

/// What a name stands for that is no transform, and what can be done with that.
fn other_than_a_transform(plan: &Plan, name: &str) -> Option<String> {
    if let Some((stage, fold)) = find_fold(plan, name) {
        let does = match fold.kind {
            FoldKind::Combine { .. } => "puts partial results together",
            FoldKind::State { .. } => "goes on from a state",
        };
        return Some(format!(
            "`{name}` {does}: what it made is kept as steps, not as results of single rows; `verify {name}` makes \
             steps once more, `run --recompute {name}` all of them, and what they come to are the rows of `{}`",
            stage.source.name
        ));
    }
    let source = |stage: &&Stage| stage.source.name == name;
    let source = &plan.stages.iter().find(source)?.source;
    Some(format!(
        "`{name}` is a {}, not a transform, so there are no calls of it",
        noun(&source.kind)
    ))
}

/// How many lists a collection is below its root.
pub(crate) fn depth(stage: &Stage, mut collection: usize) -> usize {
    let mut depth = 0;
    while let Some(parent) = stage.collections[collection].parent {
        depth += 1;
        collection = parent;
    }
    depth
}

/// The answer that a JSON value means for a transform.
pub(crate) fn answer(
    json: &serde_json::Value,
    transform: &Transform,
    typed: &Typed,
) -> Result<Answer, String> {
    let shape = &transform.result;
    if json.is_null() && shape.can_be_none() {
        return Ok(Answer::Nothing);
    }
    let value = from_json(json, &shape.value)
        .map_err(|error| format!("the value is no `{}`: {error}", shape.value))?;
    Ok(Answer::of_value(value, typed).0)
}
