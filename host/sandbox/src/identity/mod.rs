//! The digest of one exported function: of just the code and the state that a call of it can reach.
//!
//! # Why that can be known
//!
//! WebAssembly links statically and a call gets a fresh instance. So what a call does follows from: its arguments,
//! what the host answers, and the part of the component that the call can reach. Code that nothing reaches is never
//! run, and state that no reached code names is never seen.
//!
//! # The recipe
//!
//! 1. `parse`: the component is read and its structure validated, with the features of the engine.
//! 2. `link`, `canonical`, `instance`: it is instantiated on paper, nested components and all. Afterwards each index
//!    of each instance means one entity: a function, table, memory, global, segment, an import of the host.
//! 3. `nodes`, `operators`, `tables`, `types`: each entity is described on demand: what it is by itself, and the
//!    entities that it names, in order. Indices are not in it, nor are custom sections.
//! 4. `walk`: from the exported function and all start functions on, entities are numbered in the order in which they
//!    are come upon, breadth first. The digest is that of all descriptions in this order, each with the numbers of
//!    what it names.
//!
//! | entity | what it is by itself | what it names |
//! | --- | --- | --- |
//! | lifted function | type, string encoding, which options | core function, memory, realloc, post-return, instance |
//! | lowered function | the same | component function, memory, realloc, instance |
//! | import of the host | its names | |
//! | resource operation | which one, the name of the resource | instance |
//! | core function | signature, locals, instructions | what its instructions name |
//! | indirect call | signature, slots | the functions of that signature in these slots, the table itself |
//! | the same of a known slot, in a table that nothing changes | | the function in it |
//! | table, for other instructions on it | type, all active segments with their offsets | all functions in them, the table itself |
//! | memory | type, all active segments with their offsets and bytes | |
//! | global | type, the initialiser's instructions | what they name |
//! | segment, for `table.init`, `memory.init` and `drop` | mode, contents | the functions in it |
//!
//! # Why it is sound
//!
//! Two functions with the same digest have, but for a collision of BLAKE3, the same numbered descriptions: their
//! reachable parts are the same graph, with the entities of the one standing for those of the other, one to one. Run
//! both side by side. At every step the same instruction is at hand, and what it names stands at the same place:
//!
//! - *State is the same at the beginning.* Memories and tables have the same segments at the same offsets, globals the
//!   same initialisers. Each segment is noted with how many start functions run before it is applied, and all start
//!   functions are walked from, in order. A segment that may not fit its memory or table would stop everything: then
//!   there is no exact digest.
//! - *State stays the same.* Entities are numbered, not merged: two memories with equal contents are two numbers, and
//!   so nobody who writes the one is taken for somebody who writes the other.
//! - *Calls go to the same functions.* An indirect call runs a function of its signature or traps. What segments put
//!   into the table is in its description, by slot. What instructions put there comes from a `ref.func`, a segment, a
//!   table or a global that is named by code which is reached itself, and so is walked to as well. The host hands in
//!   no function references.
//! - *The host gets the same calls*, by name and type.
//!
//! # Where it takes more in
//!
//! What is not understood (a resource that the component defines itself, an instruction or definition that the engine
//! does not take anyway) or would be too much work (see [`WORK_MAX`]) makes the digest of a function that reaches it
//! that of the whole component with the function's name. If it is part of instantiating, this goes for all functions.

mod canonical;
mod frame;
mod instance;
mod link;
mod module;
mod nodes;
mod operators;
mod parse;
mod reduce;
mod tables;
mod types;
mod walk;

use std::collections::BTreeMap;

use flowstone_core::{ComponentDigest, FunctionDigest};
use wasmparser::ComponentExternalKind;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};

use crate::error::LoadError;
use crate::scan::scan;

pub(crate) use self::reduce::{emptied, reduced};

/// The version of the recipe. Raise it when anything changes that a digest is made of, or when it turns out that functions
/// reach more than was found: code that was compiled without the rest is then compiled anew.
pub const IDENTITY_VERSION: u32 = 1;

/// How much work one component may be: nodes, names, items of segments.
///
/// An interpreter of 18 MB takes 2 million, and 100 000 for each function that it exports. All of it takes half a
/// second and, at worst, a few hundred MiB.
const WORK_MAX: usize = 1 << 25;

/// Work that is left.
pub(crate) struct Work(usize);

impl Work {
    /// Nothing when there is less left.
    fn take(&mut self, units: usize) -> Option<()> {
        if let Some(left) = self.0.checked_sub(units) {
            self.0 = left;
            return Some(());
        }
        // Whoever comes later gets nothing either, so that no digest depends on who asked for how much.
        self.0 = 0;
        None
    }
}

/// The digests of all functions that a component exports, by the names that they have in its
/// [`Interface`](flowstone_core::Interface).
///
/// # Errors
///
/// When the bytes are no component, or its structure is not valid.
pub fn function_digests(component: &[u8]) -> Result<BTreeMap<String, FunctionDigest>, LoadError> {
    digests_within(component, Work(WORK_MAX))
}

fn digests_within(
    component: &[u8],
    mut work: Work,
) -> Result<BTreeMap<String, FunctionDigest>, LoadError> {
    let whole = scan(component)?.digest;
    let parsed = parse::parse(component)?;
    let linked = link::link(&parsed, &mut work);
    let mut graph = linked
        .as_ref()
        .map(|linked| nodes::Graph::new(&parsed, linked));
    let mut walker = walk::Walker::default();
    let mut digests = BTreeMap::new();
    for (instance, name) in exported(&parsed) {
        let full = match instance {
            None => name.to_owned(),
            Some(instance) => format!("{instance}#{name}"),
        };
        let exact = graph.as_mut().and_then(|graph| {
            let function = graph.linked.exported(instance, name)?;
            walker.digest(graph, function, &mut work)
        });
        let digest = match exact {
            Some(exact) => FunctionDigest::from_bytes(exact),
            None => of_whole(whole, &full),
        };
        digests.insert(full, digest);
    }
    Ok(digests)
}

/// The names of the functions that the component exports, with those of the instances that they are in.
fn exported<'p>(parsed: &'p parse::Parsed<'_>) -> Vec<(Option<&'p str>, &'p str)> {
    let mut names = Vec::new();
    let Some(root) = parsed.components.last() else {
        return names;
    };
    for step in &root.steps {
        let parse::Step::Export(export) = step else {
            continue;
        };
        let name = export.name.name;
        let item = parsed.types.component_item_for_export(name);
        let ty = item.map(|item| item.ty);
        if ty.is_some_and(is_function) {
            names.push((None, name));
        }
        // The engine goes by what the instance has, also where its export is declared with less.
        let own = matches!(export.kind, ComponentExternalKind::Instance)
            .then(|| parsed.types.component_instance_at(export.index));
        let declared = match ty {
            Some(
                ComponentEntityType::Instance(id)
                | ComponentEntityType::Type {
                    referenced: ComponentAnyTypeId::Instance(id),
                    ..
                },
            ) => Some(id),
            _ => None,
        };
        for id in own.into_iter().chain(declared) {
            for (inner, item) in &parsed.types[id].exports {
                if is_function(item.ty) {
                    names.push((Some(name), inner.as_str()));
                }
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether an export is listed as a function. An exported type of functions is, though nobody can call it.
fn is_function(ty: ComponentEntityType) -> bool {
    matches!(
        ty,
        ComponentEntityType::Func(_)
            | ComponentEntityType::Type {
                referenced: ComponentAnyTypeId::Func(_),
                ..
            }
    )
}

/// The digest of a function of which only the whole component says enough.
fn of_whole(component: ComponentDigest, name: &str) -> FunctionDigest {
    let mut hasher =
        blake3::Hasher::new_derive_key("flowstone function digest, of the whole component");
    hasher
        .update(&IDENTITY_VERSION.to_le_bytes())
        .update(component.as_bytes())
        .update(name.as_bytes());
    FunctionDigest::from_bytes(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests of two functions, of which the first is `constant`.
    fn within(work: usize, constant: u32) -> BTreeMap<String, FunctionDigest> {
        let component = wat::parse_str(format!(
            r#"(component
                (core module $m
                    (func (export "f") (result i32) i32.const {constant})
                    (func (export "g") (result i32) i32.const 2))
                (core instance $i (instantiate $m))
                (func (export "f") (result u32) (canon lift (core func $i "f")))
                (func (export "g") (result u32) (canon lift (core func $i "g"))))"#
        ));
        digests_within(&component.expect("component text"), Work(work)).expect("a component")
    }

    #[test]
    fn what_is_too_much_work_counts_whole() {
        let exact = within(WORK_MAX, 1);
        assert_eq!(exact["g"], within(WORK_MAX, 2)["g"]);
        let mut kinds = Vec::new();
        for work in 0..1000 {
            let (before, after) = (within(work, 1), within(work, 2));
            assert_ne!(before["f"], after["f"]);
            assert_ne!(before["f"], before["g"]);
            // `f` comes first, so there is no work left for `g` when there was none for `f`.
            kinds.push([before["f"] == exact["f"], before["g"] == exact["g"]]);
            assert_eq!(before["g"] == exact["g"], before["g"] == after["g"]);
        }
        kinds.dedup();
        assert_eq!(kinds, [[false, false], [true, false], [true, true]]);
    }
}
