//! The command end to end: what a person sees, what is left after a kill, and what hostile input does.

mod cache;
mod check_plugin;
mod drift;
mod examples;
mod explain;
mod gc;
mod held;
mod history;
mod hostile;
mod kill;
mod meeting;
mod pin;
mod shop;
mod support;
mod test;
mod verbs;
mod watch;
