//! What is in tables, and what an indirect call can reach.
//!
//! An indirect call runs a function of its own signature or traps, so it is told by the slots that hold such functions.
//! That is what the segments put there, in the order in which they are applied: an instruction that puts something
//! else there names the whole table, and what it puts there is named where it comes from.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::Work;
use super::instance::CoreFunction;
use super::module::{SignatureId, reference_type};
use super::nodes::{Draft, Graph, Node};
use super::operators::Reference;

/// A table after all segments are applied.
pub(super) enum Contents {
    Known {
        /// The slots that hold functions.
        slots: BTreeMap<u32, (SignatureId, CoreFunction)>,
        /// The same by signature.
        by_signature: HashMap<SignatureId, Vec<(u32, CoreFunction)>>,
    },
    /// A start function runs between two segments, and sees something else than the end.
    Changing,
}

impl Graph<'_, '_> {
    /// A call of a slot that is not known beforehand.
    pub(super) fn slots(
        &mut self,
        table: u32,
        signature: SignatureId,
        work: &mut Work,
    ) -> Option<Draft> {
        let mut draft = Draft::new("slots");
        // Two tables that hold the same functions at first stay two: instructions may change one of them.
        draft
            .bytes(self.parsed.signatures.digest(signature)?)
            .name(Node::TableItself(table));
        match &*self.contents(table, work)? {
            Contents::Changing => {
                draft.bytes(&[1]).name(Node::Table(table));
            }
            Contents::Known { by_signature, .. } => {
                draft.bytes(&[0]);
                for (slot, function) in by_signature.get(&signature).into_iter().flatten() {
                    draft.number(u64::from(*slot)).name(Node::Core(*function));
                }
            }
        }
        Some(draft)
    }

    /// A call of a known slot. In a table that nothing changes it is a call of what is there, wherever that is.
    pub(super) fn slot(
        &mut self,
        table: u32,
        signature: SignatureId,
        slot: u32,
        work: &mut Work,
    ) -> Option<Draft> {
        let contents = self.contents(table, work)?;
        if let Contents::Known { slots, .. } = &*contents
            && self.is_fixed(table, work)?
        {
            return Some(match slots.get(&slot) {
                Some((found, function)) if *found == signature => {
                    let mut draft = Draft::new("fixed slot");
                    draft.name(Node::Core(*function));
                    draft
                }
                _ => Draft::new("empty slot"),
            });
        }
        let mut draft = Draft::new("slot");
        draft
            .number(u64::from(slot))
            .name(Node::Slots { table, signature });
        Some(draft)
    }

    /// A table as instructions can see it.
    pub(super) fn table(&self, number: u32, work: &mut Work) -> Option<Draft> {
        let core = &self.linked.core;
        let entity = core.tables.get(number as usize)?;
        let ty = entity.ty;
        let mut draft = Draft::new("table");
        draft
            .bytes(&[
                reference_type(ty.element_type)?,
                u8::from(ty.table64),
                u8::from(ty.shared),
            ])
            .number(ty.initial)
            .optional(ty.maximum)
            .name(Node::TableItself(number));
        for write in &entity.writes {
            let functions = core.elements(write.instance, write.segment, work)?;
            draft
                .number(u64::from(write.starts_before))
                .number(u64::from(write.offset))
                .number(functions.len() as u64);
            for function in functions {
                draft.bytes(&[u8::from(function.is_some())]);
                draft.names.extend(function.map(Node::Core));
            }
        }
        Some(draft)
    }

    fn contents(&mut self, table: u32, work: &mut Work) -> Option<Rc<Contents>> {
        if let Some(contents) = self.contents.get(&table) {
            return Some(Rc::clone(contents));
        }
        let contents = Rc::new(self.fill(table, work)?);
        self.contents.insert(table, Rc::clone(&contents));
        Some(contents)
    }

    fn fill(&self, table: u32, work: &mut Work) -> Option<Contents> {
        let core = &self.linked.core;
        let table = core.tables.get(table as usize)?;
        if table.writes.iter().any(|write| write.starts_before > 0) {
            return Some(Contents::Changing);
        }
        let mut slots = BTreeMap::new();
        for write in &table.writes {
            let functions = core.elements(write.instance, write.segment, work)?;
            for (slot, function) in (write.offset..).zip(functions) {
                match function {
                    Some(function) => {
                        slots.insert(slot, (self.signature(function)?, function));
                    }
                    None => {
                        slots.remove(&slot);
                    }
                }
            }
        }
        let mut by_signature: HashMap<_, Vec<_>> = HashMap::new();
        for (slot, (signature, function)) in &slots {
            let same = by_signature.entry(*signature).or_default();
            same.push((*slot, *function));
        }
        Some(Contents::Known {
            slots,
            by_signature,
        })
    }

    fn signature(&self, function: CoreFunction) -> Option<SignatureId> {
        match function {
            CoreFunction::Defined { instance, index } => {
                let module = self.linked.core.module(instance)?;
                let index = module.functions_imported + index as usize;
                module.functions.get(index).copied()
            }
            CoreFunction::Canonical(number) => self.linked.made.get(number as usize)?.1,
            CoreFunction::Unknown => None,
        }
    }

    /// Whether no instruction of any instance that has the table names it, but to call through it.
    fn is_fixed(&mut self, table: u32, work: &mut Work) -> Option<bool> {
        if let Some(fixed) = self.fixed.get(&table) {
            return Some(*fixed);
        }
        let linked = self.linked;
        let mut fixed = true;
        for (instance, index) in &linked.core.tables.get(table as usize)?.users {
            let bodies = linked.core.module(*instance)?.bodies.len() as u32;
            work.take(bodies as usize)?;
            for body in 0..bodies {
                let body = self.body(*instance, body, work)?;
                work.take(body.references.len())?;
                fixed &= !body.references.contains(&Reference::Table(*index));
            }
        }
        self.fixed.insert(table, fixed);
        Some(fixed)
    }
}
