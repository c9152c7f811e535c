//! SQLite: the target `sqlite`, a table of a database with one row per target row, and the source in its own module.
//!
//! Options: `path`, the database (made with its folders when it is not there), and `table`. The table belongs to
//! flowstone as a whole: a table that flowstone did not make is never touched, and the other tables of the database are
//! none of its business. Which table is whose, and the last batch it holds, is in the table `_flowstone`, written in
//! the same transaction as the rows, so every batch is applied exactly once or not at all.
//!
//! A database that flowstone makes uses write-ahead logging: readers never wait for a run nor a run for readers, and a
//! batch costs one sync. A database that was there keeps its journal mode. In both, a batch is on the disk before
//! `apply` returns (`synchronous = EXTRA`), because the store settles it next. To hand the file to somebody who can only
//! read it, run `PRAGMA journal_mode = DELETE` on it once: it stays that way.

mod audit;
mod cell;
mod layout;
mod marker;
mod source;
mod table;

pub(crate) use source::{TableOptions, open_source};
pub(crate) use table::{check_target, open_target, target_keys};
