//! Grants as keys have them: what a function can learn besides its arguments, and what that comes to.

use serde::{Deserialize, Serialize};

use crate::flow::Variable;
use crate::id::Fingerprint;

/// The name of the grant that stands for the row in hand: its fingerprint follows those of the arguments in the key.
const ROW: &str = "row";
/// What the name of a host begins with.
const NETWORK: &str = "network ";
/// What the name of a file or folder begins with.
const READ: &str = "read ";

/// Something real that the flow hands a transform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What it is, for people.
    pub name: String,
    /// What the transform can learn from it.
    pub fingerprint: Fingerprint,
}

impl Grant {
    /// One that says nothing that could be hashed: that it is granted is what counts.
    pub fn plain(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            fingerprint: Fingerprint::from_bytes([0; 32]),
        }
    }

    /// A file or folder whose names and contents have this digest.
    pub fn read(path: &str, digest: Fingerprint) -> Self {
        Self {
            name: format!("{READ}{path}"),
            fingerprint: digest,
        }
    }

    /// A variable, by its value or its absence.
    pub fn variable(variable: &Variable) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 granted variable");
        if let Some(value) = &variable.value {
            hasher.update(&[1]);
            hasher.update(value.as_bytes());
        }
        Self {
            name: format!("env {}", variable.name),
            fingerprint: Fingerprint::from_bytes(*hasher.finalize().as_bytes()),
        }
    }

    /// That the function is told the row in hand, which is one of this collection.
    pub fn row(collection: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("flowstone 2026 collection of rows");
        hasher.update(collection.as_bytes());
        Self {
            name: ROW.to_owned(),
            fingerprint: Fingerprint::from_bytes(*hasher.finalize().as_bytes()),
        }
    }

    /// Whether it is [`Grant::row`].
    pub fn is_row(&self) -> bool {
        self.name == ROW
    }

    /// Whether it is a file or folder.
    pub fn is_read(&self) -> bool {
        self.name.starts_with(READ)
    }

    /// Whether results under it hang on more than a key can hold.
    pub fn is_impure(&self) -> bool {
        matches!(&*self.name, "clock" | "random") || self.name.starts_with(NETWORK)
    }
}
