//! Making a store: its folder, its database, its tables.

use redb::backends::FileBackend;
use redb::{Builder, Database, StorageBackend};

use crate::codec;
use crate::error::StoreError;
use crate::files::{self, Access};
use crate::place::Place;
use crate::store::{DATABASE, FORMAT, FORMAT_ENTRY, OPEN, StoreOptions};
use crate::tables::{
    BUILD, CHANGE, COMPILED, DUE, FUNCTIONS, HEAD, INTENT, INTERFACE, LINEAGE, MEMBER, MEMO, META,
    OBJECT, OWNER, READER, RECIPE, RUN, STEP, USAGE,
};

const CREATE: &str = "creating the database";

/// Whether the folder has a database.
pub(crate) fn has_database(place: &Place) -> Result<bool, StoreError> {
    let exists = place.dir().try_exists(DATABASE);
    exists.map_err(|error| place.io(OPEN, error))
}

/// Refuses a folder that is no store and is used for something else.
pub(crate) fn check_folder(place: &Place) -> Result<(), StoreError> {
    if has_database(place)? {
        return Ok(());
    }
    match files::foreign(place.dir()).map_err(|error| place.io(OPEN, error))? {
        None => Ok(()),
        Some(name) => Err(StoreError::Foreign {
            path: place.path().to_owned(),
            name,
        }),
    }
}

/// Makes the folders that are always there, and clears what an interrupted process left.
pub(crate) fn prepare_folders(place: &Place) -> Result<(), StoreError> {
    let prepared = files::make_folder(place.dir(), "objects")
        .and_then(|_| files::remove_temporaries(place.dir()));
    prepared.map_err(|error| place.io("preparing the folder", error))
}

/// Creates the database under another name first, so that one by the right name is always whole.
pub(crate) fn create_database(place: &Place, options: &StoreOptions) -> Result<(), StoreError> {
    let name = place.temporary_name();
    let file = files::create_new(place.dir(), &name, Access::Usual)
        .map_err(|error| place.io(CREATE, error))?;
    let backend = FileBackend::new(file.into_std()).map_err(|error| place.redb(CREATE, error))?;
    let database = open_database(place, backend, options)?;
    initialise(place, &database)?;
    place.guarded(|| database.close().map_err(|error| place.redb(CREATE, error)))?;
    place
        .dir()
        .rename(&name, place.dir(), DATABASE)
        .and_then(|()| files::sync_folder(place.dir(), "."))
        .map_err(|error| place.io(CREATE, error))
}

pub(crate) fn open_database(
    place: &Place,
    backend: impl StorageBackend,
    options: &StoreOptions,
) -> Result<Database, StoreError> {
    place.guarded(|| {
        Builder::new()
            .set_cache_size(options.cache_bytes)
            .set_check_integrity_on_open(options.check)
            .create_with_backend(backend)
            .map_err(|error| place.redb(OPEN, error))
    })
}

/// Makes every table, and the entry that says which format they have.
pub(crate) fn initialise(place: &Place, database: &Database) -> Result<(), StoreError> {
    place.guarded(|| {
        let transaction = database.begin_write().map_err(|error| place.redb(CREATE, error))?;
        macro_rules! make {
            ($($table:expr),*) => {
                $(transaction.open_table($table.definition).map_err(|error| place.redb(CREATE, error))?;)*
            };
        }
        make!(MEMO.index, MEMO.records, OBJECT.index, OBJECT.records, HEAD, LINEAGE, OWNER, INTENT, INTERFACE, COMPILED, RUN, RECIPE, USAGE, FUNCTIONS, BUILD, MEMBER, READER, DUE, STEP, CHANGE);
        {
            let mut meta = transaction.open_table(META.definition).map_err(|error| place.redb(CREATE, error))?;
            let mut value = FORMAT.to_le_bytes().to_vec();
            codec::seal(META.tag, FORMAT_ENTRY.as_bytes(), &mut value);
            meta.insert(FORMAT_ENTRY, &*value).map_err(|error| place.redb(CREATE, error))?;
        }
        transaction.commit().map_err(|error| place.redb(CREATE, error))
    })
}
