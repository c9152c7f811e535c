//! Opening a store: folder, lock, database, format.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::OpenOptions;
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, StorageBackend};

use crate::create::{
    check_folder, create_database, has_database, initialise, open_database, prepare_folders,
};
use crate::encoding::Raw;
use crate::error::StoreError;
use crate::gc::STATE_ENTRY;
use crate::lock::Lock;
use crate::log::{ReadOnlyLog, Tails};
use crate::place::Place;
use crate::read::read;
use crate::snapshot::Snapshot;
use crate::tables::{MEMO, META, OBJECT};
use crate::writer::Writer;

/// The format that this version reads and writes. The entry that says so keeps its place and form in all formats.
pub const FORMAT: u32 = 5;

/// The name of the meta entry that holds the format.
pub(crate) const FORMAT_ENTRY: &str = "format";

/// What the names of all other meta entries begin with that are the store's own.
pub(crate) const RESERVED_PREFIX: &str = "store/";

/// The name of the meta entry that holds how many bytes the files of objects have.
pub(crate) const FILE_BYTES_ENTRY: &str = "store/object-file-bytes";

/// The name of the meta entry that holds the number of the next recipe.
pub(crate) const NEXT_RECIPE_ENTRY: &str = "store/next-recipe";

pub(crate) const DATABASE: &str = "store.redb";

pub(crate) const OPEN: &str = "opening the database";
const BEGIN: &str = "beginning a transaction";
const COMMIT: &str = "committing a transaction";

/// How to open a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreOptions {
    /// How much memory the database may use for caching, in bytes.
    pub cache_bytes: usize,
    /// The secret under which compiled code is kept. It must come from outside the store's folder: without one no
    /// compiled code is kept or used, since a folder that came from somebody else could carry hostile native code.
    pub code_key: Option<[u8; 32]>,
    /// What this process is called to another one that finds the store in use, such as its command. Others can read it.
    pub holder: Option<String>,
    /// Whether to check every page of the database on opening, which reads all of it. Without this, damage is found
    /// where it is read.
    pub check: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 16 * 1024 * 1024,
            code_key: None,
            holder: None,
            check: false,
        }
    }
}

/// An open store. One process at a time has it; any number of threads share it.
pub struct Store {
    pub(crate) place: Arc<Place>,
    pub(crate) options: StoreOptions,
    // Always there but while dropping.
    database: Option<Database>,
    // The turn to write. redb has one too, but one that a thread would wait for in vain once a transaction is given up
    // for good (see `write`).
    pub(crate) turn: Mutex<()>,
    // The turn to collect.
    pub(crate) collection: Mutex<()>,
    // What the indexes of results and objects do not have yet.
    tails: Tails,
    // How many transactions were committed.
    version: AtomicU64,
    // Dropped last: whoever takes the lock finds the database closed.
    _lock: Lock,
}

impl Store {
    /// Opens the store in the folder `dir`, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Foreign`] when the folder is used for something else,
    /// [`StoreError::Locked`] when another process has it open, [`StoreError::Format`] when another version of
    /// flowstone wrote it, [`StoreError::Damaged`] when the database is not one.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let place = Place::at(dir)?;
        // Before anything is written into it.
        check_folder(&place)?;
        let lock = Lock::take(&place, options.holder.as_deref())?;
        prepare_folders(&place)?;
        if !has_database(&place)? {
            create_database(&place, &options)?;
        }
        let mut how = OpenOptions::new();
        how.read(true).write(true);
        let file = place
            .dir()
            .open_with(DATABASE, &how)
            .map_err(|error| place.io(OPEN, error))?
            .into_std();
        if file
            .metadata()
            .map_err(|error| place.io(OPEN, error))?
            .len()
            == 0
        {
            return Err(place.damaged(format!("`{DATABASE}` is empty")));
        }
        let backend = FileBackend::new(file).map_err(|error| place.redb(OPEN, error))?;
        let database = open_database(&place, backend, &options)?;
        Self::assemble(place, lock, database, options)
    }

    /// Whether a store could be in the folder `dir`: there is one, or nothing that is somebody else's, or no such folder.
    /// [`Store::open`] looks by itself; this is for who puts something beside the store before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Foreign`] when the folder is used for something else; [`StoreError::Io`].
    pub fn check_folder(dir: &Path) -> Result<(), StoreError> {
        if dir.is_dir() {
            check_folder(&Place::at(dir)?)
        } else {
            Ok(())
        }
    }

    /// The store in the folder `dir` whose database is in `backend`, made where that is empty: for tests of what becomes
    /// of a store when storage fails.
    #[doc(hidden)]
    pub fn open_on(
        dir: &Path,
        backend: impl StorageBackend,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let place = Place::at(dir)?;
        let lock = Lock::take(&place, options.holder.as_deref())?;
        prepare_folders(&place)?;
        let is_new = backend.len().map_err(|error| place.io(OPEN, error))? == 0;
        let database = open_database(&place, backend, &options)?;
        if is_new {
            initialise(&place, &database)?;
        }
        Self::assemble(place, lock, database, options)
    }

    /// The store whose folder is ready and and whose database is open.
    pub(crate) fn assemble(
        place: Place,
        lock: Lock,
        database: Database,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let store = Self {
            place: Arc::new(place),
            options,
            database: Some(database),
            turn: Mutex::new(()),
            collection: Mutex::new(()),
            tails: Tails::default(),
            version: AtomicU64::new(0),
            _lock: lock,
        };
        store.examine()?;
        Ok(store)
    }

    /// The store's folder.
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// How many transactions were committed since the store was opened: while it is the same, a snapshot is current.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What the store holds now. It stays as it is, whatever is written later, and may be shared by threads.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] or [`StoreError::Io`].
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.place.guarded(|| {
            loop {
                let deferred = self.tails.deferred();
                let transaction = self
                    .database()
                    .begin_read()
                    .map_err(|error| self.place.redb(BEGIN, error))?;
                // What entered the indexes between the two is in both. What others have deferred since would be in neither.
                if self.tails.are(&deferred) {
                    return Snapshot::open(&self.place, &transaction, deferred);
                }
            }
        })
    }

    /// Runs `change` in a write transaction, which is on disk when this returns `Ok`, and of which nothing remains
    /// when it, or `change`, returns an error.
    ///
    /// One transaction runs at a time: this waits for another thread's to end, and must not be called inside one.
    ///
    /// # Errors
    ///
    /// What `change` returns, or why the transaction could not begin or commit. After a failed commit the store must
    /// be opened again; what was committed before is intact.
    pub fn write<R, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Writer<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let place = &*self.place;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_damaged() {
            return Err(place.refusal().into());
        }
        let transaction = place.guarded(|| {
            self.database()
                .begin_write()
                .map_err(|error| place.redb(BEGIN, error))
        })?;
        let mut writer = Writer::new(place, &transaction, &self.tails);
        // Caught so that the transaction ends in order; it goes on below.
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| change(&mut writer)));
        let ready = writer.finish(matches!(outcome, Ok(Ok(_))));
        if place.is_damaged() {
            // A panic of redb may have left its locks poisoned, and dropping the transaction would panic again.
            // Kept, it only holds redb's turn to write, which nobody waits for any more.
            std::mem::forget(transaction);
            return match outcome {
                Ok(Err(error)) => Err(error),
                Ok(Ok(_)) => Err(place.refusal().into()),
                Err(payload) => panic::resume_unwind(payload),
            };
        }
        match outcome {
            Ok(Ok(result)) => {
                let end = || match ready {
                    Ok(tails) => transaction
                        .commit()
                        .map(|()| tails)
                        .map_err(|error| place.redb(COMMIT, error)),
                    // Dropping the transaction undoes it.
                    Err(error) => Err(error),
                };
                self.tails.after(place.guarded(end)?);
                self.version.fetch_add(1, Ordering::Release);
                Ok(result)
            }
            outcome => {
                // Whatever goes wrong in undoing: redb notes that, and repairs on the next open.
                let _ = place.guarded(|| {
                    drop(transaction);
                    Ok(())
                });
                match outcome {
                    Ok(result) => result,
                    Err(payload) => panic::resume_unwind(payload),
                }
            }
        }
    }

    /// Enters into their indexes what transactions left out with [`Writer::defer_entries`], if there is any.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Damaged`].
    pub fn enter_deferred(&self) -> Result<(), StoreError> {
        if self.tails.are_empty() {
            return Ok(());
        }
        self.write(|writer: &mut Writer<'_>| writer.enter_deferred())
    }

    pub(crate) fn database(&self) -> &Database {
        self.database
            .as_ref()
            .expect("the database is there until the store is dropped")
    }

    pub(crate) fn database_mut(&mut self) -> &mut Database {
        self.database
            .as_mut()
            .expect("the database is there until the store is dropped")
    }

    /// Checks the format, and goes on from where a process before this one was.
    fn examine(&self) -> Result<(), StoreError> {
        let place = &*self.place;
        place.guarded(|| {
            let transaction = self
                .database()
                .begin_read()
                .map_err(|error| place.redb(OPEN, error))?;
            let meta = transaction
                .open_table(META.definition)
                .map_err(|error| place.redb(OPEN, error))?;
            let entry = read(place, &META, &meta, FORMAT_ENTRY)?.or_damaged(place, META.name)?;
            check_format(place, entry)?;
            let collection: Option<Raw<'_>> = read(place, &META, &meta, STATE_ENTRY)?.or_miss();
            place.set_collecting(collection.is_some());
            for (spec, tail) in [(&MEMO, &self.tails.memo), (&OBJECT, &self.tails.object)] {
                let entry: Option<Raw<'_>> =
                    read(place, &META, &meta, spec.deferred_entry)?.or_miss();
                let first = entry.and_then(|Raw(bytes)| <[u8; 8]>::try_from(&*bytes).ok());
                if let Some(first) = first.map(u64::from_le_bytes) {
                    let log = ReadOnlyLog::open(place, &transaction, spec, tail.deferred())?;
                    tail.add(log.left_behind(place, first)?);
                }
            }
            Ok(())
        })
    }
}

fn check_format(place: &Place, entry: Option<Raw<'_>>) -> Result<(), StoreError> {
    let found = entry.and_then(|Raw(bytes)| <[u8; 4]>::try_from(&*bytes).ok());
    match found.map(u32::from_le_bytes) {
        Some(FORMAT) => Ok(()),
        Some(found) => Err(StoreError::Format {
            path: place.path().to_owned(),
            found,
            supported: FORMAT,
        }),
        None => Err(place.damaged("it does not say which format it has")),
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let database = self.database.take();
        // Nobody to tell: what is committed is on disk, and redb repairs the rest on the next open.
        let _ = self.place.guarded(|| {
            drop(database);
            Ok(())
        });
    }
}

/// How many bytes the files of objects have, by the meta entry that counts them.
pub(crate) fn file_bytes_in(entry: Option<Raw<'_>>) -> u64 {
    let bytes = entry.and_then(|Raw(bytes)| <[u8; 8]>::try_from(&*bytes).ok());
    bytes.map_or(0, u64::from_le_bytes)
}
