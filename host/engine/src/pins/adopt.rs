//! Adopting: results that some code has made become those of a pin, and nothing is called.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use flowstone_core::{Maker, Recipe, RecipeRecord, RunId, Transform};
use flowstone_store::{RecipeId, Snapshot};

use super::codes::{Choice, PinSource};
use super::error::PinError;
use super::list::PinAdoption;
use super::rekey::{Moved, Pace, Way, count_entries, rekey};
use super::{Adoption, PinEntry, origin, pin_of, read, write};
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::overrides::{find, find_fold};
use crate::recipe::{Recipes, recipe};
use crate::run::now_s;

/// What was adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdoptReport {
    /// The pin.
    pub pin: String,
    /// The transform.
    pub transform: String,
    /// How many results were adopted.
    pub adopted: u64,
    /// How many of the results the pin had already.
    pub already: u64,
    /// For how many the pin had another result, which stays.
    pub other: u64,
    /// How many results the pin has now.
    pub entries: u64,
    /// The code that made what was adopted: the digests of components, and functions.
    pub codes: Vec<(String, String)>,
}

impl Engine {
    /// Makes results of the transform `name` of a flow those of the pin that the flow names for it. Nothing is called.
    ///
    /// Results are adopted where the arguments from columns have the same types, the result has the same type, and literals
    /// and grants are equal; the function may have parameters that it did not have before, where the flow gives a literal
    /// for them. Arguments from columns may have changed places where they kept their names, or their names where they kept
    /// their places. What the pin has already stays.
    ///
    /// # Errors
    ///
    /// [`PinError`] when the flow names no pin, the pin stands for another function, or there is nothing to adopt; when the
    /// store fails.
    pub fn adopt_pin(
        &self,
        flow: &Flow,
        name: &str,
        from: &PinSource,
        stop: &AtomicBool,
    ) -> Result<AdoptReport, Error> {
        refuse_fold(flow, name)?;
        let (stage, transform) = find(&flow.plan, name)?;
        let pin = named_pin(transform)?;
        let present = recipe(flow, stage, transform);
        let snapshot = self.store.snapshot()?;
        let stopped = || stop.load(Ordering::Relaxed);
        let pace = Pace::new(&stopped);
        let tallies = count_entries(&snapshot, &pace)?;
        let mut recipes = Recipes::read(&snapshot)?;
        let choice = Choice {
            recipes: &recipes,
            tallies: &tallies,
            present: &present,
        };
        let mut chosen = choice.select(self, flow, &transform.name, from)?;
        chosen.retain(|id| choice.fits(*id));
        let target = present.recipe.key();
        let under_pin = |id: &RecipeId| {
            let record = recipes.get(*id);
            record.is_some_and(|record| record.recipe.key() == target)
        };
        let standing: u64 = (tallies.iter())
            .filter(|(id, _)| under_pin(id))
            .map(|(_, tally)| tally.entries)
            .sum();
        let are_there = chosen.iter().any(under_pin);
        chosen.retain(|id| !under_pin(id));
        let all_there = are_there || standing > 0 && *from == PinSource::Present;
        if chosen.is_empty() && !all_there {
            return Err(PinError::NothingToAdopt {
                transform: transform.name.clone(),
                code: words(from),
                earlier: choice.earlier(),
            }
            .into());
        }
        let user = PinEntry::new(&flow.plan.name, &transform.name, &present);
        let sources = sources(&snapshot, &recipes, &chosen)?;
        self.note_adoptions(flow, (pin, &user), &sources, &HashMap::new())?;
        let mut ways = HashMap::new();
        for source in &sources {
            let to = RecipeRecord {
                recipe: present.recipe.clone(),
                maker: source.record.maker.clone(),
            };
            let way = Way::new(&self.store, &mut recipes, &source.record.recipe, to)?;
            ways.insert(source.id, way);
        }
        let moved = rekey(&self.store, &ways, false, &pace)?;
        self.note_adoptions(flow, (pin, &user), &sources, &moved)?;
        Ok(report(pin, transform, &sources, &moved, standing))
    }

    /// Writes down whose results are, or were, adopted: before, so that it is known however far it comes, and after.
    fn note_adoptions(
        &self,
        flow: &Flow,
        (pin, user): (&str, &PinEntry),
        sources: &[Source],
        moved: &HashMap<RecipeId, Moved>,
    ) -> Result<(), Error> {
        let run = self.store.snapshot()?.last_run()?.unwrap_or_default();
        let mut entry = self.entry_for(flow, pin, user)?;
        for source in sources {
            let put = moved.get(&source.id).map_or(0, |moved| moved.put);
            add(&mut entry.adoptions, source, put, run);
        }
        self.store.write(|writer| write(writer, pin, &entry))?;
        Ok(())
    }
}

/// The recipe that results are adopted from.
struct Source {
    id: RecipeId,
    record: RecipeRecord,
    /// What it was before any pin.
    origin: Recipe,
}

fn sources(
    snapshot: &Snapshot,
    recipes: &Recipes,
    chosen: &[RecipeId],
) -> Result<Vec<Source>, Error> {
    let mut sources = Vec::with_capacity(chosen.len());
    for id in chosen {
        let Some(record) = recipes.get(*id) else {
            continue;
        };
        let origin = match pin_of(&record.recipe) {
            Some(pin) => origin(record, read(snapshot, pin)?.as_ref()),
            None => record.recipe.clone(),
        };
        sources.push(Source {
            id: *id,
            record: record.clone(),
            origin,
        });
    }
    Ok(sources)
}

fn add(adoptions: &mut Vec<Adoption>, source: &Source, put: u64, run: RunId) {
    let maker = &source.record.maker;
    let same = |known: &Adoption| known.maker == *maker && known.origin == source.origin;
    let at = adoptions.iter().position(same).unwrap_or_else(|| {
        adoptions.push(Adoption {
            report: PinAdoption {
                component: maker.component.to_string(),
                function: maker.function.clone(),
                entries: 0,
                run,
                at: now_s(),
            },
            maker: maker.clone(),
            origin: source.origin.clone(),
        });
        adoptions.len() - 1
    });
    let known = &mut adoptions[at].report;
    if put > 0 {
        known.entries += put;
        (known.run, known.at) = (run, now_s());
    }
}

/// Refuses a fold: it has no results of rows.
pub(crate) fn refuse_fold(flow: &Flow, name: &str) -> Result<(), PinError> {
    match find_fold(&flow.plan, name) {
        Some((_, fold)) => Err(PinError::OfSteps {
            name: fold.name.clone(),
        }),
        None => Ok(()),
    }
}

/// The pin that the flow names for a transform.
pub(crate) fn named_pin(transform: &Transform) -> Result<&str, PinError> {
    let cache = &transform.cache;
    cache.pin.as_deref().ok_or_else(|| {
        let name = &transform.name;
        let line = if cache.age_max.is_some() {
            format!("add `pin = \"{name}-1\"` to its `cache`")
        } else {
            format!("write `cache = {{ pin = \"{name}-1\" }}` below `[transform.{name}]`")
        };
        PinError::NotNamed {
            transform: name.clone(),
            line,
        }
    })
}

/// Whose results were asked for.
fn words(from: &PinSource) -> String {
    match from {
        PinSource::Present => "the present code".to_owned(),
        PinSource::Run(run) => format!("the code of run {run}"),
        PinSource::Pin(name) => format!("pin `{name}`"),
        PinSource::Digest { digits, .. } => format!("the code `{digits}`"),
    }
}

fn report(
    pin: &str,
    transform: &Transform,
    sources: &[Source],
    moved: &HashMap<RecipeId, Moved>,
    standing: u64,
) -> AdoptReport {
    let sum = |of: fn(&Moved) -> u64| moved.values().map(of).sum::<u64>();
    let code = |maker: &Maker| (maker.component.to_string(), maker.function.clone());
    let mut codes: Vec<_> = sources
        .iter()
        .map(|source| code(&source.record.maker))
        .collect();
    codes.sort();
    codes.dedup();
    let adopted = sum(|moved| moved.put);
    AdoptReport {
        pin: pin.to_owned(),
        transform: transform.name.clone(),
        adopted,
        already: sum(|moved| moved.there),
        other: sum(|moved| moved.other),
        entries: standing + adopted,
        codes,
    }
}
