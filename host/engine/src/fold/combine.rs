//! Combining: an associative function over the members of a group, as a tree of partial results.
//!
//! Level 0 are the members. A level is cut into chunks, and what a chunk comes to is an element of the next level, under the
//! key of the chunk's first element. Chunks begin where the hash of an element's key says so, with one chance in two: the
//! borders stay where they are when other members change, come or go, and hang on nothing that a value could be chosen for.
//! It is a skip list (Pugh 1990) whose heights follow from the keys, as in history-independent trees (Naor, Teague 2001). A
//! changed member asks for the calls of one chunk on every level: about two log2 n.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use flowstone_core::{Fingerprint, decode};
use flowstone_store::{ChangedElement, Member, MemberChange, Snapshot, Step, StoreError, Writer};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::element::{Element, height};
use super::{CHANGES_MAX, Flow, Folding, RESULT, ROOT, place};
use crate::batch::Halt;

/// A level of a group.
type Level = (Vec<u8>, u8);

/// A chunk that is to be made anew.
pub(super) struct Chunk {
    group: Vec<u8>,
    level: u8,
    /// The key of its first element; empty for what comes before the first border.
    start: Vec<u8>,
    pub(super) elements: Vec<Element>,
}

/// What a group came to.
struct Root {
    group: Vec<u8>,
    /// The level that has no other element.
    level: u8,
    /// The element; none where the group has no members any more.
    element: Option<(Vec<u8>, Element)>,
    /// What it came to before.
    before: Option<Step>,
}

/// What changes ask for.
#[derive(Default)]
struct Work {
    roots: Vec<Root>,
    chunks: Vec<Chunk>,
    /// Groups that came to something on this level before, and do no more.
    grown: Vec<Vec<u8>>,
}

impl Folding<'_> {
    /// Takes up changes, those of the lowest levels first.
    pub(super) fn combine(&self, column: usize) -> Result<Flow, Halt> {
        let snapshot = self.run.store.snapshot()?;
        let changes = self.lowest(&snapshot)?;
        if changes.is_empty() {
            return Ok(ControlFlow::Break(()));
        }
        let tree = Tree {
            folding: self,
            snapshot: &snapshot,
            column,
        };
        let work = tree.work(&changes)?;
        let combine = |chunk: &Chunk| self.combine_chunk(chunk);
        let made: Vec<Option<Element>> = if let [only] = &work.chunks[..] {
            vec![combine(only)?]
        } else {
            let all = || {
                work.chunks
                    .par_iter()
                    .map(combine)
                    .collect::<Result<_, _>>()
            };
            self.run.pool.install(all)?
        };
        let again: Vec<ChangedElement> = (work.chunks.iter().zip(&made))
            .filter(|(_, made)| made.as_ref().is_some_and(Element::is_retried))
            .map(|(chunk, _)| chunk.again())
            .collect();
        self.write(|writer| {
            self.put_roots(writer, &work)?;
            self.put_chunks(writer, &work.chunks, &made)?;
            for change in changes.values().flatten() {
                let place = (self.fold.relation, &*change.group, change.level);
                writer.remove_change(place, &change.element)?;
            }
            for change in &again {
                let place = (self.fold.relation, &*change.group, change.level);
                writer.put_change(place, &change.element, change.structure)?;
            }
            Ok(())
        })?;
        self.later().extend(again.iter().map(place));
        Ok(ControlFlow::Continue(()))
    }

    /// Writes what groups came to, where that is known by now.
    fn put_roots(&self, writer: &mut Writer<'_>, work: &Work) -> Result<(), StoreError> {
        let relation = self.fold.relation;
        for group in &work.grown {
            writer.put_step((relation, group, ROOT), &[], None)?;
        }
        for Root {
            group,
            level,
            element,
            before,
        } in &work.roots
        {
            let step = element
                .as_ref()
                .map(|(_, element)| element.step(&self.fold.result));
            let root = element.as_ref().map(|(key, _)| root_step(*level, key));
            writer.clear_steps(relation, group, level + 1)?;
            writer.put_step((relation, group, RESULT), &[], step.as_ref())?;
            writer.put_step((relation, group, ROOT), &[], root.as_ref())?;
            if *before != step {
                writer.put_due(self.collection(), group)?;
            }
        }
        Ok(())
    }

    /// Writes what chunks came to, as elements of the next level, and notes there what changed.
    fn put_chunks(
        &self,
        writer: &mut Writer<'_>,
        chunks: &[Chunk],
        made: &[Option<Element>],
    ) -> Result<(), StoreError> {
        for (chunk, made) in chunks.iter().zip(made) {
            let step = made.as_ref().map(|element| element.step(&self.fold.result));
            let place = (self.fold.relation, &*chunk.group, chunk.level + 1);
            let change = writer.put_step(place, &chunk.start, step.as_ref())?;
            if change != MemberChange::Same {
                let structure = change == MemberChange::Structure;
                writer.put_change(place, &chunk.start, structure)?;
            }
        }
        Ok(())
    }

    /// The first changes that are not taken up, of every group those of one level.
    fn lowest(&self, snapshot: &Snapshot) -> Result<BTreeMap<Level, Vec<ChangedElement>>, Halt> {
        let mut found: BTreeMap<Level, Vec<ChangedElement>> = BTreeMap::new();
        let mut last: Option<Level> = None;
        let later = self.later();
        let changes = snapshot.changes(self.fold.relation)?;
        let is_now = |change: &Result<ChangedElement, _>| match change {
            Ok(change) => !later.contains(&place(change)),
            Err(_) => true,
        };
        for change in changes.filter(is_now).take(CHANGES_MAX) {
            let change = change?;
            let is_higher =
                |(group, level): &Level| *group == change.group && *level < change.level;
            if last.as_ref().is_some_and(is_higher) {
                continue;
            }
            let place = (change.group.clone(), change.level);
            last = Some(place.clone());
            found.entry(place).or_default().push(change);
        }
        Ok(found)
    }

    /// What a chunk comes to; none where nothing is left of it.
    pub(super) fn combine_chunk(&self, chunk: &Chunk) -> Result<Option<Element>, Halt> {
        let mut elements = chunk.elements.iter();
        let Some(first) = elements.next() else {
            return Ok(None);
        };
        let mut made = first.clone();
        for next in elements {
            let (left, right) = match (&made, next) {
                (Element::Value { value: left }, Element::Value { value: right }) => (left, right),
                (failed @ Element::Failed { .. }, _) | (_, failed) => {
                    return Ok(Some(failed.clone()));
                }
            };
            made = self.call(&chunk.group, &[left.clone(), right.clone()], [0; 32])?;
        }
        Ok(Some(made))
    }
}

impl Chunk {
    /// What makes the next run combine it once more.
    fn again(&self) -> ChangedElement {
        ChangedElement {
            group: self.group.clone(),
            level: self.level,
            element: self.start.clone(),
            structure: false,
        }
    }
}

/// The elements of a relation's groups, level by level.
pub(super) struct Tree<'s> {
    pub(super) folding: &'s Folding<'s>,
    pub(super) snapshot: &'s Snapshot,
    /// The relation's column that is combined.
    pub(super) column: usize,
}

pub(super) type Elements<'t> =
    Box<dyn Iterator<Item = Result<(Vec<u8>, Element), StoreError>> + 't>;

impl Tree<'_> {
    /// The elements of a level, from `from` on.
    pub(super) fn elements(
        &self,
        group: &[u8],
        level: u8,
        from: &[u8],
    ) -> Result<Elements<'_>, StoreError> {
        let relation = self.folding.fold.relation;
        if level == 0 {
            let members = self.snapshot.members(relation, group, from)?;
            return Ok(Box::new(members.map(|member| {
                let (key, member) = member?;
                Ok((key, self.of_member(&member)))
            })));
        }
        let steps = self.snapshot.steps((relation, group, level), from)?;
        Ok(Box::new(steps.map(|step| {
            let (key, step) = step?;
            Ok((key, self.of_step(&step)))
        })))
    }

    fn of_member(&self, member: &Member) -> Element {
        let column = member.columns.get(self.column);
        let value =
            column.and_then(|(_, encoding)| decode(encoding, &self.folding.fold.result.0).ok());
        value.map_or_else(unreadable, |value| Element::Value { value })
    }

    pub(super) fn of_step(&self, step: &Step) -> Element {
        Element::of_step(step, &self.folding.fold.result.0).unwrap_or_else(unreadable)
    }

    /// What is to be done about changes.
    fn work(&self, changes: &BTreeMap<Level, Vec<ChangedElement>>) -> Result<Work, StoreError> {
        let mut work = Work::default();
        for ((group, level), elements) in changes {
            match self.count(group, *level)? {
                // Left over from when the group was higher.
                0 if *level > 0 => {}
                0 | 1 => work.roots.push(Root {
                    group: group.clone(),
                    level: *level,
                    element: self.only(group, *level)?,
                    before: (self.snapshot)
                        .step((self.folding.fold.relation, group, RESULT), &[])?,
                }),
                _ => {
                    let mut dirty = self.dirty(group, *level, elements)?;
                    // What was alone on this level until now is in no chunk yet.
                    if let Some(root) = self.root(group, *level)? {
                        dirty.append(&mut self.dirty(group, *level, &[root])?);
                        work.grown.push(group.clone());
                    }
                    for start in dirty {
                        work.chunks.push(self.chunk(group, *level, start)?);
                    }
                }
            }
        }
        Ok(work)
    }

    /// How many elements a level has, of two: where it has one, that is what the group comes to.
    fn count(&self, group: &[u8], level: u8) -> Result<usize, StoreError> {
        Ok(self.elements(group, level, &[])?.take(2).count())
    }

    /// The only element of a level.
    fn only(&self, group: &[u8], level: u8) -> Result<Option<(Vec<u8>, Element)>, StoreError> {
        self.elements(group, level, &[])?.next().transpose()
    }

    /// The element that the group came to when this level had no other, as one that changed.
    fn root(&self, group: &[u8], level: u8) -> Result<Option<ChangedElement>, StoreError> {
        let place = (self.folding.fold.relation, group, ROOT);
        let root = self.snapshot.step(place, &[])?;
        let root = root.and_then(|root| {
            let (of, element) = root.bytes.split_first()?;
            (*of == level).then(|| ChangedElement {
                group: group.to_vec(),
                level,
                element: element.to_vec(),
                structure: false,
            })
        });
        Ok(root)
    }

    /// Where the chunks begin that hang on changed elements.
    fn dirty(
        &self,
        group: &[u8],
        level: u8,
        changes: &[ChangedElement],
    ) -> Result<BTreeSet<Vec<u8>>, StoreError> {
        let mut dirty = BTreeSet::new();
        for change in changes {
            let begins = height(&change.element) > level;
            if begins {
                dirty.insert(change.element.clone());
            }
            // A border that came or went is also one of the chunk before it.
            if !begins || (change.structure && !change.element.is_empty()) {
                dirty.insert(self.start_before(group, level, &change.element)?);
            }
        }
        Ok(dirty)
    }

    /// The key of the last element before `key` that begins a chunk; empty where none does.
    fn start_before(&self, group: &[u8], level: u8, key: &[u8]) -> Result<Vec<u8>, StoreError> {
        let relation = self.folding.fold.relation;
        let begins = |key: &Result<Vec<u8>, StoreError>| {
            key.as_ref().map_or(true, |key| height(key) > level)
        };
        let start = if level == 0 {
            let members = self.snapshot.members_before(relation, group, key)?;
            members.map(|member| Ok(member?.0)).find(begins)
        } else {
            let steps = self.snapshot.steps_before((relation, group, level), key)?;
            steps.map(|step| Ok(step?.0)).find(begins)
        };
        Ok(start.transpose()?.unwrap_or_default())
    }

    /// A chunk with its elements: none where its first element is gone.
    pub(super) fn chunk(
        &self,
        group: &[u8],
        level: u8,
        start: Vec<u8>,
    ) -> Result<Chunk, StoreError> {
        let mut elements = Vec::new();
        for element in self.elements(group, level, &start)? {
            let (key, element) = element?;
            let is_first = key == start;
            if !is_first && (height(&key) > level || (elements.is_empty() && !start.is_empty())) {
                break;
            }
            elements.push(element);
        }
        Ok(Chunk {
            group: group.to_vec(),
            level,
            start,
            elements,
        })
    }
}

/// Which element a group came to, and of which level.
fn root_step(level: u8, element: &[u8]) -> Step {
    Step {
        fingerprint: Fingerprint::from_bytes([0; 32]),
        bytes: [&[level], element].concat(),
    }
}

fn unreadable() -> Element {
    Element::Failed {
        reason: "a partial result cannot be read".to_owned(),
        retry: true,
    }
}
