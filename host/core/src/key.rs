//! Cache keys: when two calls are the same call.
//!
//! ```text
//! recipe   = BLAKE3-derive-key("flowstone 2026 memo recipe",
//!                KEY_SCHEMA, code id, signature, literals with their positions, grants, ignored positions, batched)
//! memo key = BLAKE3-keyed(recipe, argument fingerprints in order, that of the row)
//! ```
//!
//! A grant is its name (`read data/words`, `env LANG`, `network api.example.org:443`, `row`) with the digest of what can be
//! learned from it: of the names, kinds and contents of files, of the value of a variable, of the collection of the row. The
//! row's own fingerprint is there only where the function is told the row.
//!
//! Nothing else is in a key: no other path, no file time, no name of a flow, plugin, transform, column or parameter, and of
//! collections only that one.

mod grant;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::grant::Grant;
use crate::id::{ComponentDigest, Fingerprint, FunctionDigest, MemoKey};
use crate::interface::{Function, Param};

/// The version of the recipe, hashed first. Raised whenever the bytes of a key change for the same call.
pub const KEY_SCHEMA: u32 = 1;

/// What stands for a transform's code in its keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeId {
    /// A function of a component, identified by the component's code.
    Component {
        /// The digest of the component without its custom sections.
        digest: ComponentDigest,
        /// The exported function's full name.
        function: String,
    },
    /// A function, identified by the code that it can reach.
    Function {
        /// The digest of that code.
        digest: FunctionDigest,
    },
    /// A name that stands for whatever code is behind it.
    Pin {
        /// The pin's name.
        name: String,
    },
}

impl fmt::Display for CodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodeId::Component { digest, .. } => write!(f, "component:{}", digest.short()),
            CodeId::Function { digest } => write!(f, "function:{}", digest.short()),
            CodeId::Pin { name } => write!(f, "pin:{name}"),
        }
    }
}

/// An argument that the flow file gives: the same for all rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiteralArgument {
    /// Which parameter it is for.
    pub position: u32,
    /// The value's fingerprint.
    pub fingerprint: Fingerprint,
    /// The value as WAVE text, for people.
    pub text: String,
}

/// Everything that a key hashes but the arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// What stands for the code.
    pub code: CodeId,
    /// The function, as it is for one row: its types count, its name and those of its parameters do not.
    pub function: Function,
    /// The literal arguments, by position.
    pub literals: Vec<LiteralArgument>,
    /// What the flow grants, in order.
    pub grants: Vec<Grant>,
    /// The positions of the parameters whose arguments do not count.
    pub ignored: Vec<u32>,
    /// Whether the exported function takes and returns lists, with one element per row: see
    /// [`row_function`](crate::row_function).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub batched: bool,
}

/// The code that makes the results of a recipe, whatever stands for it in the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    /// The digest of the component without its custom sections.
    pub component: ComponentDigest,
    /// The exported function's full name.
    pub function: String,
    /// The digest of the code that the function can reach, where the flow identifies it by that.
    pub reachable: Option<FunctionDigest>,
}

impl Maker {
    /// What stands for this code in keys without a pin.
    pub fn code(&self) -> CodeId {
        match self.reachable {
            Some(digest) => CodeId::Function { digest },
            None => CodeId::Component {
                digest: self.component,
                function: self.function.clone(),
            },
        }
    }
}

/// A recipe, and the code that made the results that are remembered under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipeRecord {
    /// The recipe of the keys.
    pub recipe: Recipe,
    /// The code that was called.
    pub maker: Maker,
}

impl Recipe {
    /// Whether the function is told the row in hand: then the row's fingerprint follows those of the arguments.
    pub fn tells_row(&self) -> bool {
        self.grants.iter().any(Grant::is_row)
    }

    /// How many fingerprints make a key.
    pub fn prints(&self) -> usize {
        self.arguments().count() + usize::from(self.tells_row())
    }

    /// The hash of the recipe, which makes keys.
    pub fn key(&self) -> KeyRecipe {
        let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 memo recipe");
        hasher.update(&KEY_SCHEMA.to_le_bytes());
        match &self.code {
            CodeId::Component { digest, function } => {
                put(&mut hasher, b"component");
                hasher.update(digest.as_bytes());
                put(&mut hasher, function.as_bytes());
            }
            CodeId::Function { digest } => {
                put(&mut hasher, b"function");
                hasher.update(digest.as_bytes());
            }
            CodeId::Pin { name } => {
                put(&mut hasher, b"pin");
                put(&mut hasher, name.as_bytes());
            }
        }
        hasher.update(&(self.function.params.len() as u32).to_le_bytes());
        for param in &self.function.params {
            hasher.update(param.ty.fingerprint().as_bytes());
        }
        match &self.function.result {
            Some(ty) => hasher.update(ty.fingerprint().as_bytes()),
            None => hasher.update(&[0; 32]),
        };
        hasher.update(&(self.literals.len() as u32).to_le_bytes());
        for literal in &self.literals {
            hasher.update(&literal.position.to_le_bytes());
            hasher.update(literal.fingerprint.as_bytes());
        }
        hasher.update(&(self.grants.len() as u32).to_le_bytes());
        for grant in &self.grants {
            put(&mut hasher, grant.name.as_bytes());
            hasher.update(grant.fingerprint.as_bytes());
        }
        if !self.ignored.is_empty() {
            hasher.update(&(self.ignored.len() as u32).to_le_bytes());
            for position in &self.ignored {
                hasher.update(&position.to_le_bytes());
            }
        }
        if self.batched {
            put(&mut hasher, b"batched");
        }
        KeyRecipe(*hasher.finalize().as_bytes())
    }

    /// The parameters whose arguments come from columns and count, in order: those whose fingerprints make the key.
    pub fn arguments(&self) -> impl Iterator<Item = (u32, &Param)> {
        let given = |position: &u32| {
            self.ignored.contains(position)
                || (self.literals.iter()).any(|literal| literal.position == *position)
        };
        (0..)
            .zip(&self.function.params)
            .filter(move |(position, _)| !given(position))
    }
}

/// The hash of a [`Recipe`]: made once for a run, applied to every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyRecipe([u8; 32]);

impl KeyRecipe {
    /// The key of the call with these arguments: the fingerprints of those parameters that are neither literals nor
    /// ignored, in order, and then that of the row where the function is told it.
    pub fn key(&self, arguments: impl IntoIterator<Item = Fingerprint>) -> MemoKey {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for argument in arguments {
            hasher.update(argument.as_bytes());
        }
        MemoKey::from_bytes(*hasher.finalize().as_bytes())
    }

    /// The recipe's own identity.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Hashes a text with its length before it, so that neighbouring texts cannot run together.
fn put(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u32).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::Param;
    use crate::{Type, Value, fingerprint};

    fn function(params: &[(&str, Type)], result: Option<Type>) -> Function {
        let params = params.iter().map(|(name, ty)| Param {
            name: (*name).into(),
            ty: ty.clone(),
        });
        Function {
            name: "f".into(),
            params: params.collect(),
            result,
            docs: None,
        }
    }

    fn code(byte: u8) -> CodeId {
        CodeId::Component {
            digest: ComponentDigest::from_bytes([byte; 32]),
            function: "f".into(),
        }
    }

    fn recipe(
        code: &CodeId,
        function: &Function,
        literals: &[(u32, Fingerprint)],
        grants: &[Fingerprint],
    ) -> Recipe {
        let literal = |(position, fingerprint): &(u32, Fingerprint)| LiteralArgument {
            position: *position,
            fingerprint: *fingerprint,
            text: String::new(),
        };
        let grant = |fingerprint: &Fingerprint| Grant {
            name: "clock".into(),
            fingerprint: *fingerprint,
        };
        Recipe {
            code: code.clone(),
            function: function.clone(),
            literals: literals.iter().map(literal).collect(),
            grants: grants.iter().map(grant).collect(),
            ignored: Vec::new(),
            batched: false,
        }
    }

    fn of(value: &Value, ty: &Type) -> Fingerprint {
        fingerprint(value, ty, &ty.fingerprint())
    }

    // The exact bytes of keys and fingerprints. A change here loses every stored result: raise KEY_SCHEMA or
    // ENCODING_VERSION with it, so that old and new keys cannot meet.
    #[test]
    fn keys_and_fingerprints_are_golden() {
        let text = of(&Value::str("Grüße"), &Type::String);
        let record = Type::record([("a", Type::U32), ("b", Type::list(Type::F32))]);
        let value = Value::Record(
            [
                Value::U32(7),
                Value::Packed(
                    [1.5f32, f32::NAN]
                        .iter()
                        .flat_map(|f| f.to_le_bytes())
                        .collect(),
                ),
            ]
            .into(),
        );
        let function = function(
            &[("text", Type::String), ("max", Type::U32)],
            Some(Type::list(Type::String)),
        );
        let literal = of(&Value::U32(1200), &Type::U32);
        let made = recipe(&code(1), &function, &[(1, literal)], &[]).key();
        insta::assert_snapshot!(text, @"e7700892641518fb2ee085235ccafac78d20dddf963e7d5fa0742e5595495d01");
        insta::assert_snapshot!(of(&value, &record), @"976d54c02237e8694356e2aa43f512200a1d7a3e7d4fae403af01472ec3b8123");
        insta::assert_snapshot!(made.key([text]), @"5fa767597faa170ba3c254b02daf924bd48c429f49f4d64827985ddde73c6634");
        insta::assert_snapshot!(recipe(&code(1), &function, &[], &[literal]).key().key([text, literal]), @"a0422d21f5d04582d5a7228d713e984e435cb44b17bbc624f48964803780a4ab");
    }

    #[test]
    fn one_and_the_text_one_differ() {
        assert_ne!(
            of(&Value::U32(1), &Type::U32),
            of(&Value::str("1"), &Type::String)
        );
        assert_ne!(
            of(&Value::U32(1), &Type::U32),
            of(&Value::S32(1), &Type::S32)
        );
    }

    #[test]
    fn records_with_swapped_field_names_differ() {
        let value = Value::Record([Value::U32(1), Value::U32(2)].into());
        let ab = Type::record([("a", Type::U32), ("b", Type::U32)]);
        let ba = Type::record([("b", Type::U32), ("a", Type::U32)]);
        assert_ne!(of(&value, &ab), of(&value, &ba));
    }

    #[test]
    fn parameter_names_do_not_count_but_everything_else_does() {
        let base = function(&[("text", Type::String)], Some(Type::U32));
        let renamed = function(&[("body", Type::String)], Some(Type::U32));
        let widened = function(&[("text", Type::String)], Some(Type::U64));
        let other = CodeId::Component {
            digest: ComponentDigest::from_bytes([1; 32]),
            function: "g".into(),
        };
        let plain = recipe(&code(1), &base, &[], &[]).key();
        assert_eq!(plain, recipe(&code(1), &renamed, &[], &[]).key());
        assert_ne!(plain, recipe(&code(1), &widened, &[], &[]).key());
        assert_ne!(plain, recipe(&code(2), &base, &[], &[]).key());
        assert_ne!(plain, recipe(&other, &base, &[], &[]).key());
        let literal = of(&Value::U32(1), &Type::U32);
        assert_ne!(plain, recipe(&code(1), &base, &[(0, literal)], &[]).key());
        assert_ne!(plain, recipe(&code(1), &base, &[], &[literal]).key());
    }

    #[test]
    fn what_is_ignored_counts_but_not_its_argument() {
        let base = function(&[("text", Type::String), ("log", Type::String)], None);
        let plain = recipe(&code(1), &base, &[], &[]);
        let ignoring = Recipe {
            ignored: vec![1],
            ..plain.clone()
        };
        assert_ne!(plain.key(), ignoring.key());
        let names: Vec<_> = (ignoring.arguments())
            .map(|(position, param)| (position, param.name.as_str()))
            .collect();
        assert_eq!(names, [(0, "text")]);
    }

    #[test]
    fn that_a_function_takes_many_rows_counts() {
        let base = function(&[("text", Type::String)], Some(Type::U32));
        let plain = recipe(&code(1), &base, &[], &[]);
        let batched = Recipe {
            batched: true,
            ..plain.clone()
        };
        let text = of(&Value::str("a"), &Type::String);
        assert_ne!(plain.key(), batched.key());
        insta::assert_snapshot!(batched.key().key([text]), @"b0c9e407ac706337181251a45eed57f82e4742cf1327e6d5e125715dfd0a8137");
    }

    #[test]
    fn a_pin_stands_for_any_code_but_not_for_another_signature() {
        let base = function(&[("text", Type::String)], Some(Type::U32));
        let widened = function(&[("text", Type::String)], Some(Type::U64));
        let pin = CodeId::Pin { name: "p".into() };
        let renamed = Function {
            name: "g".into(),
            ..base.clone()
        };
        assert_eq!(
            recipe(&pin, &base, &[], &[]).key(),
            recipe(&pin, &renamed, &[], &[]).key()
        );
        assert_ne!(
            recipe(&pin, &base, &[], &[]).key(),
            recipe(&pin, &widened, &[], &[]).key()
        );
    }
}
