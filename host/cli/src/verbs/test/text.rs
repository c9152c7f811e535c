//! The text of a file of cases: read as a whole, if it is one that people write, and the lines of its places.

use std::io::ErrorKind;
use std::path::Path;

use crate::failure::{Failure, Kind};
use crate::whole;

/// How many bytes a case file may have; large arguments lie in files of their own.
pub(super) const FILE_BYTES_MAX: u64 = 16 << 20;

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let bytes = whole::read(path, FILE_BYTES_MAX).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => too_large(&format!("`{shown}`")),
        _ => Failure::cannot(Kind::Usage, "read", path, &error),
    })?;
    String::from_utf8(bytes)
        .map_err(|_| Failure::new(Kind::Usage, format!("`{shown}` is not UTF-8 text")))
}

/// That a file of cases is larger than one may be.
pub(super) fn too_large(what: &str) -> Failure {
    Failure::new(Kind::Usage, format!("{what} has more than 16 MiB"))
        .hint("put large arguments into files beside it, and name them: `args = ['@FILE']`")
}

/// The lines of places that are asked for in the order of the text.
#[derive(Default)]
pub(super) struct Lines {
    at: usize,
    before: usize,
}

impl Lines {
    /// The line of a place, from 1.
    pub(super) fn of(&mut self, place: usize, text: &str) -> usize {
        let (from, before) = match place.checked_sub(self.at) {
            Some(_) => (self.at, self.before),
            None => (0, 0),
        };
        let between = text.get(from..place.min(text.len())).unwrap_or_default();
        let newlines = between.matches('\n').count();
        *self = Self {
            at: place,
            before: before + newlines,
        };
        self.before + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_where_the_last_place_was() {
        let text = "a\nb\n\nc";
        let mut lines = Lines::default();
        let places = [0, 2, 2, 5, 2, 99];
        let found = places.map(|place| lines.of(place, text));
        assert_eq!(found, [1, 2, 2, 4, 2, 4]);
    }
}
