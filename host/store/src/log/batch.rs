//! Looking up many records at once. Results that are asked for together were mostly written together: where they lie
//! close to each other they are read in one go, not each looked for from the root of the table on.

use flowstone_core::MemoKey;
use redb::ReadableTable;

use super::{LogView, read};
use crate::codec::Record;
use crate::error::StoreError;
use crate::read::READ;
use crate::tables::{Bytes, Half, half};

/// How far apart neighbours may lie that are read in one go.
const GAP_MAX: u64 = 4;

/// How many there must be, at least: a range is found at both of its ends.
const RUN_MIN: usize = 3;

/// A record that is wanted: its number, and the place of its key among those asked for.
type Wanted = (u64, usize);

impl<I, R> LogView<'_, I, R>
where
    I: ReadableTable<Half, u64>,
    R: ReadableTable<u64, Bytes>,
{
    /// The records of these keys, in their order. It is fastest when they are sorted.
    pub(crate) fn many<T: Record>(&self, keys: &[MemoKey]) -> Result<Vec<Option<T>>, StoreError> {
        let mut wanted: Vec<Wanted> = Vec::with_capacity(keys.len());
        for (at, key) in keys.iter().enumerate() {
            let number = self.number(&half(key.as_bytes()))?;
            wanted.extend(number.map(|number| (number, at)));
        }
        wanted.sort_unstable();
        let mut found: Vec<Option<T>> = Vec::new();
        found.resize_with(keys.len(), || None);
        let mut see = |(number, at): Wanted, stored: &[u8]| {
            found[at] = read(self.spec, keys[at].as_bytes(), number, stored);
        };
        for run in wanted.chunk_by(|a, b| b.0 - a.0 <= GAP_MAX) {
            if run.len() < RUN_MIN {
                self.each(run, &mut see)?;
            } else {
                self.in_one_go(run, &mut see)?;
            }
        }
        Ok(found)
    }

    fn each(
        &self,
        wanted: &[Wanted],
        see: &mut impl FnMut(Wanted, &[u8]),
    ) -> Result<(), StoreError> {
        for &wanted in wanted {
            let stored = self.records.get(wanted.0);
            if let Some(stored) = stored.map_err(|error| self.place.redb(READ, error))? {
                see(wanted, stored.value());
            }
        }
        Ok(())
    }

    fn in_one_go(
        &self,
        run: &[Wanted],
        see: &mut impl FnMut(Wanted, &[u8]),
    ) -> Result<(), StoreError> {
        let read = |error| self.place.redb(READ, error);
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Ok(());
        };
        let mut wanted = run.iter().peekable();
        let range = self.records.range::<u64>(first.0..=last.0);
        for entry in range.map_err(read)? {
            let (number, stored) = entry.map_err(read)?;
            let number = number.value();
            // Those before it are not there. The same key may be asked for more than once.
            while let Some(next) = wanted.next_if(|next| next.0 <= number) {
                if next.0 == number {
                    see(*next, stored.value());
                }
            }
        }
        Ok(())
    }
}
