//! Codes: which of the codes that the store has results of is meant, and what there is to choose from.

use std::collections::HashMap;
use std::str::FromStr;

use serde::Serialize;

use flowstone_core::{Maker, RecipeRecord, RunId};
use flowstone_store::RecipeId;

use super::align::align;
use super::error::PinError;
use super::pin_of;
use super::rekey::Tally;
use crate::engine::{Engine, Flow};
use crate::error::Error;
use crate::reason::{Cause, recipe_difference, words};
use crate::recipe::Recipes;

/// The fewest digits of a digest that may stand for it.
const DIGITS_MIN: usize = 4;

/// Whose results are adopted.
///
/// As text: a run as `run:3`, a pin as `pin:words-1`, code as the first digits of the digest of its component or of its
/// function, with the function's name where several may be meant: `1f3a#word-count`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PinSource {
    /// Those of the code that the flow has now.
    #[default]
    Present,
    /// Those of the code that a run of the flow used.
    Run(RunId),
    /// Those of another pin, whatever code made them.
    Pin(String),
    /// Those of the code with a digest that begins so.
    Digest {
        /// The hexadecimal digits.
        digits: String,
        /// The function, where it is named.
        function: Option<String>,
    },
}

impl FromStr for PinSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(run) = text.strip_prefix("run:") {
            let run = run
                .parse()
                .map_err(|_| format!("`{run}` is not the number of a run"))?;
            return Ok(Self::Run(RunId(run)));
        }
        if let Some(name) = text.strip_prefix("pin:") {
            return Ok(Self::Pin(name.to_owned()));
        }
        let bare = ["component:", "function:"].iter();
        let bare = bare.fold(text, |text, prefix| {
            text.strip_prefix(prefix).unwrap_or(text)
        });
        let (digits, function) = match bare.split_once('#') {
            Some((digits, function)) => (digits, Some(function.to_owned())),
            None => (bare, None),
        };
        let hexadecimal = digits.chars().all(|digit| digit.is_ascii_hexdigit());
        if !hexadecimal || digits.len() < DIGITS_MIN {
            return Err(format!(
                "it is the first digits of a digest (at least {DIGITS_MIN}), `run:N` or `pin:NAME`"
            ));
        }
        Ok(Self::Digest {
            digits: digits.to_ascii_lowercase(),
            function,
        })
    }
}

/// A code that the store has results of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EarlierCode {
    /// How it is named where a code is asked for.
    pub from: String,
    /// The digest of its component.
    pub component: String,
    /// The exported function's full name.
    pub function: String,
    /// How many results of it there are.
    pub entries: u64,
    /// The last run that made one.
    pub last_run: RunId,
    /// Why they cannot be adopted; none where they can.
    pub obstacle: Option<String>,
}

/// Whether two codes are the same, as far as can be told.
pub(crate) fn same_code(a: &Maker, b: &Maker) -> bool {
    (&a.component, &a.function) == (&b.component, &b.function)
        || a.reachable.is_some() && a.reachable == b.reachable
}

/// The digest that stands for a code.
fn digest(maker: &Maker) -> String {
    match maker.reachable {
        Some(function) => function.to_string(),
        None => maker.component.to_string(),
    }
}

/// What there is to choose from for a transform.
pub(super) struct Choice<'a> {
    pub(super) recipes: &'a Recipes,
    pub(super) tallies: &'a HashMap<RecipeId, Tally>,
    /// The transform's recipe.
    pub(super) present: &'a RecipeRecord,
}

impl Choice<'_> {
    /// The recipes of the code that is meant, whether or not their results can be adopted.
    pub(super) fn select(
        &self,
        engine: &Engine,
        flow: &Flow,
        transform: &str,
        from: &PinSource,
    ) -> Result<Vec<RecipeId>, Error> {
        match from {
            PinSource::Present => Ok(self.of_code(&self.present.maker)),
            PinSource::Run(run) => {
                let maker = self.of_run(engine, flow, transform, *run)?;
                Ok(self.of_code(&maker))
            }
            PinSource::Pin(name) => self.of_pin(name),
            PinSource::Digest { digits, function } => self.of_digest(digits, function.as_deref()),
        }
    }

    /// The recipes with results that `wanted` asks for.
    fn filter(&self, wanted: impl Fn(&RecipeRecord) -> bool) -> Vec<RecipeId> {
        let stored = |id: &RecipeId| self.tallies.contains_key(id);
        let all = self.recipes.iter();
        let found = all.filter(|(id, record)| stored(id) && wanted(record));
        found.map(|(id, _)| *id).collect()
    }

    fn of_code(&self, maker: &Maker) -> Vec<RecipeId> {
        self.filter(|record| same_code(&record.maker, maker))
    }

    fn of_pin(&self, name: &str) -> Result<Vec<RecipeId>, Error> {
        let found = self.filter(|record| pin_of(&record.recipe) == Some(name));
        if found.is_empty() {
            let named = self.recipes.iter();
            let named = named.filter_map(|(_, record)| pin_of(&record.recipe));
            let mut pins: Vec<String> = named.map(str::to_owned).collect();
            pins.sort();
            pins.dedup();
            let name = name.to_owned();
            return Err(PinError::Unknown { name, pins }.into());
        }
        Ok(found)
    }

    /// The code that a run used for the transform.
    fn of_run(
        &self,
        engine: &Engine,
        flow: &Flow,
        transform: &str,
        run: RunId,
    ) -> Result<Maker, Error> {
        let unknown = |reason: String| Error::from(PinError::UnknownRun { run, reason });
        let past = engine.runs(Some((&flow.plan.name, &flow.place)))?;
        let mut past = past.filter(|past| past.as_ref().map_or(true, |past| past.run == run));
        let past = (past.next().transpose()?)
            .ok_or_else(|| unknown("this flow has no record of it".to_owned()))?;
        let recipe = match past.transforms.get(transform) {
            Some(counts) => counts.recipe,
            None if past.transforms.is_empty() => {
                return Err(unknown("it was cut off".to_owned()));
            }
            None => {
                let names = past.transforms.keys().map(|name| format!("`{name}`"));
                let names = names.collect::<Vec<_>>().join(", ");
                return Err(unknown(format!(
                    "it had no transform `{transform}`, but {names}"
                )));
            }
        };
        let record = self.recipes.get(recipe);
        let gone = || unknown("the store has no results of it any more".to_owned());
        Ok(record.ok_or_else(gone)?.maker.clone())
    }

    fn of_digest(&self, digits: &str, function: Option<&str>) -> Result<Vec<RecipeId>, Error> {
        let begins = |maker: &Maker| {
            let function = maker.reachable.map(|digest| digest.to_string());
            maker.component.to_string().starts_with(digits)
                || function.is_some_and(|digest| digest.starts_with(digits))
        };
        let named = |maker: &Maker| {
            let short = maker.function.rsplit('#').next();
            function.is_none_or(|name| maker.function == name || short == Some(name))
        };
        let found = self.filter(|record| begins(&record.maker) && named(&record.maker));
        let maker = |id: &RecipeId| self.recipes.get(*id).map(|record| &record.maker);
        let mut makers: Vec<&Maker> = Vec::new();
        for maker in found.iter().filter(|id| self.fits(**id)).filter_map(maker) {
            if !makers.iter().any(|known| same_code(known, maker)) {
                makers.push(maker);
            }
        }
        if makers.len() > 1 {
            // Of the functions of one component the one of the same name is meant.
            let same = |maker: &&Maker| maker.function == self.present.maker.function;
            let mut alike = makers.iter().copied().filter(same);
            if let (Some(only), None) = (alike.next(), alike.next()) {
                makers = vec![only];
            }
        }
        match &*makers {
            [] if found.is_empty() => Err(PinError::UnknownCode {
                digits: digits.to_owned(),
                earlier: self.earlier(),
            }
            .into()),
            [] => Ok(found),
            [only] => Ok(self.of_code(only)),
            several => {
                let name = |maker: &&Maker| format!("{}#{}", digest(maker), maker.function);
                Err(PinError::Ambiguous {
                    digits: digits.to_owned(),
                    candidates: several.iter().map(name).collect(),
                }
                .into())
            }
        }
    }

    /// Whether the results under a recipe can be adopted.
    pub(super) fn fits(&self, id: RecipeId) -> bool {
        let record = self.recipes.get(id);
        record.is_some_and(|record| align(&record.recipe, &self.present.recipe).is_some())
    }

    /// The codes that have results which can be adopted, and those of functions of the same name whose results cannot;
    /// the newest first.
    pub(super) fn earlier(&self) -> Vec<EarlierCode> {
        let target = self.present.recipe.key();
        let mut codes: Vec<(&Maker, EarlierCode)> = Vec::new();
        for (id, record) in self.recipes.iter() {
            let Some(tally) = self.tallies.get(id) else {
                continue;
            };
            let obstacle = self.obstacle(record);
            let namesake = record.maker.function == self.present.maker.function;
            if record.recipe.key() == target || obstacle.is_some() && !namesake {
                continue;
            }
            let same = |known: &&mut (&Maker, EarlierCode)| {
                same_code(known.0, &record.maker) && known.1.obstacle == obstacle
            };
            if let Some((_, known)) = codes.iter_mut().find(same) {
                known.entries += tally.entries;
                known.last_run = known.last_run.max(tally.last_run);
                continue;
            }
            let code = EarlierCode {
                from: digest(&record.maker)[..12].to_owned(),
                component: record.maker.component.to_string(),
                function: record.maker.function.clone(),
                entries: tally.entries,
                last_run: tally.last_run,
                obstacle,
            };
            codes.push((&record.maker, code));
        }
        let mut codes: Vec<EarlierCode> = codes.into_iter().map(|(_, code)| code).collect();
        codes.sort_by_key(|code| (code.obstacle.is_some(), std::cmp::Reverse(code.last_run)));
        let froms: Vec<String> = codes.iter().map(|code| code.from.clone()).collect();
        for code in &mut codes {
            if froms.iter().filter(|from| **from == code.from).count() > 1 {
                code.from = format!("{}#{}", code.from, code.function);
            }
        }
        codes
    }

    /// Why the results under a recipe cannot be adopted.
    fn obstacle(&self, record: &RecipeRecord) -> Option<String> {
        if align(&record.recipe, &self.present.recipe).is_some() {
            return None;
        }
        let mut causes = recipe_difference(record, self.present, &self.recipes.trees);
        causes.retain(|cause| !matches!(cause, Cause::Code { .. }));
        Some(words(&causes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(digits: &str, function: Option<&str>) -> PinSource {
        PinSource::Digest {
            digits: digits.to_owned(),
            function: function.map(str::to_owned),
        }
    }

    #[test]
    fn whose_results_are_meant_is_said_in_three_ways() {
        let read = str::parse::<PinSource>;
        assert_eq!(read("run:3"), Ok(PinSource::Run(RunId(3))));
        assert_eq!(read("pin:a b"), Ok(PinSource::Pin("a b".to_owned())));
        assert_eq!(read("1F3a"), Ok(digits("1f3a", None)));
        assert_eq!(read("function:1f3a"), Ok(digits("1f3a", None)));
        assert_eq!(read("1f3a#count"), Ok(digits("1f3a", Some("count"))));
        let full = "acme:text/stats#count";
        assert_eq!(
            read(&format!("component:1f3a#{full}")),
            Ok(digits("1f3a", Some(full)))
        );
        for wrong in ["run:x", "1f3", "", "words", "#count"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn code_is_the_same_by_component_and_function_or_by_what_it_reaches() {
        use flowstone_core::{ComponentDigest, FunctionDigest};
        let maker = |component: u8, function: &str, reachable: Option<u8>| Maker {
            component: ComponentDigest::from_bytes([component; 32]),
            function: function.to_owned(),
            reachable: reachable.map(|digest| FunctionDigest::from_bytes([digest; 32])),
        };
        assert!(same_code(&maker(1, "f", None), &maker(1, "f", Some(9))));
        assert!(!same_code(&maker(1, "f", None), &maker(1, "g", None)));
        assert!(!same_code(&maker(1, "f", None), &maker(2, "f", None)));
        assert!(same_code(&maker(1, "f", Some(9)), &maker(2, "g", Some(9))));
        assert!(!same_code(&maker(1, "f", Some(8)), &maker(2, "f", Some(9))));
    }
}
