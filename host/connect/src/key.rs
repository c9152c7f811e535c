//! Keys of several parts as bytes that tell their parts apart and sort as the parts do, and keys as text.

use std::borrow::Cow;
use std::fmt::Write;

/// A part of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart<'a> {
    /// An integer; sorts before text.
    Int(i64),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes; sorts after text.
    Bytes(Cow<'a, [u8]>),
    /// A JSON value that is none of these, as its JSON text.
    Json(Cow<'a, str>),
}

// The first byte of a part. None is 0x00, so a record number (8 bytes, the first one zero) is no joined key.
const INT: u8 = 1;
const TEXT: u8 = 2;
const BYTES: u8 = 3;
const JSON: u8 = 4;

/// Begins the key of a record that has none, in a source with key columns. No UTF-8, so no part of a key begins with it.
pub(crate) const NO_KEY: u8 = 0xff;

/// Whether a key of a source with key columns is what these columns say. That of a record without a key, or with the key of
/// another record, is not: it tells where the record was found, and nothing is made of such a record.
pub fn is_own_key(key: &[u8]) -> bool {
    matches!(split_key(key), Some((_, [])))
}

/// Appends a part. A key is its parts one after the other, and no key is the beginning of another one with as many
/// parts: text and bytes end in `00 01`, and a zero byte in them is written `00 ff`.
pub fn push_part(key: &mut Vec<u8>, part: &KeyPart<'_>) {
    let (tag, bytes) = match part {
        KeyPart::Int(number) => {
            key.push(INT);
            // Flipping the sign bit makes big-endian bytes sort as the numbers do.
            key.extend_from_slice(&(*number as u64 ^ (1 << 63)).to_be_bytes());
            return;
        }
        KeyPart::Text(text) => (TEXT, text.as_bytes()),
        KeyPart::Bytes(bytes) => (BYTES, bytes.as_ref()),
        KeyPart::Json(text) => (JSON, text.as_bytes()),
    };
    key.push(tag);
    for &byte in bytes {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.extend_from_slice(&[0, 1]);
}

/// Takes a key apart: the parts, and what follows them when it is not a part. `None` when a part is cut short.
pub fn split_key(mut key: &[u8]) -> Option<(Vec<KeyPart<'static>>, &[u8])> {
    let mut parts = Vec::new();
    while let Some((&tag, rest)) = key.split_first() {
        let (part, rest) = match tag {
            INT => {
                let (bytes, rest) = rest.split_first_chunk::<8>()?;
                (
                    KeyPart::Int((u64::from_be_bytes(*bytes) ^ (1 << 63)) as i64),
                    rest,
                )
            }
            TEXT => unescape(rest).and_then(|(bytes, rest)| {
                Some((KeyPart::Text(String::from_utf8(bytes).ok()?.into()), rest))
            })?,
            BYTES => unescape(rest).map(|(bytes, rest)| (KeyPart::Bytes(bytes.into()), rest))?,
            JSON => unescape(rest).and_then(|(bytes, rest)| {
                Some((KeyPart::Json(String::from_utf8(bytes).ok()?.into()), rest))
            })?,
            _ => break,
        };
        parts.push(part);
        key = rest;
    }
    Some((parts, key))
}

fn unescape(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    let mut rest = bytes;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if byte == 0 {
            let (&mark, after) = rest.split_first()?;
            rest = after;
            match mark {
                0xff => {}
                1 => return Some((out, rest)),
                _ => return None,
            }
        }
        out.push(byte);
    }
}

/// A part as text: text as it is, bytes in base 16.
pub fn show_part(part: &KeyPart<'_>) -> String {
    match part {
        KeyPart::Int(number) => number.to_string(),
        KeyPart::Text(text) | KeyPart::Json(text) => text.to_string(),
        KeyPart::Bytes(bytes) => bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}

/// The key of a record as text: the values of the key columns, or the number of the record.
pub(crate) fn display_joined(key: &[u8]) -> String {
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
    match key {
        // A record number has a zero in front, which is no part of a joined key (see `push_part`).
        [0, ..] => number(key).map(|number| number.to_string()),
        [NO_KEY, rest @ ..] => number(rest).map(|number| format!("record {number}")),
        key => split_key(key).map(|(parts, rest)| {
            let mut shown = parts
                .iter()
                .map(|part: &KeyPart<'_>| show_part(part))
                .collect::<Vec<_>>()
                .join(",");
            if let Some(number) = number(rest) {
                let _ = write!(shown, " (record {number})");
            }
            shown
        }),
    }
    .unwrap_or_else(|| String::from_utf8_lossy(key).into_owned())
}

/// Bytes for people: lossy where they are not UTF-8, with control characters escaped, so that no name can play tricks
/// on a terminal.
pub(crate) fn printable(bytes: &[u8]) -> String {
    flowstone_core::printable(&String::from_utf8_lossy(bytes), &[])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(parts: &[KeyPart<'static>]) -> Vec<u8> {
        let mut key = Vec::new();
        for part in parts {
            push_part(&mut key, part);
        }
        key
    }

    fn part() -> impl Strategy<Value = KeyPart<'static>> {
        prop_oneof![
            any::<i64>().prop_map(KeyPart::Int),
            "[a\\x00\\x01é]{0,4}".prop_map(|text| KeyPart::Text(text.into())),
            prop::collection::vec(
                prop_oneof![Just(0u8), Just(1), Just(255), any::<u8>()],
                0..4
            )
            .prop_map(|bytes| KeyPart::Bytes(bytes.into())),
        ]
    }

    proptest! {
        #[test]
        fn a_key_gives_its_parts_back(parts in prop::collection::vec(part(), 0..4), tail in prop::collection::vec(5u8.., 0..2)) {
            let mut bytes = key(&parts);
            bytes.extend_from_slice(&tail);
            prop_assert_eq!(split_key(&bytes), Some((parts, &tail[..])));
        }

        #[test]
        fn texts_sort_as_their_keys(a in "[a\\x00\\x01b]{0,4}", b in "[a\\x00\\x01b]{0,4}", x: i64, y: i64) {
            let of = |text: &str, number| key(&[KeyPart::Text(text.to_owned().into()), KeyPart::Int(number)]);
            prop_assert_eq!(of(&a, x).cmp(&of(&b, y)), (a, x).cmp(&(b, y)));
        }

        #[test]
        fn any_bytes_can_be_split(bytes in prop::collection::vec(0u8..6, 0..20)) {
            let _ = split_key(&bytes);
        }
    }

    #[test]
    fn nothing_reaches_the_terminal_unescaped() {
        assert_eq!(printable(b"a\x1b[31m\n\xffz"), "a\\u{1b}[31m\\n\u{fffd}z");
        assert_eq!(printable("é\u{202e}x".as_bytes()), "é\\u{202e}x");
    }
}
