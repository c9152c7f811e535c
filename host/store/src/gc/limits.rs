//! How much of a collection is done in one transaction: that bounds its memory, and how long others wait for their turn.

use std::ops::ControlFlow;

/// How much is done in one transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GcLimits {
    /// Marks gathered in memory.
    pub(crate) marks: usize,
    /// Records looked at.
    pub(crate) records: usize,
    /// Their bytes.
    pub(crate) bytes: usize,
}

impl GcLimits {
    /// Whether to go on after so many records and bytes.
    pub(super) fn flow(&self, records: usize, bytes: usize) -> ControlFlow<()> {
        if records >= self.records || bytes >= self.bytes {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Default for GcLimits {
    fn default() -> Self {
        Self {
            marks: 256 * 1024,
            records: 16 * 1024,
            bytes: 8 * 1024 * 1024,
        }
    }
}
