//! Memories that are made to be shared between threads. The engine takes atomic instructions, which libraries bring along
//! that were built for threads, so it reads such memories too; nobody could make an instance with one.

use wasmparser::{Parser, Payload};

use crate::error::LoadError;

/// Refuses a component in which a memory is defined that threads could share.
///
/// # Errors
///
/// When there is one. A binary that cannot be read is for the engine to refuse.
pub(crate) fn check(component: &[u8]) -> Result<(), LoadError> {
    // Also memories that are imported are defined somewhere in it: the host hands in none.
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        let Payload::MemorySection(memories) = payload else {
            continue;
        };
        if memories
            .into_iter()
            .map_while(Result::ok)
            .any(|memory| memory.shared)
        {
            return Err(LoadError::Invalid {
                reason: "it has a shared memory".to_owned(),
                advice: "; plugins have one thread: build it without threads",
            });
        }
    }
    Ok(())
}
