//! The difference between two recipes: all that is in a key besides the arguments.

use flowstone_core::{CodeId, Grant, Recipe, RecipeRecord};

use super::Cause;
use crate::granted::Trees;

/// The difference between two recipes.
pub(crate) fn recipe_difference(
    before: &RecipeRecord,
    now: &RecipeRecord,
    trees: &Trees,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (old, new) = (&before.recipe, &now.recipe);
    if old.code != new.code {
        causes.push(Cause::Code {
            from: code_text(&old.code, before),
            to: code_text(&new.code, now),
            builds: Some((before.maker.component, now.maker.component))
                .filter(|(from, to)| from != to),
            functions: None,
        });
    }
    let types = |recipe: &Recipe| {
        let params = recipe.function.params.iter().map(|param| param.ty.clone());
        (params.collect::<Vec<_>>(), recipe.function.result.clone())
    };
    if types(old) != types(new) || old.batched != new.batched {
        let signature = |recipe: &Recipe| {
            let batched = if recipe.batched { ", in batches" } else { "" };
            format!("{}{batched}", recipe.function)
        };
        causes.push(Cause::Signature {
            from: signature(old),
            to: signature(new),
        });
    }
    literal_difference(old, new, &mut causes);
    grant_difference(&old.grants, &new.grants, trees, &mut causes);
    if old.ignored != new.ignored {
        causes.push(Cause::Ignored {
            from: ignored_names(old),
            to: ignored_names(new),
        });
    }
    causes
}

/// What stands for the code, with the function where that is another.
fn code_text(code: &CodeId, record: &RecipeRecord) -> String {
    match code {
        CodeId::Component { .. } => format!("{code} `{}`", record.maker.function),
        _ => code.to_string(),
    }
}

fn ignored_names(recipe: &Recipe) -> Vec<String> {
    let name = |position: &u32| recipe.function.params.get(*position as usize);
    let names = recipe.ignored.iter().filter_map(name);
    names.map(|param| param.name.clone()).collect()
}

fn literal_difference(old: &Recipe, new: &Recipe, causes: &mut Vec<Cause>) {
    let text = |recipe: &Recipe, position: u32| {
        let literal = recipe
            .literals
            .iter()
            .find(|literal| literal.position == position);
        literal.map(|literal| literal.text.clone())
    };
    let count = old.function.params.len().max(new.function.params.len()) as u32;
    for position in 0..count {
        let (from, to) = (text(old, position), text(new, position));
        if from != to {
            let params = new.function.params.get(position as usize);
            let param = params.or_else(|| old.function.params.get(position as usize));
            causes.push(Cause::Literal {
                parameter: param.map_or_else(String::new, |param| param.name.clone()),
                from,
                to,
            });
        }
    }
}

fn grant_difference(old: &[Grant], new: &[Grant], trees: &Trees, causes: &mut Vec<Cause>) {
    for grant in new {
        let before = old.iter().find(|before| before.name == grant.name);
        if let Some(before) = before.filter(|before| before.fingerprint != grant.fingerprint) {
            causes.push(Cause::Granted {
                name: grant.name.clone(),
                difference: trees.difference(before.fingerprint, grant.fingerprint),
            });
        }
    }
    let names = |grants: &[Grant]| -> Vec<String> {
        grants.iter().map(|grant| grant.name.clone()).collect()
    };
    let (from, to) = (names(old), names(new));
    if from != to {
        causes.push(Cause::Grants { from, to });
    }
}
