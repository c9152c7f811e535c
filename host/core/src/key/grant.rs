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

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(value: Option<&str>) -> Fingerprint {
        let variable = Variable {
            name: "LANG".to_owned(),
            value: value.map(str::to_owned),
            is_inherited: false,
        };
        Grant::variable(&variable).fingerprint
    }

    #[test]
    fn fingerprints_of_grants_are_golden() {
        insta::assert_snapshot!(variable(None), @"02239263117fda975edb6a364ad331922dc25dcbd588243cdb086bb013ab9910");
        insta::assert_snapshot!(variable(Some("")), @"a2b9cd69a52bfad8a56ee44c107fde8add50d880c0c5e0ccea9cb741d7f286b2");
        insta::assert_snapshot!(variable(Some("C")), @"aadbebbb0cbb602cfd8ad6648c915f8625309fa77471dd02149d1354b1a8221f");
        insta::assert_snapshot!(Grant::row("page").fingerprint, @"75d83f127ced0bca8d089237651a6cac507cfd212074997c26f16d6682e68239");
    }

    #[test]
    fn only_what_no_key_can_hold_is_impure() {
        let impure = ["clock", "random", "network api.example.org:443"];
        let pure = ["read data", "env LANG", "row", "read network ", "env clock"];
        assert!(impure.iter().all(|name| Grant::plain(*name).is_impure()));
        assert!(!pure.iter().any(|name| Grant::plain(*name).is_impure()));
    }
}
