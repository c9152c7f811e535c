//! The code that is to give a stored result once more: that of the flow, or a kept build of the code that made it.

use std::collections::HashMap;

use flowstone_core::{Function, Maker, Recipe, RecipeRecord, Value, row_function};
use flowstone_sandbox::{Callable, Extent, scan};
use flowstone_store::RecipeId;

use crate::compiled::{LoadFault, load_plugin};
use crate::engine::Engine;
use crate::error::Error;
use crate::lists::Lists;
use crate::pins::{align, origin, pin_of, read, same_code};
use crate::recipe::Recipes;

/// What is called.
pub(super) enum Code {
    /// The function of the flow.
    Present,
    /// A function of a kept build.
    Kept(Kept),
    /// Nothing: the code is not at hand, for this reason.
    Missing(String),
}

/// A function of a kept build.
pub(super) struct Kept {
    pub(super) callable: Callable,
    /// The positions of its arguments among those of the flow's function.
    positions: Vec<usize>,
    /// The lists that it takes, where it takes many rows.
    pub(super) lists: Option<Lists>,
}

impl Kept {
    /// Its arguments among those of the flow's function.
    pub(super) fn chosen(&self, arguments: &[Value]) -> Vec<Value> {
        let argument = |position: &usize| arguments.get(*position).cloned();
        self.positions.iter().filter_map(argument).collect()
    }
}

/// How the results under one recipe were made.
pub(super) struct Made {
    pub(super) maker: Maker,
    pub(super) code: Code,
}

/// How the results of a transform were made, by recipe.
pub(super) struct Codes(HashMap<RecipeId, Made>);

impl Codes {
    pub(super) fn get(&self, recipe: RecipeId) -> Option<&Made> {
        self.0.get(&recipe)
    }

    /// The present code for all results that a flow finds under the keys of `present`.
    pub(super) fn present(engine: &Engine, present: &RecipeRecord) -> Result<Self, Error> {
        Self::of(engine, present, |_, _| Ok(Code::Present))
    }

    /// For each of these results the code that made it.
    pub(super) fn of_makers(engine: &Engine, present: &RecipeRecord) -> Result<Self, Error> {
        Self::of(engine, present, |record, origin| {
            if same_code(&record.maker, &present.maker) {
                return Ok(Code::Present);
            }
            kept(engine, &record.maker, origin, &present.recipe)
        })
    }

    fn of(
        engine: &Engine,
        present: &RecipeRecord,
        code: impl Fn(&RecipeRecord, &Recipe) -> Result<Code, Error>,
    ) -> Result<Self, Error> {
        let snapshot = engine.store.snapshot()?;
        let recipes = Recipes::read(&snapshot)?;
        let target = present.recipe.key();
        let pin = match pin_of(&present.recipe) {
            Some(name) => read(&snapshot, name)?,
            None => None,
        };
        let mut codes = HashMap::new();
        for (id, record) in recipes.iter() {
            if record.recipe.key() != target {
                continue;
            }
            let origin = match pin_of(&record.recipe) {
                Some(_) => origin(record, pin.as_ref()),
                None => record.recipe.clone(),
            };
            let made = Made {
                maker: record.maker.clone(),
                code: code(record, &origin)?,
            };
            codes.insert(*id, made);
        }
        Ok(Self(codes))
    }
}

/// The code of a kept build.
fn kept(engine: &Engine, maker: &Maker, origin: &Recipe, now: &Recipe) -> Result<Code, Error> {
    let missing = |why: String| Ok(Code::Missing(why));
    let Some(bytes) = engine.store.build(&maker.component)? else {
        return missing("it was not kept".to_owned());
    };
    if scan(&bytes).is_ok_and(|scan| scan.digest != maker.component) {
        return missing("what was kept is other code".to_owned());
    }
    let sandbox = engine.sandbox.get()?;
    // Other results are of other functions of it: it is compiled once.
    let component = (&bytes[..], &maker.component);
    let loaded = load_plugin(component, &Extent::All, &sandbox, &engine.store, || {});
    let plugin = match loaded {
        Ok(plugin) => plugin,
        Err(LoadFault::Load(error)) => return missing(error.to_string()),
        Err(LoadFault::Other(error)) => return Err(error),
    };
    let Some(callable) = plugin.function(&maker.function) else {
        return missing(format!("it has no function `{}`", maker.function));
    };
    match align(origin, now) {
        Some(positions) if is_of(callable.function(), origin) => Ok(Code::Kept(Kept {
            callable,
            positions,
            lists: Lists::of(origin),
        })),
        _ => missing(format!("its function is `{}`", callable.function())),
    }
}

/// Whether an exported function has the types that a recipe says.
fn is_of(exported: &Function, recipe: &Recipe) -> bool {
    let types = |function: &Function| {
        let params = function.params.iter().map(|param| param.ty.clone());
        (params.collect::<Vec<_>>(), function.result.clone())
    };
    if !recipe.batched {
        return types(exported) == types(&recipe.function);
    }
    let is_literal = |position: usize| {
        let mut literals = recipe.literals.iter();
        literals.any(|literal| literal.position as usize == position)
    };
    let of_row = row_function(exported, is_literal);
    of_row.is_some_and(|function| types(&function) == types(&recipe.function))
}
