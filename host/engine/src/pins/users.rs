//! Who uses a pin: the transforms that name it, of all flows of the store, each with the function that it calls.
//!
//! The keys of a pin's results say nothing of the function. So a transform that comes to a pin has to call what one of its
//! users calls, or be one of them that was renamed; otherwise it would silently be given results of another function.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use flowstone_core::{Function, RecipeRecord};
use flowstone_store::{Snapshot, Store};

use super::error::PinError;
use super::{PinEntry, read, write};
use crate::books::Books;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::fold::fold_recipe;
use crate::recipe::recipe;

/// A transform that names a pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PinUser {
    /// The flow's number in the store; 0 where it was not looked up.
    pub(super) number: u32,
    /// The flow's name.
    pub(super) flow: String,
    /// The transform's name.
    pub(super) transform: String,
    /// The full name of the function that it calls.
    pub(super) function: String,
}

impl PinUser {
    fn is_of(&self, flow: &Naming<'_>) -> bool {
        self.number == flow.number || self.number == 0 && self.flow == flow.flow.plan.name
    }
}

/// A step of a flow whose code a pin may stand for: a transform, or a function with state.
struct Pinnable<'a> {
    name: &'a str,
    pin: Option<&'a str>,
    function: &'a Function,
    record: Box<dyn Fn() -> RecipeRecord + 'a>,
}

/// The steps of a flow, in their order.
fn pinnables(flow: &Flow) -> impl Iterator<Item = Pinnable<'_>> {
    flow.plan.stages.iter().flat_map(move |stage| {
        let fold = stage.source.gather.as_ref();
        let fold = fold.and_then(|gather| gather.fold.as_ref());
        let fold = fold.map(|fold| Pinnable {
            name: &fold.name,
            pin: fold.cache.pin.as_deref(),
            function: &fold.function,
            record: Box::new(|| fold_recipe(fold, flow.code(&fold.plugin))),
        });
        let transforms = stage.transforms.iter().map(move |transform| Pinnable {
            name: &transform.name,
            pin: transform.cache.pin.as_deref(),
            function: &transform.function,
            record: Box::new(move || recipe(flow, stage, transform)),
        });
        fold.into_iter().chain(transforms)
    })
}

/// A flow, with which of its transforms name which pins.
struct Naming<'a> {
    flow: &'a Flow,
    number: u32,
}

impl<'a> Naming<'a> {
    fn new(snapshot: &Snapshot, flow: &'a Flow) -> Result<Self, Error> {
        let number = Books::read(snapshot, &flow.plan.name, &flow.place)?.flow;
        Ok(Self { flow, number })
    }

    fn transforms(&self) -> impl Iterator<Item = Pinnable<'a>> {
        pinnables(self.flow)
    }

    fn has(&self, transform: &str) -> bool {
        self.transforms().any(|known| known.name == transform)
    }

    fn pins(&self, pin: &str, transform: &str) -> bool {
        let mut transforms = self.transforms();
        transforms.any(|known| known.name == transform && known.pin == Some(pin))
    }

    /// Whether the transform that the entry names as the last user is still one.
    fn is_shown(&self, pin: &str, entry: &PinEntry) -> bool {
        let function = |known: &Pinnable<'_>| known.function.to_string() == entry.signature;
        self.flow.plan.name == entry.flow
            && self.pins(pin, &entry.transform)
            && self
                .transforms()
                .any(|known| known.name == entry.transform && function(&known))
    }

    /// Refuses the only user of `present` where those of `known` call other functions.
    fn admit(&self, pin: &str, known: &PinEntry, present: &PinEntry) -> Result<(), PinError> {
        let Some(user) = present.users.first() else {
            return Ok(());
        };
        let is_user = |known: &PinUser| self.is_same(known, user);
        if known.users.iter().any(is_user) {
            return Ok(());
        }
        // A transform that the flow no longer has is one that was renamed, or its results are for whoever comes.
        let stands = |known: &&PinUser| !known.is_of(self) || self.has(&known.transform);
        let mut others = known.users.iter().filter(stands).peekable();
        let Some(holder) = others.peek().copied() else {
            return Ok(());
        };
        if others.any(|other| other.function == user.function) {
            return Ok(());
        }
        Err(PinError::Held {
            pin: pin.to_owned(),
            holder: format!(
                "transform `{}` of flow `{}`, which calls `{}`",
                holder.transform, holder.flow, holder.function
            ),
            user: format!(
                "`{}` of this flow calls `{}`",
                user.transform, user.function
            ),
        })
    }

    fn is_same(&self, known: &PinUser, user: &PinUser) -> bool {
        known.is_of(self) && known.transform == user.transform
    }

    /// Writes the only user of `present` down in `entry`, in place of those of this flow that are none any more.
    fn note(&self, pin: &str, entry: &mut PinEntry, present: &PinEntry) {
        let Some(user) = present.users.first() else {
            return;
        };
        let user = PinUser {
            number: self.number,
            ..user.clone()
        };
        (entry.users).retain(|known| !known.is_of(self) || self.pins(pin, &known.transform));
        let at = (entry.users.iter()).position(|known| self.is_same(known, &user));
        match at {
            Some(at) => entry.users[at] = user,
            None => entry.users.push(user),
        }
        // Of several that share a pin the first speaks for all.
        if !self.is_shown(pin, entry) {
            entry.show(present);
        }
    }
}

/// Notes the pins that a flow uses, so that they stand from their first use on.
///
/// # Errors
///
/// [`PinError::Held`] when a pin stands for another function than the flow has it for: nothing is written then. When the
/// store fails.
pub(crate) fn note_uses(store: &Store, flow: &Flow) -> Result<(), Error> {
    if pinnables(flow).all(|step| step.pin.is_none()) {
        return Ok(());
    }
    let snapshot = store.snapshot()?;
    let naming = Naming::new(&snapshot, flow)?;
    // The entries as they are in the store, and as they are to be.
    let mut pins: BTreeMap<&str, (Option<PinEntry>, PinEntry)> = BTreeMap::new();
    for step in pinnables(flow) {
        let Some(pin) = step.pin else {
            continue;
        };
        let present = PinEntry::new(&flow.plan.name, step.name, &(step.record)());
        if !pins.contains_key(pin) {
            let known = read(&snapshot, pin)?;
            let entry = known.clone().unwrap_or_else(|| PinEntry {
                users: Vec::new(),
                ..present.clone()
            });
            pins.insert(pin, (known, entry));
        }
        if let Some((_, entry)) = pins.get_mut(pin) {
            naming.admit(pin, entry, &present)?;
            naming.note(pin, entry, &present);
        }
    }
    pins.retain(|_, (known, entry)| known.as_ref() != Some(&*entry));
    if !pins.is_empty() {
        store.write(|writer| {
            (pins.iter()).try_for_each(|(name, (_, entry))| write(writer, name, entry))
        })?;
    }
    Ok(())
}

impl Engine {
    /// The entry of a pin with `present` among its users.
    pub(super) fn entry_for(
        &self,
        flow: &Flow,
        pin: &str,
        present: &PinEntry,
    ) -> Result<PinEntry, Error> {
        let snapshot = self.store.snapshot()?;
        let naming = Naming::new(&snapshot, flow)?;
        let mut entry = read(&snapshot, pin)?.unwrap_or_else(|| present.clone());
        naming.admit(pin, &entry, present)?;
        naming.note(pin, &mut entry, present);
        entry.show(present);
        Ok(entry)
    }
}
