//! The floors of the benchmarks, as a person would write them who needs the result once: one thread, no sandbox, no
//! cache. `floor documents FOLDER DATABASE` does the work of W1, with the library code that the plugin is made of;
//! `floor hash FOLDER EXTENSION` reads and hashes all files of a kind, as b3sum does.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// As in `flow.toml`.
const CHUNK_CHARS: u32 = 320;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["documents", folder, database] => documents(Path::new(folder), Path::new(database)),
        ["hash", folder, extension] => hash(Path::new(folder), extension),
        _ => Err("usage: floor documents FOLDER DATABASE | floor hash FOLDER EXTENSION".into()),
    }
}

/// A row for each chunk of each file, in one transaction.
fn documents(folder: &Path, database: &Path) -> Outcome {
    let mut connection = Connection::open(database)?;
    connection.execute_batch(
        "CREATE TABLE chunk (path TEXT NOT NULL, ordinal INTEGER NOT NULL, text TEXT, words INTEGER, \
         PRIMARY KEY (path, ordinal))",
    )?;
    let transaction = connection.transaction()?;
    let mut insert = transaction.prepare("INSERT INTO chunk VALUES (?1, ?2, ?3, ?4)")?;
    for path in files(folder)? {
        let content = fs::read_to_string(&path)?;
        let name = path.strip_prefix(folder)?.to_string_lossy();
        for chunk in text::chunks(&content, CHUNK_CHARS, 0)? {
            let words = text::word_count(&chunk.text);
            insert.execute((&name, chunk.ordinal, chunk.text, words))?;
        }
    }
    drop(insert);
    transaction.commit()?;
    Ok(())
}

/// One digest over the digests of all files of a kind.
fn hash(folder: &Path, extension: &str) -> Outcome {
    let mut all = blake3::Hasher::new();
    let files = files(folder)?;
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == extension))
    {
        all.update(blake3::hash(&fs::read(path)?).as_bytes());
    }
    println!("{}", all.finalize());
    Ok(())
}

/// All files below a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let (mut folders, mut found) = (vec![folder.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}
