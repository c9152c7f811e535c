//! The types of values: the plain value types of WIT, structural, without names of their own.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::Fingerprint;

/// A plain WIT value type. Resources, streams and futures have no place here: the sandbox refuses them.
///
/// Types compare by structure, as the component model does; field and case names count.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    /// `bool`
    Bool,
    /// `s8`
    S8,
    /// `u8`
    U8,
    /// `s16`
    S16,
    /// `u16`
    U16,
    /// `s32`
    S32,
    /// `u32`
    U32,
    /// `s64`
    S64,
    /// `u64`
    U64,
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `char`: one Unicode scalar value.
    Char,
    /// `string`: UTF-8.
    String,
    /// `list<T>`
    List(Arc<Type>),
    /// `option<T>`
    Option(Arc<Type>),
    /// `result<T, E>`, either side possibly absent.
    Result {
        /// The type of the good case, if it carries a value.
        ok: Option<Arc<Type>>,
        /// The type of the bad case, if it carries a value.
        err: Option<Arc<Type>>,
    },
    /// `tuple<...>`, at least one element.
    Tuple(Arc<[Type]>),
    /// `record { ... }`, at least one field.
    Record(Arc<[Field]>),
    /// `variant { ... }`, at least one case.
    Variant(Arc<[Case]>),
    /// `enum { ... }`
    Enum(Arc<[Arc<str>]>),
    /// `flags { ... }`, at most 32 of them.
    Flags(Arc<[Arc<str>]>),
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// The field's name, in kebab case.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
}

/// A case of a variant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Case {
    /// The case's name, in kebab case.
    pub name: Arc<str>,
    /// The type of what it carries, if anything.
    pub ty: Option<Type>,
}

impl Type {
    /// `list<element>`.
    pub fn list(element: Type) -> Self {
        Type::List(Arc::new(element))
    }

    /// `option<inner>`.
    pub fn option(inner: Type) -> Self {
        Type::Option(Arc::new(inner))
    }

    /// `list<u8>`, whose values are [`crate::Value::Bytes`].
    pub fn bytes() -> Self {
        Type::list(Type::U8)
    }

    /// A record of these fields, in order.
    pub fn record<'a>(fields: impl IntoIterator<Item = (&'a str, Type)>) -> Self {
        Type::Record(
            fields
                .into_iter()
                .map(|(name, ty)| Field {
                    name: name.into(),
                    ty,
                })
                .collect(),
        )
    }

    /// The width in bytes of a fixed-width number (`bool` and `char` are none), as it lies in a packed list.
    pub fn number_width(&self) -> Option<usize> {
        match self {
            Type::S8 | Type::U8 => Some(1),
            Type::S16 | Type::U16 => Some(2),
            Type::S32 | Type::U32 | Type::F32 => Some(4),
            Type::S64 | Type::U64 | Type::F64 => Some(8),
            _ => None,
        }
    }

    /// The fields, where this is a record.
    pub fn fields(&self) -> Option<&Arc<[Field]>> {
        match self {
            Type::Record(fields) => Some(fields),
            _ => None,
        }
    }

    /// The identity of the type: BLAKE3 of its WIT text and the version of the value encoding.
    ///
    /// The text is unambiguous, since names in WIT are kebab-case words.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 value type");
        hasher.update(&crate::encoding::ENCODING_VERSION.to_le_bytes());
        hasher.update(self.to_string().as_bytes());
        Fingerprint::from_bytes(*hasher.finalize().as_bytes())
    }
}

/// Writes the type as WIT text, records and variants in place: `list<record { a: string, b: u32 }>`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => f.write_str("bool"),
            Type::S8 => f.write_str("s8"),
            Type::U8 => f.write_str("u8"),
            Type::S16 => f.write_str("s16"),
            Type::U16 => f.write_str("u16"),
            Type::S32 => f.write_str("s32"),
            Type::U32 => f.write_str("u32"),
            Type::S64 => f.write_str("s64"),
            Type::U64 => f.write_str("u64"),
            Type::F32 => f.write_str("f32"),
            Type::F64 => f.write_str("f64"),
            Type::Char => f.write_str("char"),
            Type::String => f.write_str("string"),
            Type::List(element) => write!(f, "list<{element}>"),
            Type::Option(inner) => write!(f, "option<{inner}>"),
            Type::Result {
                ok: None,
                err: None,
            } => f.write_str("result"),
            Type::Result {
                ok: Some(ok),
                err: None,
            } => write!(f, "result<{ok}>"),
            Type::Result {
                ok: None,
                err: Some(err),
            } => write!(f, "result<_, {err}>"),
            Type::Result {
                ok: Some(ok),
                err: Some(err),
            } => write!(f, "result<{ok}, {err}>"),
            Type::Tuple(elements) => {
                f.write_str("tuple<")?;
                separated(f, elements.iter(), |f, ty| write!(f, "{ty}"))?;
                f.write_str(">")
            }
            Type::Record(fields) => {
                f.write_str("record { ")?;
                separated(f, fields.iter(), |f, field| {
                    write!(f, "{}: {}", field.name, field.ty)
                })?;
                f.write_str(" }")
            }
            Type::Variant(cases) => {
                f.write_str("variant { ")?;
                separated(f, cases.iter(), |f, case| match &case.ty {
                    Some(ty) => write!(f, "{}({ty})", case.name),
                    None => f.write_str(&case.name),
                })?;
                f.write_str(" }")
            }
            Type::Enum(names) => named(f, "enum", names),
            Type::Flags(names) => named(f, "flags", names),
        }
    }
}

fn named(f: &mut fmt::Formatter<'_>, keyword: &str, names: &[Arc<str>]) -> fmt::Result {
    write!(f, "{keyword} {{ ")?;
    separated(f, names.iter(), |f, name| f.write_str(name))?;
    f.write_str(" }")
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    Ok(())
}
