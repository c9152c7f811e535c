//! Recipes: what stands for the code of the transforms in their keys, and the code that really runs.

use flowstone_core::{
    CodeId, Fingerprint, Function, Grant, Grants, Identity, LiteralArgument, Maker, Recipe,
    RecipeRecord, Stage, Transform,
};
use flowstone_store::{RecipeId, Snapshot, Store, StoreError};

use crate::stage::PluginCode;

/// What stands for a plugin's code where the flow does not say.
pub(crate) const IDENTITY: Identity = Identity::Function;

/// The recipe of a transform's keys, and the code behind it.
pub(crate) fn recipe(stage: &Stage, transform: &Transform, code: &PluginCode) -> RecipeRecord {
    let pin = transform.cache.pin.as_deref();
    let record = recipe_of(&transform.function, pin, transform.literals(), code);
    let grants = grants(transform.grants);
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

/// A real clock or real random numbers say nothing that could be hashed: that they are granted is what counts.
fn grants(grants: Grants) -> Vec<Grant> {
    let grant = |name: &str| Grant {
        name: name.to_owned(),
        fingerprint: Fingerprint::from_bytes([0; 32]),
    };
    grants.names().into_iter().map(grant).collect()
}

/// The recipes that a store knows, by their numbers.
pub(crate) struct Recipes(Vec<(RecipeId, RecipeRecord)>);

impl Recipes {
    pub(crate) fn read(snapshot: &Snapshot) -> Result<Self, StoreError> {
        snapshot.recipes().map(Self)
    }

    /// The number of a recipe; none before the first run of it.
    pub(crate) fn id(&self, record: &RecipeRecord) -> Option<RecipeId> {
        let known = self.0.iter().rev().find(|(_, known)| known == record);
        known.map(|(id, _)| *id)
    }

    pub(crate) fn get(&self, id: RecipeId) -> Option<&RecipeRecord> {
        let known = self.0.iter().find(|(known, _)| *known == id);
        known.map(|(_, record)| record)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(RecipeId, RecipeRecord)> {
        self.0.iter()
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
        self.0.push((id, record));
        Ok(id)
    }
}
