//! Measures a collection: `fill` makes a store with many entries, of which rows use half; `gc` collects it in a process
//! of its own, so that its memory can be taken from outside; `verify` reads all of it. See docs/benchmarks.md.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use flowstone_core::{
    CodeId, ComponentDigest, Fingerprint, Function, Maker, MemoKey, Param, Recipe, RecipeRecord,
    RunId, Type,
};
use flowstone_store::{
    CallRecord, CollectionId, GcPolicy, Lineage, MemoRecord, Outcome, RecipeId, RowHead, RowState,
    Store, StoreError, StoreOptions, Stored, TargetId, TargetRow, Why, Writer,
};

const USAGE: &str = "collect fill DIR ENTRIES | collect gc DIR USED-SINCE [BYTES-MAX] [--dry-run] [--no-compact] | collect verify DIR";

/// How many runs made the entries.
const RUNS: u64 = 50;
const ENTRIES_PER_BATCH: u64 = 4096;
const CALLS_PER_ROW: u64 = 8;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["fill", dir, entries] => fill(dir, entries.parse().unwrap_or(1_000_000)),
        ["gc", dir, since, ref rest @ ..] => gc(dir, since, rest),
        ["verify", dir] => verify(dir),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}

fn open(dir: &str) -> Result<Store, StoreError> {
    let mut options = StoreOptions::default();
    // As much as the engine gives it.
    options.cache_bytes = 16 << 20;
    Store::open(Path::new(dir), options)
}

fn hash(kind: u8, number: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[kind]).update(&number.to_le_bytes());
    *hasher.finalize().as_bytes()
}

/// The encoding of a text of so many bytes that begins with `number`, and its fingerprint.
fn text(number: u64, len: usize) -> (Vec<u8>, Fingerprint) {
    let mut encoding = (len as u32).to_le_bytes().to_vec();
    encoding.extend_from_slice(format!("{number:020}").as_bytes());
    encoding.resize(4 + len, b'x');
    let hash = blake3::keyed_hash(Type::String.fingerprint().as_bytes(), &encoding);
    (encoding, Fingerprint::from_bytes(*hash.as_bytes()))
}

/// How long the value of an entry is: most are short, one in ten is an object, one in a thousand a file.
fn len_of(number: u64) -> usize {
    match number {
        _ if number.is_multiple_of(1000) => 70_000,
        _ if number.is_multiple_of(10) => 2000,
        _ => 40 + (number % 300) as usize,
    }
}

fn entry(writer: &mut Writer<'_>, number: u64, run: u64) -> Result<MemoRecord, StoreError> {
    let (encoding, fingerprint) = text(number, len_of(number));
    let stored = if encoding.len() > flowstone_store::INLINE_BYTES_MAX {
        writer.put_object(&fingerprint, &encoding)?;
        Stored::Object
    } else {
        Stored::Inline(encoding)
    };
    Ok(MemoRecord {
        outcome: Outcome::Value {
            fingerprint,
            parts: Vec::new(),
            stored,
        },
        cost_ns: 20_000 + number % 1000,
        run: RunId(run),
        recipe: RecipeId(1 + (number % 4) as u32),
        arguments: vec![Fingerprint::from_bytes(hash(b'a', number))],
        why: Why::New,
    })
}

fn lineage(row: u64, run: u64) -> Lineage {
    let calls = row * CALLS_PER_ROW..(row + 1) * CALLS_PER_ROW;
    let target = |at: u64| TargetRow {
        target: TargetId(1),
        id: *hash(b'i', row * 8 + at).first_chunk().unwrap_or(&[0; 16]),
        key: format!("docs/folder-{}/page-{row}.md#{at}", row / 100).into_bytes(),
        fingerprint: *hash(b'f', row * 8 + at).first_chunk().unwrap_or(&[0; 16]),
        origin: vec![at as u32],
    };
    Lineage {
        shape: Some(Fingerprint::from_bytes(hash(b's', 0))),
        columns: vec![Fingerprint::from_bytes(hash(b'c', row))],
        run: RunId(run),
        calls: calls
            .map(|number| CallRecord {
                transform: (number % 3) as u16,
                key: key(number),
            })
            .collect(),
        replaced: Vec::new(),
        targets: (0..7).map(target).collect(),
        failure: None,
        lookups: Vec::new(),
        good: true,
    }
}

fn key(number: u64) -> MemoKey {
    MemoKey::from_bytes(hash(b'k', number))
}

fn recipe(number: u32) -> RecipeRecord {
    let component = ComponentDigest::from_bytes(hash(b'p', u64::from(number)));
    let function = Function {
        name: "words".to_owned(),
        params: vec![Param {
            name: "text".to_owned(),
            ty: Type::String,
        }],
        result: Some(Type::String),
        docs: None,
    };
    let maker = Maker {
        component,
        function: function.name.clone(),
        reachable: None,
    };
    let recipe = Recipe {
        code: maker.code(),
        function,
        literals: Vec::new(),
        grants: Vec::new(),
        ignored: Vec::new(),
        batched: false,
    };
    debug_assert!(matches!(recipe.code, CodeId::Component { .. }));
    RecipeRecord { recipe, maker }
}

fn fill(dir: &str, entries: u64) -> Result<(), StoreError> {
    let store = open(dir)?;
    let start = Instant::now();
    let write_batch = |batch: u64| -> Result<(), StoreError> {
        store.write(|writer| {
            let mut numbers: Vec<u64> = (batch * ENTRIES_PER_BATCH
                ..((batch + 1) * ENTRIES_PER_BATCH).min(entries))
                .collect();
            let rows: Vec<u64> = (numbers.iter().copied())
                .filter(|number| number.is_multiple_of(CALLS_PER_ROW))
                .map(|number| number / CALLS_PER_ROW)
                .collect();
            let run_of = |number: u64| 1 + number % entries * RUNS / entries;
            numbers.sort_by_key(|number| key(*number));
            for number in numbers {
                let record = entry(writer, number, run_of(number))?;
                writer.put_memo(&key(number), &record)?;
                if number.is_multiple_of(4) {
                    writer.add_usage(&key(number), RunId(run_of(number) + number % 3), 1)?;
                }
            }
            // Every other row is still there; the entries of the others are in use no more.
            for row in rows.into_iter().filter(|row| row.is_multiple_of(2)) {
                let head = RowHead {
                    hint: vec![7; 40],
                    content: Fingerprint::from_bytes(hash(b'c', row)),
                    flow: Fingerprint::from_bytes(hash(b's', 0)),
                    state: RowState::Done,
                };
                let name = format!("docs/folder-{}/page-{row}.md", row / 100);
                let lineage = lineage(row, run_of(row * CALLS_PER_ROW));
                writer.put_row(CollectionId(1), name.as_bytes(), &head, &lineage)?;
            }
            Ok(())
        })
    };
    (0..entries.div_ceil(ENTRIES_PER_BATCH)).try_for_each(write_batch)?;
    store.write(|writer| {
        (1..=4).try_for_each(|number| writer.put_recipe(RecipeId(number), &recipe(number)))?;
        (1..=RUNS + 2).try_for_each(|run| writer.put_run(RunId(run), "{}"))
    })?;
    println!(
        "filled in {:.1} s: {:?}",
        start.elapsed().as_secs_f64(),
        store.size()?
    );
    Ok(())
}

fn gc(dir: &str, since: &str, rest: &[&str]) -> Result<(), StoreError> {
    let since = RunId(since.parse().unwrap_or_default());
    let policy = GcPolicy {
        used_since: since,
        runs_since: since,
        bytes_max: rest.iter().find_map(|text| text.parse().ok()),
        dry_run: rest.contains(&"--dry-run"),
        ..GcPolicy::default()
    };
    let mut store = open(dir)?;
    let start = Instant::now();
    let mut phase = None;
    let report = store.gc(&policy, &AtomicBool::new(false), &mut |progress| {
        if phase != Some(progress.phase) {
            phase = Some(progress.phase);
            println!(
                "{:6.2} s  {:?} of {}",
                start.elapsed().as_secs_f64(),
                progress.phase,
                progress.total
            );
        }
    })?;
    println!("{:6.2} s  {report:#?}", start.elapsed().as_secs_f64());
    println!("{:?}, in use {}", store.size()?, store.live_bytes()?);
    if !policy.dry_run && !rest.contains(&"--no-compact") {
        let start = Instant::now();
        let compaction = store.compact()?;
        println!("{:6.2} s  {compaction:?}", start.elapsed().as_secs_f64());
        println!("{:?}, in use {}", store.size()?, store.live_bytes()?);
    }
    Ok(())
}

fn verify(dir: &str) -> Result<(), StoreError> {
    let store = open(dir)?;
    let start = Instant::now();
    let report = store.verify(false, &AtomicBool::new(false), &mut |_| {})?;
    println!("{:6.2} s  {report:#?}", start.elapsed().as_secs_f64());
    Ok(())
}
