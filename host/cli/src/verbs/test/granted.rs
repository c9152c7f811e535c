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
    /// Reads the grants of a file, whose paths start at the folder `base` and stay in it. The file may be somebody else's,
    /// as the plugin is: what could send something of this process away is only granted where `all` is allowed.
    pub(super) fn read(text: &FlowText, base: &Path, all: bool) -> Result<Self, Failure> {
        let refused = |errors| Failure::from(errors).of(Kind::Usage).in_flow(text);
        let mut grants =
            Grants::of_file(&text.text, "the cases", "the plugin's folder").map_err(refused)?;
        let asked = to_be_allowed(&grants);
        if !all && !asked.is_empty() {
            return Err(not_allowed(text, &asked));
        }
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

/// So many grants are named that are not allowed.
const NAMED_MAX: usize = 8;

/// What a file asks for of this process: its variables, and what they could be sent away with.
fn to_be_allowed(grants: &Grants) -> Vec<String> {
    let inherited = grants.env.iter().filter(|variable| variable.is_inherited);
    let env = inherited.map(|variable| format!("env {}", variable.name));
    let network = grants.network.iter();
    env.chain(network.map(|endpoint| format!("network {endpoint}")))
        .collect()
}

fn not_allowed(text: &FlowText, asked: &[String]) -> Failure {
    let named = asked.iter().take(NAMED_MAX);
    let named = named.map(|name| format!("`{name}`"));
    let more = match asked.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "the cases in `{}` ask for {}{more}: that is not granted unless you allow it",
        text.name,
        named.collect::<Vec<_>>().join(", ")
    );
    Failure::new(Kind::Usage, message).hint(
        "with `--allow-grants` they have it; a plugin that you do not know could send away what it sees. A variable with a \
         value in the file, `env = { NAME = \"value\" }`, needs no leave",
    )
}
