//! What belongs to an instance, which has one call as a rule: its memory limit, its log, its random numbers, and the
//! handles it holds.
//!
//! Made anew for each instance, so everything that most plugins never use is made when it is first asked for.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::sockets::WasiSocketsCtx;
use wasmtime_wasi_http::WasiHttpCtx;

use crate::clock::{Clock, Deadline};
use crate::config::{Limits, Row, World};
use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use crate::files::Files;
use crate::http;
use crate::log::{Log, LogLine};
use crate::network::{Network, Outside};

/// How many handles to host things (streams, pollables) a plugin may hold at a time.
pub(crate) const HANDLES_MAX: usize = 4096;

/// The state behind a plugin's imports during one call.
pub(crate) struct Host {
    pub(crate) table: ResourceTable,
    pub(crate) memory: MemoryLimit,
    pub(crate) log: SharedLog,
    pub(crate) random: Random,
    pub(crate) deadline: Deadline,
    /// The real clock, where it was granted.
    clock: Option<Clock>,
    pub(crate) env: Arc<[(String, String)]>,
    pub(crate) files: Option<Arc<Files>>,
    pub(crate) row: Option<Row>,
    pub(crate) network: Network,
    pub(crate) http: WasiHttpCtx,
    sockets: Option<WasiSocketsCtx>,
}

impl Host {
    pub(crate) fn new(
        limits: &Limits,
        world: World,
        deadline: Deadline,
        outside: &Arc<Outside>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        let log = SharedLog::new(limits.log_bytes_max);
        Host {
            network: Network::new(world.network, outside, &log),
            http: http::context(),
            table,
            memory: MemoryLimit::new(limits.memory_bytes_max),
            log,
            random: Random::new(world.seed, world.random),
            deadline,
            clock: world.clock.then(Clock::new),
            env: world.env,
            files: world.files,
            row: world.row,
            sockets: None,
        }
    }

    /// Begins another call in the same instance: it has its time and its row, and its random numbers where it has a seed.
    pub(crate) fn renew(&mut self, limits: &Limits, seed: Option<[u8; 32]>, row: Option<Row>) {
        self.deadline.renew(limits);
        if let Some(seed) = seed {
            self.random = Random::new(seed, self.random.real);
        }
        self.row = row;
    }

    /// The real clock, where it was granted.
    pub(crate) fn clock(&self) -> Option<&Clock> {
        self.clock.as_ref()
    }

    /// The sockets and the table of handles.
    pub(crate) fn sockets(&mut self) -> (&mut WasiSocketsCtx, &mut ResourceTable) {
        let network = &self.network;
        let sockets = self.sockets.get_or_insert_with(|| network.context());
        (sockets, &mut self.table)
    }
}

/// Why the host ended a call that asked for too much memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MemoryRefused {
    #[error(
        "it needs {} of memory, more than its limit of {}: raise the memory limit of the plugin, or give it less at a time",
        bytes_text(*bytes), bytes_text(*bytes_max)
    )]
    Limit { bytes: u64, bytes_max: u64 },
    #[error(
        "it needs a table of {elements} elements, more than the {TABLE_ELEMENTS_MAX} that a plugin may have"
    )]
    Table { elements: usize },
    #[error("its memory cannot grow further: {0}")]
    Failed(String),
}

/// Writes a size for people: `64 MiB`, `1.5 GiB`, `1000 bytes`.
pub(crate) fn bytes_text(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) if bytes.is_multiple_of(*unit) => format!("{} {name}", bytes / unit),
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} bytes"),
    }
}

/// Bounds the memory of a call.
///
/// A refusal ends the call instead of failing `memory.grow`: a plugin that could see its limit could return
/// something else because of it, and that result would be remembered under a key that knows nothing of limits.
pub(crate) struct MemoryLimit {
    bytes: u64,
    bytes_max: u64,
    bytes_peak: u64,
}

impl MemoryLimit {
    fn new(bytes_max: u64) -> Self {
        MemoryLimit {
            bytes: 0,
            bytes_max,
            bytes_peak: 0,
        }
    }

    /// The most memory that the call had at a time. Memories only grow, so this is also what it has now.
    pub(crate) fn bytes_peak(&self) -> u64 {
        self.bytes_peak
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // The module's own limit, which it may well reach: WebAssembly says that growing fails.
            return Ok(false);
        }
        let bytes = self
            .bytes
            .saturating_add(desired.saturating_sub(current) as u64);
        if bytes > self.bytes_max {
            return Err(MemoryRefused::Limit {
                bytes,
                bytes_max: self.bytes_max,
            }
            .into());
        }
        self.bytes = bytes;
        self.bytes_peak = self.bytes_peak.max(bytes);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(MemoryRefused::Failed(format!("{error:#}")).into())
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // First, since a pooled table's maximum is never more than this.
        if desired > TABLE_ELEMENTS_MAX {
            return Err(MemoryRefused::Table { elements: desired }.into());
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(MemoryRefused::Failed(format!("{error:#}")).into())
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }
}

/// A call's log, shared with the streams that the plugin holds.
#[derive(Clone)]
pub(crate) struct SharedLog(Arc<Mutex<Log>>);

impl SharedLog {
    fn new(bytes_max: u64) -> Self {
        SharedLog(Arc::new(Mutex::new(Log::new(bytes_max))))
    }

    pub(crate) fn with(&self, write: impl FnOnce(&mut Log)) {
        write(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn finish(&self) -> Vec<LogLine> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .finish()
    }
}

/// Which of WASI's random numbers: they must not repeat each other.
#[derive(Clone, Copy)]
pub(crate) enum Randomness {
    Secure = 0,
    Insecure = 1,
}

/// Random numbers: real ones where they were granted, else those that follow from the seed of the call (BLAKE3 keyed
/// by it, as an endless stream).
pub(crate) struct Random {
    seed: [u8; 32],
    real: bool,
    /// The real seed for hash maps, drawn once.
    real_seed: Option<[u8; 16]>,
    streams: [Option<Box<blake3::OutputReader>>; 2],
}

impl Random {
    fn new(seed: [u8; 32], real: bool) -> Self {
        Random {
            seed,
            real,
            real_seed: None,
            streams: [None, None],
        }
    }

    /// # Errors
    ///
    /// When the operating system has no random numbers.
    pub(crate) fn fill(
        &mut self,
        randomness: Randomness,
        bytes: &mut [u8],
    ) -> wasmtime::Result<()> {
        if self.real {
            return real_random(bytes);
        }
        let label: &[u8] = match randomness {
            Randomness::Secure => b"wasi:random/random",
            Randomness::Insecure => b"wasi:random/insecure",
        };
        let seed = &self.seed;
        self.streams[randomness as usize]
            .get_or_insert_with(|| Box::new(stream(seed, label)))
            .fill(bytes);
        Ok(())
    }

    pub(crate) fn next_u64(&mut self, randomness: Randomness) -> wasmtime::Result<u64> {
        let mut bytes = [0; 8];
        self.fill(randomness, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The seed for hash maps: the same for the whole call, as WASI has it.
    pub(crate) fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        let mut bytes = [0; 16];
        match self.real_seed {
            Some(seed) => bytes = seed,
            None if self.real => {
                real_random(&mut bytes)?;
                self.real_seed = Some(bytes);
            }
            None => stream(&self.seed, b"wasi:random/insecure-seed").fill(&mut bytes),
        }
        let [low, high] = [&bytes[..8], &bytes[8..]].map(|half| {
            let mut word = [0; 8];
            word.copy_from_slice(half);
            u64::from_le_bytes(word)
        });
        Ok((low, high))
    }
}

fn stream(seed: &[u8; 32], label: &[u8]) -> blake3::OutputReader {
    blake3::Hasher::new_keyed(seed).update(label).finalize_xof()
}

fn real_random(bytes: &mut [u8]) -> wasmtime::Result<()> {
    getrandom::fill(bytes)
        .map_err(|error| wasmtime::format_err!("the machine has no random numbers: {error}"))
}
