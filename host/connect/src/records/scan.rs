//! Scans: the records of a file as entries, by number as they come, or sorted by key.

use std::sync::Arc;

use crate::error::ConnectError;
use crate::hint::Hint;
use crate::key::{NO_KEY, display_joined, printable};
use crate::records::file::{RecordAt, Scanned};
use crate::records::format::{BadRecord, Layout, Reader};
use crate::records::input::{Body, RECORD_BYTES_MAX};
use crate::sorter::{Item, Sorted, Sorter};
use crate::source::{Entry, Locator};

/// The length of hints: half of BLAKE3, which is enough against accidents.
const HASH_BYTES: usize = 16;

/// The hash of a record under the header of its file.
pub(crate) fn hash(layout: &Layout, record: &[u8]) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(&blake3::keyed_hash(&layout.salt(), record).as_bytes()[..HASH_BYTES]);
    hash
}

/// The records as they come, with their numbers as keys.
pub(crate) struct ByNumber {
    scanned: Arc<Scanned>,
    reader: Reader,
    body: Body,
    number: u64,
    done: bool,
}

impl ByNumber {
    pub(crate) fn new(scanned: Arc<Scanned>, reader: Reader) -> Self {
        ByNumber {
            scanned,
            reader,
            body: Body::default(),
            number: 0,
            done: false,
        }
    }

    fn step(&mut self) -> Result<Option<Item>, ConnectError> {
        let Some(span) = self.reader.next(&mut self.body)? else {
            self.scanned.file.check_unchanged()?;
            return Ok(None);
        };
        self.number += 1;
        let problem = self
            .body
            .too_large
            .then(|| format!("the record is larger than {} MiB", RECORD_BYTES_MAX >> 20));
        Ok(Some(Item {
            key: self.number.to_be_bytes().to_vec(),
            number: self.number,
            span,
            hash: hash(&self.scanned.layout, &self.body.bytes).to_vec(),
            problem,
        }))
    }
}

impl Iterator for ByNumber {
    type Item = Result<Entry, ConnectError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step.map(|item| item.map(|item| entry(item, &self.scanned)))
    }
}

fn entry(item: Item, scanned: &Arc<Scanned>) -> Entry {
    let Item {
        key,
        span,
        hash,
        problem,
        ..
    } = item;
    let bytes = match &problem {
        None => hash.clone(),
        // What is wrong may lie in another record (the first one with the same key), so it is part of the version.
        Some(problem) => blake3::hash(&[hash.as_slice(), problem.as_bytes()].concat()).as_bytes()
            [..HASH_BYTES]
            .to_vec(),
    };
    let record = RecordAt {
        scanned: Arc::clone(scanned),
        span,
        hash,
        problem,
    };
    Entry {
        key,
        hint: Hint {
            bytes,
            settled: true,
        },
        size: span.len,
        locator: Locator::Record(Box::new(record)),
    }
}

/// Reads all records and sorts them by their key columns.
pub(crate) fn begin_sorted(mut records: ByNumber) -> Result<ByKey, ConnectError> {
    let path = records.scanned.file.path.clone();
    let mut sorter = Sorter::new(&path)?;
    let mut unkeyed = 0;
    sorter.fill(&path, || {
        let Some(mut item) = records.step()? else {
            return Ok(None);
        };
        let mut found = None;
        if item.problem.is_none() {
            match records.scanned.layout.key(&records.body.bytes) {
                Ok(key) => found = Some(key),
                Err(BadRecord { problem, key }) => (item.problem, found) = (Some(problem), key),
            }
        }
        unkeyed += u64::from(item.problem.is_some());
        match found {
            Some(key) => item.key = key,
            None => item.key.insert(0, NO_KEY),
        }
        Ok(Some(item))
    })?;
    Ok(ByKey {
        scanned: records.scanned,
        sorted: sorter.sort(&path)?,
        unkeyed,
        done: false,
    })
}

/// The records in the order of their keys.
pub(crate) struct ByKey {
    scanned: Arc<Scanned>,
    sorted: Sorted,
    /// How many records could not be read far enough for their keys to be known for sure.
    pub(crate) unkeyed: u64,
    done: bool,
}

impl ByKey {
    fn step(&mut self) -> Result<Option<Item>, ConnectError> {
        let Some((mut item, first)) = self.sorted.next(&self.scanned.file.path)? else {
            return Ok(None);
        };
        if let (None, Some(first)) = (&item.problem, first) {
            item.problem = Some(format!(
                "record {} has the same key as record {} in line {}: `{}`",
                item.number,
                first.number,
                first.span.line,
                printable(display_joined(&first.key).as_bytes()),
            ));
        }
        Ok(Some(item))
    }
}

impl Iterator for ByKey {
    type Item = Result<Entry, ConnectError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step.map(|item| item.map(|item| entry(item, &self.scanned)))
    }
}
