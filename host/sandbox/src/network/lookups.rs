//! Finding the addresses of names: all calls of a sandbox share what is asked at the same time.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;

/// So many names are asked for at a time: each holds a thread for as long as the system waits.
const LOOKUPS_MAX: usize = 16;

/// All addresses that a name has; nothing before that is known.
pub(super) type Answer = OnceLock<Result<Vec<IpAddr>, ErrorCode>>;

type Resolve = fn(&str) -> io::Result<Vec<IpAddr>>;

/// The names that are being asked for.
pub(crate) struct Lookups {
    asked: Mutex<BTreeMap<String, Arc<Answer>>>,
    resolve: Resolve,
}

impl Default for Lookups {
    fn default() -> Self {
        Self::with(|name| {
            let found = (name, 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

impl Lookups {
    fn with(resolve: Resolve) -> Self {
        Self {
            asked: Mutex::default(),
            resolve,
        }
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Answer>>> {
        // Every change is one insertion or removal: a panic elsewhere leaves it whole.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a name, or waits for the answer of whoever asks for it already.
    pub(super) fn begin(self: &Arc<Self>, name: &str) -> Result<Arc<Answer>, ErrorCode> {
        let mut asked = self.asked();
        if let Some(answer) = asked.get(name) {
            return Ok(Arc::clone(answer));
        }
        if asked.len() >= LOOKUPS_MAX {
            return Err(ErrorCode::TemporaryResolverFailure);
        }
        let answer = Arc::new(Answer::new());
        asked.insert(name.to_owned(), Arc::clone(&answer));
        drop(asked);
        let lookup = Lookup {
            lookups: Arc::clone(self),
            name: name.to_owned(),
            answer: Arc::clone(&answer),
        };
        // The system waits as long as it likes; no call waits for the thread when it ends. Where there is none, the lookup
        // is dropped here, which answers it.
        let _ = thread::Builder::new()
            .name("flowstone-lookup".to_owned())
            .spawn(move || lookup.run());
        Ok(answer)
    }
}

/// A name that is being asked for; when dropped it has an answer and is not any more.
struct Lookup {
    lookups: Arc<Lookups>,
    name: String,
    answer: Arc<Answer>,
}

impl Lookup {
    fn run(self) {
        let found = (self.lookups.resolve)(&self.name);
        let found = found.map_err(|_| ErrorCode::NameUnresolvable);
        let _ = self.answer.set(found);
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        let _ = (self.answer).set(Err(ErrorCode::TemporaryResolverFailure));
        self.lookups.asked().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::RwLock;

    use super::*;

    /// Nobody is answered while this is held for writing.
    static GATE: RwLock<()> = RwLock::new(());

    #[test]
    fn few_names_are_asked_for_at_a_time_and_each_once() {
        let lookups = Arc::new(Lookups::with(|name| {
            let _open = GATE.read();
            assert_ne!(name, "name-0", "what happens to one is nothing to others");
            Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
        }));
        let closed = GATE.write().unwrap();
        let name = |at: usize| format!("name-{at}");
        let answers: Vec<_> = (0..LOOKUPS_MAX)
            .map(|at| lookups.begin(&name(at)).unwrap())
            .collect();
        let again = lookups.begin("name-3").unwrap();
        assert!(Arc::ptr_eq(&again, &answers[3]));
        assert!(matches!(
            lookups.begin("another"),
            Err(ErrorCode::TemporaryResolverFailure)
        ));
        assert!(answers.iter().all(|answer| answer.get().is_none()));
        drop(closed);
        while !lookups.asked().is_empty() {
            thread::yield_now();
        }
        let failed = answers[0].get().unwrap();
        assert!(matches!(failed, Err(ErrorCode::TemporaryResolverFailure)));
        assert_eq!(answers[3].get().unwrap().as_ref().unwrap().len(), 1);
        assert!(lookups.begin("another").is_ok());
    }
}
