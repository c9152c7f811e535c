//! Recipes: what stands for the code of the transforms in their keys, and the code that really runs.

use flowstone_core::{
    CodeId, Function, Grant, Identity, LiteralArgument, Maker, Recipe, RecipeRecord, Stage,
    Transform,
};
use flowstone_store::{RecipeId, Snapshot, Store, StoreError};

use crate::engine::Flow;
use crate::granted::Trees;
use crate::stage::PluginCode;

/// What stands for a plugin's code where the flow does not say.
pub(crate) const IDENTITY: Identity = Identity::Function;

/// The recipe of a transform's keys, and the code behind it.
pub(crate) fn recipe(flow: &Flow, stage: &Stage, transform: &Transform) -> RecipeRecord {
    let pin = transform.cache.pin.as_deref();
    let code = flow.code(&transform.plugin);
    let record = recipe_of(&transform.function, pin, transform.literals(), code);
    let mut grants = flow.granted.recipe(transform);
    let collection = &stage.collections[transform.collection].name;
    grants.extend(transform.tells_row.then(|| Grant::row(collection)));
    RecipeRecord {
        recipe: Recipe {
            grants,
            ignored: stage.ignored(transform),
            batched: transform.batch.is_some(),
            ..record.recipe
        },
        ..record
    }
}

/// The recipe of a function's keys that is called for single rows and granted nothing, and of which every argument counts.
pub(crate) fn recipe_of(
    function: &Function,
    pin: Option<&str>,
    literals: Vec<LiteralArgument>,
    code: &PluginCode,
) -> RecipeRecord {
    let maker = Maker {
        component: code.digest,
        function: function.name.clone(),
        reachable: code.functions.get(&function.name).copied(),
    };
    let code = match pin {
        Some(name) => CodeId::Pin {
            name: name.to_owned(),
        },
        None => maker.code(),
    };
    RecipeRecord {
        recipe: Recipe {
            code,
            function: function.clone(),
            literals,
            grants: Vec::new(),
            ignored: Vec::new(),
            batched: false,
        },
        maker,
    }
}

/// The recipes that a store knows, by their numbers.
pub(crate) struct Recipes {
    all: Vec<(RecipeId, RecipeRecord)>,
    /// What their keys stand for of granted files.
    pub(crate) trees: Trees,
}

impl Recipes {
    pub(crate) fn read(snapshot: &Snapshot) -> Result<Self, StoreError> {
        let all = snapshot.recipes()?;
        let grants = all.iter().flat_map(|(_, record)| &record.recipe.grants);
        let trees = if grants.into_iter().any(Grant::is_read) {
            Trees::read(snapshot)?
        } else {
            Trees::default()
        };
        Ok(Self { all, trees })
    }

    /// With what a flow is granted now.
    pub(crate) fn with(snapshot: &Snapshot, flow: &Flow) -> Result<Self, StoreError> {
        let mut recipes = Self::read(snapshot)?;
        recipes.trees.add(&flow.granted);
        Ok(recipes)
    }

    /// The number of a recipe; none before the first run of it.
    pub(crate) fn id(&self, record: &RecipeRecord) -> Option<RecipeId> {
        let known = self.all.iter().rev().find(|(_, known)| known == record);
        known.map(|(id, _)| *id)
    }

    pub(crate) fn get(&self, id: RecipeId) -> Option<&RecipeRecord> {
        let known = self.all.iter().find(|(known, _)| *known == id);
        known.map(|(_, record)| record)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(RecipeId, RecipeRecord)> {
        self.all.iter()
    }

    /// Gives a recipe a number.
    pub(crate) fn register(
        &mut self,
        store: &Store,
        record: RecipeRecord,
    ) -> Result<RecipeId, StoreError> {
        let id = store.write(|writer| {
            let id = writer.next_recipe()?;
            writer.put_recipe(id, &record)?;
            Ok::<_, StoreError>(id)
        })?;
        self.all.push((id, record));
        Ok(id)
    }
}
