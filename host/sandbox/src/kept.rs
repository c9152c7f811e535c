//! An instance that is kept from call to call: nothing is made anew for a call but its time, its random numbers and its log.
//!
//! What a plugin remembers of a call may show in what it gives for the next one. Calls of a flow share an instance only where
//! the flow says so; and the author of a plugin finds out with one whether its functions hang on the calls before.

use std::sync::Arc;

use flowstone_core::Value;
use wasmtime::Store;
use wasmtime::component::Instance;

use crate::call::{Callable, Output, check_size};
use crate::config::{Limits, World};
use crate::failure::{CallError, Phase, explain};
use crate::host::Host;
use crate::plugin::{Loaded, Plugin};
use crate::turns::Turn;

/// An instance for several calls. It counts as a call that runs: another call waits where the sandbox has no thread left.
pub struct Kept<'a> {
    loaded: &'a Arc<Loaded>,
    store: Store<Host>,
    instance: Instance,
    limits: Limits,
    /// Whether nothing was called in it.
    is_new: bool,
    _turn: Turn<'a>,
}

impl Plugin {
    /// An instance to keep. Its memory is limited as that of one call is, the time and the log of each call anew. What it can
    /// learn is what `world` grants.
    ///
    /// # Errors
    ///
    /// When the plugin does not start.
    pub fn keep(&self, limits: &Limits, world: impl Into<World>) -> Result<Kept<'_>, CallError> {
        Kept::new(self.loaded(), limits, world.into())
    }
}

impl Callable {
    /// As [`Plugin::keep`], of the plugin that the function belongs to.
    ///
    /// # Errors
    ///
    /// When the plugin does not start.
    pub fn keep(&self, limits: &Limits, world: impl Into<World>) -> Result<Kept<'_>, CallError> {
        Kept::new(self.loaded(), limits, world.into())
    }
}

impl<'a> Kept<'a> {
    fn new(loaded: &'a Arc<Loaded>, limits: &Limits, world: World) -> Result<Self, CallError> {
        let limits = loaded.limits(limits);
        let turn = loaded.sandbox.turns().take();
        let mut store = loaded.store(&limits, world);
        let instance = match loaded.instantiate(&mut store, &limits) {
            Ok(instance) => instance,
            Err(error) => return Err(error.with_log(store.data().log.finish())),
        };
        Ok(Kept {
            loaded,
            store,
            instance,
            limits,
            is_new: true,
            _turn: turn,
        })
    }

    /// Calls a function of the plugin in this instance. Of `world`, only the seed and the row are for this call: all else is
    /// as it was when the instance was made. The random numbers of the first call go on where the start of the instance left
    /// them, as in a fresh one: it should have the seed that the instance was made with.
    ///
    /// # Errors
    ///
    /// As [`Callable::call`]. After an error the instance is of no more use.
    pub fn call(
        &mut self,
        function: &Callable,
        args: &[Value],
        world: impl Into<World>,
    ) -> Result<Output, CallError> {
        if !Arc::ptr_eq(self.loaded, function.loaded()) {
            let error = wasmtime::format_err!("the function is another plugin's");
            return Err(explain(&error, Phase::Instantiating, &self.limits));
        }
        let World { seed, row, .. } = world.into();
        let seed = (!std::mem::take(&mut self.is_new)).then_some(seed);
        self.store.data_mut().renew(&self.limits, seed, row);
        self.store.set_epoch_deadline(1);
        let outcome = check_size(args, &self.limits)
            .and_then(|()| function.enter(&mut self.store, self.instance, args, &self.limits));
        self.store.data().output(outcome)
    }
}
