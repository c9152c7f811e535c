//! What no flow can grant, and no folder of a source shows: the places that flowstone itself writes to. A plugin would read the
//! store, and every run would change what the keys hold, or find more rows.

use std::path::{Path, PathBuf};

use flowstone_connect::{real_place, target_path};
use flowstone_core::{Diagnostic, Located, Plan};

use crate::engine::FlowPlace;

/// The places that are written to, with all links followed.
pub(crate) struct Written {
    base: PathBuf,
    /// Each with what it is called.
    places: Vec<(PathBuf, String)>,
}

/// What follows the name of a target in those of the files that are beside it while it is written.
fn beside(kind: &str) -> &'static [&'static str] {
    match kind {
        "sqlite" => &["-wal", "-shm", "-journal"],
        _ => &[],
    }
}

impl Written {
    /// Those of a flow whose store is the folder `store`.
    pub(crate) fn of(plan: &Plan, place: &FlowPlace, store: &Path) -> Self {
        let base = real_place(&place.base);
        let store = real_place(store);
        let shown = store.strip_prefix(&base).unwrap_or(&store).display();
        let store_name = format!("the store `{shown}`");
        let mut places = vec![(store, store_name)];
        for target in plan.stages.iter().flat_map(|stage| &stage.targets) {
            if let Some(path) = target_path(&target.spec) {
                let name = format!("`{path}` of the target `{}`", target.name);
                let real = real_place(&place.base.join(path));
                for suffix in beside(&target.spec.kind) {
                    let mut beside = real.clone().into_os_string();
                    beside.push(suffix);
                    places.push((beside.into(), name.clone()));
                }
                places.push((real, name));
            }
        }
        Self { base, places }
    }

    /// Where they are.
    pub(crate) fn paths(self) -> Vec<PathBuf> {
        self.places.into_iter().map(|(path, _)| path).collect()
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
