//! Objects: each is read whole and hashed.

use std::io;

use flowstone_core::Fingerprint;
use redb::ReadableTable;

use super::entries::Types;
use super::{DAMAGED, Done, Stopped, Verifier, VerifyPhase, type_of, walk};
use crate::encoding::ObjectRecord;
use crate::error::StoreError;
use crate::files;
use crate::gc::half;
use crate::objects::file_name;
use crate::place::Place;
use crate::read::{Found, READ};
use crate::record::RecipeId;
use crate::slots::{Session, Tables};
use crate::tables::OBJECT;

/// What a chunk of objects came to.
#[derive(Default)]
struct Chunk {
    objects: u64,
    unused: u64,
    total: u64,
    /// The damaged ones.
    damaged: Vec<Fingerprint>,
    cursor: Option<[u8; 32]>,
}

impl Verifier<'_> {
    pub(super) fn objects(&mut self) -> Done {
        let mut cursor = None;
        let repair = self.repair;
        loop {
            let chunk = self.store.write(|writer| {
                writer.collect(|tables, session, _| check_chunk(tables, session, cursor, repair))
            })?;
            if repair {
                for object in &chunk.damaged {
                    // Where it cannot be removed it has no record, and is found as such below.
                    let _ = self.store.place.dir().remove_file(file_name(object));
                }
            }
            self.report.objects += chunk.objects;
            self.report.objects_unused += chunk.unused;
            self.report.objects_damaged += chunk.damaged.len() as u64;
            if !self.goes_on(VerifyPhase::Objects, self.report.objects, chunk.total) {
                return Ok(Err(Stopped));
            }
            cursor = chunk.cursor;
            if cursor.is_none() {
                return Ok(Ok(()));
            }
        }
    }
}

fn check_chunk<'txn>(
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
    cursor: Option<[u8; 32]>,
    repair: bool,
) -> Result<Chunk, StoreError> {
    let (mut chunk, keys) = keys(tables, session, cursor)?;
    let mut types = Types::default();
    for key in keys {
        let mark = type_of(&key, tables, session)?;
        let recipe = mark.and_then(|mark| u32::try_from(mark).ok());
        let ty = match recipe {
            Some(recipe) => types.of(RecipeId(recipe), tables, session)?,
            None => None,
        };
        let record = tables.object.open(session)?.get(&key);
        let stored = record.map_err(|error| session.place.redb(READ, error))?;
        let (Some(ty), Some(stored)) = (ty, stored) else {
            chunk.unused += 1;
            continue;
        };
        if !fits(session.place, &key, stored.value(), &ty)? {
            chunk.damaged.push(Fingerprint::from_bytes(key));
        }
    }
    for object in &chunk.damaged {
        let damaged = DAMAGED.to_le_bytes();
        (tables.type_mark).mark(session, &half(object.as_bytes()), &damaged)?;
        if repair {
            tables.object.remove(session, object.as_bytes())?;
        }
    }
    Ok(chunk)
}

/// The keys of the objects after `cursor`.
fn keys<'txn>(
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
    cursor: Option<[u8; 32]>,
) -> Result<(Chunk, Vec<[u8; 32]>), StoreError> {
    let table = tables.object.open(session)?;
    let (mut chunk, mut keys) = (Chunk::default(), Vec::new());
    (chunk.total, chunk.cursor) = walk(session, table, cursor, |key, stored| {
        keys.push(key);
        stored.len() + ObjectRecord::file_bytes(stored) as usize
    })?;
    chunk.objects = keys.len() as u64;
    Ok((chunk, keys))
}

/// Whether what is stored is the value with this fingerprint and type.
fn fits(
    place: &Place,
    key: &[u8; 32],
    stored: &[u8],
    ty: &Fingerprint,
) -> Result<bool, StoreError> {
    let value = Fingerprint::from_bytes(*key);
    let mut hasher = blake3::Hasher::new_keyed(ty.as_bytes());
    let is_whole = match Found::of(&OBJECT, &key, stored).or_miss() {
        Some(ObjectRecord::Inline(bytes)) => {
            hasher.update(&bytes);
            true
        }
        Some(ObjectRecord::File(len)) => hash_file(place, &value, len, &mut hasher)
            .map_err(|error| place.io("reading an object", error))?,
        None => false,
    };
    Ok(is_whole && hasher.finalize() == *key)
}

fn hash_file(
    place: &Place,
    value: &Fingerprint,
    len: u64,
    hasher: &mut blake3::Hasher,
) -> io::Result<bool> {
    files::hash_expected(place.dir(), &file_name(value), len, hasher)
}
