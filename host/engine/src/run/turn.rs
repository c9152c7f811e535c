//! Turns: the stages of a flow one after the other, each settled before those that read what it publishes.

use flowstone_core::Fingerprint;
use flowstone_store::{CollectionId, StoreError, Writer};
use serde::{Deserialize, Serialize};

use super::prepare::Shared;
use super::round::hand_out_again;
use crate::batch::{Halt, Item};
use crate::books::{get, put};
use crate::commit::Committer;
use crate::engine::Engine;
use crate::error::Error;
use crate::event::Event;
use crate::execute::{Spread, execute};
use crate::fold::Folding;
use crate::relation::noun;
use crate::scan::{Found, Pass, hand_out, scan};
use crate::stage::StageRun;

/// The stages of a round.
pub(super) struct Turns<'s> {
    pub(super) engine: &'s Engine,
    pub(super) stages: &'s [StageRun<'s>],
    pub(super) shared: &'s Shared<'s>,
    /// Whether all rows of all sources are looked at.
    pub(super) is_whole: bool,
    /// Whether a source that cannot be had is left as it is.
    pub(super) lenient: bool,
}

/// How far the rows of a gathered collection are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// What was done to all of them.
    pub(crate) flow: Option<Fingerprint>,
    /// How many there are.
    pub(crate) rows: u64,
}

/// The name of the entry that says how far a gathered collection is.
pub(super) fn standing_entry(collection: CollectionId) -> String {
    format!("gathered/{:08x}", collection.0)
}

/// How far the rows of a gathered stage are.
pub(crate) fn standing(stage: &StageRun<'_>) -> Result<Standing, Error> {
    let snapshot = stage.store.snapshot()?;
    Ok(get(&snapshot, &standing_entry(stage.collection))?.unwrap_or_default())
}

/// Notes that not all rows of a gathered collection are as one flow leaves them.
pub(crate) fn unsettle(
    writer: &mut Writer<'_>,
    collection: CollectionId,
    before: Standing,
) -> Result<(), StoreError> {
    let after = Standing {
        flow: None,
        ..before
    };
    put(writer, &standing_entry(collection), &after)
}

/// Whether all rows of a gathered stage have to be looked at, or only those that are due. `is_whole` says whether all rows of
/// all sources are.
pub(crate) fn pass_of(stage: &StageRun<'_>, standing: &Standing, is_whole: bool) -> Pass {
    let is_current = standing.flow == Some(stage.fingerprint);
    let always = stage.always && is_whole;
    if is_current && !always && stage.overrides.is_empty() {
        Pass::Due
    } else {
        Pass::Whole
    }
}

/// Checks that every row for which a result is given is there. Before now nobody could know.
fn given_are_there(stage: &StageRun<'_>, found: &Found) -> Result<(), Error> {
    let Some((key, place)) = stage.overrides.unlisted(&found.given) else {
        return Ok(());
    };
    let source = &stage.stage.source;
    Err(Error::Override {
        place: place.to_owned(),
        message: format!(
            "{} `{}` has no row `{key}`",
            noun(&source.kind),
            source.name
        ),
    })
}

impl Turns<'_> {
    /// Works through what was found, stage by stage.
    ///
    /// A stage whose source is at fault is left as it is, and so is one that reads what such a stage has not published yet: to
    /// it, everything would seem to be gone.
    pub(super) fn take(
        &self,
        found: Vec<Option<Found>>,
        committer: &mut Committer<'_>,
    ) -> Result<(), Halt> {
        // Rows that are gone make room first: those of sources that left the flow, then those of each source.
        let mut all: Vec<_> = self.stages.iter().zip(found).enumerate().collect();
        all.sort_by_key(|(_, (stage, _))| !stage.stage.collections.is_empty());
        for (index, (stage, found)) in all {
            let Some(found) = found.filter(|_| !self.reads_nothing(index, committer)) else {
                continue;
            };
            let is_gathered = stage.stage.source.gather.is_some();
            let outcome = if is_gathered {
                self.gathered(index, committer)
            } else {
                self.listed(index, found, committer)
            };
            stage.view.release();
            outcome?;
            if !stage.stage.relations.is_empty() {
                committer.settle()?;
                if self.is_whole || is_gathered {
                    self.note_published(index, committer)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a stage reads something that was never published in full.
    fn reads_nothing(&self, index: usize, committer: &Committer<'_>) -> bool {
        let stage = self.stages[index].stage;
        let gathered = stage.source.gather.iter().flat_map(|gather| &gather.from);
        let gathered = gathered.map(|from| from.relation);
        let mut read = gathered.chain(stage.lookups.iter().map(|lookup| lookup.relation));
        read.any(|relation| {
            let publisher = &self.stages[relation.stage];
            let at = publisher.stage.targets.len() + relation.relation;
            let entry = committer.books.targets.get(&publisher.targets[at].id);
            entry.is_none_or(|entry| entry.batch == 0)
        })
    }

    /// Notes that a stage has published all it has.
    fn note_published(&self, index: usize, committer: &mut Committer<'_>) -> Result<(), Error> {
        let stage = &self.stages[index];
        for outlet in &stage.targets[stage.stage.targets.len()..] {
            let entry = committer.books.targets.get_mut(&outlet.id);
            if let Some(entry) = entry.filter(|entry| entry.batch == 0) {
                entry.batch = 1;
                let books = &*committer.books;
                (self.engine.store).write(|writer| books.put_target(writer, outlet.id))?;
            }
        }
        Ok(())
    }

    /// The rows of a source outside of the store, or of one that left the flow.
    fn listed(
        &self,
        index: usize,
        found: Found,
        committer: &mut Committer<'_>,
    ) -> Result<(), Halt> {
        let stage = &self.stages[index];
        let before = standing(stage)?;
        if found.pending > 0 && before.flow.is_some() {
            // It was gathered, and left the flow.
            (self.engine.store).write(|writer| unsettle(writer, stage.collection, before))?;
        }
        self.work_through(index, found, committer)?;
        match self.take_up_due(index, committer) {
            // What is due stays so.
            Err(Halt::Error(error)) if self.lenient && error.is_of_source() => Ok(()),
            outcome => outcome,
        }
    }

    /// The rows of a source for which something else that they read has changed.
    fn take_up_due(&self, index: usize, committer: &mut Committer<'_>) -> Result<(), Halt> {
        let stage = &self.stages[index];
        if stage.lookups.is_empty() {
            return Ok(());
        }
        committer.settle()?;
        let found = scan(stage, Pass::Due)?;
        let state = &mut committer.stages[index];
        state.due = true;
        // They are counted anew.
        state.failed_before = found.known_failed;
        state.failed_again = found
            .failed_keys
            .iter()
            .map(|key| stage.label(key))
            .collect();
        self.work_through(index, found, committer)
    }

    /// The rows of a stage that come from other stages.
    fn gathered(&self, index: usize, committer: &mut Committer<'_>) -> Result<(), Halt> {
        let stage = &self.stages[index];
        if let Some(folding) = Folding::of(stage) {
            folding.work()?;
        }
        let before = standing(stage)?;
        let found = scan(stage, pass_of(stage, &before, self.is_whole))?;
        given_are_there(stage, &found)?;
        let pass = found.pass;
        if pass == Pass::Whole && before.flow.is_some() {
            // Cut off on the way, the next run looks at all of them as well, whatever flow it is of.
            (self.engine.store).write(|writer| unsettle(writer, stage.collection, before))?;
        }
        let state = &mut committer.stages[index];
        state.due = true;
        self.shared.observer.event(&Event::SourceScanned {
            source: &stage.stage.source.name,
            rows: found.rows.max(before.rows),
            pending: found.pending,
        });
        let whole = (found.pass == Pass::Whole).then_some(found.rows);
        self.work_through(index, found, committer)?;
        committer.settle()?;
        let counts = &mut committer.stages[index].counts;
        counts.rows = whole.unwrap_or((before.rows + counts.added).saturating_sub(counts.removed));
        counts.unchanged = counts.rows.saturating_sub(counts.added + counts.changed);
        let after = Standing {
            flow: stage.overrides.is_empty().then_some(stage.fingerprint),
            rows: counts.rows,
        };
        if after != before || pass == Pass::Whole {
            let name = standing_entry(stage.collection);
            (self.engine.store).write(|writer| put(writer, &name, &after))?;
        }
        Ok(())
    }

    /// Works on the rows that were found, then once more on those that collided.
    fn work_through(
        &self,
        index: usize,
        found: Found,
        committer: &mut Committer<'_>,
    ) -> Result<(), Halt> {
        let Found {
            pending,
            kept,
            known,
            removed,
            pass,
            ..
        } = found;
        if pending == 0 {
            return Ok(());
        }
        let stage = &self.stages[index];
        let spread = self.spread(stage, pending);
        execute(stage, index, &spread, committer, |visit| {
            if let Some(mut items) = kept {
                items.sort_by_key(|item| item.entry.is_some());
                hand_out(items, visit);
                return Ok(());
            }
            // The guard holds for what is listed now, too.
            let is_guarded =
                !self.shared.options.allow_deletes && stage.stage.source.gather.is_none();
            let most = if is_guarded {
                removed.max(known / 2)
            } else {
                u64::MAX
            };
            hand_out_again(stage, (pass, most), visit)
        })?;
        self.try_again(index, committer)
    }

    /// Works once more on the rows that wanted a target row which another one had.
    fn try_again(&self, index: usize, committer: &mut Committer<'_>) -> Result<(), Halt> {
        let entries = std::mem::take(&mut committer.stages[index].conflicts);
        if entries.is_empty() {
            return Ok(());
        }
        committer.settle()?;
        committer.stages[index].second = true;
        let (stage, snapshot) = (&self.stages[index], self.engine.store.snapshot()?);
        let mut items = Vec::with_capacity(entries.len());
        for entry in entries {
            let head = snapshot.row(stage.collection, &entry.key)?;
            items.push(Item {
                key: entry.key.clone(),
                entry: Some(entry),
                head,
                same_version: false,
                due: false,
            });
        }
        let spread = self.spread(stage, items.len() as u64);
        let outcome = execute(stage, index, &spread, committer, |visit| {
            hand_out(items, visit);
            Ok(())
        });
        committer.stages[index].second = false;
        outcome
    }

    fn spread(&self, stage: &StageRun<'_>, pending: u64) -> Spread {
        Spread::new(stage.stage, &self.engine.config, pending)
    }
}
