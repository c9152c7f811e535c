//! Objects: each is read whole and hashed.

use std::io;

use flowstone_core::Fingerprint;

use super::entries::Types;
use super::{DAMAGED, Done, Stopped, Verifier, VerifyPhase, flow, type_of};
use crate::encoding::ObjectRecord;
use crate::error::StoreError;
use crate::files;
use crate::log::Lead;
use crate::objects::file_name;
use crate::place::Place;
use crate::record::RecipeId;
use crate::slots::{Session, Tables};
use crate::tables::HalfBytes;

/// What a chunk of objects came to.
#[derive(Default)]
struct Chunk {
    objects: u64,
    unused: u64,
    total: u64,
    /// The damaged ones, with the fingerprints that are known.
    damaged: Vec<(HalfBytes, Option<Fingerprint>)>,
    /// How many records they led to, of how many.
    records: (u64, u64),
    cursor: Option<HalfBytes>,
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
                for object in chunk
                    .damaged
                    .iter()
                    .filter_map(|(_, object)| object.as_ref())
                {
                    // Where it cannot be removed it has no record, and is found as such below.
                    let _ = self.store.place.dir().remove_file(file_name(object));
                }
            }
            self.object_records.see(chunk.records);
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
    cursor: Option<HalfBytes>,
    repair: bool,
) -> Result<Chunk, StoreError> {
    let (mut chunk, keys) = keys(tables, session, cursor)?;
    let mut types = Types::default();
    for half in keys {
        let mark = type_of(&half, tables, session)?;
        let recipe = mark.and_then(|mark| u32::try_from(mark).ok());
        let ty = match recipe {
            Some(recipe) => types.of(RecipeId(recipe), tables, session)?,
            None => None,
        };
        match check(half, ty.as_ref(), tables, session)? {
            State::Sound => {}
            State::Unknown => chunk.unused += 1,
            State::Damaged(object) => chunk.damaged.push((half, object)),
        }
    }
    for (half, _) in &chunk.damaged {
        (tables.type_mark).mark(session, half, &DAMAGED.to_le_bytes())?;
        if repair {
            tables.object.drop_entry(session, half)?;
        }
    }
    Ok(chunk)
}

/// The keys of the objects after `cursor`.
fn keys<'txn>(
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
    cursor: Option<HalfBytes>,
) -> Result<(Chunk, Vec<HalfBytes>), StoreError> {
    let (mut chunk, mut keys, mut bytes) = (Chunk::default(), Vec::new(), 0);
    (chunk.total, chunk.records.1) = tables.object.lens(session)?;
    let log = tables.object.view(session)?;
    chunk.cursor = log.walk(cursor, |half, number, stored| {
        let lead = Lead::of(log.spec, &half, number, stored);
        keys.push(half);
        chunk.records.0 += u64::from(lead != Lead::Astray);
        let file = usize::try_from(file_bytes(lead)).unwrap_or(usize::MAX);
        bytes = usize::saturating_add(bytes, stored.map_or(0, <[u8]>::len)).saturating_add(file);
        Ok(flow(keys.len(), bytes))
    })?;
    chunk.objects = keys.len() as u64;
    Ok((chunk, keys))
}

fn file_bytes(lead: Lead<'_>) -> u64 {
    match lead {
        Lead::Record(_, record) => ObjectRecord::file_bytes(record),
        Lead::Damage(_) | Lead::Astray => 0,
    }
}

/// How an object is.
enum State {
    Sound,
    /// Nobody knows its type.
    Unknown,
    /// It is not what was stored.
    Damaged(Option<Fingerprint>),
}

fn check<'txn>(
    half: HalfBytes,
    ty: Option<&Fingerprint>,
    tables: &mut Tables<'txn>,
    session: Session<'txn>,
) -> Result<State, StoreError> {
    let log = tables.object.view(session)?;
    let checked = log.look(&half, |number, stored| {
        let lead = Lead::of(log.spec, &half, number, stored);
        let object = lead.hash().map(Fingerprint::from_bytes);
        if lead == Lead::Astray {
            return Ok(State::Damaged(None));
        }
        let Some(ty) = ty else {
            return Ok(State::Unknown);
        };
        Ok(match object {
            Some(object) if fits(session.place, &object, lead, ty)? => State::Sound,
            object => State::Damaged(object),
        })
    })?;
    checked.unwrap_or(Ok(State::Unknown))
}

/// Whether what is stored is the value with this fingerprint and type.
fn fits(
    place: &Place,
    value: &Fingerprint,
    lead: Lead<'_>,
    ty: &Fingerprint,
) -> Result<bool, StoreError> {
    let mut hasher = blake3::Hasher::new_keyed(ty.as_bytes());
    let is_whole = match lead.record() {
        Some(ObjectRecord::Inline(bytes)) => {
            hasher.update(&bytes);
            true
        }
        Some(ObjectRecord::File(len)) => hash_file(place, value, len, &mut hasher)
            .map_err(|error| place.io("reading an object", error))?,
        None => false,
    };
    Ok(is_whole && hasher.finalize() == *value.as_bytes())
}

fn hash_file(
    place: &Place,
    value: &Fingerprint,
    len: u64,
    hasher: &mut blake3::Hasher,
) -> io::Result<bool> {
    files::hash_expected(place.dir(), &file_name(value), len, hasher)
}
