//! Reading what is remembered of calls and of code: results, how often they were used, recipes, digests.

use std::collections::BTreeMap;

use flowstone_core::{
    ComponentDigest, Fingerprint, FunctionDigest, Interface, MemoKey, RecipeRecord,
};
use redb::ReadableTableMetadata;

use super::Snapshot;
use crate::codec::Record;
use crate::compiled;
use crate::encoding::{BuildRecord, FunctionsRecord, ObjectRecord};
use crate::error::StoreError;
#[cfg(test)]
use crate::log::ReadOnlyLog;
use crate::objects;
use crate::read::{Found, READ, read};
use crate::record::{MemoRecord, RecipeId, Usage};
use crate::scan::{MemoIter, Scan};
use crate::tables::{
    BUILD, COMPILED, FUNCTIONS, HalfBytes, INTERFACE, RECIPE, USAGE, half, usage_key,
};

impl Snapshot {
    /// What the call with this key led to. A damaged record is a miss.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] when the database itself is, [`StoreError::Io`].
    pub fn memo(&self, key: &MemoKey) -> Result<Option<MemoRecord>, StoreError> {
        self.place
            .guarded(|| self.memo.view(&self.place).get(key.as_bytes()))
    }

    /// What the calls with these keys led to, in their order. It is fastest when they are sorted.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`].
    pub fn memos(&self, sorted_keys: &[MemoKey]) -> Result<Vec<Option<MemoRecord>>, StoreError> {
        self.place
            .guarded(|| self.memo.view(&self.place).many(sorted_keys))
    }

    /// The canonical encoding of the value with this fingerprint, which is of the type with that one.
    ///
    /// What is returned was checked to be just that; bytes that are missing or are not, are `None`.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`].
    pub fn object(
        &self,
        value: &Fingerprint,
        type_fingerprint: &Fingerprint,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.place.guarded(|| {
            let record: Option<ObjectRecord<'_>> =
                self.object.view(&self.place).get(value.as_bytes())?;
            record.map_or(Ok(None), |record| {
                objects::read(&self.place, record, value, type_fingerprint)
            })
        })
    }

    /// How long the canonical encoding of the value with this fingerprint is, going by its record; none where it is not
    /// kept. The bytes themselves are not looked at.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`].
    pub fn object_bytes(&self, value: &Fingerprint) -> Result<Option<u64>, StoreError> {
        self.place.guarded(|| {
            let record: Option<ObjectRecord<'_>> =
                self.object.view(&self.place).get(value.as_bytes())?;
            Ok(record.map(|record| match record {
                ObjectRecord::Inline(bytes) => bytes.len() as u64,
                ObjectRecord::File(bytes) => bytes,
            }))
        })
    }

    /// What every call led to, ascending by key; damaged records are left out. They are read as the iterator goes.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`]; the iterator yields the same, and ends after an error.
    pub fn memo_entries(&self) -> Result<MemoIter, StoreError> {
        self.memos_from(&[0; 16])
    }

    /// What the calls led to whose keys begin with these hexadecimal digits: the first `limit` of them. Where they are no
    /// such digits, there are none.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`].
    pub fn memo_prefix(
        &self,
        digits: &str,
        limit: usize,
    ) -> Result<Vec<(MemoKey, MemoRecord)>, StoreError> {
        let digits = digits.to_ascii_lowercase();
        let Ok(first) = format!("{digits:0<64}").parse::<MemoKey>() else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for entry in self.memos_from(&half(first.as_bytes()))? {
            let (key, record) = entry?;
            if found.len() == limit || !key.to_string().starts_with(&digits) {
                break;
            }
            found.push((key, record));
        }
        Ok(found)
    }

    /// How many entries wait.
    #[cfg(test)]
    pub(crate) fn deferred(&self) -> usize {
        let all = |log: &ReadOnlyLog| log.waiting_from(&self.place, &[0; 16]).unwrap().len();
        all(&self.memo) + all(&self.object)
    }

    fn memos_from(&self, first: &HalfBytes) -> Result<MemoIter, StoreError> {
        let (range, waiting) = self.place.guarded(|| {
            let range = (self.memo.index).range_owned::<&HalfBytes>(first..);
            let range = range.map_err(|error| self.place.redb(READ, error))?;
            Ok((range, self.memo.waiting_from(&self.place, first)?))
        })?;
        let scan = Scan::of(&self.place, range);
        Ok(MemoIter::of(&self.memo, scan, waiting))
    }

    /// How often what the call with this key led to was reused. A damaged record is none.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`].
    pub fn usage(&self, key: &MemoKey) -> Result<Option<Usage>, StoreError> {
        self.place
            .guarded(|| Ok(read(&self.place, &USAGE, &self.usage, &usage_key(key))?.or_miss()))
    }

    /// A recipe and the code behind it. A damaged record is missing.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`].
    pub fn recipe(&self, id: RecipeId) -> Result<Option<RecipeRecord>, StoreError> {
        self.place
            .guarded(|| Ok(read(&self.place, &RECIPE, &self.recipe, id.0)?.or_miss()))
    }

    /// All recipes, in the order of their numbers; damaged ones are left out.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`].
    pub fn recipes(&self) -> Result<Vec<(RecipeId, RecipeRecord)>, StoreError> {
        self.place.guarded(|| {
            let mut recipes = Vec::new();
            for entry in self
                .recipe
                .range_owned::<u32>(..)
                .map_err(|error| self.place.redb(READ, error))?
            {
                let (id, stored) = entry.map_err(|error| self.place.redb(READ, error))?;
                let id = id.value();
                let recipe = Found::of(&RECIPE, &id, stored.value()).or_miss();
                recipes.extend(recipe.map(|recipe| (RecipeId(id), recipe)));
            }
            Ok(recipes)
        })
    }

    /// The digests of a component's functions, as this version of the digest counts them. Those of another version and
    /// damaged ones are a miss.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`].
    pub fn functions(
        &self,
        digest: &ComponentDigest,
        version: u32,
    ) -> Result<Option<BTreeMap<String, FunctionDigest>>, StoreError> {
        self.place.guarded(|| {
            let record: Option<FunctionsRecord<'_>> =
                read(&self.place, &FUNCTIONS, &self.functions, digest.as_bytes())?.or_miss();
            Ok(record
                .filter(|record| record.version == version)
                .map(|record| record.digests.into_owned()))
        })
    }

    /// What the component with this digest offers. A damaged record is a miss.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`].
    pub fn interface(&self, digest: &ComponentDigest) -> Result<Option<Interface>, StoreError> {
        self.place.guarded(|| {
            Ok(read(&self.place, &INTERFACE, &self.interface, digest.as_bytes())?.or_miss())
        })
    }

    pub(crate) fn compiled<R: Record>(&self, key: &[u8]) -> Result<Option<R>, StoreError> {
        self.place
            .guarded(|| Ok(read(&self.place, &COMPILED, &self.compiled, key)?.or_miss()))
    }

    /// Whether a file of this value is recorded, whatever is in it.
    pub(crate) fn has_object_file(&self, value: &Fingerprint) -> Result<bool, StoreError> {
        self.place.guarded(|| {
            let log = self.object.view(&self.place);
            let has_file = log.look(&half(value.as_bytes()), |_, stored| {
                let record = stored.and_then(|stored| stored.strip_prefix(value.as_bytes()));
                record.is_some_and(|record| ObjectRecord::file_bytes(record) > 0)
            })?;
            Ok(has_file.unwrap_or_default())
        })
    }

    /// The names of the files of compiled code that are recorded for a component.
    pub(crate) fn compiled_files(
        &self,
        digest: &ComponentDigest,
    ) -> Result<Vec<String>, StoreError> {
        self.place.guarded(|| {
            let mut files = Vec::new();
            for entry in self
                .compiled
                .range::<&[u8]>(&digest.as_bytes()[..]..)
                .map_err(|error| self.place.redb(READ, error))?
            {
                let (key, _) = entry.map_err(|error| self.place.redb(READ, error))?;
                if !key.value().starts_with(digest.as_bytes()) {
                    break;
                }
                files.extend(compiled::file_of_record(key.value()));
            }
            Ok(files)
        })
    }

    /// How many binaries of components are kept.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::memo`].
    pub fn builds(&self) -> Result<u64, StoreError> {
        self.place
            .guarded(|| (self.build.len()).map_err(|error| self.place.redb(READ, error)))
    }

    pub(crate) fn build(
        &self,
        digest: &ComponentDigest,
    ) -> Result<Option<BuildRecord>, StoreError> {
        self.place
            .guarded(|| Ok(read(&self.place, &BUILD, &self.build, digest.as_bytes())?.or_miss()))
    }
}
