//! Arguments into a plugin's memory: the "lower" half of the component model's canonical ABI.
//!
//! Follows <https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md>, directed by the
//! function's types. Packed lists of numbers, whose bytes lie in memory as they do in a [`Value`], are one copy.

use flowstone_core::Value;
use wasmtime::component::__internal::wasmtime_environ::component::VariantInfo;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, ComponentTypes, InterfaceType, LowerContext,
};
use wasmtime::{Result, ValRaw};

use crate::unchecked::{FLAT_PARAMS_MAX, lower_string};

/// An argument is not of its parameter's type: the host was wrong, not the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an argument is not a value of its parameter's type")]
pub(crate) struct Mismatch;

/// Lowers the arguments of a call into core values, and what does not fit those into the plugin's memory.
pub(crate) fn arguments<T>(
    cx: &mut LowerContext<'_, T>,
    params: InterfaceType,
    values: &[Value],
    flat: &mut [ValRaw; FLAT_PARAMS_MAX],
) -> Result<()> {
    let InterfaceType::Tuple(params) = params else {
        return Err(Mismatch.into());
    };
    let params = &cx.types[params];
    if params.types.len() != values.len() {
        return Err(Mismatch.into());
    }
    if params.abi.flat_count(FLAT_PARAMS_MAX).is_some() {
        let mut flat = Flat {
            slots: flat,
            next: 0,
        };
        return values
            .iter()
            .zip(&params.types)
            .try_for_each(|(value, ty)| to_flat(cx, *ty, value, &mut flat));
    }
    let at = cx.realloc(0, 0, params.abi.align32, params.abi.size32 as usize)?;
    to_fields(cx, values, params.types.iter().copied(), at)?;
    flat[0] = ValRaw::i64(at as i64);
    Ok(())
}

/// The core values written so far.
struct Flat<'a> {
    slots: &'a mut [ValRaw; FLAT_PARAMS_MAX],
    next: usize,
}

impl Flat<'_> {
    fn push(&mut self, value: ValRaw) -> Result<()> {
        *self.slots.get_mut(self.next).ok_or(Mismatch)? = value;
        self.next += 1;
        Ok(())
    }
}

fn to_flat<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &Value,
    flat: &mut Flat<'_>,
) -> Result<()> {
    match (ty, value) {
        (InterfaceType::Bool, Value::Bool(v)) => flat.push(ValRaw::u32(u32::from(*v))),
        (InterfaceType::S8, Value::S8(v)) => flat.push(ValRaw::i32(i32::from(*v))),
        (InterfaceType::U8, Value::U8(v)) => flat.push(ValRaw::u32(u32::from(*v))),
        (InterfaceType::S16, Value::S16(v)) => flat.push(ValRaw::i32(i32::from(*v))),
        (InterfaceType::U16, Value::U16(v)) => flat.push(ValRaw::u32(u32::from(*v))),
        (InterfaceType::S32, Value::S32(v)) => flat.push(ValRaw::i32(*v)),
        (InterfaceType::U32, Value::U32(v)) | (InterfaceType::Flags(_), Value::Flags(v)) => {
            flat.push(ValRaw::u32(*v))
        }
        (InterfaceType::S64, Value::S64(v)) => flat.push(ValRaw::i64(*v)),
        (InterfaceType::U64, Value::U64(v)) => flat.push(ValRaw::u64(*v)),
        (InterfaceType::Float32, Value::F32(v)) => flat.push(ValRaw::f32(v.to_bits())),
        (InterfaceType::Float64, Value::F64(v)) => flat.push(ValRaw::f64(v.to_bits())),
        (InterfaceType::Char, Value::Char(v)) => flat.push(ValRaw::u32(u32::from(*v))),
        (InterfaceType::String, Value::Str(text)) => lower_string(cx, text)?
            .into_iter()
            .try_for_each(|v| flat.push(v)),
        (InterfaceType::List(list), value) => {
            let (at, len) = list_to_memory(cx, cx.types[list].element, value)?;
            flat.push(ValRaw::i64(at as i64))?;
            flat.push(ValRaw::i64(len as i64))
        }
        (InterfaceType::Record(record), Value::Record(values)) => {
            let fields = &cx.types[record].fields;
            if fields.len() != values.len() {
                return Err(Mismatch.into());
            }
            values
                .iter()
                .zip(fields)
                .try_for_each(|(value, field)| to_flat(cx, field.ty, value, flat))
        }
        (InterfaceType::Tuple(tuple), Value::Tuple(values)) => {
            let types = &cx.types[tuple].types;
            if types.len() != values.len() {
                return Err(Mismatch.into());
            }
            values
                .iter()
                .zip(types)
                .try_for_each(|(value, ty)| to_flat(cx, *ty, value, flat))
        }
        (ty, value) => {
            let chosen = Chosen::of(cx.types, ty, value)?;
            let end = flat.next + chosen.abi.flat_count(usize::MAX).ok_or(Mismatch)?;
            flat.push(ValRaw::u32(chosen.case))?;
            if let Some((value, ty)) = chosen.payload {
                to_flat(cx, ty, value, flat)?;
            }
            // The cases share their core values; what this one does not use is zero, as the slots are from the start.
            flat.next = end;
            Ok(())
        }
    }
}

fn to_memory<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &Value,
    at: usize,
) -> Result<()> {
    match (ty, value) {
        (InterfaceType::Bool, Value::Bool(v)) => put(cx, at, &[u8::from(*v)]),
        (InterfaceType::S8, Value::S8(v)) => put(cx, at, &v.to_le_bytes()),
        (InterfaceType::U8, Value::U8(v)) => put(cx, at, &[*v]),
        (InterfaceType::S16, Value::S16(v)) => put(cx, at, &v.to_le_bytes()),
        (InterfaceType::U16, Value::U16(v)) => put(cx, at, &v.to_le_bytes()),
        (InterfaceType::S32, Value::S32(v)) => put(cx, at, &v.to_le_bytes()),
        (InterfaceType::U32, Value::U32(v)) => put(cx, at, &v.to_le_bytes()),
        (InterfaceType::S64, Value::S64(v)) => put(cx, at, &v.to_le_bytes()),
        (InterfaceType::U64, Value::U64(v)) => put(cx, at, &v.to_le_bytes()),
        (InterfaceType::Float32, Value::F32(v)) => put(cx, at, &v.to_le_bytes()),
        (InterfaceType::Float64, Value::F64(v)) => put(cx, at, &v.to_le_bytes()),
        (InterfaceType::Char, Value::Char(v)) => put(cx, at, &u32::from(*v).to_le_bytes()),
        (InterfaceType::Flags(flags), Value::Flags(v)) => {
            let size = cx.types[flags].abi.size32 as usize;
            put(cx, at, v.to_le_bytes().get(..size).ok_or(Mismatch)?)
        }
        (InterfaceType::String, Value::Str(text)) => {
            let [pointer, len] = lower_string(cx, text)?;
            put_pair(cx, at, pointer.get_u32(), len.get_u32())
        }
        (InterfaceType::List(list), value) => {
            let (pointer, len) = list_to_memory(cx, cx.types[list].element, value)?;
            put_pair(cx, at, u32::try_from(pointer)?, u32::try_from(len)?)
        }
        (InterfaceType::Record(record), Value::Record(values)) => to_fields(
            cx,
            values,
            cx.types[record].fields.iter().map(|field| field.ty),
            at,
        ),
        (InterfaceType::Tuple(tuple), Value::Tuple(values)) => {
            to_fields(cx, values, cx.types[tuple].types.iter().copied(), at)
        }
        (ty, value) => {
            let chosen = Chosen::of(cx.types, ty, value)?;
            put(
                cx,
                at,
                &chosen.case.to_le_bytes()[..usize::from(chosen.info.size)],
            )?;
            let Some((value, ty)) = chosen.payload else {
                return Ok(());
            };
            to_memory(cx, ty, value, at + chosen.info.payload_offset32 as usize)
        }
    }
}

/// The parts of a record or tuple, one after the other with their alignment.
fn to_fields<T>(
    cx: &mut LowerContext<'_, T>,
    values: &[Value],
    types: impl ExactSizeIterator<Item = InterfaceType>,
    at: usize,
) -> Result<()> {
    if types.len() != values.len() {
        return Err(Mismatch.into());
    }
    let mut end = at;
    for (value, ty) in values.iter().zip(types) {
        let at = cx.types.canonical_abi(&ty).next_field32_size(&mut end);
        to_memory(cx, ty, value, at)?;
    }
    Ok(())
}

/// A list in newly allocated memory: its address and its number of elements.
fn list_to_memory<T>(
    cx: &mut LowerContext<'_, T>,
    element: InterfaceType,
    value: &Value,
) -> Result<(usize, usize)> {
    let abi = cx.types.canonical_abi(&element);
    let size = abi.size32 as usize;
    match value {
        Value::Bytes(bytes) if element == InterfaceType::U8 => packed_to_memory(cx, abi, bytes),
        Value::Packed(bytes) if is_packed(element) && bytes.len() % size == 0 => {
            packed_to_memory(cx, abi, bytes)
        }
        Value::List(items) => {
            let total = items.len().checked_mul(size).ok_or(Mismatch)?;
            let at = cx.realloc(0, 0, abi.align32, total)?;
            for (index, item) in items.iter().enumerate() {
                to_memory(cx, element, item, at + index * size)?;
            }
            Ok((at, items.len()))
        }
        _ => Err(Mismatch.into()),
    }
}

fn packed_to_memory<T>(
    cx: &mut LowerContext<'_, T>,
    abi: &CanonicalAbiInfo,
    bytes: &[u8],
) -> Result<(usize, usize)> {
    let at = cx.realloc(0, 0, abi.align32, bytes.len())?;
    put(cx, at, bytes)?;
    Ok((at, bytes.len() / abi.size32 as usize))
}

/// Whether lists of the type are [`Value::Packed`].
pub(crate) fn is_packed(element: InterfaceType) -> bool {
    matches!(
        element,
        InterfaceType::S8
            | InterfaceType::S16
            | InterfaceType::U16
            | InterfaceType::S32
            | InterfaceType::U32
            | InterfaceType::S64
            | InterfaceType::U64
            | InterfaceType::Float32
            | InterfaceType::Float64
    )
}

fn put_pair<T>(cx: &mut LowerContext<'_, T>, at: usize, pointer: u32, len: u32) -> Result<()> {
    put(cx, at, &pointer.to_le_bytes())?;
    put(cx, at + 4, &len.to_le_bytes())
}

fn put<T>(cx: &mut LowerContext<'_, T>, at: usize, bytes: &[u8]) -> Result<()> {
    let memory = cx.as_slice_mut();
    let end = at.checked_add(bytes.len()).ok_or(Mismatch)?;
    memory
        .get_mut(at..end)
        .ok_or(Mismatch)?
        .copy_from_slice(bytes);
    Ok(())
}

/// The chosen case of anything that has cases.
struct Chosen<'t, 'v> {
    case: u32,
    payload: Option<(&'v Value, InterfaceType)>,
    abi: &'t CanonicalAbiInfo,
    info: &'t VariantInfo,
}

impl<'t, 'v> Chosen<'t, 'v> {
    fn of(
        types: &'t ComponentTypes,
        ty: InterfaceType,
        value: &'v Value,
    ) -> Result<Self, Mismatch> {
        let (case, payload, ty, abi, info) = match (ty, value) {
            (InterfaceType::Variant(index), Value::Variant(case, payload)) => {
                let variant = &types[index];
                let (_, ty) = variant.cases.get_index(*case as usize).ok_or(Mismatch)?;
                (*case, payload.as_deref(), *ty, &variant.abi, &variant.info)
            }
            (InterfaceType::Enum(index), Value::Enum(case)) => {
                let names = &types[index];
                if *case as usize >= names.names.len() {
                    return Err(Mismatch);
                }
                (*case, None, None, &names.abi, &names.info)
            }
            (InterfaceType::Option(index), Value::Option(payload)) => {
                let option = &types[index];
                let ty = payload.is_some().then_some(option.ty);
                (
                    u32::from(payload.is_some()),
                    payload.as_deref(),
                    ty,
                    &option.abi,
                    &option.info,
                )
            }
            (InterfaceType::Result(index), Value::Result(result)) => {
                let types = &types[index];
                match result {
                    Ok(payload) => (0, payload.as_deref(), types.ok, &types.abi, &types.info),
                    Err(payload) => (1, payload.as_deref(), types.err, &types.abi, &types.info),
                }
            }
            _ => return Err(Mismatch),
        };
        let payload = match (payload, ty) {
            (None, None) => None,
            (Some(value), Some(ty)) => Some((value, ty)),
            _ => return Err(Mismatch),
        };
        Ok(Chosen {
            case,
            payload,
            abi,
            info,
        })
    }
}
