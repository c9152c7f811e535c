//! One call: a fresh instance, the arguments in, the result out, everything dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flowstone_core::{Function, Value};
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Instance};

use crate::clock::Deadline;
use crate::config::{Limits, World};
use crate::failure::{CallError, FailureKind, Phase, explain, result_too_large};
use crate::host::{HANDLES_MAX, Host, bytes_text};
use crate::log::LogLine;
use crate::plugin::Loaded;
use crate::unchecked::{Arguments, Returned};

/// What one import may be handed in any case, however small the limit of the result is.
const IMPORT_BYTES_MIN: usize = 1 << 20;

/// A function of a plugin, looked up once.
#[derive(Clone)]
pub struct Callable {
    loaded: Arc<Loaded>,
    /// Where in the interface's functions.
    index: usize,
    export: ComponentExportIndex,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Output {
    /// The result, where the function has one. An `err` of a `result` is a value like any other.
    pub value: Option<Value>,
    /// What the plugin logged.
    pub log: Vec<LogLine>,
    /// The most linear memory that the instance had, in bytes: of a kept one in all calls so far.
    pub memory_bytes_peak: u64,
}

impl Callable {
    pub(crate) fn new(loaded: Arc<Loaded>, index: usize, export: ComponentExportIndex) -> Self {
        Callable {
            loaded,
            index,
            export,
        }
    }

    /// The function's name and types.
    pub fn function(&self) -> &Function {
        &self.loaded.interface.functions[self.index]
    }

    /// Calls the function in a fresh instance of the plugin. Waits for its turn while as many calls run as the
    /// sandbox has threads.
    ///
    /// The call runs on this thread, which should have a stack of 2 MiB. With a seed for a world, random numbers
    /// follow from it and clocks stand still, so equal arguments and seeds give equal results.
    ///
    /// # Errors
    ///
    /// Whatever the plugin does is an error here, never a panic, and leaves nothing behind.
    pub fn call(
        &self,
        args: &[Value],
        limits: &Limits,
        world: impl Into<World>,
    ) -> Result<Output, CallError> {
        let limits = self.loaded.limits(limits);
        check_size(args, &limits)?;

        let _turn = self.loaded.sandbox.turns().take();
        let mut store = self.loaded.store(&limits, world.into());
        let outcome = self.run(&mut store, args, &limits);
        store.data().output(outcome)
    }

    /// What it belongs to.
    pub(crate) fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    fn run(
        &self,
        store: &mut Store<Host>,
        args: &[Value],
        limits: &Limits,
    ) -> Result<Option<Value>, CallError> {
        let instance = self.loaded.instantiate(store, limits)?;
        self.enter(store, instance, args, limits)
    }

    /// Calls the function in this instance.
    pub(crate) fn enter(
        &self,
        store: &mut Store<Host>,
        instance: Instance,
        args: &[Value],
        limits: &Limits,
    ) -> Result<Option<Value>, CallError> {
        let function = instance
            .get_func(&mut *store, self.export)
            .ok_or_else(|| wasmtime::format_err!("its export is gone"))
            .and_then(|function| function.typed::<Arguments<'_>, Returned>(&mut *store))
            .map_err(|error| explain(&error, Phase::Instantiating, limits))?;
        let lowered = AtomicBool::new(false);
        let called = function.call(store, Arguments::new(args, &lowered));
        let value = called.map_err(|error| {
            let phase = if lowered.load(Ordering::Relaxed) {
                Phase::Running
            } else {
                Phase::Lowering
            };
            let mut failed = explain(&error, phase, limits);
            if failed.kind == FailureKind::ArgumentMismatch {
                failed.reason = mismatch(self.function(), args);
            }
            failed
        })?;
        let result_bytes_max = usize::try_from(limits.result_bytes_max).unwrap_or(usize::MAX);
        match value.0 {
            // Larger limits are kept while the result is read.
            Some(value)
                if result_bytes_max < IMPORT_BYTES_MIN && value.size() > result_bytes_max =>
            {
                Err(result_too_large(limits))
            }
            value => Ok(value),
        }
    }
}

impl Host {
    /// What a call comes to, with what the plugin logged in it.
    pub(crate) fn output(
        &self,
        outcome: Result<Option<Value>, CallError>,
    ) -> Result<Output, CallError> {
        let log = self.log.finish();
        match outcome {
            Ok(value) => Ok(Output {
                value,
                log,
                memory_bytes_peak: self.memory.bytes_peak(),
            }),
            Err(failed) => Err(failed.with_log(log)),
        }
    }
}

impl Loaded {
    /// The limits as far as the sandbox can give them.
    pub(crate) fn limits(&self, limits: &Limits) -> Limits {
        let memory_bytes_max = limits.memory_bytes_max.min(self.sandbox.memory_bytes_max());
        Limits {
            memory_bytes_max,
            ..*limits
        }
    }

    /// A store for one instance, with its limits and what it may learn.
    pub(crate) fn store(&self, limits: &Limits, world: World) -> Store<Host> {
        let waits = world.clock || !world.network.is_empty();
        let deadline = Deadline::new(limits, self.sandbox.interrupts(), waits);
        let host = Host::new(limits, world, deadline, self.sandbox.outside());
        let mut store = Store::new(self.sandbox.engine(), host);
        store.limiter(|host| &mut host.memory);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| store.data().deadline.tick());
        let result_bytes_max = usize::try_from(limits.result_bytes_max).unwrap_or(usize::MAX);
        store.set_hostcall_fuel(result_bytes_max.max(IMPORT_BYTES_MIN));
        store.set_max_component_handles(HANDLES_MAX);
        store
    }

    /// A fresh instance.
    pub(crate) fn instantiate(
        &self,
        store: &mut Store<Host>,
        limits: &Limits,
    ) -> Result<Instance, CallError> {
        self.pre
            .instantiate(store)
            .map_err(|error| explain(&error, Phase::Instantiating, limits))
    }
}

/// Says which argument is wrong.
fn mismatch(function: &Function, args: &[Value]) -> String {
    let (name, count) = (&function.name, function.params.len());
    if args.len() != count {
        return format!("`{name}` takes {count} arguments, not {}", args.len());
    }
    let wrong = args
        .iter()
        .zip(&function.params)
        .find(|(value, param)| !value.is_of(&param.ty));
    match wrong {
        Some((_, param)) => format!(
            "the argument `{}` of `{name}` is no {}",
            param.name, param.ty
        ),
        None => format!("the arguments do not fit the types of `{name}`"),
    }
}

/// Refuses arguments that cannot fit, before anything is made for them.
pub(crate) fn check_size(args: &[Value], limits: &Limits) -> Result<(), CallError> {
    // What a string or packed list takes in the host is what it takes in the plugin. Other values may be smaller
    // there, but not by more than the size of a `Value` per byte.
    let bytes: u64 = args.iter().map(|value| bulk_bytes(value) as u64).sum();
    if bytes <= limits.memory_bytes_max {
        return Ok(());
    }
    let (bytes, bytes_max) = (bytes_text(bytes), bytes_text(limits.memory_bytes_max));
    Err(CallError {
        kind: FailureKind::ArgumentTooLarge,
        reason: format!(
            "the arguments do not fit: they have {bytes}, and the plugin's memory limit is {bytes_max}: \
             raise the limit, or give it less at a time"
        ),
        log: Vec::new(),
    })
}

/// The bytes of strings and packed lists in a value.
fn bulk_bytes(value: &Value) -> usize {
    match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) | Value::Packed(bytes) => bytes.len(),
        Value::List(items) | Value::Record(items) | Value::Tuple(items) => {
            items.iter().map(bulk_bytes).sum()
        }
        Value::Variant(_, Some(inner))
        | Value::Option(Some(inner))
        | Value::Result(Ok(Some(inner)) | Err(Some(inner))) => bulk_bytes(inner),
        _ => 0,
    }
}
