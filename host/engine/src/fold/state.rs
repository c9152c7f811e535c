//! State: a function that is handed the members of a group batch by batch, in their order, with the state that it left after
//! the batch before.
//!
//! The batches are cut by the keys of the members, so that a fresh build cuts them in the same places; and what a batch came
//! to is kept with a hash of the state and the members that went in. After a change, the batches from there on are looked
//! at: called for while the hash differs, and left as they are once the state is again what it was. State of other code is
//! never gone on from: the members are all there, so they are handed over again.

mod batch;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use flowstone_core::{FoldKind, StateArgument, Type};
use flowstone_store::{Member, MemberChange, Snapshot, Step, StoreError, member_key};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::element::{Element, height};
use super::{CHANGES_MAX, Flow, Folding, place};
use crate::batch::Halt;

/// The level that holds what was made of each member.
pub(super) const OUTPUTS: u8 = 0;

/// The level that holds the state after each batch.
pub(super) const STATES: u8 = 1;

/// So many batches of a group are worked through between two transactions, and so many groups at a time.
const BATCHES_MAX: usize = 64;
const GROUPS_MAX: usize = 16;

/// A batch ends before it holds more than so many bytes, whatever its rows: many groups are worked on side by side.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// So many outputs of a group are held before they are written.
const OUTPUTS_MAX: usize = 16 * 1024;

/// A group, and members of it that changed.
type ChangedGroup = (Vec<u8>, BTreeSet<Vec<u8>>);

/// A batch of members.
pub(super) struct Batch {
    /// The members' keys.
    pub(super) keys: Vec<Vec<u8>>,
    members: Vec<Member>,
}

/// What was done about a group.
#[derive(Default)]
struct Advanced {
    group: Vec<u8>,
    /// The changes that are dealt with: from here on, and before there; to the end where that is empty.
    done: Vec<(Vec<u8>, Vec<u8>)>,
    /// Outputs: none for a member that is gone.
    outputs: Vec<(Vec<u8>, Option<Step>)>,
    /// States: none where no batch begins any more.
    states: Vec<(Vec<u8>, Option<Step>)>,
    /// Where to go on, as changes; and whether only in the next run.
    resume: Vec<(Vec<u8>, bool)>,
}

impl Folding<'_> {
    /// Takes up changes of some groups.
    pub(super) fn advance(&self) -> Result<Flow, Halt> {
        let snapshot = self.run.store.snapshot()?;
        let groups = self.changed_groups(&snapshot)?;
        if groups.is_empty() {
            return Ok(ControlFlow::Break(()));
        }
        let walk = |(group, changes): &ChangedGroup| {
            Walk::new(self, &snapshot, group).over(changes.clone())
        };
        let advanced: Vec<Advanced> = if let [only] = &groups[..] {
            vec![walk(only)?]
        } else {
            let all = || groups.par_iter().map(walk).collect::<Result<_, _>>();
            self.run.pool.install(all)?
        };
        let (relation, collection) = (self.fold.relation, self.collection());
        let mut later = Vec::new();
        self.write(|writer| {
            for done in &advanced {
                for (from, to) in &done.done {
                    writer.clear_changes((relation, &done.group, OUTPUTS), from, to)?;
                }
                for (member, step) in &done.outputs {
                    let place = (relation, &*done.group, OUTPUTS);
                    let change = writer.put_step(place, member, step.as_ref())?;
                    if change != MemberChange::Same {
                        writer.put_due(collection, &member_key(&done.group, member))?;
                    }
                }
                for (first, step) in &done.states {
                    writer.put_step((relation, &done.group, STATES), first, step.as_ref())?;
                }
                for (key, is_later) in &done.resume {
                    writer.put_change((relation, &done.group, OUTPUTS), key, false)?;
                    if *is_later {
                        later.push((done.group.clone(), OUTPUTS, key.clone()));
                    }
                }
            }
            Ok(())
        })?;
        self.later().extend(later);
        Ok(ControlFlow::Continue(()))
    }

    /// Some groups in which something changed, each with the first members that did.
    fn changed_groups(&self, snapshot: &Snapshot) -> Result<Vec<ChangedGroup>, StoreError> {
        let later = self.later();
        let mut groups: Vec<ChangedGroup> = Vec::new();
        let mut count = 0;
        for change in snapshot.changes(self.fold.relation)? {
            let change = change?;
            if later.contains(&place(&change)) {
                continue;
            }
            count += 1;
            let is_other = groups
                .last()
                .is_none_or(|(group, _)| *group != change.group);
            if count > CHANGES_MAX || (is_other && groups.len() == GROUPS_MAX) {
                break;
            }
            if is_other {
                groups.push((change.group.clone(), BTreeSet::new()));
            }
            if let Some((_, changes)) = groups.last_mut() {
                changes.insert(change.element);
            }
        }
        Ok(groups)
    }
}

/// A walk over the batches of a group.
pub(super) struct Walk<'s> {
    folding: &'s Folding<'s>,
    snapshot: &'s Snapshot,
    group: &'s [u8],
    arguments: &'s [StateArgument],
    pub(super) state: &'s Type,
    pub(super) output: &'s Type,
    rows_max: usize,
    advanced: Advanced,
}

impl<'s> Walk<'s> {
    pub(super) fn new(folding: &'s Folding<'s>, snapshot: &'s Snapshot, group: &'s [u8]) -> Self {
        let FoldKind::State {
            arguments,
            state,
            output,
            rows_max,
        } = &folding.fold.plan.kind
        else {
            unreachable!("only folds with state are walked over");
        };
        Self {
            folding,
            snapshot,
            group,
            arguments,
            state,
            output,
            rows_max: *rows_max as usize,
            advanced: Advanced {
                group: group.to_vec(),
                ..Advanced::default()
            },
        }
    }

    /// Whether batches always begin at this member: so that they hold half of what they may, on average.
    fn begins(&self, key: &[u8]) -> bool {
        let halves = self.rows_max.max(2).ilog2() as u8 - 1;
        height(key) >= halves
    }

    /// Looks at the batches that hang on these members.
    fn over(mut self, mut changes: BTreeSet<Vec<u8>>) -> Result<Advanced, Halt> {
        let Some(first) = changes.first() else {
            return Ok(self.advanced);
        };
        let (mut start, mut state) = self.begin(first)?;
        for _ in 0..BATCHES_MAX {
            if self.advanced.outputs.len() >= OUTPUTS_MAX {
                break;
            }
            let (batch, next) = self.batch(&start)?;
            // Where a batch is no more, the next one has another before it.
            let dropped = self.drop_gone(&batch, (&start, next.as_deref()), &changes)?;
            let is_as_before = self.step(&batch, &mut state)? && !dropped;
            changes.retain(|key| next.as_ref().is_some_and(|next| key >= next));
            let done = (start.clone(), next.clone().unwrap_or_default());
            self.advanced.done.push(done);
            let Some(next) = next else {
                return Ok(self.advanced);
            };
            if is_as_before {
                let Some(other) = changes.first() else {
                    return Ok(self.advanced);
                };
                // Batches of one stretch are counted off from its beginning.
                let (later, before) = self.begin(other)?;
                if later > start {
                    (start, state) = (later, before);
                    continue;
                }
            }
            start = next;
        }
        self.advanced.resume.push((start, false));
        Ok(self.advanced)
    }

    /// Where the stretch begins whose batches hang on a member, which may have come or gone.
    fn start_of(&self, key: &[u8]) -> Result<Vec<u8>, StoreError> {
        let relation = self.folding.fold.relation;
        for member in self.snapshot.members_before(relation, self.group, key)? {
            let (key, _) = member?;
            if self.begins(&key) {
                return Ok(key);
            }
        }
        Ok(Vec::new())
    }

    /// Where to begin, and the state there: none at the very beginning.
    fn begin(&self, key: &[u8]) -> Result<(Vec<u8>, Option<Element>), StoreError> {
        let start = self.start_of(key)?;
        if start.is_empty() {
            return Ok((start, None));
        }
        let place = (self.folding.fold.relation, self.group, STATES);
        let last = self
            .snapshot
            .steps_before(place, &start)?
            .next()
            .transpose()?;
        let state = last.and_then(|(_, step)| Element::of_step(&step, self.state));
        Ok(match state {
            Some(state) => (start, Some(state)),
            None => (Vec::new(), None),
        })
    }

    /// The batch that begins at `start`, and where the next one does.
    pub(super) fn batch(&self, start: &[u8]) -> Result<(Batch, Option<Vec<u8>>), StoreError> {
        let mut batch = Batch {
            keys: Vec::new(),
            members: Vec::new(),
        };
        let relation = self.folding.fold.relation;
        let mut bytes = 0;
        for member in self.snapshot.members(relation, self.group, start)? {
            let (key, member) = member?;
            let size = bytes_of(&member);
            let is_full = batch.keys.len() == self.rows_max
                || (bytes + size > BATCH_BYTES_MAX && !batch.keys.is_empty());
            if is_full || (key != start && self.begins(&key)) {
                return Ok((batch, Some(key)));
            }
            bytes += size;
            batch.keys.push(key);
            batch.members.push(member);
        }
        Ok((batch, None))
    }

    /// Drops what was made of members that are gone, and states of batches that are no more: whether there were any.
    fn drop_gone(
        &mut self,
        batch: &Batch,
        (start, next): (&[u8], Option<&[u8]>),
        changes: &BTreeSet<Vec<u8>>,
    ) -> Result<bool, StoreError> {
        let is_within = |key: &[u8]| key >= start && next.is_none_or(|next| key < next);
        for key in changes.iter().filter(|key| is_within(key)) {
            if batch.keys.binary_search(key).is_err() {
                self.advanced.outputs.push((key.clone(), None));
            }
        }
        let place = (self.folding.fold.relation, self.group, STATES);
        let before = self.advanced.states.len();
        for step in self.snapshot.steps(place, start)? {
            let (key, _) = step?;
            if !is_within(&key) {
                break;
            }
            if batch.keys.first() != Some(&key) {
                self.advanced.states.push((key, None));
            }
        }
        Ok(self.advanced.states.len() > before)
    }

    /// Brings a batch up to date. True when it was as it is: then so is all that hangs on nothing but its state.
    fn step(&mut self, batch: &Batch, state: &mut Option<Element>) -> Result<bool, Halt> {
        let Some(first) = batch.keys.first() else {
            return Ok(true);
        };
        let print = self.print(batch, state.as_ref());
        let place = (self.folding.fold.relation, self.group, STATES);
        if let Some(kept) = self.snapshot.step(place, first)?
            && kept.fingerprint == print
            && let Some(after) = Element::of_step(&kept, self.state)
            && !after.is_retried()
        {
            *state = Some(after);
            return Ok(true);
        }
        let (after, outputs) = self.call(batch, state.take(), &print)?;
        if after.is_retried() {
            self.advanced.resume.push((first.clone(), true));
        }
        let output_type = (self.output.clone(), self.output.fingerprint());
        for (key, output) in batch.keys.iter().zip(outputs) {
            let step = output.step(&output_type);
            self.advanced.outputs.push((key.clone(), Some(step)));
        }
        let mut step = after.step(&(self.state.clone(), self.state.fingerprint()));
        step.fingerprint = print;
        self.advanced.states.push((first.clone(), Some(step)));
        *state = Some(after);
        Ok(false)
    }
}

fn bytes_of(member: &Member) -> usize {
    member
        .columns
        .iter()
        .map(|(_, encoding)| encoding.len())
        .sum()
}
