//! Values: what flows between sources, transforms and targets.

use std::sync::Arc;

use crate::encoding;
use crate::types::Type;

/// A value of some [`Type`]. The type is kept beside it, not in it: a value alone does not know its field names.
///
/// Bulk values are shared: cloning one copies no bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `bool`
    Bool(bool),
    /// `s8`
    S8(i8),
    /// `u8`
    U8(u8),
    /// `s16`
    S16(i16),
    /// `u16`
    U16(u16),
    /// `s32`
    S32(i32),
    /// `u32`
    U32(u32),
    /// `s64`
    S64(i64),
    /// `u64`
    U64(u64),
    /// `f32`
    F32(f32),
    /// `f64`
    F64(f64),
    /// `char`
    Char(char),
    /// `string`
    Str(Arc<str>),
    /// `list<u8>`
    Bytes(Arc<[u8]>),
    /// A list of any other number (see [`Type::number_width`]): its elements one after the other, little-endian.
    Packed(Arc<[u8]>),
    /// A list of anything that is not a number.
    List(Arc<[Value]>),
    /// A record: its fields by position.
    Record(Arc<[Value]>),
    /// A tuple.
    Tuple(Arc<[Value]>),
    /// A variant: the position of its case, and what the case carries.
    Variant(u32, Option<Arc<Value>>),
    /// An enum: the position of its case.
    Enum(u32),
    /// Flags: bit `n` is the flag at position `n`.
    Flags(u32),
    /// `option<T>`
    Option(Option<Arc<Value>>),
    /// `result<T, E>`
    Result(Result<Option<Arc<Value>>, Option<Arc<Value>>>),
}

impl Value {
    /// A string value.
    pub fn str(text: impl Into<Arc<str>>) -> Self {
        Value::Str(text.into())
    }

    /// A `list<u8>` value.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Value::Bytes(bytes.into())
    }

    /// The list of these elements, each of type `element`, in the form that suits the type: bytes, packed or plain.
    ///
    /// # Panics
    ///
    /// When an item is not a value of `element`.
    pub fn list_of(element: &Type, items: Vec<Value>) -> Self {
        let Some(width) = element.number_width() else {
            return Value::List(items.into());
        };
        let mut packed = Vec::with_capacity(items.len() * width);
        for item in &items {
            encoding::encode(item, element, &mut packed);
        }
        if *element == Type::U8 {
            Value::bytes(packed)
        } else {
            Value::Packed(packed.into())
        }
    }

    /// The text, where this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, where this is a list of something else than numbers.
    pub fn as_list(&self) -> Option<&Arc<[Value]>> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// How many bytes the value holds in memory, roughly: for budgets, not for accounts.
    pub fn size(&self) -> usize {
        const NODE: usize = size_of::<Value>();
        NODE + match self {
            Value::Str(text) => text.len(),
            Value::Bytes(bytes) | Value::Packed(bytes) => bytes.len(),
            Value::List(items) | Value::Record(items) | Value::Tuple(items) => {
                items.iter().map(Value::size).sum()
            }
            Value::Variant(_, Some(inner))
            | Value::Option(Some(inner))
            | Value::Result(Ok(Some(inner)) | Err(Some(inner))) => inner.size(),
            _ => 0,
        }
    }

    /// Whether the value is a value of this type.
    pub fn is_of(&self, ty: &Type) -> bool {
        match (self, ty) {
            (Value::Bool(_), Type::Bool)
            | (Value::S8(_), Type::S8)
            | (Value::U8(_), Type::U8)
            | (Value::S16(_), Type::S16)
            | (Value::U16(_), Type::U16)
            | (Value::S32(_), Type::S32)
            | (Value::U32(_), Type::U32)
            | (Value::S64(_), Type::S64)
            | (Value::U64(_), Type::U64)
            | (Value::F32(_), Type::F32)
            | (Value::F64(_), Type::F64)
            | (Value::Char(_), Type::Char)
            | (Value::Str(_), Type::String)
            | (Value::Option(None), Type::Option(_)) => true,
            (Value::Bytes(_), Type::List(element)) => **element == Type::U8,
            (Value::Packed(bytes), Type::List(element)) => {
                **element != Type::U8
                    && element
                        .number_width()
                        .is_some_and(|width| bytes.len().is_multiple_of(width))
            }
            (Value::List(items), Type::List(element)) => {
                element.number_width().is_none() && items.iter().all(|item| item.is_of(element))
            }
            (Value::Record(items), Type::Record(fields)) => {
                items.len() == fields.len()
                    && items
                        .iter()
                        .zip(fields.iter())
                        .all(|(item, field)| item.is_of(&field.ty))
            }
            (Value::Tuple(items), Type::Tuple(types)) => {
                items.len() == types.len()
                    && items
                        .iter()
                        .zip(types.iter())
                        .all(|(item, ty)| item.is_of(ty))
            }
            (Value::Variant(case, payload), Type::Variant(cases)) => cases
                .get(*case as usize)
                .is_some_and(|case| payload_is_of(payload.as_deref(), case.ty.as_ref())),
            (Value::Enum(case), Type::Enum(names)) => (*case as usize) < names.len(),
            (Value::Flags(bits), Type::Flags(names)) => {
                names.len() <= 32 && u64::from(*bits) < (1u64 << names.len())
            }
            (Value::Option(Some(inner)), Type::Option(ty)) => inner.is_of(ty),
            (Value::Result(Ok(inner)), Type::Result { ok, .. }) => {
                payload_is_of(inner.as_deref(), ok.as_deref())
            }
            (Value::Result(Err(inner)), Type::Result { err, .. }) => {
                payload_is_of(inner.as_deref(), err.as_deref())
            }
            _ => false,
        }
    }
}

fn payload_is_of(payload: Option<&Value>, ty: Option<&Type>) -> bool {
    match (payload, ty) {
        (None, None) => true,
        (Some(value), Some(ty)) => value.is_of(ty),
        _ => false,
    }
}
