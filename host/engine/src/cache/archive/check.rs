//! Checking what an archive holds: recipes that make sense, and results that a call of such a recipe can have.
//!
//! An archive may come from anybody. What is checked here is all that the engine relies on; whether a result is the one
//! that the code gives, nobody can tell without calling it.

use flowstone_core::{
    Case, CodeId, Field, Fingerprint, Grant, KeyRecipe, MemoKey, RecipeRecord, ResultShape, Type,
    check_encoding,
};
use flowstone_store::{INLINE_BYTES_MAX, Outcome, Stored};

use super::{FAILED, NOTHING, REASON_BYTES_MAX, RESULT_BYTES_MIN, VALUE};
use crate::answer::printable;

/// A recipe, and what follows from it.
pub(in crate::cache) struct Recipe {
    pub(in crate::cache) record: RecipeRecord,
    key: KeyRecipe,
    shape: ResultShape,
    type_fingerprint: Fingerprint,
    /// How many arguments are hashed into a key.
    arguments: usize,
}

/// A result, checked against its recipe.
#[derive(Debug)]
pub(in crate::cache) struct Checked {
    /// The recipe, by its number.
    pub(in crate::cache) recipe: usize,
    pub(in crate::cache) key: MemoKey,
    pub(in crate::cache) cost_ns: u64,
    pub(in crate::cache) arguments: Vec<Fingerprint>,
    pub(in crate::cache) outcome: Outcome,
    /// The value's encoding, where it is to be kept as an object.
    pub(in crate::cache) object: Option<Vec<u8>>,
}

impl Recipe {
    /// The recipe, if it is one that a flow can have.
    pub(in crate::cache) fn of(mut record: RecipeRecord) -> Result<Self, String> {
        if !names(&record).all(|name| printable(name) == *name && !name.contains(['\n', '\t'])) {
            return Err("a recipe has a name with characters that cannot be shown".to_owned());
        }
        // What is for people only: it could play tricks on a terminal.
        for literal in &mut record.recipe.literals {
            literal.text = printable(&literal.text);
        }
        let docs = &mut record.recipe.function.docs;
        *docs = docs.take().map(|docs| printable(&docs));
        let recipe = &record.recipe;
        let params = &recipe.function.params;
        let types = params.iter().map(|param| &param.ty);
        if !types.chain(&recipe.function.result).all(is_sound) {
            return Err("a recipe has a type that WIT has not".to_owned());
        }
        let shape = ResultShape::of(recipe.function.result.as_ref());
        let shape = shape.ok_or("a recipe is of a function without a result")?;
        let literals = recipe.literals.iter().map(|literal| literal.position);
        if !is_ascending(literals, params.len())
            || !is_ascending(recipe.ignored.iter().copied(), params.len())
        {
            return Err("a recipe names parameters that its function has not".to_owned());
        }
        Ok(Self {
            key: recipe.key(),
            type_fingerprint: shape.value.fingerprint(),
            arguments: recipe.prints(),
            shape,
            record,
        })
    }

    /// Whether the results hang on more than the arguments, so that they are of no use elsewhere.
    pub(in crate::cache) fn is_impure(&self) -> bool {
        self.record.recipe.grants.iter().any(Grant::is_impure)
    }

    /// Whether a call can come to this; `encoding` is that of the value.
    pub(in crate::cache) fn check(
        &self,
        arguments: usize,
        outcome: &Outcome,
        encoding: &[u8],
    ) -> Result<(), String> {
        if arguments != self.arguments {
            return Err(format!(
                "a result has {arguments} arguments, and its function takes {}",
                self.arguments
            ));
        }
        match outcome {
            Outcome::Nothing if !self.shape.can_be_none() => {
                Err("a result is none, and its function always gives one".to_owned())
            }
            Outcome::Failed { .. } if self.shape.fallible.is_none() => {
                Err("a result is a failure, and its function cannot fail".to_owned())
            }
            Outcome::Failed { reason } if reason.len() > REASON_BYTES_MAX => {
                Err("the reason of a failure is longer than any that is kept".to_owned())
            }
            Outcome::Nothing | Outcome::Failed { .. } => Ok(()),
            Outcome::Value { .. } => {
                check_encoding(encoding, &self.shape.value).map_err(|error| error.to_string())
            }
        }
    }
}

impl Recipe {
    /// The type of its values.
    pub(in crate::cache) fn ty(&self) -> &Type {
        &self.shape.value
    }

    /// The outcome that is the value with this encoding. Its parts are made when it is used.
    fn value(&self, encoding: &[u8]) -> Outcome {
        let hash = blake3::keyed_hash(self.type_fingerprint.as_bytes(), encoding);
        Outcome::Value {
            fingerprint: Fingerprint::from_bytes(*hash.as_bytes()),
            parts: Vec::new(),
            stored: if encoding.len() <= INLINE_BYTES_MAX {
                Stored::Inline(encoding.to_vec())
            } else {
                Stored::Object
            },
        }
    }
}

impl Checked {
    /// The result in these bytes.
    pub(super) fn of(mut bytes: Vec<u8>, recipes: &[Recipe]) -> Result<Self, String> {
        let short = "a result is too short";
        let (number, rest) = bytes.split_first_chunk().ok_or(short)?;
        let number = u32::from_le_bytes(*number) as usize;
        let recipe = recipes
            .get(number)
            .ok_or("a result is of a recipe that is not there")?;
        let (cost_ns, rest) = rest.split_first_chunk().ok_or(short)?;
        let (cost_ns, mut rest) = (u64::from_le_bytes(*cost_ns), rest);
        let mut arguments = Vec::with_capacity(recipe.arguments);
        for _ in 0..recipe.arguments {
            let (argument, after) = rest.split_first_chunk().ok_or(short)?;
            arguments.push(Fingerprint::from_bytes(*argument));
            rest = after;
        }
        let (kind, rest) = rest.split_first().ok_or(short)?;
        let outcome = match *kind {
            NOTHING if rest.is_empty() => Outcome::Nothing,
            NOTHING => return Err("a result is none, and carries something".to_owned()),
            FAILED => {
                let reason = std::str::from_utf8(rest);
                let reason = reason.map_err(|_| "the reason of a failure is not UTF-8 text")?;
                Outcome::Failed {
                    // It could play tricks on a terminal.
                    reason: printable(reason),
                }
            }
            VALUE => recipe.value(rest),
            kind => return Err(format!("there is no kind {kind} of outcome")),
        };
        recipe.check(arguments.len(), &outcome, rest)?;
        let is_object = matches!(
            &outcome,
            Outcome::Value {
                stored: Stored::Object,
                ..
            }
        );
        let object = is_object.then(|| {
            bytes.drain(..RESULT_BYTES_MIN + arguments.len() * 32);
            bytes
        });
        Ok(Self {
            recipe: number,
            key: recipe.key.key(arguments.iter().copied()),
            cost_ns,
            arguments,
            outcome,
            object,
        })
    }

    /// How many bytes it holds in memory, roughly.
    pub(in crate::cache) fn size(&self) -> usize {
        let outcome = match &self.outcome {
            Outcome::Value {
                stored: Stored::Inline(bytes),
                ..
            } => bytes.len(),
            Outcome::Failed { reason } => reason.len(),
            _ => 0,
        };
        size_of::<Self>()
            + self.arguments.len() * 32
            + outcome
            + self.object.as_ref().map_or(0, Vec::len)
    }
}

/// All names in a recipe.
fn names(record: &RecipeRecord) -> impl Iterator<Item = &String> {
    let recipe = &record.recipe;
    let pin = match &recipe.code {
        CodeId::Pin { name } | CodeId::Component { function: name, .. } => Some(name),
        CodeId::Function { .. } => None,
    };
    let params = recipe.function.params.iter().map(|param| &param.name);
    let grants = recipe.grants.iter().map(|grant| &grant.name);
    let functions = [&recipe.function.name, &record.maker.function];
    params.chain(grants).chain(functions).chain(pin)
}

/// Whether positions ascend, and all are of a parameter.
fn is_ascending(positions: impl Iterator<Item = u32>, params: usize) -> bool {
    let mut next = 0;
    for position in positions {
        if position < next || position as usize >= params {
            return false;
        }
        next = position + 1;
    }
    true
}

/// Whether WIT can have this type: only then does its text, and so its fingerprint, tell it from all others.
fn is_sound(ty: &Type) -> bool {
    let is_name = |name: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !name.is_empty() && name.chars().all(is_part)
    };
    let optional = |ty: Option<&Type>| ty.is_none_or(is_sound);
    match ty {
        Type::List(inner) | Type::Option(inner) => is_sound(inner),
        Type::Result { ok, err } => optional(ok.as_deref()) && optional(err.as_deref()),
        Type::Tuple(types) => !types.is_empty() && types.iter().all(is_sound),
        Type::Record(fields) => {
            let is_field = |field: &Field| is_name(&field.name) && is_sound(&field.ty);
            !fields.is_empty() && fields.iter().all(is_field)
        }
        Type::Variant(cases) => {
            let is_case = |case: &Case| is_name(&case.name) && optional(case.ty.as_ref());
            !cases.is_empty() && cases.iter().all(is_case)
        }
        Type::Enum(names) => !names.is_empty() && names.iter().all(|name| is_name(name)),
        Type::Flags(names) => names.len() <= 32 && names.iter().all(|name| is_name(name)),
        _ => true,
    }
}
