//! The canonical encoding of values, and their fingerprints.
//!
//! The encoding is directed by the type, so it holds no tags but those that a value needs (which case, some or none).
//! Numbers are little-endian, NaNs are canonical, strings and lists carry a `u32` length (of bytes, of elements).
//!
//! | type | bytes |
//! | --- | --- |
//! | numbers, `bool`, `char` | their width (1, 2, 4, 8; `bool` 1, `char` 4) |
//! | `string` | length in bytes, UTF-8 |
//! | `list<T>` | number of elements, the elements |
//! | records, tuples | the parts in order |
//! | `variant`, `enum`, `flags` | `u32`, then what the case carries |
//! | `option`, `result` | one byte (1 = some, ok), then what it carries |

mod check;

use std::sync::Arc;

use crate::id::Fingerprint;
use crate::types::Type;
use crate::value::Value;

pub use self::check::check_encoding;

/// The version of the encoding. It is part of every type's fingerprint and so of every key.
pub const ENCODING_VERSION: u32 = 1;

const CANONICAL_NAN_F32: u32 = 0x7fc0_0000;
const CANONICAL_NAN_F64: u64 = 0x7ff8_0000_0000_0000;

/// Bytes that are not the encoding of a value of the type at hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an encoded `{ty}`: {reason}")]
pub struct DecodeError {
    ty: String,
    reason: &'static str,
}

/// Appends the canonical encoding of `value`, which is of type `ty`, to `out`.
///
/// # Panics
///
/// When `value` is not a value of `ty`, or a string or list is longer than `u32::MAX`: the host never makes such a pair.
pub fn encode(value: &Value, ty: &Type, out: &mut Vec<u8>) {
    write(value, ty, out);
}

/// Whether two values of a type are the same: by their encodings, so that a number that is none is the same as itself.
pub fn is_same(a: &Value, b: &Value, ty: &Type) -> bool {
    let encoded = |value| {
        let mut bytes = Vec::new();
        encode(value, ty, &mut bytes);
        bytes
    };
    encoded(a) == encoded(b)
}

/// The fingerprint of `value`, which is of type `ty`: BLAKE3 of its encoding, keyed by the type's fingerprint.
///
/// `type_fingerprint` is `ty.fingerprint()`, handed in because callers fingerprint many values of few types.
///
/// # Panics
///
/// As [`encode`].
pub fn fingerprint(value: &Value, ty: &Type, type_fingerprint: &Fingerprint) -> Fingerprint {
    let mut hasher = blake3::Hasher::new_keyed(type_fingerprint.as_bytes());
    write(value, ty, &mut hasher);
    Fingerprint::from_bytes(*hasher.finalize().as_bytes())
}

/// Decodes what [`encode`] wrote. The whole of `bytes` must be used up.
///
/// # Errors
///
/// When the bytes are not exactly one encoded value of `ty`. No input makes it panic or allocate more than a small
/// multiple of its length.
pub fn decode(bytes: &[u8], ty: &Type) -> Result<Value, DecodeError> {
    let mut reader = Reader { bytes, ty };
    let value = reader.value(ty)?;
    if reader.bytes.is_empty() {
        Ok(value)
    } else {
        Err(reader.error("bytes are left over"))
    }
}

/// Where encoded bytes go: into a buffer or straight into a hash.
trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for blake3::Hasher {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

fn write(value: &Value, ty: &Type, out: &mut impl Sink) {
    match (value, ty) {
        (Value::Bool(v), Type::Bool) => out.put(&[u8::from(*v)]),
        (Value::S8(v), Type::S8) => out.put(&v.to_le_bytes()),
        (Value::U8(v), Type::U8) => out.put(&[*v]),
        (Value::S16(v), Type::S16) => out.put(&v.to_le_bytes()),
        (Value::U16(v), Type::U16) => out.put(&v.to_le_bytes()),
        (Value::S32(v), Type::S32) => out.put(&v.to_le_bytes()),
        (Value::U32(v), Type::U32) => out.put(&v.to_le_bytes()),
        (Value::S64(v), Type::S64) => out.put(&v.to_le_bytes()),
        (Value::U64(v), Type::U64) => out.put(&v.to_le_bytes()),
        (Value::F32(v), Type::F32) => out.put(&canonical_f32(v.to_bits()).to_le_bytes()),
        (Value::F64(v), Type::F64) => out.put(&canonical_f64(v.to_bits()).to_le_bytes()),
        (Value::Char(v), Type::Char) => out.put(&u32::from(*v).to_le_bytes()),
        (Value::Str(v), Type::String) => {
            write_len(v.len(), out);
            out.put(v.as_bytes());
        }
        (Value::Bytes(v), Type::List(element)) if **element == Type::U8 => {
            write_len(v.len(), out);
            out.put(v);
        }
        (Value::Packed(v), Type::List(element)) => write_packed(v, element, out),
        (Value::List(items), Type::List(element)) if element.number_width().is_none() => {
            write_len(items.len(), out);
            for item in items.iter() {
                write(item, element, out);
            }
        }
        (Value::Record(items), Type::Record(fields)) if items.len() == fields.len() => {
            for (item, field) in items.iter().zip(fields.iter()) {
                write(item, &field.ty, out);
            }
        }
        (Value::Tuple(items), Type::Tuple(types)) if items.len() == types.len() => {
            for (item, ty) in items.iter().zip(types.iter()) {
                write(item, ty, out);
            }
        }
        (Value::Variant(case, payload), Type::Variant(cases)) => {
            out.put(&case.to_le_bytes());
            write_payload(payload.as_deref(), cases[*case as usize].ty.as_ref(), out);
        }
        (Value::Enum(case), Type::Enum(_)) => out.put(&case.to_le_bytes()),
        (Value::Flags(bits), Type::Flags(_)) => out.put(&bits.to_le_bytes()),
        (Value::Option(inner), Type::Option(ty)) => {
            out.put(&[u8::from(inner.is_some())]);
            if let Some(inner) = inner {
                write(inner, ty, out);
            }
        }
        (Value::Result(Ok(inner)), Type::Result { ok, .. }) => {
            out.put(&[1]);
            write_payload(inner.as_deref(), ok.as_deref(), out);
        }
        (Value::Result(Err(inner)), Type::Result { err, .. }) => {
            out.put(&[0]);
            write_payload(inner.as_deref(), err.as_deref(), out);
        }
        (value, ty) => panic!("{value:?} is not a value of type `{ty}`"),
    }
}

fn write_payload(payload: Option<&Value>, ty: Option<&Type>, out: &mut impl Sink) {
    match (payload, ty) {
        (None, None) => {}
        (Some(value), Some(ty)) => write(value, ty, out),
        (payload, ty) => panic!("{payload:?} is not what a case of type {ty:?} carries"),
    }
}

fn write_len(len: usize, out: &mut impl Sink) {
    let len = u32::try_from(len)
        .expect("values come out of 32-bit memories or are bounded by the sources");
    out.put(&len.to_le_bytes());
}

fn write_packed(bytes: &[u8], element: &Type, out: &mut impl Sink) {
    let width = element
        .number_width()
        .expect("packed values are lists of numbers");
    assert!(
        *element != Type::U8 && bytes.len().is_multiple_of(width),
        "a packed list of {element} holds whole elements"
    );
    write_len(bytes.len() / width, out);
    match element {
        Type::F32
            if has_odd_nan::<4>(bytes, |b| {
                canonical_f32(u32::from_le_bytes(b)).to_le_bytes()
            }) =>
        {
            for chunk in bytes.as_chunks::<4>().0 {
                out.put(&canonical_f32(u32::from_le_bytes(*chunk)).to_le_bytes());
            }
        }
        Type::F64
            if has_odd_nan::<8>(bytes, |b| {
                canonical_f64(u64::from_le_bytes(b)).to_le_bytes()
            }) =>
        {
            for chunk in bytes.as_chunks::<8>().0 {
                out.put(&canonical_f64(u64::from_le_bytes(*chunk)).to_le_bytes());
            }
        }
        _ => out.put(bytes),
    }
}

fn has_odd_nan<const N: usize>(bytes: &[u8], canonical: impl Fn([u8; N]) -> [u8; N]) -> bool {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .any(|chunk| canonical(*chunk) != *chunk)
}

fn canonical_f32(bits: u32) -> u32 {
    if f32::from_bits(bits).is_nan() {
        CANONICAL_NAN_F32
    } else {
        bits
    }
}

fn canonical_f64(bits: u64) -> u64 {
    if f64::from_bits(bits).is_nan() {
        CANONICAL_NAN_F64
    } else {
        bits
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    ty: &'a Type,
}

impl Reader<'_> {
    fn error(&self, reason: &'static str) -> DecodeError {
        DecodeError {
            ty: self.ty.to_string(),
            reason,
        }
    }

    fn take(&mut self, len: usize) -> Result<&[u8], DecodeError> {
        let Some((head, rest)) = self.bytes.split_at_checked(len) else {
            return Err(self.error("it ends too early"));
        };
        self.bytes = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.take(N)?;
        Ok(bytes
            .try_into()
            .expect("take returns as many bytes as asked for"))
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    fn value(&mut self, ty: &Type) -> Result<Value, DecodeError> {
        Ok(match ty {
            Type::Bool => match self.array()? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                _ => return Err(self.error("a bool is neither 0 nor 1")),
            },
            Type::S8 => Value::S8(self.array().map(i8::from_le_bytes)?),
            Type::U8 => Value::U8(self.array().map(u8::from_le_bytes)?),
            Type::S16 => Value::S16(self.array().map(i16::from_le_bytes)?),
            Type::U16 => Value::U16(self.array().map(u16::from_le_bytes)?),
            Type::S32 => Value::S32(self.array().map(i32::from_le_bytes)?),
            Type::U32 => Value::U32(self.u32()?),
            Type::S64 => Value::S64(self.array().map(i64::from_le_bytes)?),
            Type::U64 => Value::U64(self.array().map(u64::from_le_bytes)?),
            Type::F32 => Value::F32(self.array().map(f32::from_le_bytes)?),
            Type::F64 => Value::F64(self.array().map(f64::from_le_bytes)?),
            Type::Char => {
                let code = self.u32()?;
                Value::Char(
                    char::from_u32(code)
                        .ok_or_else(|| self.error("a char is no Unicode scalar value"))?,
                )
            }
            Type::String => {
                let len = self.u32()? as usize;
                let bytes = self.take(len)?;
                match std::str::from_utf8(bytes) {
                    Ok(text) => Value::Str(text.into()),
                    Err(_) => return Err(self.error("a string is not UTF-8")),
                }
            }
            Type::List(element) => self.list(element)?,
            Type::Option(inner) => match self.array()? {
                [0] => Value::Option(None),
                [1] => Value::Option(Some(Arc::new(self.value(inner)?))),
                _ => return Err(self.error("an option is neither none nor some")),
            },
            Type::Result { ok, err } => match self.array()? {
                [1] => Value::Result(Ok(self.payload(ok.as_deref())?)),
                [0] => Value::Result(Err(self.payload(err.as_deref())?)),
                _ => return Err(self.error("a result is neither ok nor err")),
            },
            Type::Tuple(types) => Value::Tuple(
                types
                    .iter()
                    .map(|ty| self.value(ty))
                    .collect::<Result<_, _>>()?,
            ),
            Type::Record(fields) => Value::Record(
                fields
                    .iter()
                    .map(|field| self.value(&field.ty))
                    .collect::<Result<_, _>>()?,
            ),
            Type::Variant(cases) => {
                let case = self.u32()?;
                let Some(ty) = cases.get(case as usize) else {
                    return Err(self.error("a variant has no such case"));
                };
                Value::Variant(case, self.payload(ty.ty.as_ref())?)
            }
            Type::Enum(names) => {
                let case = self.u32()?;
                if case as usize >= names.len() {
                    return Err(self.error("an enum has no such case"));
                }
                Value::Enum(case)
            }
            Type::Flags(names) => {
                let value = Value::Flags(self.u32()?);
                if !value.is_of(&Type::Flags(names.clone())) {
                    return Err(self.error("flags have no such flag"));
                }
                value
            }
        })
    }

    fn payload(&mut self, ty: Option<&Type>) -> Result<Option<Arc<Value>>, DecodeError> {
        ty.map(|ty| self.value(ty).map(Arc::new)).transpose()
    }

    fn list(&mut self, element: &Type) -> Result<Value, DecodeError> {
        let len = self.u32()? as usize;
        if let Some(width) = element.number_width() {
            let bytes: Arc<[u8]> = match len.checked_mul(width) {
                Some(size) => self.take(size)?.into(),
                None => return Err(self.error("it ends too early")),
            };
            return Ok(if *element == Type::U8 {
                Value::Bytes(bytes)
            } else {
                Value::Packed(bytes)
            });
        }
        // Every element takes at least one byte, so a length beyond what is left is a lie: do not allocate for it.
        if len > self.bytes.len() {
            return Err(self.error("it ends too early"));
        }
        Ok(Value::List(
            (0..len)
                .map(|_| self.value(element))
                .collect::<Result<_, _>>()?,
        ))
    }
}
