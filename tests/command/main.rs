//! The command end to end: what a person sees, what is left after a kill, and what hostile input does.

mod cache;
mod drift;
mod examples;
mod explain;
mod gc;
mod grants;
mod held;
mod history;
mod hostile;
mod kill;
mod meeting;
mod pin;
mod shop;
mod support;
mod verbs;
mod watch;
