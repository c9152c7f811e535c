//! Sources and targets in whole runs: files that others write badly, and folders that others use.

mod folders;
mod own;
mod stopped;
mod typed;
mod unkeyed;
