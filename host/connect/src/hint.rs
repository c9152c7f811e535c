//! Version hints: what a source can say about a row's version without reading the row.

/// What a source knows about a row's version without loading it.
///
/// Two scans that give the same settled hint for a key saw the same content. The engine keeps the hint of the last
/// scan ([`Hint::to_bytes`]) and asks [`Hint::proves_unchanged`] before it loads anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// At most 64 bytes, compared for equality only.
    pub bytes: Vec<u8>,
    /// Whether a later change of the row is sure to change `bytes`. False while the file was touched so recently that
    /// another write could leave the same file times (see the rule in the `files` source).
    pub settled: bool,
}

impl Hint {
    /// A hint that proves nothing: the row is read at every scan.
    pub fn unknown() -> Self {
        Hint {
            bytes: Vec::new(),
            settled: false,
        }
    }

    /// The hint as it is kept: one byte for `settled`, then the bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut kept = Vec::with_capacity(self.bytes.len() + 1);
        kept.push(u8::from(self.settled));
        kept.extend_from_slice(&self.bytes);
        kept
    }

    /// The hint that was kept as these bytes; `None` when they are not one.
    pub fn from_bytes(kept: &[u8]) -> Option<Self> {
        match kept.split_first()? {
            (0, bytes) => Some(Hint {
                bytes: bytes.to_vec(),
                settled: false,
            }),
            (1, bytes) => Some(Hint {
                bytes: bytes.to_vec(),
                settled: true,
            }),
            _ => None,
        }
    }

    /// Whether the row that `stored` was kept for, and that now has the hint `now`, is sure to have the same content.
    ///
    /// Only the *stored* hint need be settled: it is the one after which an unseen write could have come.
    pub fn proves_unchanged(stored: &[u8], now: &Hint) -> bool {
        matches!(stored.split_first(), Some((1, bytes)) if !bytes.is_empty() && bytes == now.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_survives_being_kept() {
        for settled in [false, true] {
            let hint = Hint {
                bytes: vec![1, 2, 3],
                settled,
            };
            assert_eq!(Hint::from_bytes(&hint.to_bytes()), Some(hint));
        }
        assert_eq!(Hint::from_bytes(&[]), None);
        assert_eq!(Hint::from_bytes(&[7, 1]), None);
    }

    #[test]
    fn only_a_settled_stored_hint_proves_anything() {
        let settled = Hint {
            bytes: vec![1],
            settled: true,
        };
        let fresh = Hint {
            bytes: vec![1],
            settled: false,
        };
        let other = Hint {
            bytes: vec![2],
            settled: true,
        };
        assert!(Hint::proves_unchanged(&settled.to_bytes(), &settled));
        assert!(Hint::proves_unchanged(&settled.to_bytes(), &fresh));
        assert!(!Hint::proves_unchanged(&fresh.to_bytes(), &settled));
        assert!(!Hint::proves_unchanged(&settled.to_bytes(), &other));
        assert!(!Hint::proves_unchanged(
            &Hint::unknown().to_bytes(),
            &Hint::unknown()
        ));
        assert!(!Hint::proves_unchanged(&[], &settled));
    }
}
