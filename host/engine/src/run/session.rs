//! A session: what a flow needs to be worked on, opened once. It does rounds, and is a run in the store's history.

use std::sync::atomic::AtomicBool;

use flowstone_connect::{Tell, Watch};
use flowstone_core::{Fingerprint, Reader, RunId, Stage};
use flowstone_store::{CollectionId, StoreError, Writer};

use super::prepare::left_stages;
use super::summary::Tally;
use super::turn::standing_entry;
use super::{RunOptions, Shared, Start};
use crate::books::{Books, put_stage_names};
use crate::commit::{Begun, Feed, Feeds, OpenTarget};
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::fold::recipe_entry;
use crate::history;
use crate::report::RunReport;
use crate::stage::StageRun;

/// What a session stands on: it outlives the session's stages, which borrow from it.
pub(crate) struct Ground<'a> {
    pub(super) flow: &'a Flow,
    pub(super) shared: Shared<'a>,
    /// The sources that left the flow.
    left: Vec<(CollectionId, Stage)>,
    pub(super) start: Start,
}

/// A flow that is worked on. Its rounds come one after the other.
pub(crate) struct Session<'a> {
    pub(super) engine: &'a Engine,
    pub(super) ground: &'a Ground<'a>,
    pub(super) books: Books,
    pub(super) stages: Vec<StageRun<'a>>,
    /// What becomes of changes of the flow's relations.
    pub(super) feeds: Feeds,
    /// The targets; none before the first round, which opens them when the sources are known to be fit.
    pub(super) open: Option<Vec<OpenTarget>>,
    /// The run's beginning, until it is written.
    pub(super) begun: Option<Begun>,
    pub(super) tally: Tally,
    /// Whether a round goes on where a source cannot be had, or lacks too many rows.
    pub(super) lenient: bool,
}

impl Engine {
    /// Takes up what an earlier run left undone, and makes ready what a session stands on: numbers, recipes, threads.
    ///
    /// A `lenient` session goes on where a source cannot be had, or lacks too many rows.
    pub(crate) fn ground<'a>(
        &self,
        flow: &'a Flow,
        (options, lenient): (&RunOptions, bool),
        stop: &'a AtomicBool,
        observer: &'a dyn Observer,
    ) -> Result<(Ground<'a>, Books), Error> {
        let start = Start::now();
        options.cache.check(&flow.plan)?;
        let snapshot = self.store.snapshot()?;
        let run = RunId(snapshot.last_run()?.map_or(1, |last| last.0 + 1));
        drop(snapshot);
        observer.event(&Event::RunStarted {
            run,
            flow: &flow.plan.name,
        });
        self.recover(&flow.place)?;
        let snapshot = self.store.snapshot()?;
        let mut books = Books::read(&snapshot, &flow.plan.name, &flow.place)?;
        drop(snapshot);
        books.open(&self.store, &flow.plan)?;
        books.decide(&flow.plan);
        let mut shared = self.shared(run, stop, observer)?;
        shared.observed = options.observed;
        shared.options = options.clone();
        shared.lenient = lenient;
        self.register(flow, &mut shared)?;
        let left = left_stages(&books, flow);
        let ground = Ground {
            flow,
            shared,
            left,
            start,
        };
        Ok((ground, books))
    }

    /// Opens the sources of a flow. Nothing is changed before the first round.
    pub(crate) fn session<'a>(
        &'a self,
        ground: &'a Ground<'a>,
        books: Books,
    ) -> Result<Session<'a>, Error> {
        let mut session = Session {
            engine: self,
            ground,
            books,
            stages: Vec::new(),
            feeds: Feeds::default(),
            open: None,
            begun: None,
            tally: Tally::default(),
            lenient: ground.shared.lenient,
        };
        session.make_stages()?;
        Ok(session)
    }
}

impl Session<'_> {
    fn make_stages(&mut self) -> Result<(), Error> {
        let Ground {
            flow, left, shared, ..
        } = self.ground;
        self.stages = self.engine.stages(flow, left, &self.books, shared)?;
        self.feeds = feeds(flow, &self.books);
        Ok(())
    }

    /// From now on a round goes on where a source cannot be had, or lacks too many rows.
    pub(crate) fn be_lenient(&mut self) {
        self.lenient = true;
    }

    /// The names of the flow's sources.
    pub(crate) fn source_names(&self) -> Vec<String> {
        let stages = self.ground.flow.plan.stages.iter();
        stages.map(|stage| stage.source.name.clone()).collect()
    }

    /// Begins to watch a source of the flow.
    pub(crate) fn watch(&self, source: &str, tell: Tell) -> Result<Watch, Error> {
        let named = |stage: &&StageRun<'_>| stage.stage.source.name == source;
        let stage = self.stages.iter().find(named);
        let stage = stage.ok_or(Error::Internal("a source without a stage was watched"))?;
        stage.source.watch(tell).map_err(|error| Error::Source {
            source_name: source.to_owned(),
            error,
        })
    }

    /// Opens the targets. True when one of them is not as the store knows it: all rows have to be looked at again then.
    pub(super) fn open_targets(&mut self) -> Result<bool, Error> {
        let mut open = Vec::new();
        let replaced = self.engine.open_targets(
            self.ground.flow,
            &mut self.books,
            &mut open,
            self.ground.shared.observer,
        )?;
        if replaced {
            self.make_stages()?;
        }
        self.open = Some(open);
        self.begun = Some(self.beginning()?);
        Ok(replaced)
    }

    fn beginning(&self) -> Result<Begun, Error> {
        let shared = &self.ground.shared;
        let record = RunReport {
            run: shared.run,
            flow: self.ground.flow.plan.name.clone(),
            started: self.ground.start.unix_s,
            cache: shared.options.cache.clone(),
            interrupted: true,
            ..RunReport::default()
        };
        Ok(Begun {
            record: history::record(&record, &self.books)?,
            names: self.stage_names(),
        })
    }

    /// Ends the session: writes the run's record, and takes away what nothing refers to any more.
    pub(crate) fn finish(mut self) -> Result<RunReport, Error> {
        let report = self.report();
        self.open = None;
        let json = history::record(&report, &self.books)?;
        let complete = !report.interrupted;
        let books = &mut self.books;
        let mut gone = Vec::new();
        if complete {
            let entries = books.targets.iter();
            let void = entries.filter(|(_, entry)| entry.flow == books.flow && entry.void);
            gone.extend(void.map(|(id, _)| *id));
        }
        for id in &gone {
            books.targets.remove(id);
        }
        let names = self.stage_names();
        let (books, left, lenient) = (&self.books, &self.ground.left, self.lenient);
        self.engine
            .store
            .write(|writer: &mut Writer<'_>| -> Result<(), StoreError> {
                if complete {
                    for (collection, _) in left {
                        writer.remove_meta(&format!("source/{:08x}", collection.0))?;
                        writer.clear_due(*collection)?;
                        writer.remove_meta(&standing_entry(*collection))?;
                    }
                    for id in &gone {
                        // Nothing is there where it was no relation.
                        writer.clear_relation(*id)?;
                        writer.remove_meta(&recipe_entry(*id))?;
                        books.put_target(writer, *id)?;
                    }
                }
                for (stage, names) in &names {
                    put_stage_names(writer, stage, names)?;
                }
                // A run that did nothing leaves no record where others follow at once.
                if self.begun.is_none() || !lenient {
                    writer.put_run(report.run, &json)?;
                }
                Ok(())
            })?;
        if complete {
            self.engine
                .retire_former(self.ground.flow, &mut self.books)?;
        }
        Ok(report)
    }

    /// The names of the transforms of the flow's stages, by the identity of what is done to their rows.
    fn stage_names(&self) -> Vec<(Fingerprint, Vec<String>)> {
        let stages = self.stages.iter().take(self.ground.flow.plan.stages.len());
        let names = stages.flat_map(|stage| {
            let transforms = stage.stage.transforms.iter();
            let names: Vec<String> = transforms.map(|transform| transform.name.clone()).collect();
            let given = stage.overrides.given_flow(&stage.fingerprint);
            let flows = std::iter::once(stage.fingerprint).chain(given);
            flows.map(move |flow| (flow, names.clone()))
        });
        names.collect()
    }
}

/// What becomes of changes of the relations of a flow.
fn feeds(flow: &Flow, books: &Books) -> Feeds {
    let relations = flow.plan.stages.iter().flat_map(|stage| &stage.relations);
    let feeds = relations.filter_map(|relation| {
        let feed = match relation.reader {
            Reader::Lookup => Feed::Lookups,
            Reader::Stage(reader) => {
                let source = &flow.plan.stages[reader].source;
                let collection = books.source(&source.name)?;
                match &source.gather {
                    Some(gather) if gather.is_state() => Feed::Stated(collection),
                    Some(gather) if gather.fold.is_some() => Feed::Combined,
                    _ => Feed::Groups(collection),
                }
            }
        };
        Some((books.target(&relation.rows.spec)?, feed))
    });
    feeds.collect()
}
