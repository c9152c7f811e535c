//! Relations: how their rows are keyed, who reads them, and the keys of gathered rows as people see them.
//!
//! A row of a relation belongs to a group. What a group is hangs on who reads it: for a reduce and for state the values of
//! the key columns, readable and in their order; for a union the row itself; for lookups a hash of the key columns, made of
//! fingerprints alone, so that nobody has to load a value to look something up.

use flowstone_connect::{KeyPart, push_part, show_part, split_key};
use flowstone_core::{Fingerprint, REDUCE, Reader, STATE, Type, UNION, Value, encode, to_wave};
use flowstone_store::{KEY_BYTES_MAX, Member, member_key, split_member_key};

use crate::batch::Failure;
use crate::reconcile::digest;

/// How the rows of a relation are keyed.
pub(crate) struct RelationKeys {
    grouping: Grouping,
    /// The kind of the source whose rows are published.
    kind: String,
}

enum Grouping {
    /// By a hash of the key columns.
    Hashed,
    /// By the values of the key columns.
    Values,
    /// By the values of the key columns; the member goes by the key that it has as a gathered row.
    ValuesOfRows,
    /// Every row by itself, under the name of its collection.
    Rows { origin: String },
}

/// A row that is to be published.
pub(crate) struct Published<'a> {
    /// The key of its root row.
    pub(crate) root: &'a [u8],
    /// Where it stands below that.
    pub(crate) origin: &'a [u32],
    /// The fingerprints of all columns.
    pub(crate) prints: &'a [Fingerprint],
    /// Their values and types.
    pub(crate) values: &'a [(Value, Type)],
    /// How many of them are key columns.
    pub(crate) keys: usize,
}

/// Under this, the fingerprints of key columns make the hash that lookups go by.
const LOOKUP: Fingerprint = Fingerprint::from_bytes(*b"flowstone 2026 key of a lookup..");

/// The hash that a lookup with these key columns goes by.
pub(crate) fn lookup_hash(prints: impl Iterator<Item = Fingerprint>) -> [u8; 16] {
    digest(&LOOKUP, prints)
}

impl RelationKeys {
    /// The keys of a relation of rows of a source of this kind. `reader` is the kind of the stage that gathers them, and
    /// `origin` the name that it knows them by.
    pub(crate) fn new(kind: &str, reader: Reader, gathers: &str, origin: &str) -> Self {
        let grouping = match (reader, gathers) {
            (Reader::Lookup, _) => Grouping::Hashed,
            (_, UNION) => Grouping::Rows {
                origin: origin.to_owned(),
            },
            (_, STATE) => Grouping::ValuesOfRows,
            _ => Grouping::Values,
        };
        Self {
            grouping,
            kind: kind.to_owned(),
        }
    }

    /// The key of a row of the relation.
    pub(crate) fn key(&self, row: &Published<'_>) -> Result<Vec<u8>, Failure> {
        let own = self.own(row);
        let key = match &self.grouping {
            Grouping::Hashed => {
                let hash = lookup_hash(row.prints[..row.keys].iter().copied());
                member_key(&hash, &own)
            }
            Grouping::Values | Grouping::ValuesOfRows => {
                member_key(&group_of(&row.values[..row.keys]), &own)
            }
            Grouping::Rows { origin } => {
                let mut group = Vec::new();
                push_part(&mut group, &KeyPart::Text(origin.as_str().into()));
                group.extend_from_slice(&own);
                member_key(&group, &[])
            }
        };
        if key.len() > KEY_BYTES_MAX / 2 {
            return Err(Failure {
                reason: format!(
                    "its key for other steps takes {} bytes, and {} is the most",
                    key.len(),
                    KEY_BYTES_MAX / 2
                ),
                retry: false,
            });
        }
        Ok(key)
    }

    /// What tells a row from all others of its collection, in the order of the source's keys.
    fn own(&self, row: &Published<'_>) -> Vec<u8> {
        let mut own = Vec::with_capacity(row.root.len() + 16);
        push_part(&mut own, &KeyPart::Text(self.kind.as_str().into()));
        push_part(&mut own, &KeyPart::Bytes(row.root.into()));
        for &position in row.origin {
            push_part(&mut own, &KeyPart::Int(i64::from(position)));
        }
        own
    }
}

/// What is kept of a published row.
pub(crate) fn member(row: &Published<'_>) -> Member {
    let columns = row.prints.iter().zip(row.values);
    Member {
        columns: columns
            .map(|(print, (value, ty))| {
                let mut encoding = Vec::new();
                encode(value, ty, &mut encoding);
                (*print, encoding)
            })
            .collect(),
    }
}

/// The key of the group with these values.
fn group_of(values: &[(Value, Type)]) -> Vec<u8> {
    let mut group = Vec::new();
    for (value, ty) in values {
        push_part(&mut group, &part(value, ty));
    }
    group
}

fn part<'a>(value: &'a Value, ty: &Type) -> KeyPart<'a> {
    let int = |number: i64| KeyPart::Int(number);
    match (value, ty) {
        (Value::Str(text), _) => KeyPart::Text((&**text).into()),
        (Value::Char(letter), _) => KeyPart::Text(letter.to_string().into()),
        (Value::Bytes(bytes), _) => KeyPart::Bytes((&**bytes).into()),
        (Value::S8(number), _) => int((*number).into()),
        (Value::U8(number), _) => int((*number).into()),
        (Value::S16(number), _) => int((*number).into()),
        (Value::U16(number), _) => int((*number).into()),
        (Value::S32(number), _) => int((*number).into()),
        (Value::U32(number), _) => int((*number).into()),
        (Value::S64(number), _) => int(*number),
        (Value::U64(number), _) if i64::try_from(*number).is_ok() => int(*number as i64),
        (Value::Option(None), _) => KeyPart::Json("".into()),
        // One level is told from none by what it holds; more of them only by their text.
        (Value::Option(Some(inner)), Type::Option(ty)) if !matches!(**ty, Type::Option(_)) => {
            part(inner, ty)
        }
        (other, ty) => KeyPart::Json(to_wave(other, ty).into()),
    }
}

/// The collection of a union that a gathered row comes from, by its key.
pub(crate) fn origin_of(key: &[u8]) -> Option<String> {
    match split_key(key)?.0.into_iter().next()? {
        KeyPart::Text(origin) => Some(origin.into_owned()),
        _ => None,
    }
}

/// Whether the rows of a source of this kind come from other stages.
pub(crate) fn is_gathered(kind: &str) -> bool {
    [REDUCE, UNION, STATE].contains(&kind)
}

/// What a source of this kind is called in a flow.
pub(crate) fn noun(kind: &str) -> &'static str {
    match kind {
        REDUCE => "reduce",
        UNION => "union",
        STATE => "transform",
        _ => "source",
    }
}

/// A key of a source or of a gathered collection as text: the true one, as `--json` gives it and people name it.
pub(crate) fn display_key(kind: &str, key: &[u8]) -> String {
    let shown = match kind {
        REDUCE => show_group(key),
        STATE => split_member_key(key)
            .and_then(|(_, member)| split_key(member))
            .and_then(|(parts, _)| show_row(&parts)),
        UNION => split_key(key).and_then(|(parts, _)| {
            let (origin, row) = parts.split_first()?;
            Some(format!("{}/{}", show_part(origin), show_row(row)?))
        }),
        _ => None,
    };
    shown.unwrap_or_else(|| flowstone_connect::display_key(kind, key))
}

fn show_group(key: &[u8]) -> Option<String> {
    let (parts, _) = split_key(key)?;
    if parts.is_empty() {
        return Some("(all)".to_owned());
    }
    let shown: Vec<String> = parts.iter().map(show_part).collect();
    Some(shown.join(", "))
}

/// A row of another collection, by the parts of its key in a relation.
pub(crate) fn show_row(parts: &[KeyPart<'_>]) -> Option<String> {
    let [KeyPart::Text(kind), KeyPart::Bytes(root), positions @ ..] = parts else {
        return None;
    };
    let mut shown = display_key(kind, root);
    let mut separator = '#';
    for position in positions {
        shown.push(separator);
        shown += &show_part(position);
        separator = '.';
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(key: &[u8]) -> Vec<u8> {
        split_member_key(key)
            .map(|(group, _)| group)
            .unwrap_or_default()
    }

    fn published<'a>(
        root: &'a [u8],
        origin: &'a [u32],
        values: &'a [(Value, Type)],
        prints: &'a [Fingerprint],
    ) -> Published<'a> {
        Published {
            root,
            origin,
            prints,
            values,
            keys: values.len(),
        }
    }

    #[test]
    fn groups_sort_as_their_values_and_are_shown_as_such() {
        let prints = [Fingerprint::from_bytes([1; 32]); 2];
        let keys = RelationKeys::new("csv", Reader::Stage(1), REDUCE, "product");
        let key = |name: &str, number: i64| {
            let values = [
                (Value::str(name), Type::String),
                (Value::S64(number), Type::S64),
            ];
            group(
                &keys
                    .key(&published(b"x", &[], &values, &prints))
                    .unwrap_or_default(),
            )
        };
        assert!(key("a", 5) < key("a", 6));
        assert!(key("a", -1) < key("a", 0));
        assert!(key("a\0", 0) > key("a", 9));
        assert_eq!(display_key(REDUCE, &key("acme", -3)), "acme, -3");
        assert_eq!(display_key(REDUCE, &[]), "(all)");
    }

    #[test]
    fn rows_of_a_union_are_shown_with_their_origin() {
        let keys = RelationKeys::new("files", Reader::Stage(1), UNION, "notes");
        let key = group(
            &keys
                .key(&published(b"a.md", &[3, 0], &[], &[]))
                .unwrap_or_default(),
        );
        assert_eq!(display_key(UNION, &key), "notes/a.md#3.0");
        assert_eq!(origin_of(&key).as_deref(), Some("notes"));
    }

    #[test]
    fn any_bytes_can_be_shown() {
        for kind in [REDUCE, UNION, STATE] {
            for bytes in [
                &[][..],
                &[0],
                &[2, 0],
                &[2, 65, 0, 1],
                &[9, 9, 9],
                &[3, 0, 255, 0, 1],
            ] {
                let _ = display_key(kind, bytes);
            }
        }
    }
}
