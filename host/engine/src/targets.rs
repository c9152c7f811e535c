//! Opening targets: is what is there what the store knows, who made it if not, and what the flow no longer has.

use std::collections::BTreeSet;

use flowstone_connect::{
    ConnectError, Target, TargetIdentity, TargetState, check_target_inside, open_target,
    real_place, target_path,
};
use flowstone_core::{Plan, RELATION, Stage, TargetPlan};
use flowstone_store::TargetId;

use crate::books::Books;
use crate::commit::OpenTarget;
use crate::engine::{Engine, Flow, FlowPlace};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::report::TargetCounts;

/// A target that was opened, and what was found of it.
type Connected = (Box<dyn Target>, TargetState);

impl Engine {
    /// Refuses targets that lie outside the flow's folder, unless that is allowed, and where flowstone keeps something else.
    pub(crate) fn check_target_places(&self, plan: &Plan, place: &FlowPlace) -> Result<(), Error> {
        let store = real_place(self.store.path());
        let flow = real_place(&place.base.join(&place.file));
        for target in plan.stages.iter().flat_map(|stage| &stage.targets) {
            if !self.config.allow_outside {
                check_target_inside(&target.spec).map_err(|error| Error::Target {
                    target: target.name.clone(),
                    error,
                })?;
            }
            let Some(path) = target_path(&target.spec) else {
                continue;
            };
            let real = real_place(&place.base.join(path));
            let why = if real.starts_with(&store) {
                "lies in the store"
            } else if store.starts_with(&real) {
                "holds the store"
            } else if flow.starts_with(&real) {
                "is the flow file, or holds it"
            } else {
                continue;
            };
            return Err(Error::TargetPlace {
                target: target.name.clone(),
                path: path.to_owned(),
                why,
            });
        }
        Ok(())
    }

    /// Opens the targets of the flow, and those that left it and may still hold rows. True when one of them was not as
    /// the store knows it and goes by another number now.
    pub(crate) fn open_targets(
        &self,
        flow: &Flow,
        books: &mut Books,
        open: &mut Vec<OpenTarget>,
        observer: &dyn Observer,
    ) -> Result<bool, Error> {
        // Before a column is added or dropped: should this run be cut off, the next one knows of it.
        books.put_targets(&self.store)?;
        let mut replaced = false;
        for target in flow.plan.stages.iter().flat_map(|stage| &stage.targets) {
            let (opened, anew) = self.open_current(flow, target, books, observer)?;
            open.push(opened);
            replaced |= anew;
        }
        self.open_former(flow, books, open)?;
        books.put_targets(&self.store)?;
        Ok(replaced)
    }

    fn connect(&self, flow: &Flow, books: &Books, id: TargetId) -> Result<Connected, Error> {
        let entry = books
            .targets
            .get(&id)
            .ok_or(Error::Internal("a target without a number was opened"))?;
        let identity = TargetIdentity {
            flow: flow.plan.name.clone(),
            target: entry.name.clone(),
            token: entry.token.clone(),
        };
        open_target(
            &entry.spec,
            &flow.place.base,
            &identity,
            self.config.allow_outside,
        )
        .map_err(|error| Error::Target {
            target: entry.name.clone(),
            error,
        })
    }

    fn open_current(
        &self,
        flow: &Flow,
        plan: &TargetPlan,
        books: &mut Books,
        observer: &dyn Observer,
    ) -> Result<(OpenTarget, bool), Error> {
        let name = &plan.name;
        let mut id = books
            .target(&plan.spec)
            .ok_or(Error::Internal("a target was not given a number"))?;
        let (mut target, mut state) = self.connect(flow, books, id)?;
        let mut anew = false;
        if let Some(entry) = books.targets.get_mut(&id) {
            let is_new = entry.batch == 0 && entry.unsettled.is_empty();
            match state {
                TargetState::Known { batch }
                    if batch == entry.batch || entry.unsettled.contains(&batch) =>
                {
                    entry.batch = batch;
                    entry.unsettled.clear();
                }
                // Not as it was left: deleted, replaced, or put back from an older copy. It is filled anew.
                _ if !is_new => {
                    observer.event(&Event::TargetRebuilt { target: name });
                    id = books.replace_target(name, &plan.spec);
                    drop(target);
                    (target, state) = self.connect(flow, books, id)?;
                    anew = true;
                }
                _ => {}
            }
        }
        if let TargetState::Foreign {
            flow: other_flow,
            target: other_target,
            token,
        } = &state
        {
            let ours = match books.targets.values().find(|entry| entry.token == *token) {
                Some(entry) => entry.flow == books.flow,
                // From a store that is gone: the names are all there is to go by.
                None => *other_flow == flow.plan.name && other_target == name,
            };
            if !ours {
                return Err(Error::TargetTaken {
                    target: name.clone(),
                    other_flow: other_flow.clone(),
                    other_target: other_target.clone(),
                });
            }
        }
        if matches!(
            state,
            TargetState::Foreign { .. } | TargetState::Rekeyed { .. }
        ) {
            target.clear().map_err(|error| Error::Target {
                target: name.clone(),
                error,
            })?;
        }
        let opened = OpenTarget {
            id,
            name: name.clone(),
            target,
            counts: TargetCounts::default(),
        };
        Ok((opened, anew))
    }

    fn open_former(
        &self,
        flow: &Flow,
        books: &mut Books,
        open: &mut Vec<OpenTarget>,
    ) -> Result<(), Error> {
        for id in former(books, flow) {
            if let Some(entry) = books.targets.get_mut(&id)
                && entry.spec.kind == RELATION
            {
                // Should the flow have it again, it is another one: rows that are done until then forget this one.
                entry.void = true;
                continue;
            }
            let Some((target, state)) = self.connect_former(flow, books, id)? else {
                continue;
            };
            let Some(entry) = books.targets.get_mut(&id) else {
                continue;
            };
            match state {
                TargetState::Known { .. } => open.push(OpenTarget {
                    id,
                    name: entry.name.clone(),
                    target,
                    counts: TargetCounts::default(),
                }),
                // Nothing of ours is there any more: there is nothing to delete either.
                TargetState::Created => {
                    entry.void = true;
                    target.retire().map_err(|error| Error::Target {
                        target: entry.name.clone(),
                        error,
                    })?;
                }
                _ => entry.void = true,
            }
        }
        Ok(())
    }

    /// A target that the flow no longer has. None where somebody put something of their own in its place: nothing of ours is
    /// left there to delete.
    fn connect_former(
        &self,
        flow: &Flow,
        books: &mut Books,
        id: TargetId,
    ) -> Result<Option<Connected>, Error> {
        match self.connect(flow, books, id) {
            Err(Error::Target {
                error: ConnectError::NotOurs { .. },
                ..
            }) => {
                if let Some(entry) = books.targets.get_mut(&id) {
                    entry.void = true;
                }
                Ok(None)
            }
            connected => connected.map(Some),
        }
    }

    /// Removes targets that the flow no longer has and in which no row is left.
    pub(crate) fn retire_former(&self, flow: &Flow, books: &mut Books) -> Result<(), Error> {
        for id in former(books, flow) {
            if books.targets.get(&id).is_some_and(|entry| entry.rows > 0) {
                continue;
            }
            let Some((target, state)) = self.connect_former(flow, books, id)? else {
                continue;
            };
            let Some(entry) = books.targets.remove(&id) else {
                continue;
            };
            if matches!(state, TargetState::Known { .. } | TargetState::Created) {
                target.retire().map_err(|error| Error::Target {
                    target: entry.name.clone(),
                    error,
                })?;
            }
            self.store.write(|writer| books.put_target(writer, id))?;
        }
        Ok(())
    }
}

/// The targets that hold rows of the flow, or may, and that it no longer has.
fn former(books: &Books, flow: &Flow) -> Vec<TargetId> {
    let current: BTreeSet<TargetId> = (flow.plan.stages.iter())
        .flat_map(Stage::outputs)
        .filter_map(|target| books.target(&target.spec))
        .collect();
    let mine = books.targets.iter();
    mine.filter(|(id, entry)| entry.flow == books.flow && !entry.void && !current.contains(id))
        .map(|(id, _)| *id)
        .collect()
}
