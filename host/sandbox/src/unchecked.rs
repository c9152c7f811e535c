//! Every `unsafe` of the workspace, each with its proof. What can be safe code is elsewhere.
//!
//! Two things need it. Compiled code is mapped and run as it is. And a call hands wasmtime values whose type is
//! known only at run time: wasmtime's own way for that, `Val`, is 5 to 40 times slower for lists of numbers, and
//! implementing its traits for typed values is `unsafe` (they are hidden, but wasmtime's version is pinned).

#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

use flowstone_core::Value;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{Component, ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::{Engine, ValRaw, bail};

use crate::error::LoadError;
use crate::{lift, lower};

type Result<T, E = wasmtime::Error> = std::result::Result<T, E>;

/// How many core values the parameters of a function may take before they move to memory: `MAX_FLAT_PARAMS` of the
/// canonical ABI.
pub(crate) const FLAT_PARAMS_MAX: usize = 16;

/// Maps compiled code, which lies behind a `header` of the host's.
pub(crate) fn deserialize(
    engine: &Engine,
    compiled: &[u8],
    header: &[u8],
    expected: &blake3::Hash,
) -> Result<Component, LoadError> {
    if blake3::hash(compiled) != *expected {
        return Err(LoadError::Tampered);
    }
    let Some(code) = compiled.strip_prefix(header) else {
        return Err(LoadError::Stale(
            "it belongs to another component, or has another format".to_owned(),
        ));
    };
    // SAFETY: `deserialize` asks for bytes that `Component::serialize` made, unmodified. The host keeps `expected`
    // where only it writes, taken when it serialized (a promise of `Sandbox::load_compiled`'s caller), and BLAKE3 is
    // collision-resistant, so these are those bytes. They are a slice of ours: nobody changes them under the call,
    // and wasmtime copies them before it maps. That the engine fits is checked by wasmtime itself.
    let component = unsafe { Component::deserialize(engine, code) };
    component.map_err(|error| LoadError::Stale(error.root_cause().to_string()))
}

/// The arguments of a call, of any types: they follow the function's types when they are lowered.
pub(crate) struct Arguments<'a> {
    values: &'a [Value],
    /// Set when all of them are in the plugin's memory, and so the plugin's function runs.
    lowered: &'a AtomicBool,
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(values: &'a [Value], lowered: &'a AtomicBool) -> Self {
        Arguments { values, lowered }
    }
}

// SAFETY: `Lower` must be a sequence of `ValRaw`: it is an array of them. `ABI` sizes the parameters only when they
// are more than `MAX_FLAT_PARAMS` core values by `flatten_count`, which is the length of that array: never. The type
// check lets any parameters pass, because lowering goes by the function's own types, not by a static one.
unsafe impl ComponentType for Arguments<'_> {
    type Lower = [ValRaw; FLAT_PARAMS_MAX];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(ty: &InterfaceType, _types: &InstanceType<'_>) -> Result<()> {
        tuple(*ty)
    }
}

// SAFETY: the trait stands for types that are checked as a tuple, which `typecheck` does.
unsafe impl ComponentNamedList for Arguments<'_> {}

// SAFETY: the whole of `dst` is initialised before the function returns `Ok`, unused slots with zeros. What is in
// the slots cannot break memory safety: the canonical ABI passes only integers and floats to core WebAssembly, every
// bit pattern is a valid one of those, and the plugin's code can do nothing with a wrong one but misbehave in its
// own sandbox. All writes to its memory are bounds-checked safe code (`lower`).
unsafe impl Lower for Arguments<'_> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        let mut flat = [ValRaw::u64(0); FLAT_PARAMS_MAX];
        lower::arguments(cx, ty, self.values, &mut flat)?;
        dst.write(flat);
        self.lowered.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: usize,
    ) -> Result<()> {
        bail!("arguments are lowered as a whole")
    }
}

/// Lowers a string in the encoding that the plugin asked for. Gives its pointer and length as core values.
pub(crate) fn lower_string<T>(cx: &mut LowerContext<'_, T>, text: &str) -> Result<[ValRaw; 2]> {
    let mut pair = MaybeUninit::uninit();
    text.linear_lower_to_flat(cx, InterfaceType::String, &mut pair)?;
    // SAFETY: `Lower::linear_lower_to_flat` promises that its destination "is guaranteed to be fully initialized if
    // the method returns `Ok(())`", and it did.
    Ok(unsafe { pair.assume_init() })
}

/// The result of a call, of any type: it follows the function's type when it is lifted.
pub(crate) struct Returned(pub(crate) Option<Value>);

// SAFETY: as for `Arguments`. `flatten_count` is 1, `MAX_FLAT_RESULTS`, so wasmtime hands over the one core value
// that the function returns and never uses `ABI`. A function without a result leaves in it what was there: the first
// core value of the arguments, which `Arguments` always initialises.
unsafe impl ComponentType for Returned {
    type Lower = ValRaw;
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(ty: &InterfaceType, _types: &InstanceType<'_>) -> Result<()> {
        tuple(*ty)
    }
}

// SAFETY: as for `Arguments`.
unsafe impl ComponentNamedList for Returned {}

// SAFETY: lifting reads the core value as an integer or float, for which every bit pattern is valid, and the
// plugin's memory through bounds-checked slices (`lift`). It goes by the function's own type.
unsafe impl Lift for Returned {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        src: &ValRaw,
    ) -> Result<Self> {
        lift::result(cx, ty, src).map(Returned)
    }

    fn linear_lift_from_memory(
        _: &mut LiftContext<'_>,
        _: InterfaceType,
        _: &[u8],
    ) -> Result<Self> {
        bail!("a result is lifted as a whole")
    }
}

fn tuple(ty: InterfaceType) -> Result<()> {
    if matches!(ty, InterfaceType::Tuple(_)) {
        Ok(())
    } else {
        bail!("not a list of parameters or results")
    }
}
