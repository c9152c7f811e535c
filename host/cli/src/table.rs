//! Small tables of text: the first column to the left, numbers to the right, two spaces between.

use std::collections::BTreeMap;

use flowstone::SourceCounts;

use crate::output::{Paint, Style, word};

/// A table as it grows.
#[derive(Debug)]
pub(crate) struct Table {
    heads: Vec<&'static str>,
    /// The columns that are text, and so stand to the left.
    left: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of numbers, whose first column names them.
    pub(crate) fn of_numbers(heads: &[&'static str]) -> Self {
        let left = (0..heads.len()).map(|column| column == 0).collect();
        Self {
            heads: heads.to_vec(),
            left,
            rows: Vec::new(),
        }
    }

    /// A table of text.
    pub(crate) fn of_text(heads: &[&'static str]) -> Self {
        Self {
            heads: heads.to_vec(),
            left: vec![true; heads.len()],
            rows: Vec::new(),
        }
    }

    /// The same with these columns to the right.
    #[must_use]
    pub(crate) fn numbers(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        for column in columns {
            self.left[column] = false;
        }
        self
    }

    /// The rows of sources, compared with the last run.
    pub(crate) fn of_sources(sources: &BTreeMap<String, SourceCounts>) -> Self {
        let mut heads = vec!["source", "rows", "added", "changed", "removed", "unchanged"];
        let keeps = sources.values().any(|counts| counts.kept > 0);
        heads.extend(keeps.then_some("kept"));
        let mut table = Self::of_numbers(&heads);
        for (name, counts) in sources {
            let mut numbers = vec![
                counts.rows,
                counts.added,
                counts.changed,
                counts.removed,
                counts.unchanged,
            ];
            numbers.extend(keeps.then_some(counts.kept));
            table.row(std::iter::once(word(name)).chain(numbers.iter().map(u64::to_string)));
        }
        table
    }

    /// Adds a row, which has as many cells as the table has columns.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as lines, each with its line break; nothing for one without rows.
    pub(crate) fn text(&self, paint: Paint) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let widths: Vec<usize> = self
            .heads
            .iter()
            .enumerate()
            .map(|(column, head)| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .map(|cell| width(cell))
                    .max()
                    .unwrap_or(0)
                    .max(head.len())
            })
            .collect();
        let heads: Vec<String> = self.heads.iter().map(ToString::to_string).collect();
        let mut text = String::new();
        for (index, row) in std::iter::once(&heads).chain(&self.rows).enumerate() {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let gap = " ".repeat(widths[column].saturating_sub(width(cell)));
                let (before, after) = if self.left[column] {
                    ("", &*gap)
                } else {
                    (&*gap, "")
                };
                line.extend([before, cell, after, "  "]);
            }
            let line = line.trim_end();
            text.push_str(&if index == 0 {
                paint.text(Style::Dim, line)
            } else {
                line.to_owned()
            });
            text.push('\n');
        }
        text
    }
}

/// Good enough for names and numbers: characters.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// A duration in seconds, as short as it can be said.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        0.0 => "0 s".to_owned(),
        ..0.001 => "<1 ms".to_owned(),
        ..1.0 => format!("{:.0} ms", seconds * 1000.0),
        ..100.0 => format!("{seconds:.2} s"),
        _ => format!(
            "{:.0} min {:02.0} s",
            (seconds / 60.0).floor(),
            (seconds % 60.0).floor()
        ),
    }
}

/// A duration in seconds, of something short: down to microseconds.
pub(crate) fn short(short: f64) -> String {
    match short {
        ..0.000_999_5 => format!("{:.0} µs", short * 1e6),
        ..0.009_995 => format!("{:.2} ms", short * 1000.0),
        _ => seconds(short),
    }
}

/// `1 row`, `2 rows`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_names_to_the_left() {
        let mut table = Table::of_numbers(&["source", "rows"]);
        table.row(["page".to_owned(), "128".to_owned()]);
        table.row(["überschrift".to_owned(), "1".to_owned()]);
        assert_eq!(
            table.text(Paint(false)),
            "source       rows\npage          128\nüberschrift     1\n"
        );
        assert_eq!(Table::of_numbers(&["source"]).text(Paint(false)), "");
    }

    #[test]
    fn times_are_short() {
        let shown = [0.0, 0.0001, 0.0123, 1.234, 75.5, 3725.0].map(seconds);
        assert_eq!(
            shown,
            ["0 s", "<1 ms", "12 ms", "1.23 s", "75.50 s", "62 min 05 s"]
        );
    }

    #[test]
    fn short_times_are_exact() {
        let shown = [0.0, 0.000_012_3, 0.001_25, 0.0123, 2.0].map(short);
        assert_eq!(shown, ["0 µs", "12 µs", "1.25 ms", "12 ms", "2.00 s"]);
    }

    #[test]
    fn counts_have_their_plural() {
        assert_eq!(
            (count(1, "row"), count(2, "row")),
            ("1 row".to_owned(), "2 rows".to_owned())
        );
    }
}
