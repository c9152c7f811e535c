//! The one wasmtime engine: what WebAssembly may do here, and how memory for instances is set aside.
//!
//! Every `wasm_*` switch is set explicitly, so that a new version of wasmtime changes nothing unasked. What a plugin
//! computes must depend on its inputs alone: no threads, relaxed SIMD deterministic, NaNs canonical.

use std::hash::{Hash as _, Hasher};

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    Strategy, WasmFeatures,
};

use crate::config::SandboxConfig;
use crate::error::SandboxError;

/// The stack that a plugin's own code may use. Calls run on the caller's thread: it needs this and about 512 KiB more.
const WASM_STACK_BYTES_MAX: usize = 1 << 20;

/// Address space per linear memory: with all that 32 bits can reach set aside, no bounds checks are compiled in.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;

/// Unmapped address space around a memory, for accesses with a constant offset.
const MEMORY_GUARD_BYTES: u64 = 32 << 20;

/// How much of a memory stays mapped when a call ends, its dirty pages cleared by writing zeros. Giving pages back to
/// the kernel costs a fault each in the next call. Where the kernel can tell which pages are dirty (Linux 6.7) that
/// halves the cost of a small call; elsewhere everything up to here is cleared, which costs some microseconds.
const KEEP_RESIDENT_BYTES: usize = 2 << 20;

/// The same for tables, which are small.
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 << 10;

/// Elements per table. The largest tables known (`CPython`) have 20 000.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 1 << 17;

/// What one component may consist of. Dynamically linked ones (Python) have a core instance per library.
pub(crate) const CORE_INSTANCES_MAX: u32 = 100;
pub(crate) const MEMORIES_MAX: u32 = 4;
pub(crate) const TABLES_MAX: u32 = 16;

/// How instances get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allocation {
    /// From slots set aside when the engine is made.
    Pooling,
    /// From the system, call by call.
    OnDemand,
}

/// Makes the engine: pooling where the address space allows, else on demand.
pub(crate) fn new(config: &SandboxConfig) -> Result<(Engine, Allocation), SandboxError> {
    if config.pooling
        && let Ok(engine) = with(config, Allocation::Pooling)
    {
        return Ok((engine, Allocation::Pooling));
    }
    with(config, Allocation::OnDemand)
        .map(|engine| (engine, Allocation::OnDemand))
        .map_err(|error| SandboxError::Engine(format!("{error:#}")))
}

fn with(config: &SandboxConfig, allocation: Allocation) -> wasmtime::Result<Engine> {
    let mut settings = Config::new();
    features(&mut settings);
    settings
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .parallel_compilation(true)
        .shared_memory(false)
        .epoch_interruption(true)
        .consume_fuel(false)
        .max_wasm_stack(WASM_STACK_BYTES_MAX)
        .debug_info(false)
        .memory_init_cow(true)
        .memory_may_move(false)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .memory_guard_size(MEMORY_GUARD_BYTES)
        .table_lazy_init(true);
    if allocation == Allocation::Pooling {
        settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    }
    Engine::new(&settings)
}

/// What WebAssembly may do here. Function digests understand just this: look at `identity` before adding to it.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    // Libraries that were built for threads have atomic instructions. There are no threads all the same: memories that
    // could be shared are refused (`plugin`).
    .union(WasmFeatures::THREADS)
    .union(WasmFeatures::COMPONENT_MODEL);

fn features(settings: &mut Config) {
    // Whatever a later version of wasmtime knows stays off with the rest.
    settings.wasm_features(WasmFeatures::all().difference(FEATURES), false);
    settings.wasm_features(FEATURES, true);
}

fn pool(config: &SandboxConfig) -> PoolingAllocationConfig {
    let threads = u32::try_from(config.threads.max(1)).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(threads)
        .total_core_instances(threads.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(threads.saturating_mul(MEMORIES_MAX))
        .total_tables(threads.saturating_mul(TABLES_MAX))
        .total_stacks(0)
        .max_component_instance_size(16 << 20)
        .max_core_instance_size(16 << 20)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .max_memory_size(
            usize::try_from(config.memory_bytes_max.min(MEMORY_RESERVATION_BYTES))
                .unwrap_or(usize::MAX),
        )
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_unused_warm_slots(threads.saturating_mul(MEMORIES_MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Names what compiled code depends on: the version of wasmtime, its settings and the processor's features.
pub(crate) fn compatibility(engine: &Engine) -> String {
    let mut hasher = StableHasher(blake3::Hasher::new_derive_key("flowstone compiled code 1"));
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().to_hex()[..32].to_owned()
}

/// A [`Hasher`] whose result is the same in every process, unlike that of the standard library.
struct StableHasher(blake3::Hasher);

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0.finalize().as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}
