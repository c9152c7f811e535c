//! What no flow can grant: the places that flowstone itself writes to. A plugin would read the store, and every run would
//! change what the keys hold.

use std::path::{Path, PathBuf};

use flowstone_connect::{real_place, target_path};
use flowstone_core::{Diagnostic, Located, Plan};

use crate::engine::FlowPlace;

/// The places that are written to, with all links followed.
pub(super) struct Written {
    base: PathBuf,
    /// Each with what it is called.
    places: Vec<(PathBuf, String)>,
}

impl Written {
    /// Those of a flow whose store is the folder `store`.
    pub(super) fn of(plan: &Plan, place: &FlowPlace, store: &Path) -> Self {
        let base = real_place(&place.base);
        let store = real_place(store);
        let shown = store.strip_prefix(&base).unwrap_or(&store).display();
        let store_name = format!("the store `{shown}`");
        let mut places = vec![(store, store_name)];
        for target in plan.stages.iter().flat_map(|stage| &stage.targets) {
            if let Some(path) = target_path(&target.spec) {
                let name = format!("`{path}` of the target `{}`", target.name);
                places.push((real_place(&place.base.join(path)), name));
            }
        }
        Self { base, places }
    }

    /// What is wrong with granting a path because of where it leads.
    pub(super) fn fault(&self, path: &Located<String>) -> Option<Diagnostic> {
        let real = real_place(&self.base.join(&path.value));
        let why = self.places.iter().find_map(|(place, name)| {
            if real == *place {
                Some(format!("it is {name}"))
            } else if place.starts_with(&real) {
                Some(format!("it holds {name}"))
            } else {
                (real.starts_with(place)).then(|| format!("it lies in {name}"))
            }
        });
        let is_whole = || self.base.starts_with(&real);
        let why =
            why.or_else(|| is_whole().then(|| "it is the whole folder of the flow".to_owned()))?;
        let message = format!("`{}` cannot be granted: {why}", path.value);
        Some(Diagnostic::at(&path.span, message).help(
            "what runs write would change the content that was granted: grant a file or folder beside it",
        ))
    }
}
