//! A result out of a plugin's memory: the "lift" half of the component model's canonical ABI.
//!
//! Follows <https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md>, directed by the
//! function's type. Nothing that the plugin returned is trusted: pointers, lengths, cases and text are checked, and
//! every value is paid for from the limit before it is made, since a list in the plugin's memory can name the same
//! bytes a million times.
//!
//! NaNs become the canonical one, here as in the encoding of values: what a transform gets must not depend on whether
//! the value was just computed or remembered.

use std::sync::Arc;

use flowstone_core::Value;
use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{InterfaceType, LiftContext};
use wasmtime::component::Lift;
use wasmtime::{Result, ValRaw};

use crate::lower::is_packed;

/// Why a result was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("it is too large")]
    TooLarge,
    #[error("{0}")]
    Invalid(String),
}

fn invalid(reason: impl Into<String>) -> wasmtime::Error {
    Refused::Invalid(reason.into()).into()
}

/// Lifts the result of a call, if the function has one. `core` is the core value that it returned.
pub(crate) fn result(
    cx: &mut LiftContext<'_>,
    results: InterfaceType,
    core: &ValRaw,
) -> Result<Option<Value>> {
    let InterfaceType::Tuple(results) = results else {
        return Err(invalid("its type is not known"));
    };
    let types = Arc::clone(cx.types);
    let results = &types[results];
    let [ty] = &*results.types else {
        return if results.types.is_empty() {
            Ok(None)
        } else {
            Err(invalid("there is more than one result"))
        };
    };
    if results.abi.flat_count(1).is_some() {
        return from_flat(cx, *ty, core).map(Some);
    }
    let at = core.get_u32() as usize;
    if !at.is_multiple_of(results.abi.align32 as usize) {
        return Err(invalid("the result's address is not aligned"));
    }
    let bytes = slice(cx, at, results.abi.size32 as usize)
        .ok_or_else(|| invalid("the result is outside of memory"))?;
    from_memory(cx, *ty, bytes).map(Some)
}

/// A value that is a single core value.
fn from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, core: &ValRaw) -> Result<Value> {
    Ok(match ty {
        InterfaceType::Bool => Value::Bool(core.get_u32() != 0),
        InterfaceType::S8 => Value::S8(core.get_i32() as i8),
        InterfaceType::U8 => Value::U8(core.get_u32() as u8),
        InterfaceType::S16 => Value::S16(core.get_i32() as i16),
        InterfaceType::U16 => Value::U16(core.get_u32() as u16),
        InterfaceType::S32 => Value::S32(core.get_i32()),
        InterfaceType::U32 => Value::U32(core.get_u32()),
        InterfaceType::S64 => Value::S64(core.get_i64()),
        InterfaceType::U64 => Value::U64(core.get_u64()),
        InterfaceType::Float32 => Value::F32(canonical_f32(core.get_f32())),
        InterfaceType::Float64 => Value::F64(canonical_f64(core.get_f64())),
        InterfaceType::Char => Value::Char(character(core.get_u32())?),
        InterfaceType::Flags(flags) => {
            Value::Flags(core.get_u32() & mask(cx.types[flags].names.len()))
        }
        InterfaceType::Record(record) => {
            let fields = cx.types[record]
                .fields
                .iter()
                .map(|field| field.ty)
                .collect::<Vec<_>>();
            Value::Record(
                fields
                    .into_iter()
                    .map(|ty| from_flat(cx, ty, core))
                    .collect::<Result<_>>()?,
            )
        }
        InterfaceType::Tuple(tuple) => {
            let types = cx.types[tuple].types.to_vec();
            Value::Tuple(
                types
                    .into_iter()
                    .map(|ty| from_flat(cx, ty, core))
                    .collect::<Result<_>>()?,
            )
        }
        // With a payload they have more than one core value.
        ty => chosen(cx, ty, core.get_u32(), |_, _| {
            Err(invalid("the result has more core values than it may"))
        })?,
    })
}

fn from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<Value> {
    Ok(match ty {
        InterfaceType::Bool => Value::Bool(bytes[0] != 0),
        InterfaceType::S8 => Value::S8(i8::from_le_bytes(array(bytes)?)),
        InterfaceType::U8 => Value::U8(bytes[0]),
        InterfaceType::S16 => Value::S16(i16::from_le_bytes(array(bytes)?)),
        InterfaceType::U16 => Value::U16(u16::from_le_bytes(array(bytes)?)),
        InterfaceType::S32 => Value::S32(i32::from_le_bytes(array(bytes)?)),
        InterfaceType::U32 => Value::U32(u32::from_le_bytes(array(bytes)?)),
        InterfaceType::S64 => Value::S64(i64::from_le_bytes(array(bytes)?)),
        InterfaceType::U64 => Value::U64(u64::from_le_bytes(array(bytes)?)),
        InterfaceType::Float32 => Value::F32(canonical_f32(u32::from_le_bytes(array(bytes)?))),
        InterfaceType::Float64 => Value::F64(canonical_f64(u64::from_le_bytes(array(bytes)?))),
        InterfaceType::Char => Value::Char(character(u32::from_le_bytes(array(bytes)?))?),
        InterfaceType::Flags(flags) => {
            Value::Flags(small(bytes) & mask(cx.types[flags].names.len()))
        }
        InterfaceType::String => Value::Str(string(cx, bytes)?),
        InterfaceType::List(list) => {
            let element = cx.types[list].element;
            self::list(cx, element, bytes)?
        }
        InterfaceType::Record(record) => {
            let types = Arc::clone(cx.types);
            Value::Record(fields(
                cx,
                types[record].fields.iter().map(|field| field.ty),
                bytes,
            )?)
        }
        InterfaceType::Tuple(tuple) => {
            let types = Arc::clone(cx.types);
            Value::Tuple(fields(cx, types[tuple].types.iter().copied(), bytes)?)
        }
        ty => {
            let (size, payload) = layout(cx, ty)?;
            chosen(cx, ty, small(&bytes[..size]), |cx, ty| {
                pay(cx, 1, size_of::<Value>())?;
                let size = cx.types.canonical_abi(&ty).size32 as usize;
                from_memory(cx, ty, &bytes[payload..][..size])
            })?
        }
    })
}

/// The parts of a record or tuple.
fn fields(
    cx: &mut LiftContext<'_>,
    types: impl ExactSizeIterator<Item = InterfaceType>,
    bytes: &[u8],
) -> Result<Arc<[Value]>> {
    pay(cx, types.len(), size_of::<Value>())?;
    let mut end = 0;
    let mut values = Vec::with_capacity(types.len());
    for ty in types {
        let abi = cx.types.canonical_abi(&ty);
        let (at, size) = (abi.next_field32_size(&mut end), abi.size32 as usize);
        values.push(from_memory(cx, ty, &bytes[at..][..size])?);
    }
    Ok(values.into())
}

/// The layout of something that has cases: the size of its discriminant, and where its payload lies.
fn layout(cx: &LiftContext<'_>, ty: InterfaceType) -> Result<(usize, usize)> {
    let info = match ty {
        InterfaceType::Variant(index) => &cx.types[index].info,
        InterfaceType::Enum(index) => &cx.types[index].info,
        InterfaceType::Option(index) => &cx.types[index].info,
        InterfaceType::Result(index) => &cx.types[index].info,
        _ => return Err(invalid("its type is no plain value")),
    };
    Ok((usize::from(info.size), info.payload_offset32 as usize))
}

/// The value of something that has cases; `payload` lifts what the case carries.
fn chosen(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    case: u32,
    payload: impl FnOnce(&mut LiftContext<'_>, InterfaceType) -> Result<Value>,
) -> Result<Value> {
    let (count, carried) = match ty {
        InterfaceType::Variant(index) => {
            let cases = &cx.types[index].cases;
            (
                cases.len(),
                cases.get_index(case as usize).map(|(_, ty)| *ty),
            )
        }
        InterfaceType::Enum(index) => {
            let count = cx.types[index].names.len();
            (count, ((case as usize) < count).then_some(None))
        }
        InterfaceType::Option(index) => (
            2,
            [None, Some(cx.types[index].ty)].get(case as usize).copied(),
        ),
        InterfaceType::Result(index) => {
            let result = &cx.types[index];
            (2, [result.ok, result.err].get(case as usize).copied())
        }
        _ => return Err(invalid("its type is no plain value")),
    };
    let carried = carried.ok_or_else(|| {
        invalid(format!(
            "it is case {case} of a type that has {count} cases"
        ))
    })?;
    let inner = carried
        .map(|ty| payload(cx, ty).map(Arc::new))
        .transpose()?;
    Ok(match ty {
        InterfaceType::Enum(_) => Value::Enum(case),
        InterfaceType::Option(_) => Value::Option(inner),
        InterfaceType::Result(_) if case == 0 => Value::Result(Ok(inner)),
        InterfaceType::Result(_) => Value::Result(Err(inner)),
        _ => Value::Variant(case, inner),
    })
}

fn string(cx: &mut LiftContext<'_>, bytes: &[u8]) -> Result<Arc<str>> {
    let (at, len) = pair(bytes)?;
    if cx.options().string_encoding != StringEncoding::Utf8 {
        // Other encodings are rare: wasmtime's own code knows them. The length is paid for there once more.
        pay(cx, 1, len & 0x7fff_ffff)?;
        return <Arc<str> as Lift>::linear_lift_from_memory(cx, InterfaceType::String, bytes)
            .map_err(|error| invalid(format!("a string is not valid: {error:#}")));
    }
    let text = slice(cx, at, len).ok_or_else(|| invalid("a string is outside of memory"))?;
    pay(cx, 1, len)?;
    std::str::from_utf8(text).map(Arc::from).map_err(|error| {
        invalid(format!(
            "a string is not UTF-8 after its byte {}",
            error.valid_up_to()
        ))
    })
}

fn list(cx: &mut LiftContext<'_>, element: InterfaceType, bytes: &[u8]) -> Result<Value> {
    let (at, len) = pair(bytes)?;
    let abi = cx.types.canonical_abi(&element);
    let (size, align) = (abi.size32 as usize, abi.align32 as usize);
    let bytes = len.checked_mul(size).and_then(|total| slice(cx, at, total));
    let bytes =
        bytes.ok_or_else(|| invalid(format!("a list of {len} elements is outside of memory")))?;
    if at % align != 0 {
        return Err(invalid("a list's address is not aligned"));
    }
    if element == InterfaceType::U8 {
        pay(cx, 1, bytes.len())?;
        return Ok(Value::Bytes(bytes.into()));
    }
    if is_packed(element) {
        pay(cx, 1, bytes.len())?;
        return Ok(Value::Packed(packed(element, bytes)));
    }
    pay(cx, len, size_of::<Value>())?;
    let mut items = Vec::with_capacity(len);
    for item in bytes.chunks_exact(size) {
        items.push(from_memory(cx, element, item)?);
    }
    Ok(Value::List(items.into()))
}

/// The bytes of a list of numbers, NaNs made canonical.
fn packed(element: InterfaceType, bytes: &[u8]) -> Arc<[u8]> {
    let mut shared: Arc<[u8]> = bytes.into();
    match element {
        InterfaceType::Float32 => {
            let (numbers, _) = bytes.as_chunks();
            if numbers
                .iter()
                .any(|number| f32::from_le_bytes(*number).is_nan())
            {
                for number in Arc::make_mut(&mut shared).as_chunks_mut().0 {
                    *number = canonical_f32(u32::from_le_bytes(*number)).to_le_bytes();
                }
            }
        }
        InterfaceType::Float64 => {
            let (numbers, _) = bytes.as_chunks();
            if numbers
                .iter()
                .any(|number| f64::from_le_bytes(*number).is_nan())
            {
                for number in Arc::make_mut(&mut shared).as_chunks_mut().0 {
                    *number = canonical_f64(u64::from_le_bytes(*number)).to_le_bytes();
                }
            }
        }
        _ => {}
    }
    shared
}

fn canonical_f32(bits: u32) -> f32 {
    let number = f32::from_bits(bits);
    if number.is_nan() {
        f32::from_bits(0x7fc0_0000)
    } else {
        number
    }
}

fn canonical_f64(bits: u64) -> f64 {
    let number = f64::from_bits(bits);
    if number.is_nan() {
        f64::from_bits(0x7ff8_0000_0000_0000)
    } else {
        number
    }
}

fn character(code: u32) -> Result<char> {
    char::from_u32(code).ok_or_else(|| invalid(format!("{code:#x} is no character")))
}

/// The bits that stand for a flag, of at most 32.
fn mask(flags: usize) -> u32 {
    u32::MAX
        .checked_shr(32u32.saturating_sub(flags as u32))
        .unwrap_or(0)
}

/// Pays for `count` things of `size` bytes from the limit of the result.
fn pay(cx: &mut LiftContext<'_>, count: usize, size: usize) -> Result<()> {
    cx.consume_fuel_array(count, size)
        .map_err(|_| Refused::TooLarge.into())
}

fn slice<'a>(cx: &LiftContext<'a>, at: usize, len: usize) -> Option<&'a [u8]> {
    cx.memory().get(at..at.checked_add(len)?)
}

/// An address and a length.
fn pair(bytes: &[u8]) -> Result<(usize, usize)> {
    let bytes: [u8; 8] = array(bytes)?;
    let word = |at: usize| {
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
    };
    Ok((word(0), word(4)))
}

/// A number of up to four bytes.
fn small(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .rev()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes
        .try_into()
        .map_err(|_| invalid("a value has the wrong size"))
}
