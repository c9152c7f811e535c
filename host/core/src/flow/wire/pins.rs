//! Pins: one name stands for one function.
//!
//! The keys of a pin's results hold its name and the types in place of the code, so that two functions under one name would
//! be given each other's results.

use std::collections::BTreeMap;

use super::{Role, Step, Wiring};
use crate::diagnostic::Diagnostic;
use crate::flow::declaration::TransformDecl;
use crate::interface::Function;

impl Wiring<'_> {
    /// Refuses pins that are shared by steps which call different functions.
    pub(super) fn check_pins(&self, errors: &mut Vec<Diagnostic>) {
        let mut seen: BTreeMap<&str, Pinned<'_>> = BTreeMap::new();
        for here in self.pinned() {
            let there = *seen.entry(here.pin).or_insert(here);
            if (there.plugin, &there.function.name) == (here.plugin, &here.function.name) {
                continue;
            }
            let pin = here.pin;
            let (first, second) = (there.decl, here.decl);
            let message = format!(
                "pin `{pin}` stands for two functions: `{}` of {} `{}`, and `{}` of {} `{}`",
                first.call.value,
                there.noun,
                first.name.value,
                second.call.value,
                here.noun,
                second.name.value
            );
            let place = second.pin_place.as_ref().unwrap_or(&second.name.span);
            errors
                .push(Diagnostic::at(place, message).help(
                    "each would be given results of the other: give one of them another pin",
                ));
        }
    }

    /// Everything that calls a function under a pin, in the order of the file.
    fn pinned(&self) -> Vec<Pinned<'_>> {
        let nodes = self.nodes.iter().filter_map(|node| {
            Some(Pinned {
                pin: node.decl.cache.pin.as_deref()?,
                decl: node.decl,
                plugin: node.plugin,
                function: node.function?,
                noun: match node.role {
                    Role::Plain => "transform",
                    Role::Group(_) | Role::Member => "reduce",
                },
            })
        });
        let states = self.gathers.iter().filter_map(|gathering| {
            let (Step::State(decl), Some(fold)) = (gathering.step, &gathering.fold) else {
                return None;
            };
            Some(Pinned {
                pin: decl.cache.pin.as_deref()?,
                decl,
                plugin: &fold.plugin,
                function: &fold.function,
                noun: gathering.step.noun(),
            })
        });
        let mut pinned: Vec<Pinned<'_>> = nodes.chain(states).collect();
        pinned.sort_by_key(|pinned| pinned.decl.name.span.start);
        pinned
    }
}

/// A function that is called under a pin.
#[derive(Clone, Copy)]
struct Pinned<'p> {
    pin: &'p str,
    decl: &'p TransformDecl,
    plugin: &'p str,
    function: &'p Function,
    noun: &'static str,
}
