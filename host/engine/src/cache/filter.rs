//! Which entries of the cache are meant.

use std::collections::BTreeSet;
use std::time::Duration;

use flowstone_core::{CodeId, KeyRecipe, RecipeRecord};

use crate::engine::Flow;
use crate::error::Error;
use crate::overrides::find;
use crate::recipe::recipe;

/// Which entries are meant: those that fit all that is asked for.
#[derive(Clone, Debug, Default)]
pub struct CacheFilter {
    /// Those made by a function of this name, with or without its interface.
    pub function: Option<String>,
    /// Those made by code whose digest begins with these digits: the component's, or that of what the function reaches.
    pub code: Option<String>,
    /// Those of this pin.
    pub pin: Option<String>,
    /// Those that no row uses.
    pub unused: bool,
    /// Those that some row uses.
    pub in_use: bool,
    /// Those made by a run that began longer ago than this, or whose record is gone while the oldest one that is left is so old.
    pub older_than: Option<Duration>,
    /// Those whose value has more bytes than this.
    pub larger_than: Option<u64>,
    /// Those that some transforms find.
    recipes: Option<BTreeSet<KeyRecipe>>,
}

impl CacheFilter {
    /// Asks for what the transform `name` of a flow finds, as the flow is now: results of other code are none of it.
    /// Asked for several transforms, what any of them finds is meant.
    ///
    /// # Errors
    ///
    /// When the flow has no such transform.
    pub fn add_transform(&mut self, flow: &Flow, name: &str) -> Result<(), Error> {
        let (stage, transform) = find(&flow.plan, name)?;
        let record = recipe(flow, stage, transform);
        let recipes = self.recipes.get_or_insert_default();
        recipes.insert(record.recipe.key());
        Ok(())
    }

    /// Whether nothing is asked for, so that all entries are meant.
    pub fn is_everything(&self) -> bool {
        self.recipes.is_none()
            && !self.needs_use()
            && { self.function.is_none() && self.code.is_none() && self.pin.is_none() }
            && self.older_than.is_none()
            && self.larger_than.is_none()
    }

    pub(super) fn needs_use(&self) -> bool {
        self.unused || self.in_use
    }

    /// Whether entries of this recipe may be meant.
    pub(super) fn fits(&self, record: &RecipeRecord) -> bool {
        let (recipe, maker) = (&record.recipe, &record.maker);
        let function = |name: &String| {
            maker.function == *name || recipe.function.short_name() == name.as_str()
        };
        let code = |digits: &String| {
            let reachable = maker.reachable.map(|digest| digest.to_string());
            maker.component.to_string().starts_with(digits.as_str())
                || reachable.is_some_and(|digest| digest.starts_with(digits.as_str()))
        };
        let pin = |wanted: &String| matches!(&recipe.code, CodeId::Pin { name } if name == wanted);
        let known = |recipes: &BTreeSet<KeyRecipe>| recipes.contains(&recipe.key());
        self.function.as_ref().is_none_or(function)
            && self.code.as_ref().is_none_or(code)
            && self.pin.as_ref().is_none_or(pin)
            && self.recipes.as_ref().is_none_or(known)
    }

    pub(super) fn names_recipes(&self) -> bool {
        self.function.is_some()
            || self.code.is_some()
            || self.pin.is_some()
            || self.recipes.is_some()
    }

    /// The same, with the digits of the code as digests are written.
    pub(super) fn checked(&self) -> Result<Self, Error> {
        let mut filter = self.clone();
        if let Some(code) = &mut filter.code {
            let digits = code.rsplit_once(':').map_or(&**code, |(_, digits)| digits);
            let is_digest = |c: char| c.is_ascii_hexdigit();
            if digits.is_empty() || digits.len() > 64 || !digits.chars().all(is_digest) {
                let message = format!("`{code}` is not the beginning of a digest");
                return Err(Error::NotFound(message));
            }
            *code = digits.to_ascii_lowercase();
        }
        Ok(filter)
    }
}
