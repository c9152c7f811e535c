//! A disk of bytes in memory that stops at the n-th operation: it reports an error from then on, or the power goes.
//!
//! Also the end-to-end tests of whole runs use it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stop {
    /// Every operation from then on fails with this.
    Fail(io::ErrorKind),
    /// Every operation from then on seems to work, but nothing reaches the disk.
    PowerLoss,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Survives {
    All,
    Nothing,
    /// Each write or not, by the seed.
    Some(u64),
}

enum Operation {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Default)]
pub(crate) struct State {
    /// What the process sees.
    now: Vec<u8>,
    /// What is sure to survive.
    synced: Vec<u8>,
    /// What was done since.
    pending: Vec<Operation>,
    pub(crate) operations: u64,
    stop: Option<(u64, Stop)>,
}

#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}

impl Operation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => bytes.resize(*len as usize, 0),
            Self::Write(offset, data) => {
                let end = *offset as usize + data.len();
                // A write can survive without the growth before it: the system grows the file then.
                bytes.resize(bytes.len().max(end), 0);
                bytes[*offset as usize..end].copy_from_slice(data);
            }
        }
    }
}

impl State {
    /// Counts an operation; whether it reaches the disk.
    fn operate(&mut self) -> io::Result<bool> {
        self.operations += 1;
        match self.stop {
            Some((at, Stop::Fail(kind))) if self.operations > at => Err(kind.into()),
            Some((at, Stop::PowerLoss)) if self.operations > at => Ok(false),
            _ => Ok(true),
        }
    }

    fn change(&mut self, operation: Operation) -> io::Result<()> {
        let reaches = self.operate()?;
        operation.apply(&mut self.now);
        if reaches {
            self.pending.push(operation);
        }
        Ok(())
    }
}

impl Disk {
    pub(crate) fn with(image: &[u8], stop: Option<(u64, Stop)>) -> Self {
        let state = State {
            now: image.to_vec(),
            synced: image.to_vec(),
            stop,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn has_stopped(&self) -> bool {
        let state = self.state();
        state.stop.is_some_and(|(at, _)| state.operations > at)
    }

    /// What is on the disk after the crash.
    pub(crate) fn surviving(&self, survives: Survives) -> Vec<u8> {
        let state = self.state();
        let mut bytes = state.synced.clone();
        for (index, operation) in state.pending.iter().enumerate() {
            let survives = match survives {
                Survives::All => true,
                Survives::Nothing => false,
                Survives::Some(seed) => survives_by(seed, index),
            };
            if survives {
                operation.apply(&mut bytes);
            }
        }
        bytes
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let found = state.now.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state().change(Operation::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.operate()? {
            let State {
                synced, pending, ..
            } = &mut *state;
            pending
                .drain(..)
                .for_each(|operation| operation.apply(synced));
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.state().change(Operation::Write(offset, data.to_vec()))
    }
}

/// Whether a write that was not synced survives, decided by a number.
fn survives_by(seed: u64, index: usize) -> bool {
    let mut hasher = DefaultHasher::new();
    (seed, index).hash(&mut hasher);
    hasher.finish() & 1 == 0
}
