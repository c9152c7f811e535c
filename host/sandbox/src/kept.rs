//! An instance that is kept from call to call: what a plugin remembers shows in what it gives.
//!
//! No flow is run like this, where every call has a fresh instance. It is how the author of a plugin finds out whether its
//! functions hang on the calls before.

use flowstone_core::Value;
use wasmtime::Store;
use wasmtime::component::Instance;

use crate::call::check_size;
use crate::config::{Limits, World};
use crate::failure::CallError;
use crate::host::Host;
use crate::plugin::Plugin;
use crate::turns::Turn;

/// An instance for several calls. It counts as a call that runs: another call waits where the sandbox has no thread left.
pub struct Kept<'a> {
    plugin: &'a Plugin,
    store: Store<Host>,
    instance: Instance,
    limits: Limits,
    _turn: Turn<'a>,
}

impl Plugin {
    /// An instance to keep. Its memory and its log are limited as those of one call are, the time of each call anew.
    ///
    /// # Errors
    ///
    /// When the plugin does not start.
    pub fn keep(&self, limits: &Limits, world: impl Into<World>) -> Result<Kept<'_>, CallError> {
        let loaded = self.loaded();
        let limits = loaded.limits(limits);
        let turn = loaded.sandbox.turns().take();
        let mut store = loaded.store(&limits, world.into());
        let instance = loaded.instantiate(&mut store, &limits)?;
        Ok(Kept {
            plugin: self,
            store,
            instance,
            limits,
            _turn: turn,
        })
    }
}

impl Kept<'_> {
    /// Calls the function that `name` means in this instance; none where there is no such function.
    ///
    /// # Errors
    ///
    /// As [`crate::Callable::call`]. After an error the instance is of no more use.
    pub fn call(&mut self, name: &str, args: &[Value]) -> Option<Result<Option<Value>, CallError>> {
        let callable = self.plugin.function(name)?;
        self.plugin
            .loaded()
            .end_in_time(&mut self.store, &self.limits);
        let called = check_size(args, &self.limits)
            .and_then(|()| callable.enter(&mut self.store, self.instance, args, &self.limits));
        Some(called)
    }
}
