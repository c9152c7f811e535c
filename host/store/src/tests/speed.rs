//! Measurements, ignored because they are of use only in release builds:
//! `cargo test --release -p flowstone-store -- --ignored --nocapture speed`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use flowstone_core::MemoKey;
use redb::backends::InMemoryBackend;
use redb::{ReadableDatabase, ReadableTableMetadata, StorageBackend, TableHandle};

use super::{fingerprint, hash, head, lineage, memo_key, open, write};
use crate::{
    CollectionId, MemoRecord, Outcome, Owner, Snapshot, Store, StoreOptions, Stored, TargetId,
};

const ROWS: u64 = 10_000;
const MEMOS_PER_ROW: u64 = 7;
const BATCHES: u64 = 10;

fn memo(number: u64) -> MemoRecord {
    let record = super::memo(number);
    let Outcome::Value {
        fingerprint,
        mut parts,
        ..
    } = record.outcome
    else {
        unreachable!()
    };
    parts.truncate(1);
    let outcome = Outcome::Value {
        fingerprint,
        parts,
        stored: Stored::Inline(hash(number).repeat(2)),
    };
    MemoRecord { outcome, ..record }
}

fn row_name(row: u64) -> Vec<u8> {
    format!("docs/folder-{:03}/page-{row:06}.md", row / 100).into_bytes()
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = open(&dir);
    let batches: Vec<_> = (0..BATCHES)
        .map(|batch| {
            let rows = batch * ROWS / BATCHES..(batch + 1) * ROWS / BATCHES;
            let mut memos: Vec<_> = (rows.start * MEMOS_PER_ROW..rows.end * MEMOS_PER_ROW)
                .map(|n| (memo_key(n), memo(n)))
                .collect();
            memos.sort_by_key(|(key, _)| *key);
            let rows: Vec<_> = rows
                .map(|row| (row_name(row), head(row), lineage(row)))
                .collect();
            (memos, rows)
        })
        .collect();

    let start = Instant::now();
    for (memos, rows) in &batches {
        write(&store, |writer| {
            for (key, record) in memos {
                writer.put_memo(key, record)?;
            }
            for (key, head, lineage) in rows {
                writer.put_row(CollectionId(0), key, head, lineage)?;
            }
            Ok(())
        })
        .unwrap();
    }
    println!(
        "{} memos, {ROWS} rows, {BATCHES} transactions: {:?}",
        ROWS * MEMOS_PER_ROW,
        start.elapsed()
    );

    let start = Instant::now();
    for (_, rows) in &batches {
        write(&store, |writer| {
            for (key, _, lineage) in rows {
                for target in &lineage.targets {
                    writer.claim(
                        TargetId(1),
                        &target.key,
                        &Owner {
                            collection: CollectionId(0),
                            row: key.clone(),
                        },
                    )?;
                }
            }
            Ok(())
        })
        .unwrap();
    }
    println!(
        "{} claims, {BATCHES} transactions: {:?}",
        ROWS * 7,
        start.elapsed()
    );

    for round in ["first", "second"] {
        let snapshot = store.snapshot().unwrap();
        let start = Instant::now();
        assert_eq!(
            snapshot
                .rows(CollectionId(0))
                .unwrap()
                .map(Result::unwrap)
                .count() as u64,
            ROWS
        );
        println!("{round} scan of {ROWS} heads: {:?}", start.elapsed());
    }

    let mut keys: Vec<MemoKey> = (0..ROWS * MEMOS_PER_ROW).map(memo_key).collect();
    keys.sort();
    let start = Instant::now();
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.memos(&keys).unwrap().iter().all(Option::is_some));
    println!("{} sorted lookups: {:?}", keys.len(), start.elapsed());
    let start = Instant::now();
    let few: Vec<MemoKey> = keys.iter().copied().step_by(70).collect();
    assert!(snapshot.memos(&few).unwrap().iter().all(Option::is_some));
    println!("{} sorted lookups: {:?}", few.len(), start.elapsed());
    let start = Instant::now();
    let entries = snapshot.memo_entries().unwrap().map(Result::unwrap).count();
    println!("{entries} entries listed: {:?}", start.elapsed());
    look_up(&snapshot, "of one batch", 1000);
    look_up(&snapshot, "of one row", 1);
    let start = Instant::now();
    for row in 0..ROWS {
        assert!(
            snapshot
                .lineage(CollectionId(0), &row_name(row))
                .unwrap()
                .is_some()
        );
    }
    println!("{ROWS} lineages: {:?}", start.elapsed());

    drop(snapshot);
    let start = Instant::now();
    drop(store);
    println!("close: {:?}", start.elapsed());
    let start = Instant::now();
    let store = open(&dir);
    println!("open: {:?}", start.elapsed());
    let start = Instant::now();
    let count = store
        .snapshot()
        .unwrap()
        .rows(CollectionId(0))
        .unwrap()
        .map(Result::unwrap)
        .count();
    println!("cold scan of {count} heads: {:?}", start.elapsed());
    println!(
        "store.redb: {} MiB",
        std::fs::metadata(dir.path().join("store.redb"))
            .unwrap()
            .len()
            >> 20
    );
}

/// Looks up the calls of so many rows at a time, as a run does that finds all of them.
fn look_up(snapshot: &Snapshot, what: &str, rows: u64) {
    let asked: Vec<Vec<MemoKey>> = (0..ROWS / rows)
        .map(|batch| {
            let numbers = batch * rows * MEMOS_PER_ROW..(batch + 1) * rows * MEMOS_PER_ROW;
            let mut keys: Vec<_> = numbers.map(memo_key).collect();
            keys.sort();
            keys
        })
        .collect();
    for round in ["first", "second"] {
        let start = Instant::now();
        for keys in &asked {
            assert!(snapshot.memos(keys).unwrap().iter().all(Option::is_some));
        }
        let each = start.elapsed() / (ROWS * MEMOS_PER_ROW) as u32;
        println!("{round} lookups {what}: {each:?} each");
    }
}

#[test]
#[ignore = "a measurement"]
fn speed_of_a_scan_over_many_heads() {
    let dir = tempfile::TempDir::new().unwrap();
    let store = open(&dir);
    write(&store, |writer| {
        (0..100_000)
            .try_for_each(|row| writer.put_head(CollectionId(0), &row_name(row), &head(row)))
    })
    .unwrap();
    for round in ["first", "second", "third"] {
        let snapshot = store.snapshot().unwrap();
        let start = Instant::now();
        let count = snapshot
            .rows(CollectionId(0))
            .unwrap()
            .map(Result::unwrap)
            .count();
        println!("{round} scan of {count} heads: {:?}", start.elapsed());
    }
}

/// Memory that counts what is written to it.
#[derive(Debug, Default)]
struct Counting {
    bytes: InMemoryBackend,
    written: Arc<[AtomicU64; 2]>,
}

impl StorageBackend for Counting {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.bytes.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.written[0].fetch_add(1, Ordering::Relaxed);
        self.written[1].fetch_add(data.len() as u64, Ordering::Relaxed);
        self.bytes.write(offset, data)
    }
}

/// What is written for as many results as a first run of 10,000 files makes, and which pages they take.
#[test]
#[ignore = "a measurement"]
fn speed_and_bytes_of_writing_results() {
    let dir = tempfile::TempDir::new().unwrap();
    let disk = Counting::default();
    let written = Arc::clone(&disk.written);
    let store = Store::open_on(dir.path(), disk, StoreOptions::default()).unwrap();
    let start = Instant::now();
    for batch in 0..BATCHES {
        let mut memos: Vec<u64> = (batch * 8500..(batch + 1) * 8500).collect();
        memos.sort_by_key(|number| hash(*number));
        write(&store, |writer| {
            for number in memos {
                writer.put_memo(&memo_key(number), &memo(number))?;
            }
            for number in batch * 1000..(batch + 1) * 1000 {
                let object = hash(number).repeat(70);
                writer.put_object(&fingerprint(number + (1 << 40)), &object)?;
            }
            Ok(())
        })
        .unwrap();
    }
    let [writes, bytes] = [0, 1].map(|which: usize| written[which].load(Ordering::Relaxed));
    println!(
        "85,000 memos, 10,000 objects, {BATCHES} transactions: {:?}, {writes} writes of {} MiB for {} MiB",
        start.elapsed(),
        bytes >> 20,
        store.live_bytes().unwrap() >> 20
    );
    let transaction = store.database().begin_read().unwrap();
    for table in transaction.list_tables().unwrap() {
        let table = transaction.open_untyped_table(table).unwrap();
        let stats = table.stats().unwrap();
        if stats.leaf_pages() > 1 {
            println!("{}: {stats:?}", table.name());
        }
    }
}
