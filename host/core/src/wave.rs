//! Values as WAVE text, the WebAssembly Value Encoding: `{heading: "Intro", words: 12}`.
//!
//! The syntax is that of the `wasm-wave` crate; this only carries values over into its model and back.

use std::sync::Arc;

use wasm_wave::value::{Type as WaveType, Value as WaveValue};
use wasm_wave::wasm::WasmValue;

use crate::encoding;
use crate::types::Type;
use crate::value::Value;

/// Text that is not a value of the type asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a `{ty}`: {reason}")]
pub struct WaveError {
    text: String,
    ty: String,
    reason: String,
}

/// Parses `text` as a value of type `ty`.
///
/// # Errors
///
/// When the text is not WAVE or stands for a value of another type.
pub fn from_wave(text: &str, ty: &Type) -> Result<Value, WaveError> {
    let fail = |reason: String| WaveError {
        text: text.to_owned(),
        ty: ty.to_string(),
        reason,
    };
    let wave_type = wave_type(ty).ok_or_else(|| fail("the type has no WAVE form".to_owned()))?;
    let wave: WaveValue =
        wasm_wave::from_str(&wave_type, text).map_err(|error| fail(error.to_string()))?;
    read(&wave, ty).ok_or_else(|| fail("it is of another type".to_owned()))
}

/// The WAVE text of `value`, which is of type `ty`.
///
/// # Panics
///
/// When `value` is not a value of `ty`.
pub fn to_wave(value: &Value, ty: &Type) -> String {
    let wave = write(value, ty).expect("every value of a type has a WAVE form");
    wasm_wave::to_string(&wave).expect("writing to a string cannot fail")
}

fn wave_type(ty: &Type) -> Option<WaveType> {
    Some(match ty {
        Type::Bool => WaveType::BOOL,
        Type::S8 => WaveType::S8,
        Type::U8 => WaveType::U8,
        Type::S16 => WaveType::S16,
        Type::U16 => WaveType::U16,
        Type::S32 => WaveType::S32,
        Type::U32 => WaveType::U32,
        Type::S64 => WaveType::S64,
        Type::U64 => WaveType::U64,
        Type::F32 => WaveType::F32,
        Type::F64 => WaveType::F64,
        Type::Char => WaveType::CHAR,
        Type::String => WaveType::STRING,
        Type::List(element) => WaveType::list(wave_type(element)?),
        Type::Option(inner) => WaveType::option(wave_type(inner)?),
        Type::Result { ok, err } => {
            let side = |ty: &Option<Arc<Type>>| match ty {
                Some(ty) => wave_type(ty).map(Some),
                None => Some(None),
            };
            WaveType::result(side(ok)?, side(err)?)
        }
        Type::Tuple(types) => {
            WaveType::tuple(types.iter().map(wave_type).collect::<Option<Vec<_>>>()?)?
        }
        Type::Record(fields) => {
            let fields = fields
                .iter()
                .map(|field| Some((&*field.name, wave_type(&field.ty)?)));
            WaveType::record(fields.collect::<Option<Vec<_>>>()?)?
        }
        Type::Variant(cases) => {
            let cases = cases.iter().map(|case| {
                let payload = match &case.ty {
                    Some(ty) => Some(wave_type(ty)?),
                    None => None,
                };
                Some((&*case.name, payload))
            });
            WaveType::variant(cases.collect::<Option<Vec<_>>>()?)?
        }
        Type::Enum(names) => WaveType::enum_ty(names.iter().map(|name| &**name))?,
        Type::Flags(names) => WaveType::flags(names.iter().map(|name| &**name))?,
    })
}

fn write(value: &Value, ty: &Type) -> Option<WaveValue> {
    let inner = |value: &Option<Arc<Value>>, ty: Option<&Type>| match (value, ty) {
        (Some(value), Some(ty)) => write(value, ty).map(Some),
        (None, _) => Some(None),
        (Some(_), None) => None,
    };
    Some(match (value, ty) {
        (Value::Bool(v), _) => WaveValue::make_bool(*v),
        (Value::S8(v), _) => WaveValue::make_s8(*v),
        (Value::U8(v), _) => WaveValue::make_u8(*v),
        (Value::S16(v), _) => WaveValue::make_s16(*v),
        (Value::U16(v), _) => WaveValue::make_u16(*v),
        (Value::S32(v), _) => WaveValue::make_s32(*v),
        (Value::U32(v), _) => WaveValue::make_u32(*v),
        (Value::S64(v), _) => WaveValue::make_s64(*v),
        (Value::U64(v), _) => WaveValue::make_u64(*v),
        (Value::F32(v), _) => WaveValue::make_f32(*v),
        (Value::F64(v), _) => WaveValue::make_f64(*v),
        (Value::Char(v), _) => WaveValue::make_char(*v),
        (Value::Str(v), _) => WaveValue::make_string((&**v).into()),
        (Value::Bytes(v), _) => list(ty, v.iter().map(|byte| WaveValue::make_u8(*byte)))?,
        (Value::Packed(v), Type::List(element)) => {
            let numbers = v.chunks_exact(element.number_width()?);
            let numbers =
                numbers.map(|chunk| write(&encoding::decode(chunk, element).ok()?, element));
            list(ty, numbers.collect::<Option<Vec<_>>>()?)?
        }
        (Value::List(items), Type::List(element)) => list(
            ty,
            items
                .iter()
                .map(|item| write(item, element))
                .collect::<Option<Vec<_>>>()?,
        )?,
        (Value::Record(items), Type::Record(fields)) => {
            let fields = items.iter().zip(fields.iter());
            let fields = fields.map(|(item, field)| Some((&*field.name, write(item, &field.ty)?)));
            WaveValue::make_record(&wave_type(ty)?, fields.collect::<Option<Vec<_>>>()?).ok()?
        }
        (Value::Tuple(items), Type::Tuple(types)) => {
            let items = items
                .iter()
                .zip(types.iter())
                .map(|(item, ty)| write(item, ty));
            WaveValue::make_tuple(&wave_type(ty)?, items.collect::<Option<Vec<_>>>()?).ok()?
        }
        (Value::Variant(case, payload), Type::Variant(cases)) => {
            let case = cases.get(*case as usize)?;
            let payload = inner(payload, case.ty.as_ref())?;
            WaveValue::make_variant(&wave_type(ty)?, &case.name, payload).ok()?
        }
        (Value::Enum(case), Type::Enum(names)) => {
            WaveValue::make_enum(&wave_type(ty)?, names.get(*case as usize)?).ok()?
        }
        (Value::Flags(bits), Type::Flags(names)) => {
            let set = names
                .iter()
                .enumerate()
                .filter(|(bit, _)| bits >> bit & 1 == 1);
            WaveValue::make_flags(&wave_type(ty)?, set.map(|(_, name)| &**name)).ok()?
        }
        (Value::Option(some), Type::Option(some_type)) => {
            WaveValue::make_option(&wave_type(ty)?, inner(some, Some(some_type))?).ok()?
        }
        (Value::Result(result), Type::Result { ok, err }) => {
            let result = match result {
                Ok(payload) => Ok(inner(payload, ok.as_deref())?),
                Err(payload) => Err(inner(payload, err.as_deref())?),
            };
            WaveValue::make_result(&wave_type(ty)?, result).ok()?
        }
        _ => return None,
    })
}

fn list(ty: &Type, items: impl IntoIterator<Item = WaveValue>) -> Option<WaveValue> {
    WaveValue::make_list(&wave_type(ty)?, items).ok()
}

fn read(wave: &WaveValue, ty: &Type) -> Option<Value> {
    let inner = |wave: Option<&WaveValue>, ty: Option<&Type>| match (wave, ty) {
        (Some(wave), Some(ty)) => read(wave, ty).map(|value| Some(Arc::new(value))),
        (None, None) => Some(None),
        _ => None,
    };
    Some(match ty {
        Type::Bool => Value::Bool(wave.unwrap_bool()),
        Type::S8 => Value::S8(wave.unwrap_s8()),
        Type::U8 => Value::U8(wave.unwrap_u8()),
        Type::S16 => Value::S16(wave.unwrap_s16()),
        Type::U16 => Value::U16(wave.unwrap_u16()),
        Type::S32 => Value::S32(wave.unwrap_s32()),
        Type::U32 => Value::U32(wave.unwrap_u32()),
        Type::S64 => Value::S64(wave.unwrap_s64()),
        Type::U64 => Value::U64(wave.unwrap_u64()),
        Type::F32 => Value::F32(wave.unwrap_f32()),
        Type::F64 => Value::F64(wave.unwrap_f64()),
        Type::Char => Value::Char(wave.unwrap_char()),
        Type::String => Value::str(&*wave.unwrap_string()),
        Type::List(element) => {
            let items = wave.unwrap_list().map(|item| read(&item, element));
            Value::list_of(element, items.collect::<Option<Vec<_>>>()?)
        }
        Type::Option(some) => match wave.unwrap_option() {
            Some(wave) => Value::Option(Some(Arc::new(read(&wave, some)?))),
            None => Value::Option(None),
        },
        Type::Result { ok, err } => Value::Result(match wave.unwrap_result() {
            Ok(payload) => Ok(inner(payload.as_deref(), ok.as_deref())?),
            Err(payload) => Err(inner(payload.as_deref(), err.as_deref())?),
        }),
        Type::Tuple(types) => {
            let items = wave
                .unwrap_tuple()
                .zip(types.iter())
                .map(|(item, ty)| read(&item, ty));
            Value::Tuple(items.collect::<Option<_>>()?)
        }
        Type::Record(fields) => {
            let items = wave.unwrap_record().zip(fields.iter());
            let items = items.map(|((_, item), field)| read(&item, &field.ty));
            Value::Record(items.collect::<Option<_>>()?)
        }
        Type::Variant(cases) => {
            let (name, payload) = wave.unwrap_variant();
            let index = cases.iter().position(|case| *case.name == *name)?;
            let payload = inner(payload.as_deref(), cases[index].ty.as_ref())?;
            Value::Variant(index as u32, payload)
        }
        Type::Enum(names) => {
            let name = wave.unwrap_enum();
            Value::Enum(names.iter().position(|candidate| **candidate == *name)? as u32)
        }
        Type::Flags(names) => {
            let mut bits = 0;
            for name in wave.unwrap_flags() {
                bits |= 1 << names.iter().position(|candidate| **candidate == *name)?;
            }
            Value::Flags(bits)
        }
    })
}
