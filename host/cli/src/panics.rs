//! Panics: one line that says what to report, in place of a backtrace.

use std::io::Write;
use std::panic::PanicHookInfo;

/// Takes over what is said about a panic.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|panic| {
        if panic.location().is_some_and(|place| is_redb(place.file())) {
            // The store catches these and says what they mean.
            return;
        }
        let _ = std::io::stderr().write_all(line(panic).as_bytes());
    }));
}

/// Whether a source file is one of redb's, which panics on pages that do not hold what it wrote.
fn is_redb(file: &str) -> bool {
    file.split(['/', '\\'])
        .any(|part| part.starts_with("redb-"))
}

fn line(panic: &PanicHookInfo<'_>) -> String {
    let what = panic
        .payload_as_str()
        .unwrap_or("no reason given")
        .replace('\n', " ");
    let place = panic
        .location()
        .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "error: flowstone {version} has a bug: {what} (at {place})\n\
         hint: please report this line and the command that you ran\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_redbs_own_files_are_its() {
        assert!(is_redb(
            "/root/.cargo/registry/src/index/redb-4.5.0/src/tree_store/btree.rs"
        ));
        assert!(!is_redb("host/store/src/redb.rs"));
    }
}
