//! Changes below a folder as the system tells of them: every folder that the source enters is watched by itself.
//!
//! A folder is watched before it is listed, so that nothing can appear in it unseen. What an event says is taken as a hint
//! only: what is under its path now is what counts.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::error::ConnectError;
use crate::files::globs::Filter;
use crate::files::tree::open_root;
use crate::files::walk::{same_folder, shown};
use crate::watch::{Change, Poll, Push, Tell, Watch};

/// So many events may wait; when there are more, the folder is listed instead.
const EVENTS_MAX: usize = 1 << 16;

/// How often a folder is listed of which the system does not tell.
const LISTED_EVERY: Duration = Duration::from_secs(2);

/// Watches a folder: by the system's events, or by listing it where there are none, or `poll` asks for that.
pub(crate) fn watch(
    root: &Path,
    filter: &Arc<Filter>,
    poll: Option<Duration>,
    tell: Tell,
) -> Result<Watch, ConnectError> {
    let dir = open_root(root)?;
    let pushed = match poll {
        Some(_) => None,
        None => Folders::start(root, Arc::clone(filter), tell).ok(),
    };
    Ok(match pushed {
        Some(state) => Watch::Push(Box::new(Watched {
            root: root.to_owned(),
            dir,
            state,
        })),
        None => Watch::List(Box::new(Every {
            interval: poll.unwrap_or(LISTED_EVERY),
            last: Instant::now(),
        })),
    })
}

/// A folder that is listed now and then.
struct Every {
    interval: Duration,
    last: Instant,
}

impl Poll for Every {
    fn poll(&mut self) -> Result<Vec<Change>, ConnectError> {
        if self.last.elapsed() < self.interval {
            return Ok(Vec::new());
        }
        self.last = Instant::now();
        Ok(vec![Change::Any])
    }

    fn interval(&self) -> Option<Duration> {
        Some(self.interval)
    }
}

/// A folder whose changes are told.
struct Watched {
    root: PathBuf,
    dir: Dir,
    state: Arc<State>,
}

impl Push for Watched {
    fn is_live(&self) -> bool {
        let now = open_root(&self.root).map(|dir| dir.dir_metadata());
        let same = match (now, self.dir.dir_metadata()) {
            (Ok(Ok(now)), Ok(then)) => same_folder(&now, &then),
            _ => false,
        };
        same && !self.state.broken.load(Ordering::Acquire)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Release);
        // A full queue is as good: whatever is taken from it next ends the thread.
        let _ = self.state.events.try_send(Told::Lost);
    }
}

/// What the threads of a watch share.
struct State {
    events: SyncSender<Told>,
    /// Whether events were lost.
    lost: AtomicBool,
    /// Whether the watch tells no more, or not of everything.
    broken: AtomicBool,
    /// Whether nobody wants to be told any more.
    ended: AtomicBool,
}

impl State {
    fn send(&self, told: Told) {
        if self.events.try_send(told).is_err() {
            self.lost.store(true, Ordering::Release);
        }
    }

    /// Takes an event of the system. It must not wait: the thread that calls it also sets up watches.
    fn take(&self, event: notify::Result<Event>) {
        let Ok(event) = event else {
            self.broken.store(true, Ordering::Release);
            return self.send(Told::Lost);
        };
        if event.need_rescan() {
            self.lost.store(true, Ordering::Release);
            return self.send(Told::Lost);
        }
        let told: fn(PathBuf) -> Told = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => Told::Closed,
            EventKind::Create(CreateKind::File) => Told::Touched,
            // Reading changes nothing; the runs themselves read. And this one follows the two events that it joins.
            EventKind::Access(_) | EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return,
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
                Told::Gone
            }
            EventKind::Create(_) => Told::There,
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Told::MovedIn,
            EventKind::Modify(ModifyKind::Name(_)) => Told::Renamed,
            _ => Told::Touched,
        };
        for path in event.paths {
            self.send(told(path));
        }
    }
}

/// What an event of the system comes down to.
enum Told {
    /// Something is gone from a path.
    Gone(PathBuf),
    /// Something is at a path that was not there.
    There(PathBuf),
    /// The same, and it is whole.
    MovedIn(PathBuf),
    /// Something became of a path: it may be gone or there.
    Renamed(PathBuf),
    /// What is at a path may have changed.
    Touched(PathBuf),
    /// The same, and whoever changed it is done.
    Closed(PathBuf),
    /// Events were lost, or it is time to end.
    Lost,
}

/// The folders that are watched.
struct Folders {
    /// The root without links, as the paths of events have it.
    root: PathBuf,
    filter: Arc<Filter>,
    watcher: RecommendedWatcher,
    /// The paths of the folders that are watched, below the root, without a `/` at the end.
    watched: BTreeSet<Vec<u8>>,
    tell: Tell,
    state: Arc<State>,
}

impl Folders {
    /// Watches all folders that there are, and keeps doing so on a thread.
    fn start(root: &Path, filter: Arc<Filter>, tell: Tell) -> notify::Result<Arc<State>> {
        let (events, told) = sync_channel(EVENTS_MAX);
        let state = Arc::new(State {
            events,
            lost: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let taking = Arc::clone(&state);
        let watcher = notify::recommended_watcher(move |event| taking.take(event))?;
        let mut folders = Folders {
            root: fs::canonicalize(root).map_err(notify::Error::io)?,
            filter,
            watcher,
            watched: BTreeSet::new(),
            tell,
            state: Arc::clone(&state),
        };
        folders.take_in(Vec::new(), false)?;
        thread::Builder::new()
            .name("flowstone-watch".to_owned())
            .spawn(move || folders.listen(&told))
            .map_err(notify::Error::io)?;
        Ok(state)
    }

    fn listen(&mut self, events: &Receiver<Told>) {
        for told in events {
            if self.state.ended.load(Ordering::Acquire) {
                return;
            }
            if self.state.lost.swap(false, Ordering::AcqRel) || matches!(told, Told::Lost) {
                self.begin_again();
            }
            self.heed(told);
        }
    }

    /// Watches the folders that appeared while events were lost, and asks for a listing.
    fn begin_again(&mut self) {
        if self.take_in(Vec::new(), false).is_err() {
            self.state.broken.store(true, Ordering::Release);
        }
        (self.tell)(Change::Any);
    }

    fn heed(&mut self, told: Told) {
        let is_done = matches!(told, Told::MovedIn(_) | Told::Closed(_));
        let (path, gone, there) = match told {
            Told::Gone(path) => (path, true, false),
            Told::There(path) | Told::MovedIn(path) => (path, false, true),
            Told::Renamed(path) => (path, true, true),
            Told::Touched(path) | Told::Closed(path) => (path, false, false),
            Told::Lost => return,
        };
        let Some(key) = path.strip_prefix(&self.root).ok().and_then(key_of) else {
            return;
        };
        if key.is_empty() {
            if gone {
                self.state.broken.store(true, Ordering::Release);
                (self.tell)(Change::Any);
            }
            return;
        }
        if gone {
            self.let_go(&key);
        }
        if !self.lies_inside(&key) {
            return;
        }
        let is_folder =
            (gone || there) && fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        if is_folder {
            if self.filter.enters(&key) && self.take_in(key, true).is_err() {
                self.state.broken.store(true, Ordering::Release);
                (self.tell)(Change::Any);
            }
        } else if self.filter.takes_file(&key) && !self.watched.contains(&key) {
            (self.tell)(if is_done {
                Change::Done(key)
            } else {
                Change::Row(key)
            });
        }
    }

    /// Forgets a folder and those below it: the system has let go of them already.
    fn let_go(&mut self, key: &[u8]) {
        let was_folder = self.watched.remove(key);
        let below = [key, b"/"].concat();
        let past = [key, b"0"].concat();
        let inner: Vec<Vec<u8>> = self.watched.range(below.clone()..past).cloned().collect();
        for folder in &inner {
            self.watched.remove(folder);
        }
        if was_folder || !inner.is_empty() {
            (self.tell)(Change::Below(below));
        }
    }

    /// Whether the source looks at what lies at a path, as far as names and folders go.
    fn lies_inside(&self, key: &[u8]) -> bool {
        let mut ends = memchr::memchr_iter(b'/', key);
        key.split(|byte| *byte == b'/')
            .all(|name| self.filter.takes_name(name))
            && ends.all(|end| self.filter.enters(&key[..end]))
    }

    /// Watches a folder and those below it; with `telling`, tells of the files in them.
    fn take_in(&mut self, folder: Vec<u8>, telling: bool) -> notify::Result<()> {
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            let path = self.root.join(shown(&folder));
            match self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => {}
                // It is gone again, or not for us to see: listing it tells what there is to tell.
                Err(error) if !folder.is_empty() && is_passing(&error) => continue,
                Err(error) => return Err(error),
            }
            let Ok(entries) = fs::read_dir(&path) else {
                continue;
            };
            for entry in entries.flatten() {
                let name = entry.file_name();
                if !self.filter.takes_name(name.as_encoded_bytes()) {
                    continue;
                }
                let Some(key) = key_of(Path::new(&name)) else {
                    continue;
                };
                let key = if folder.is_empty() {
                    key
                } else {
                    [folder.as_slice(), b"/", &key].concat()
                };
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    if self.filter.enters(&key) {
                        folders.push(key);
                    }
                } else if telling && self.filter.takes_file(&key) {
                    (self.tell)(Change::Row(key));
                }
            }
            self.watched.insert(folder);
        }
        Ok(())
    }
}

/// Whether a folder could not be watched because of what became of it, and not because watches are used up.
fn is_passing(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::PermissionDenied
        ),
        _ => false,
    }
}

/// The key of the row at a path below the root.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere not every path is text")]
fn key_of(path: &Path) -> Option<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    Some(path.as_os_str().as_bytes().to_vec())
}

/// The key of the row at a path below the root.
#[cfg(not(unix))]
fn key_of(path: &Path) -> Option<Vec<u8>> {
    Some(path.to_str()?.replace('\\', "/").into_bytes())
}
