//! The command end to end: what a person sees, what is left after a kill, and what hostile input does.

mod build;
mod cache;
mod check_plugin;
mod confined;
mod drift;
mod examples;
mod explain;
mod gc;
mod grants;
mod guests;
mod held;
mod history;
mod hostile;
mod hostile_cases;
mod interpreters;
mod kill;
mod languages;
mod meeting;
mod new;
mod pin;
mod shop;
mod support;
mod test;
mod tools;
mod verbs;
mod watch;
