//! How records become bytes: fixed widths little-endian, lengths and counts as LEB128, hashes as they are; and the
//! checksum that every stored value ends in.
//!
//! Written by hand rather than with serde: hashes are most of what a record holds, and here they are copied whole.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::tables::META_TAG;

/// The length of a checksum.
pub(crate) const CHECKSUM_BYTES: usize = 8;

/// Something with a byte form. `read` accepts only bytes that `write` makes, and allocates only in proportion to them.
pub(crate) trait Record: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(input: &mut Input<'_>) -> Option<Self>;
}

/// The record whose byte form is the whole of `bytes`.
pub(crate) fn decode<R: Record>(bytes: &[u8]) -> Option<R> {
    let mut input = Input(bytes);
    R::read(&mut input).filter(|_| input.0.is_empty())
}

/// Appends the checksum of `body`, stored in the table with `tag` under `key`.
pub(crate) fn seal(tag: u8, key: &[u8], body: &mut Vec<u8>) {
    let checksum = checksum(tag, key, body);
    body.extend_from_slice(&checksum);
}

/// What [`seal`] was given, or `None` when the checksum does not fit.
pub(crate) fn unseal<'a>(tag: u8, key: &[u8], stored: &'a [u8]) -> Option<&'a [u8]> {
    let (body, found) = stored.split_last_chunk::<CHECKSUM_BYTES>()?;
    (checksum(tag, key, body) == *found).then_some(body)
}

/// XXH3 of the key, seeded by the tag, seeds that of the body. It is no guard
/// against whoever can write to the folder. Meta entries keep the checksum of the first format, so that every version can
/// read which format a store has.
fn checksum(tag: u8, key: &[u8], body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    if tag == META_TAG {
        return first_checksum(tag, key, body);
    }
    let seed = xxh3_64_with_seed(key, u64::from(tag));
    xxh3_64_with_seed(body, seed).to_le_bytes()
}

fn first_checksum(tag: u8, key: &[u8], body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[tag]);
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(body);
    let hash = hasher.finalize();
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// Appends `number` as LEB128.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends the length of `bytes`, then `bytes`.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends the number of `items`, then each of them.
pub(crate) fn put_list<T>(out: &mut Vec<u8>, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    put_varint(out, items.len() as u64);
    for item in items {
        put(out, item);
    }
}

/// Bytes being read. Every method is `None` when they end too early or are not what [`Record::write`] makes.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                // The last group is zero only in the number zero: one number, one encoding.
                return (byte != 0 || shift == 0).then_some(number);
            }
        }
        None
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        std::str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }

    /// A list whose items take at least `item_bytes_min` (not 0) each: a count beyond what is left is a lie, and
    /// nothing is allocated for it.
    pub(crate) fn list<T>(
        &mut self,
        item_bytes_min: usize,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = usize::try_from(self.varint()?).ok()?;
        if count > self.0.len() / item_bytes_min {
            return None;
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(items)
    }
}
