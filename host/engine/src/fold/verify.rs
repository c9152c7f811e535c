//! Verifying: steps that a fold keeps are made once more, and neighbours are combined both ways.
//!
//! That a function is associative cannot be known; that it is not shows where `(a b) c` and `a (b c)` differ. Places are
//! found by keys alone; what belongs to one is read when it is looked at.

use std::ops::ControlFlow;

use flowstone_connect::split_key;
use flowstone_core::{FoldKind, MemoKey, Type};
use flowstone_store::{Snapshot, StoreError};

use super::combine::Tree;
use super::element::{Element, HEIGHT_MAX, height};
use super::state::{OUTPUTS, STATES, Walk};
use super::{Folding, recipe_entry};
use crate::batch::Halt;
use crate::books::get;
use crate::error::Error;
use crate::relation::{display_key, show_row};

/// Something of a fold that can be checked.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    kind: PlaceKind,
    group: Vec<u8>,
    level: u8,
    /// The key of the first element.
    first: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlaceKind {
    /// A kept partial result.
    Chunk,
    /// Three neighbours, which may be put together in two orders.
    Neighbours,
    /// A batch of members, with the state before and after it.
    Batch,
}

/// What checking a place came to.
pub(crate) struct Checked {
    /// The place, for people.
    pub(crate) name: String,
    /// Whether it is about the order in which neighbours are put together.
    pub(crate) is_order: bool,
    pub(crate) verdict: Verdict,
}

/// Whether a call gave what is kept, or both orders the same.
pub(crate) enum Verdict {
    Equal,
    Different {
        /// What is kept, or what comes of the earlier two first.
        stored: Element,
        now: Element,
        ty: Type,
    },
    /// A call gave nothing: a trap, a limit.
    Failed(String),
    /// There is nothing to compare: an element of it has failed.
    Nothing,
}

impl Place {
    /// What samples are drawn by.
    pub(crate) fn key(&self) -> MemoKey {
        let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 place in a fold");
        hasher.update(&[self.kind as u8, self.level]);
        hasher.update(&(self.group.len() as u64).to_le_bytes());
        hasher.update(&self.group);
        hasher.update(&self.first);
        MemoKey::from_bytes(*hasher.finalize().as_bytes())
    }
}

type Visit<'v> = dyn FnMut(Place) -> Result<ControlFlow<()>, Halt> + 'v;

impl Folding<'_> {
    /// Why its steps cannot be checked as they are; none where they can.
    pub(crate) fn uncheckable(&self) -> Result<Option<&'static str>, StoreError> {
        let snapshot = self.run.store.snapshot()?;
        let known: Option<(String, u64)> = get(&snapshot, &recipe_entry(self.fold.relation))?;
        if known.is_none_or(|(recipe, _)| recipe != self.fold.recipe.to_string()) {
            return Ok(Some(
                "there are no steps of the present code: run the flow first",
            ));
        }
        let is_behind = (snapshot.changes(self.fold.relation)?.next()).transpose()?;
        Ok(is_behind.map(|_| "some changes have not been taken up: run the flow first"))
    }

    /// Hands every place to `visit`, until it has enough.
    pub(crate) fn places(&self, visit: &mut Visit<'_>) -> Result<(), Halt> {
        let snapshot = self.run.store.snapshot()?;
        for group in snapshot.groups(self.fold.relation)? {
            let (group, _, _) = group?;
            let flow = match self.fold.plan.kind {
                FoldKind::Combine { .. } => self.places_of_tree(&snapshot, &group, visit)?,
                FoldKind::State { .. } => self.batches(&snapshot, &group, visit)?,
            };
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn places_of_tree(
        &self,
        snapshot: &Snapshot,
        group: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, Halt> {
        for level in 0..=HEIGHT_MAX {
            let mut cut = Cut::new(group, level);
            for key in self.keys(snapshot, group, level)? {
                if self.run.stop.is_set() {
                    return Err(Halt::Interrupted);
                }
                for place in cut.add(key?).into_iter().flatten() {
                    if visit(place)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            let is_top = cut.count < 2;
            if let Some(last) = cut.chunk()
                && visit(last)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            if is_top {
                break;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The keys of a level's elements.
    fn keys(&self, snapshot: &Snapshot, group: &[u8], level: u8) -> Result<Keys, StoreError> {
        let relation = self.fold.relation;
        Ok(match level {
            0 => {
                let members = snapshot.members(relation, group, &[])?;
                Box::new(members.map(|member| Ok(member?.0)))
            }
            level => {
                let steps = snapshot.steps((relation, group, level), &[])?;
                Box::new(steps.map(|step| Ok(step?.0)))
            }
        })
    }

    fn batches(
        &self,
        snapshot: &Snapshot,
        group: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, Halt> {
        for state in snapshot.steps((self.fold.relation, group, STATES), &[])? {
            if self.run.stop.is_set() {
                return Err(Halt::Interrupted);
            }
            let place = Place {
                kind: PlaceKind::Batch,
                group: group.to_vec(),
                level: STATES,
                first: state?.0,
            };
            if visit(place)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Makes the calls of a place once more.
    pub(crate) fn check(&self, place: &Place) -> Result<Checked, Halt> {
        let snapshot = self.run.store.snapshot()?;
        let checked = match (&self.fold.plan.kind, place.kind) {
            (FoldKind::Combine { column, .. }, kind) => {
                let tree = Tree {
                    folding: self,
                    snapshot: &snapshot,
                    column: *column,
                };
                match kind {
                    PlaceKind::Neighbours => self.check_order(&tree, place),
                    PlaceKind::Chunk | PlaceKind::Batch => self.check_chunk(&tree, place),
                }
            }
            (FoldKind::State { .. }, _) => self.check_batch(&snapshot, place),
        };
        let (name, verdict) = checked?;
        Ok(Checked {
            name,
            is_order: place.kind == PlaceKind::Neighbours,
            verdict,
        })
    }

    fn check_chunk(&self, tree: &Tree<'_>, place: &Place) -> Result<(String, Verdict), Halt> {
        let Place {
            group,
            level,
            first,
            ..
        } = place;
        let above = (self.fold.relation, &**group, level + 1);
        let kept = tree.snapshot.step(above, first)?;
        let chunk = tree.chunk(group, *level, first.clone())?;
        let name = format!(
            "{}: {} elements at height {level}, from {}",
            shown_group(group),
            chunk.elements.len(),
            shown_member(first),
        );
        let kept = kept.map(|step| tree.of_step(&step));
        let is_comparable =
            |kept: &Element| !kept.is_retried() && chunk.elements.iter().all(Element::is_value);
        let Some(kept) = kept.filter(is_comparable) else {
            return Ok((name, Verdict::Nothing));
        };
        let made = self.combine_chunk(&chunk)?;
        let made = made.ok_or(Error::Internal("a partial result is of nothing"))?;
        Ok((name, verdict_of(kept, made, &self.fold.result.0)))
    }

    fn check_order(&self, tree: &Tree<'_>, place: &Place) -> Result<(String, Verdict), Halt> {
        let elements = tree.elements(&place.group, place.level, &place.first)?;
        let three: Vec<(Vec<u8>, Element)> = elements.take(3).collect::<Result<_, _>>()?;
        let [(a_key, a), (b_key, b), (c_key, c)] = &three[..] else {
            return Ok((String::new(), Verdict::Nothing));
        };
        let [a_name, b_name, c_name] = [a_key, b_key, c_key].map(|key| shown_member(key));
        let group = shown_group(&place.group);
        let name = format!(
            "{group}: ({a_name} + {b_name}) + {c_name} and {a_name} + ({b_name} + {c_name}), at height {}",
            place.level
        );
        if ![a, b, c].into_iter().all(Element::is_value) {
            return Ok((name, Verdict::Nothing));
        }
        let both = |left: &Element, right: &Element| match (left, right) {
            (Element::Value { value: left }, Element::Value { value: right }) => {
                self.call(&place.group, &[left.clone(), right.clone()], [0; 32])
            }
            (failed @ Element::Failed { .. }, _) | (_, failed) => Ok(failed.clone()),
        };
        let earlier = both(&both(a, b)?, c)?;
        let later = both(a, &both(b, c)?)?;
        if let Element::Failed {
            reason,
            retry: true,
        } = earlier
        {
            return Ok((name, Verdict::Failed(reason)));
        }
        Ok((name, verdict_of(earlier, later, &self.fold.result.0)))
    }

    fn check_batch(&self, snapshot: &Snapshot, place: &Place) -> Result<(String, Verdict), Halt> {
        let (relation, group, first) = (self.fold.relation, &*place.group, &place.first);
        let walk = Walk::new(self, snapshot, group);
        let (batch, _) = walk.batch(first)?;
        let name = format!(
            "{}: {} rows from {}",
            shown_group(group),
            batch.keys.len(),
            shown_member(first)
        );
        let state_of = |step: Option<flowstone_store::Step>| {
            step.and_then(|step| Element::of_step(&step, walk.state))
        };
        let before = snapshot.steps_before((relation, group, STATES), first)?;
        let before = state_of(
            before
                .map(|step| Ok::<_, StoreError>(step?.1))
                .next()
                .transpose()?,
        );
        let kept = state_of(snapshot.step((relation, group, STATES), first)?);
        let is_comparable = before.as_ref().is_none_or(Element::is_value);
        let Some(kept) = kept.filter(|kept| is_comparable && !kept.is_retried()) else {
            return Ok((name, Verdict::Nothing));
        };
        let print = walk.print(&batch, before.as_ref());
        let (after, outputs) = walk.call(&batch, before, &print)?;
        let verdict = verdict_of(kept, after, walk.state);
        if !matches!(verdict, Verdict::Equal) {
            return Ok((format!("{name}, the state after them"), verdict));
        }
        for (key, now) in batch.keys.iter().zip(outputs) {
            let kept = snapshot.step((relation, group, OUTPUTS), key)?;
            let kept = kept.and_then(|step| Element::of_step(&step, walk.output));
            let Some(kept) = kept else {
                continue;
            };
            let verdict = verdict_of(kept, now, walk.output);
            if !matches!(verdict, Verdict::Equal) {
                return Ok((format!("{name}, for {}", shown_member(key)), verdict));
            }
        }
        Ok((name, Verdict::Equal))
    }
}

type Keys = Box<dyn Iterator<Item = Result<Vec<u8>, StoreError>>>;

/// A level of a group, cut into chunks as its keys come.
struct Cut<'g> {
    group: &'g [u8],
    level: u8,
    /// Where the chunk begins that is open, and how many elements it has.
    start: Vec<u8>,
    in_chunk: usize,
    /// The last two keys, the earlier one first.
    last: [Option<Vec<u8>>; 2],
    count: usize,
}

impl<'g> Cut<'g> {
    fn new(group: &'g [u8], level: u8) -> Self {
        Self {
            group,
            level,
            start: Vec::new(),
            in_chunk: 0,
            last: [None, None],
            count: 0,
        }
    }

    /// Takes the next key: the chunk that ends before it, and the three neighbours that it is the last of.
    fn add(&mut self, key: Vec<u8>) -> [Option<Place>; 2] {
        let mut ended = None;
        if height(&key) > self.level {
            ended = self.chunk();
            self.start.clone_from(&key);
            self.in_chunk = 0;
        }
        self.in_chunk += 1;
        self.count += 1;
        let [first, second] = std::mem::take(&mut self.last);
        let neighbours = first.map(|first| self.place(PlaceKind::Neighbours, first));
        self.last = [second, Some(key)];
        [ended, neighbours]
    }

    /// The chunk that is open; none where it is a single element, which nothing was called for.
    fn chunk(&self) -> Option<Place> {
        (self.in_chunk > 1).then(|| self.place(PlaceKind::Chunk, self.start.clone()))
    }

    fn place(&self, kind: PlaceKind, first: Vec<u8>) -> Place {
        Place {
            kind,
            group: self.group.to_vec(),
            level: self.level,
            first,
        }
    }
}

/// What the two have to do with each other.
fn verdict_of(stored: Element, now: Element, ty: &Type) -> Verdict {
    let typed = (ty.clone(), ty.fingerprint());
    match now {
        Element::Failed {
            reason,
            retry: true,
        } => Verdict::Failed(reason),
        now if stored.step(&typed) == now.step(&typed) => Verdict::Equal,
        now => Verdict::Different {
            stored,
            now,
            ty: ty.clone(),
        },
    }
}

fn shown_group(group: &[u8]) -> String {
    display_key(flowstone_core::REDUCE, group)
}

/// The row that a member or a partial result begins with.
fn shown_member(key: &[u8]) -> String {
    let shown = split_key(key).and_then(|(parts, _)| show_row(&parts));
    shown.unwrap_or_else(|| "the first row".to_owned())
}
