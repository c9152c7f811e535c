//! The same calls through wasmtime alone, in one instance that is kept: with Rust types, and with its dynamic values.
//! There is no limit on time or memory and nothing of a call is undone, so this is what the sandbox can hope for at best.

use std::error::Error;

use wasmtime::component::{
    Component, ComponentNamedList, ComponentType, Func, Instance, Lift, Linker, Lower,
    ResourceTable, Val,
};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::shapes::{self, Shape};
use crate::{Outcome, Plan};

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Place {
    name: String,
    x: f64,
    y: f64,
    level: u32,
}

struct Host {
    wasi: WasiCtx,
    resources: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.resources,
        }
    }
}

/// An instance of the component, kept for all calls.
pub(crate) struct Kept {
    store: Store<Host>,
    instance: Instance,
}

impl Kept {
    /// An instance of a component that imports nothing but WASI.
    ///
    /// # Errors
    ///
    /// Where it cannot be compiled or imports something else.
    pub(crate) fn new(component: &[u8]) -> Result<Self, Box<dyn Error>> {
        let engine = Engine::default();
        let component = Component::new(&engine, component)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        let host = Host {
            wasi: WasiCtx::builder().build(),
            resources: ResourceTable::new(),
        };
        let mut store = Store::new(&engine, host);
        // What is left of it counts for all calls of the store together.
        store.set_hostcall_fuel(usize::MAX);
        let instance = linker.instantiate(&mut store, &component)?;
        Ok(Kept { store, instance })
    }

    /// Measures a shape, typed and dynamic.
    ///
    /// # Errors
    ///
    /// Where a call fails.
    pub(crate) fn measure(&mut self, plan: Plan, shape: &Shape) -> Outcome {
        match shape.function {
            "step" => {
                self.typed::<_, (u32,)>(plan, shape, || (40_u32, 2_u32))?;
                self.dynamic(plan, shape, &[Val::U32(40), Val::U32(2)])
            }
            "words" => {
                let text = shapes::text(400);
                self.typed::<_, (u32,)>(plan, shape, || (text.as_str(),))?;
                self.dynamic(plan, shape, &[Val::String(text.clone())])
            }
            "halve" => {
                let numbers = shapes::numbers();
                self.typed::<_, (Vec<f32>,)>(plan, shape, || (numbers.as_slice(),))?;
                let given = numbers.iter().copied().map(Val::Float32).collect();
                self.dynamic(plan, shape, &[Val::List(given)])
            }
            "same" => {
                let bytes = shapes::bulk();
                self.typed::<_, (Vec<u8>,)>(plan, shape, || (bytes.as_slice(),))?;
                let given = bytes.iter().copied().map(Val::U8).collect();
                self.dynamic(plan, shape, &[Val::List(given)])
            }
            "raise" => {
                let place = || Place {
                    name: "Bielefeld".into(),
                    x: 1.5,
                    y: 1.5,
                    level: 6,
                };
                self.typed::<_, (Place,)>(plan, shape, || (place(),))?;
                let fields = [
                    ("name".into(), Val::String("Bielefeld".into())),
                    ("x".into(), Val::Float64(1.5)),
                    ("y".into(), Val::Float64(1.5)),
                    ("level".into(), Val::U32(6)),
                ];
                self.dynamic(plan, shape, &[Val::Record(fields.into())])
            }
            "embed" => {
                let texts = shapes::texts();
                self.typed::<_, (Vec<Vec<f32>>,)>(plan, shape, || (texts.as_slice(),))?;
                let given = texts.iter().cloned().map(Val::String).collect();
                self.dynamic(plan, shape, &[Val::List(given)])
            }
            other => Err(format!("no types for {other}").into()),
        }
    }

    fn function(&mut self, shape: &Shape) -> Result<Func, Box<dyn Error>> {
        let found = self.instance.get_func(&mut self.store, shape.function);
        Ok(found.ok_or("no such function in the component")?)
    }

    fn typed<P, R>(&mut self, plan: Plan, shape: &Shape, arguments: impl Fn() -> P) -> Outcome
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let function = self.function(shape)?.typed::<P, R>(&self.store)?;
        plan.measure(shape, "wasmtime, typed and kept", || {
            function.call(&mut self.store, arguments())?;
            Ok(())
        })
    }

    fn dynamic(&mut self, plan: Plan, shape: &Shape, arguments: &[Val]) -> Outcome {
        let function = self.function(shape)?;
        plan.measure(shape, "wasmtime, dynamic and kept", || {
            let mut results = [Val::Bool(false)];
            function.call(&mut self.store, arguments, &mut results)?;
            Ok(())
        })
    }
}
