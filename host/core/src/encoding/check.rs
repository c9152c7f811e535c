//! Checking encodings without making values of them: what comes from another machine may be far larger as a value than
//! as bytes.

use super::{DecodeError, Reader, canonical_f32, canonical_f64, has_odd_nan};
use crate::types::Type;

/// Checks that `bytes` are exactly what [`encode`](super::encode) writes for some value of `ty`. Nothing is allocated.
///
/// # Errors
///
/// When they are not, be it only for a NaN that is not the canonical one.
pub fn check_encoding(bytes: &[u8], ty: &Type) -> Result<(), DecodeError> {
    let mut reader = Reader { bytes, ty };
    reader.check(ty)?;
    if reader.bytes.is_empty() {
        Ok(())
    } else {
        Err(reader.error("bytes are left over"))
    }
}

impl Reader<'_> {
    fn check(&mut self, ty: &Type) -> Result<(), DecodeError> {
        match ty {
            Type::Bool => match self.array()? {
                [0 | 1] => Ok(()),
                _ => Err(self.error("a bool is neither 0 nor 1")),
            },
            Type::F32 | Type::F64 => {
                let bytes = self.take(ty.number_width().unwrap_or_default())?;
                let odd = has_odd(bytes, ty);
                self.expect(!odd, "a NaN is not the canonical one")
            }
            Type::S8 | Type::U8 => self.take(1).map(drop),
            Type::S16 | Type::U16 => self.take(2).map(drop),
            Type::S32 | Type::U32 => self.take(4).map(drop),
            Type::S64 | Type::U64 => self.take(8).map(drop),
            Type::Char => {
                let code = self.u32()?;
                let known = char::from_u32(code).is_some();
                self.expect(known, "a char is no Unicode scalar value")
            }
            Type::String => {
                let len = self.u32()? as usize;
                let is_text = std::str::from_utf8(self.take(len)?).is_ok();
                self.expect(is_text, "a string is not UTF-8")
            }
            Type::List(element) => self.check_list(element),
            Type::Option(inner) => match self.array()? {
                [0] => Ok(()),
                [1] => self.check(inner),
                _ => Err(self.error("an option is neither none nor some")),
            },
            Type::Result { ok, err } => match self.array()? {
                [1] => self.check_payload(ok.as_deref()),
                [0] => self.check_payload(err.as_deref()),
                _ => Err(self.error("a result is neither ok nor err")),
            },
            Type::Tuple(types) => types.iter().try_for_each(|ty| self.check(ty)),
            Type::Record(fields) => fields.iter().try_for_each(|field| self.check(&field.ty)),
            Type::Variant(cases) => match cases.get(self.u32()? as usize) {
                Some(case) => self.check_payload(case.ty.as_ref()),
                None => Err(self.error("a variant has no such case")),
            },
            Type::Enum(names) => {
                let case = self.u32()? as usize;
                self.expect(case < names.len(), "an enum has no such case")
            }
            Type::Flags(names) => {
                let bits = u64::from(self.u32()?);
                let known = names.len() <= 32 && bits < (1 << names.len());
                self.expect(known, "flags have no such flag")
            }
        }
    }

    fn check_payload(&mut self, ty: Option<&Type>) -> Result<(), DecodeError> {
        ty.map_or(Ok(()), |ty| self.check(ty))
    }

    fn check_list(&mut self, element: &Type) -> Result<(), DecodeError> {
        let len = self.u32()? as usize;
        if let Some(width) = element.number_width() {
            let size = len.checked_mul(width);
            let size = size.ok_or_else(|| self.error("it ends too early"))?;
            let odd = has_odd(self.take(size)?, element);
            return self.expect(!odd, "a NaN is not the canonical one");
        }
        // As in decoding: every element takes at least one byte.
        self.expect(len <= self.bytes.len(), "it ends too early")?;
        (0..len).try_for_each(|_| self.check(element))
    }

    fn expect(&self, holds: bool, reason: &'static str) -> Result<(), DecodeError> {
        if holds {
            Ok(())
        } else {
            Err(self.error(reason))
        }
    }
}

/// Whether there is a NaN among numbers of this type that is not the canonical one.
fn has_odd(bytes: &[u8], element: &Type) -> bool {
    match element {
        Type::F32 => has_odd_nan::<4>(bytes, |number| {
            canonical_f32(u32::from_le_bytes(number)).to_le_bytes()
        }),
        Type::F64 => has_odd_nan::<8>(bytes, |number| {
            canonical_f64(u64::from_le_bytes(number)).to_le_bytes()
        }),
        _ => false,
    }
}
