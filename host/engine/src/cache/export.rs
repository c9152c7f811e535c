//! Exporting: results into an archive, in the order of their keys, each recipe before its first result.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use flowstone_core::ComponentDigest;
use flowstone_store::{Outcome, RecipeId, Snapshot, Why};

use super::archive::{Carried, Recipe, Writer};
use super::entries::{Entries, Entry};
use super::filter::CacheFilter;
use crate::answer::encoding;
use crate::engine::Engine;
use crate::error::Error;
use crate::recipe::Recipes;

/// How results are exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// Whether the components that made them go along.
    pub builds: bool,
}

/// What exporting came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// How many results were written.
    pub results: u64,
    /// Of how many recipes.
    pub recipes: u64,
    /// How many components.
    pub builds: u64,
    /// How many bytes the archive has.
    pub bytes: u64,
    /// Results that were left out, since they hang on a clock or on random numbers.
    pub impure: u64,
    /// Results that were left out, since they were put there by hand.
    pub put: u64,
    /// Results that were left out, since the store has lost them, or what they are of.
    pub lost: u64,
}

impl Engine {
    /// Writes the entries that fit `filter` to `out` as an archive.
    ///
    /// # Errors
    ///
    /// When the store cannot be read or `out` not written, or `stop` was set. What was written by then is no archive.
    pub fn cache_export(
        &self,
        filter: &CacheFilter,
        options: ExportOptions,
        out: &mut dyn Write,
        stop: &AtomicBool,
    ) -> Result<ExportReport, Error> {
        let snapshot = self.store.snapshot()?;
        let recipes = Recipes::read(&snapshot)?;
        let entries = Entries::new(&snapshot, &recipes, filter, stop)?;
        let mut export = Export {
            snapshot: &snapshot,
            writer: Writer::new(out)?,
            recipes: HashMap::new(),
            makers: BTreeSet::new(),
            report: ExportReport::default(),
        };
        entries.visit(&mut |entry| export.entry(&entry))?;
        if options.builds {
            for digest in std::mem::take(&mut export.makers) {
                if let Some(binary) = self.store.build(&digest)? {
                    export.writer.build(&binary)?;
                    export.report.builds += 1;
                }
            }
        }
        let mut report = export.report;
        report.bytes = export.writer.finish()?;
        Ok(report)
    }
}

struct Export<'a> {
    snapshot: &'a Snapshot,
    writer: Writer<'a>,
    /// The recipes that were met; none for one that no archive takes.
    recipes: HashMap<RecipeId, Option<Known>>,
    /// The components that made what was written.
    makers: BTreeSet<ComponentDigest>,
    report: ExportReport,
}

struct Known {
    recipe: Recipe,
    /// Its number in the archive, once it is there.
    number: Option<u32>,
}

impl Export<'_> {
    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let known = self.recipes.entry(entry.record.recipe).or_insert_with(|| {
            let recipe = entry
                .recipe
                .and_then(|record| Recipe::of(record.clone()).ok())?;
            Some(Known {
                recipe,
                number: None,
            })
        });
        let Some(known) = known else {
            self.report.lost += 1;
            return Ok(());
        };
        if known.recipe.is_impure() {
            self.report.impure += 1;
            return Ok(());
        }
        if entry.record.why == Why::Put {
            self.report.put += 1;
            return Ok(());
        }
        let outcome = &entry.record.outcome;
        let value = match outcome {
            Outcome::Value {
                fingerprint,
                stored,
                ..
            } => encoding(
                self.snapshot,
                fingerprint,
                stored,
                &known.recipe.ty().fingerprint(),
            )?,
            _ => Some(Vec::new()),
        };
        // What does not check out here would spoil the whole archive there.
        let arguments = &entry.record.arguments;
        let value =
            value.filter(|value| (known.recipe.check(arguments.len(), outcome, value)).is_ok());
        let Some(value) = value else {
            self.report.lost += 1;
            return Ok(());
        };
        let number = if let Some(number) = known.number {
            number
        } else {
            self.report.recipes += 1;
            self.makers.insert(known.recipe.record.maker.component);
            let number = self.writer.recipe(&known.recipe.record)?;
            *known.number.insert(number)
        };
        let carried = match outcome {
            Outcome::Nothing => Carried::Nothing,
            Outcome::Failed { reason } => Carried::Failed(reason),
            Outcome::Value { .. } => Carried::Value(&value),
        };
        let cost_ns = entry.record.cost_ns;
        self.writer.result(number, cost_ns, arguments, carried)?;
        self.report.results += 1;
        Ok(())
    }
}
