//! The limits: what the sandbox is sized for, and what one call may use and see.

use std::path::PathBuf;
use std::sync::Arc;

use flowstone_core::Endpoint;

use crate::files::Files;

/// What a sandbox is sized for. Set once, when it is made.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// How many calls run at the same time; further ones wait for their turn.
    pub threads: usize,
    /// The most memory that any call may be given, in bytes: it bounds [`Limits::memory_bytes_max`]. At most 4 GiB.
    pub memory_bytes_max: u64,
    /// Whether to set memory aside for all threads in advance (4 times 4 GiB of address space each; no real memory).
    /// Where that fails, memory is taken call by call, which is slower.
    pub pooling: bool,
    /// A file of certificates (PEM) of the authorities that encrypted requests trust, in place of those that Mozilla trusts.
    /// Read with the first such request.
    pub authorities: Option<PathBuf>,
}

impl SandboxConfig {
    /// The sizes for calls on so many threads.
    pub fn for_threads(threads: usize) -> Self {
        SandboxConfig {
            threads: threads.max(1),
            ..SandboxConfig::default()
        }
    }
}

/// One thread per processor, calls of up to 4 GiB, pooling.
impl Default for SandboxConfig {
    fn default() -> Self {
        SandboxConfig {
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes_max: 4 << 30,
            pooling: true,
            authorities: None,
        }
    }
}

/// What one call may use.
///
/// Going over a limit always ends the call: a plugin cannot notice a limit and return something else because of it,
/// so results never depend on the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory in bytes, all memories of the component together.
    pub memory_bytes_max: u64,
    /// Time in milliseconds, including instantiation. Checked every few milliseconds.
    pub time_ms_max: u64,
    /// Size of the result in bytes, as it lies in the host's memory. The plugin may hand as much to one import.
    pub result_bytes_max: u64,
    /// Size of the log in bytes: standard output, standard error and messages. What comes after is dropped.
    pub log_bytes_max: u64,
}

/// 256 MiB of memory, ten seconds, a result of 256 MiB, 64 KiB of log.
impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory_bytes_max: 256 << 20,
            time_ms_max: 10_000,
            result_bytes_max: 256 << 20,
            log_bytes_max: 64 << 10,
        }
    }
}

/// What one call can learn besides its arguments.
///
/// Everything is virtual unless it is granted, so that equal arguments and seeds give equal results. Granted files,
/// variables and the row are part of what equal calls have in common; a clock, random numbers or the network make a call
/// impure: nothing that it gives may be taken for the result of another call.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct World {
    /// What random numbers follow from, where they are not real.
    pub seed: [u8; 32],
    /// Whether the wall clock and the monotonic clock are real, and sleeping takes its time. Else they stand still.
    pub clock: bool,
    /// Whether random numbers come from the operating system.
    pub random: bool,
    /// The environment variables, by name.
    pub env: Arc<[(String, String)]>,
    /// The files that it may read.
    pub files: Option<Arc<Files>>,
    /// The hosts that it may speak to.
    pub network: Arc<[Endpoint]>,
    /// The row that it is called for.
    pub row: Option<Row>,
}

/// A row, as `flowstone:plugin/row` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The collection that it is in.
    pub collection: String,
    /// Its key in it.
    pub key: String,
}

impl World {
    /// The virtual world with this seed.
    pub fn seeded(seed: [u8; 32]) -> Self {
        World {
            seed,
            ..World::default()
        }
    }

    /// Grants real clocks, or takes them away.
    #[must_use]
    pub fn with_clock(mut self, clock: bool) -> Self {
        self.clock = clock;
        self
    }

    /// Grants real random numbers, or takes them away.
    #[must_use]
    pub fn with_random(mut self, random: bool) -> Self {
        self.random = random;
        self
    }
}

impl From<[u8; 32]> for World {
    fn from(seed: [u8; 32]) -> Self {
        World::seeded(seed)
    }
}
