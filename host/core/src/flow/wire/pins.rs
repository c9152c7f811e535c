//! Pins: one name stands for one function.
//!
//! The keys of a pin's results hold its name and the types in place of the code, so that two functions under one name would
//! be given each other's results.

use std::collections::BTreeMap;

use super::{Node, Wiring};
use crate::diagnostic::Diagnostic;

impl Wiring<'_> {
    /// Refuses pins that are shared by transforms which call different functions.
    pub(super) fn check_pins(&self, errors: &mut Vec<Diagnostic>) {
        let mut seen: BTreeMap<&str, &Node<'_>> = BTreeMap::new();
        for node in &self.nodes {
            let (Some(pin), Some(function)) = (&node.decl.cache.pin, node.function) else {
                continue;
            };
            let Some(first) = seen.get(&**pin) else {
                seen.insert(pin, node);
                continue;
            };
            let known = first.function.map(|function| &function.name);
            if (first.plugin, known) == (node.plugin, Some(&function.name)) {
                continue;
            }
            let (here, there) = (node.decl, first.decl);
            let message = format!(
                "pin `{pin}` stands for two functions: `{}` of transform `{}`, and `{}` of transform `{}`",
                there.call.value, there.name.value, here.call.value, here.name.value
            );
            let place = here.pin_place.as_ref().unwrap_or(&here.name.span);
            errors
                .push(Diagnostic::at(place, message).help(
                    "each would be given results of the other: give one of them another pin",
                ));
        }
    }
}
