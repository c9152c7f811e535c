//! Importing: an archive is read twice. The first time all of it is checked; only then, the second time, what the store
//! has not is remembered.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use flowstone_core::{ComponentDigest, RecipeRecord, RunId};
use flowstone_sandbox::scan;
use flowstone_store::{MemoRecord, Outcome, RecipeId, StoreError, Why, Writer};

use super::archive::{ArchiveError, Block, Checked, Reader, Recipe};
use super::dated::Dated;
use super::register;
use crate::engine::Engine;
use crate::error::Error;
use crate::recipe::Recipes;

/// So many results are written in one transaction, or so many bytes of them.
const RESULTS_AT_ONCE: usize = 4096;
const BYTES_AT_ONCE: usize = 8 << 20;

/// The buffer for reading.
const BUFFER_BYTES: usize = 256 << 10;

/// What importing came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// How many results the archive holds.
    pub results: u64,
    /// How many of them are remembered now that were not.
    pub imported: u64,
    /// How many the store had; they stay as they are.
    pub present: u64,
    /// Results that were left out, since they hang on a clock or on random numbers.
    pub impure: u64,
    /// How many components the archive holds, which are kept now.
    pub builds: u64,
}

impl Engine {
    /// Remembers the results of an archive; with `dry_run` it only says how many that would be.
    ///
    /// What is imported is as old as the import, which stands among the records of the runs.
    ///
    /// Nothing in the archive is trusted: keys and fingerprints are made anew, and values must be of the types that their
    /// functions have. A block may be as large as the memory that the engine was given.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`] when the file is no archive, is damaged, or cannot be read: nothing of it is imported then.
    /// Others when the store cannot be written, or `stop` was set.
    pub fn cache_import(
        &self,
        file: &mut (impl Read + Seek),
        dry_run: bool,
        stop: &AtomicBool,
    ) -> Result<ImportReport, Error> {
        let start = file.stream_position().map_err(ArchiveError::Io)?;
        self.each_block(file, stop, &mut |_, _| Ok(()))?;
        (file.seek(SeekFrom::Start(start))).map_err(ArchiveError::Io)?;
        let mut import = Import::new(self, dry_run)?;
        self.each_block(file, stop, &mut |block, recipes| {
            import.block(block, recipes)
        })?;
        Ok(import.report)
    }

    /// Hands every block of an archive to `visit`, checked; at the end none.
    fn each_block(
        &self,
        file: &mut impl Read,
        stop: &AtomicBool,
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let input = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut reader = Reader::new(input, self.config.memory_bytes_max)?;
        let mut makers = BTreeSet::new();
        loop {
            let place = reader.place();
            let block = reader.next()?;
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let part = match block {
                Some(Block::Recipe) => {
                    let maker = reader
                        .recipes
                        .last()
                        .map(|recipe| recipe.record.maker.component);
                    makers.extend(maker);
                    continue;
                }
                Some(Block::Result(result)) => Part::Result(result),
                Some(Block::Build(binary)) => {
                    Part::Build(component(&binary, &makers, place)?, binary)
                }
                None => return visit(None, &reader.recipes),
            };
            visit(Some(part), &reader.recipes)?;
        }
    }
}

/// What is done with every part of an archive, and with its recipes so far.
type Visit<'a> = &'a mut dyn FnMut(Option<Part>, &[Recipe]) -> Result<(), Error>;

/// A part of an archive that is kept.
enum Part {
    Result(Checked),
    Build(ComponentDigest, Vec<u8>),
}

/// The digest of a component that made some of the results.
fn component(
    binary: &[u8],
    makers: &BTreeSet<ComponentDigest>,
    at: u64,
) -> Result<ComponentDigest, ArchiveError> {
    let damaged = |what: &str| ArchiveError::Damaged {
        at,
        what: what.to_owned(),
    };
    let digest = scan(binary)
        .map_err(|_| damaged("a component is none"))?
        .digest;
    if makers.contains(&digest) {
        Ok(digest)
    } else {
        Err(damaged("a component made none of the results"))
    }
}

/// Importing, while the archive is read for the second time.
struct Import<'a> {
    engine: &'a Engine,
    dry_run: bool,
    /// Since when what is imported is here: nobody knows how old it was.
    dated: Dated,
    /// Whether that is written.
    is_dated: bool,
    /// The numbers of the store's recipes, by the hash of their JSON.
    known: HashMap<blake3::Hash, RecipeId>,
    /// The numbers of the archive's recipes in the store, as far as they have one.
    numbers: HashMap<usize, RecipeId>,
    results: Vec<Checked>,
    bytes: usize,
    report: ImportReport,
}

impl<'a> Import<'a> {
    fn new(engine: &'a Engine, dry_run: bool) -> Result<Self, Error> {
        let snapshot = engine.store.snapshot()?;
        let recipes = Recipes::read(&snapshot)?;
        let known = recipes
            .iter()
            .map(|(id, record)| Ok((hash(record)?, *id)))
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            engine,
            dry_run,
            dated: Dated::new(&snapshot, "import")?,
            is_dated: false,
            known,
            numbers: HashMap::new(),
            results: Vec::new(),
            bytes: 0,
            report: ImportReport::default(),
        })
    }

    fn block(&mut self, part: Option<Part>, recipes: &[Recipe]) -> Result<(), Error> {
        match part {
            Some(Part::Result(result)) => {
                self.report.results += 1;
                if recipes[result.recipe].is_impure() {
                    self.report.impure += 1;
                    return Ok(());
                }
                self.bytes += result.size();
                self.results.push(result);
                if self.results.len() < RESULTS_AT_ONCE && self.bytes < BYTES_AT_ONCE {
                    return Ok(());
                }
            }
            Some(Part::Build(digest, binary)) => {
                self.report.builds += 1;
                if !self.dry_run {
                    self.engine.store.put_build(&digest, &binary)?;
                }
                return Ok(());
            }
            None => {}
        }
        self.flush(recipes)
    }

    /// Remembers what was gathered.
    fn flush(&mut self, recipes: &[Recipe]) -> Result<(), Error> {
        let mut results = std::mem::take(&mut self.results);
        self.bytes = 0;
        results.sort_unstable_by_key(|result| result.key);
        if self.dry_run {
            let snapshot = self.engine.store.snapshot()?;
            for result in results {
                self.count(snapshot.memo(&result.key)?.is_some());
            }
            return Ok(());
        }
        let store = &self.engine.store;
        let (news, numbers) = store.write(|writer| {
            let mut numbers = self.numbers.clone();
            let mut news = Vec::with_capacity(results.len());
            for result in results {
                let is_new = writer.memo(&result.key)?.is_none();
                news.push(is_new);
                if !is_new {
                    continue;
                }
                let recipe = if let Some(id) = numbers.get(&result.recipe) {
                    *id
                } else {
                    let id = self.number(writer, &recipes[result.recipe].record)?;
                    numbers.insert(result.recipe, id);
                    id
                };
                put(writer, self.dated.run, recipe, result)?;
            }
            if !self.is_dated && news.contains(&true) {
                self.dated.write(writer)?;
            }
            Ok::<_, Error>((news, numbers))
        })?;
        self.numbers = numbers;
        self.is_dated |= news.contains(&true);
        for is_new in news {
            self.count(!is_new);
        }
        Ok(())
    }

    /// The number of a recipe in the store; a new one where the store does not know it.
    fn number(&self, writer: &mut Writer<'_>, record: &RecipeRecord) -> Result<RecipeId, Error> {
        match self.known.get(&hash(record)?) {
            Some(id) => Ok(*id),
            None => Ok(register(writer, record)?),
        }
    }

    fn count(&mut self, present: bool) {
        self.report.present += u64::from(present);
        self.report.imported += u64::from(!present);
    }
}

fn put(
    writer: &mut Writer<'_>,
    run: RunId,
    recipe: RecipeId,
    result: Checked,
) -> Result<(), StoreError> {
    if let (Outcome::Value { fingerprint, .. }, Some(encoding)) = (&result.outcome, &result.object)
    {
        writer.put_object(fingerprint, encoding)?;
    }
    let record = MemoRecord {
        outcome: result.outcome,
        cost_ns: result.cost_ns,
        run,
        recipe,
        arguments: result.arguments,
        why: Why::Imported,
    };
    writer.put_memo(&result.key, &record)
}

fn hash(record: &RecipeRecord) -> Result<blake3::Hash, Error> {
    let json = serde_json::to_vec(record).map_err(|_| Error::Internal("a recipe is not JSON"))?;
    Ok(blake3::hash(&json))
}
