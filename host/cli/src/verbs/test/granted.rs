//! What the cases of a file are granted: its table `[grants]`, in the words of a flow. Nothing, where there is none.

use std::path::Path;

use flowstone::core::Grants;
use flowstone::{EngineConfig, World, granted_world};

use crate::failure::{Failure, FlowText, Kind};
use crate::opening;

/// What calls can learn besides their arguments.
#[derive(Default)]
pub(super) struct Granted {
    grants: Grants,
    world: World,
}

impl Granted {
    /// Reads the grants of a file, whose paths start at the folder `base` and stay in it.
    pub(super) fn read(text: &FlowText, base: &Path) -> Result<Self, Failure> {
        let refused = |errors| Failure::from(errors).of(Kind::Usage).in_flow(text);
        let mut grants =
            Grants::of_file(&text.text, "the cases", "the plugin's folder").map_err(refused)?;
        opening::inherit(grants.inherited_variables())?;
        let memory = EngineConfig::default().memory_bytes_max;
        let world = granted_world(&grants, base, memory).map_err(refused)?;
        Ok(Self { grants, world })
    }

    /// The world of a call, with random numbers that follow from `seed` where they are not granted.
    pub(super) fn world(&self, seed: [u8; 32]) -> World {
        let mut world = self.world.clone();
        world.seed = seed;
        world
    }

    /// Whether results may hang on more than can be known.
    pub(super) fn is_impure(&self) -> bool {
        self.grants.is_impure()
    }

    /// Whether it is the same as another one.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.grants == other.grants
    }
}
