//! Verification: everything that the store holds is read, and what is damaged dropped.

use std::sync::atomic::AtomicBool;

use flowstone_store::{VerifyProgress, VerifyReport};

use crate::engine::Engine;
use crate::error::Error;

impl Engine {
    /// Reads everything that the store holds, and where `repair` is set drops what is damaged, so that it is made again
    /// when it is needed. When `stop` is set it ends early.
    ///
    /// # Errors
    ///
    /// When the store fails, or its database is damaged so much that it cannot be gone through.
    pub fn cache_verify(
        &self,
        repair: bool,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(VerifyProgress),
    ) -> Result<VerifyReport, Error> {
        Ok(self.store.verify(repair, stop, progress)?)
    }
}
