//! Identity of functions: the digests of what each function of a component can reach, from the store or by reading it.

use std::collections::BTreeMap;

use flowstone_core::{ComponentDigest, FunctionDigest};
use flowstone_sandbox::{IDENTITY_VERSION, LoadError, function_digests};

use crate::engine::Engine;
use crate::error::Error;

impl Engine {
    /// The digests of what the functions of a component can reach, by name; the inner error is the component's.
    pub(crate) fn function_digests(
        &self,
        bytes: &[u8],
        digest: &ComponentDigest,
    ) -> Result<Result<BTreeMap<String, FunctionDigest>, LoadError>, Error> {
        if let Some(known) = self.store.snapshot()?.functions(digest, IDENTITY_VERSION)? {
            return Ok(Ok(known));
        }
        let found = function_digests(bytes);
        if let Ok(digests) = &found {
            self.store
                .write(|writer| writer.put_functions(digest, IDENTITY_VERSION, digests))?;
        }
        Ok(found)
    }
}
