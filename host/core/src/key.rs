//! Cache keys: when two calls are the same call.
//!
//! ```text
//! recipe   = BLAKE3-derive-key("flowstone 2026 memo recipe",
//!                KEY_SCHEMA, code id, signature, literals with their positions, grants)
//! memo key = BLAKE3-keyed(recipe, argument fingerprints in order)
//! ```
//!
//! Nothing else is in a key: no path, no file time, no name of a flow, plugin, transform, column or parameter.

use crate::id::{ComponentDigest, Fingerprint, MemoKey};
use crate::interface::Function;

/// The version of the recipe, hashed first. Raised whenever the bytes of a key change for the same call.
pub const KEY_SCHEMA: u32 = 1;

/// What stands for a transform's code in its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeId {
    /// A function of a component, identified by the component's code.
    Component {
        /// The digest of the component without its custom sections.
        digest: ComponentDigest,
        /// The exported function's full name.
        function: String,
    },
}

/// All of a transform's key but the arguments: made once for a run, applied to every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRecipe([u8; 32]);

impl KeyRecipe {
    /// The recipe of calls of `function`, whose code is `code`, with these literals at these parameter positions.
    ///
    /// `grants` are the fingerprints of what the flow grants the transform, in order.
    pub fn new(
        code: &CodeId,
        function: &Function,
        literals: &[(u32, Fingerprint)],
        grants: &[Fingerprint],
    ) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 memo recipe");
        hasher.update(&KEY_SCHEMA.to_le_bytes());
        match code {
            CodeId::Component { digest, function } => {
                put(&mut hasher, b"component");
                hasher.update(digest.as_bytes());
                put(&mut hasher, function.as_bytes());
            }
        }
        hasher.update(&(function.params.len() as u32).to_le_bytes());
        for param in &function.params {
            hasher.update(param.ty.fingerprint().as_bytes());
        }
        match &function.result {
            Some(ty) => hasher.update(ty.fingerprint().as_bytes()),
            None => hasher.update(&[0; 32]),
        };
        hasher.update(&(literals.len() as u32).to_le_bytes());
        for (position, fingerprint) in literals {
            hasher.update(&position.to_le_bytes());
            hasher.update(fingerprint.as_bytes());
        }
        hasher.update(&(grants.len() as u32).to_le_bytes());
        for grant in grants {
            hasher.update(grant.as_bytes());
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The key of the call with these arguments: the fingerprints of those parameters that are no literals, in order.
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
        let recipe = KeyRecipe::new(&code(1), &function, &[(1, literal)], &[]);
        insta::assert_snapshot!(text, @"e7700892641518fb2ee085235ccafac78d20dddf963e7d5fa0742e5595495d01");
        insta::assert_snapshot!(of(&value, &record), @"976d54c02237e8694356e2aa43f512200a1d7a3e7d4fae403af01472ec3b8123");
        insta::assert_snapshot!(recipe.key([text]), @"5fa767597faa170ba3c254b02daf924bd48c429f49f4d64827985ddde73c6634");
        insta::assert_snapshot!(KeyRecipe::new(&code(1), &function, &[], &[literal]).key([text, literal]), @"619d584c0f7d37ae057bd1f195d362753467d5eb323b115eba8368ee50c4fe58");
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
        let recipe = KeyRecipe::new(&code(1), &base, &[], &[]);
        assert_eq!(recipe, KeyRecipe::new(&code(1), &renamed, &[], &[]));
        assert_ne!(recipe, KeyRecipe::new(&code(1), &widened, &[], &[]));
        assert_ne!(recipe, KeyRecipe::new(&code(2), &base, &[], &[]));
        assert_ne!(recipe, KeyRecipe::new(&other, &base, &[], &[]));
        let literal = of(&Value::U32(1), &Type::U32);
        assert_ne!(
            recipe,
            KeyRecipe::new(&code(1), &base, &[(0, literal)], &[])
        );
        assert_ne!(recipe, KeyRecipe::new(&code(1), &base, &[], &[literal]));
    }
}
