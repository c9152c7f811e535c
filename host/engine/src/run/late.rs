//! A source that is opened when it is first needed: one that cannot be opened now may be there later.

use std::sync::OnceLock;

use flowstone_connect::{ConnectError, Entries, Entry, RowError, Source, Tell, Watch};
use flowstone_core::Value;

/// Opens a source.
type Open<'a> = Box<dyn Fn() -> Result<Box<dyn Source>, ConnectError> + Send + Sync + 'a>;

/// A source that is opened when it is first needed, and tried again until it can be.
pub(super) struct Late<'a> {
    open: Open<'a>,
    source: OnceLock<Box<dyn Source>>,
}

impl<'a> Late<'a> {
    pub(super) fn new(open: Open<'a>) -> Self {
        Self {
            open,
            source: OnceLock::new(),
        }
    }

    fn get(&self) -> Result<&dyn Source, ConnectError> {
        if let Some(source) = self.source.get() {
            return Ok(&**source);
        }
        let source = (self.open)()?;
        Ok(&**self.source.get_or_init(|| source))
    }
}

impl Source for Late<'_> {
    fn entries(&self) -> Result<Entries<'_>, ConnectError> {
        self.get()?.entries()
    }

    fn find(&self, key: &[u8]) -> Result<Option<Entry>, ConnectError> {
        self.get()?.find(key)
    }

    fn interrupt(&self) {
        if let Some(source) = self.source.get() {
            source.interrupt();
        }
    }

    fn watch(&self, tell: Tell) -> Result<Watch, ConnectError> {
        self.get()?.watch(tell)
    }

    fn load(&self, entry: &Entry) -> Result<Vec<Value>, RowError> {
        let source = self.get().map_err(|error| RowError::Failed {
            reason: error.to_string(),
            retry: true,
        })?;
        source.load(entry)
    }
}
