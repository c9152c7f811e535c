//! Function digests.

mod canonical;
mod frame;
mod instance;
mod link;
mod module;
mod nodes;
mod operators;
mod parse;
mod tables;
mod types;
mod walk;

use std::collections::BTreeMap;

use flowstone_core::{ComponentDigest, FunctionDigest};
use wasmparser::ComponentExternalKind;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};

use crate::error::LoadError;
use crate::scan::scan;

/// The version of the recipe. Raise it when anything changes that a digest is made of.
pub const IDENTITY_VERSION: u32 = 1;

/// How much work one component may be: nodes, names, items of segments.
const WORK_MAX: usize = 1 << 26;

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
    let whole = scan(component)?.digest;
    let parsed = parse::parse(component)?;
    let mut work = Work(WORK_MAX);
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
