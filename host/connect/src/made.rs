//! The columns and the key of a table as flowstone made them. They stand beside the table's owner in `_flowstone`, so
//! that what others did to the table is known: whether it is still the same one, and which of its columns are theirs.

use serde::{Deserialize, Serialize};

use crate::target::TargetIdentity;

/// A table as flowstone made it, or the one that is there, with names in the form in which the database compares them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// Names and declared types.
    pub(crate) columns: Vec<(String, String)>,
    /// The names of the columns of the primary key, in its order.
    pub(crate) key: Vec<String>,
}

/// What became of a table that flowstone made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is there with all its columns. There may be more.
    Kept,
    /// It is there, and others dropped or retyped some of its columns: what they held is lost.
    Changed,
    /// Another one has its place.
    Replaced,
}

impl Made {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("the column `made` is damaged: {error}"))
    }

    pub(crate) fn to_text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// Whether the table has a column of this name.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.columns.iter().any(|(own, _)| own == name)
    }

    /// What became of the table, of which this is there now.
    ///
    /// Without its key it is another table. So it is when none of its other columns is there, but a new one is.
    fn fate(&self, found: &Made) -> Fate {
        let mut others = (self.columns.iter()).filter(|(name, _)| !self.key.contains(name));
        let has_others = others.clone().next().is_some();
        let is_extended = !found.columns.iter().all(|(name, _)| self.names(name));
        if self.key != found.key
            || has_others && is_extended && !others.any(|(name, _)| found.names(name))
        {
            Fate::Replaced
        } else if self.columns.iter().all(|own| found.columns.contains(own)) {
            Fate::Kept
        } else {
            Fate::Changed
        }
    }
}

/// What the marker says about one table.
pub(crate) struct Marker {
    pub(crate) owner: TargetIdentity,
    pub(crate) batch: u64,
    /// How the table was made; none where an older flowstone wrote the marker.
    pub(crate) made: Option<Made>,
}

/// A table that flowstone made.
pub(crate) struct FoundTable<L> {
    pub(crate) owner: TargetIdentity,
    /// The last batch of which it holds all: none once others changed its columns.
    pub(crate) batch: u64,
    /// As it is.
    pub(crate) layout: L,
    /// As it was made.
    pub(crate) made: Made,
    /// Others dropped or retyped some of its columns.
    pub(crate) is_changed: bool,
    /// The marker says how it was made.
    is_told: bool,
}

impl<L> FoundTable<L> {
    /// The table that is there `now`, in a layout; none when it replaced the one that was made.
    pub(crate) fn of(marker: Marker, layout: L, now: Made) -> Option<Self> {
        // Where the marker does not tell how the table was made, it is taken as it is.
        let fate = (marker.made.as_ref()).map_or(Fate::Kept, |made| made.fate(&now));
        let is_changed = fate == Fate::Changed;
        (fate != Fate::Replaced).then(|| FoundTable {
            owner: marker.owner,
            batch: if is_changed { 0 } else { marker.batch },
            layout,
            is_changed,
            is_told: marker.made.is_some(),
            made: marker.made.unwrap_or(now),
        })
    }

    /// Whether the marker does not say already that the table is this owner's and made like this.
    pub(crate) fn is_news(&self, owner: &TargetIdentity, made: &Made) -> bool {
        self.is_changed || !self.is_told || self.owner != *owner || self.made != *made
    }
}

/// What is in the place of a table that flowstone made, for people.
pub(crate) fn replaced(table: &str) -> String {
    format!("the table that replaced flowstone's `{table}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(columns: &[(&str, &str)], key: &[&str]) -> Made {
        let columns = columns
            .iter()
            .map(|(name, ty)| ((*name).into(), (*ty).into()));
        Made {
            columns: columns.collect(),
            key: key.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_table_without_its_key_or_with_only_new_columns_is_another() {
        let own = made(&[("id", "INTEGER"), ("n", "TEXT"), ("m", "TEXT")], &["id"]);
        let id = ("id", "INTEGER");
        let cases = [
            (
                made(&[("m", "TEXT"), ("n", "TEXT"), id], &["id"]),
                Fate::Kept,
            ),
            (
                made(&[("n", "TEXT"), ("m", "TEXT"), id, ("x", "")], &["id"]),
                Fate::Kept,
            ),
            (made(&[id, ("n", "TEXT")], &["id"]), Fate::Changed),
            (
                made(&[id, ("n", "TEXT"), ("x", "")], &["id"]),
                Fate::Changed,
            ),
            (
                made(&[id, ("n", "TEXT"), ("m", "REAL")], &["id"]),
                Fate::Changed,
            ),
            (made(&[id], &["id"]), Fate::Changed),
            (made(&[id, ("x", "")], &["id"]), Fate::Replaced),
            (made(&[("x", "")], &[]), Fate::Replaced),
            (
                made(&[id, ("n", "TEXT"), ("m", "TEXT")], &[]),
                Fate::Replaced,
            ),
        ];
        for (found, fate) in cases {
            assert_eq!(own.fate(&found), fate, "{found:?}");
        }
        let only_key = made(&[id], &["id"]);
        assert_eq!(only_key.fate(&made(&[id, ("x", "")], &["id"])), Fate::Kept);
    }

    #[test]
    fn what_is_written_is_read_back_and_damage_is_told() {
        let own = made(&[("a\"b", "TEXT")], &["a\"b"]);
        assert_eq!(Made::parse(&own.to_text()), Ok(own));
        for text in ["", "[]", r#"{"columns":[["a"]],"key":[]}"#] {
            assert!(Made::parse(text).unwrap_err().contains("`made`"), "{text}");
        }
    }
}
