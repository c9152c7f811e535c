//! What the end-to-end tests share: a guest in WebAssembly text, and a project in a temporary folder.

#![forbid(unsafe_code)]

mod guest;
mod lists;
mod meeting;
mod postgres;
mod prober;
mod project;

pub use guest::{Guest, guest, guest_text};
pub use lists::lists_guest;
pub use meeting::meeting;
pub use postgres::{Postgres, PostgresDatabase, postgres_database};
pub use prober::prober;
pub use project::{FLOW, Outcome, Project, copy_folder};
