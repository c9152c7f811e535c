//! Which files of a folder are wanted: include and exclude globs, and which folders need not be entered for them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;

use flowstone_core::OptionError;

use globset::{Candidate, Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

use crate::files::template::RESERVED_PREFIX;

/// The files that a source takes, by their path below its root (with `/` between names).
#[derive(Debug)]
pub(crate) struct Filter {
    /// `None` takes every file.
    include: Option<GlobSet>,
    /// The first steps of each include, where any can rule a folder out.
    routes: Option<Vec<Route>>,
    /// `None` leaves no file out.
    exclude: Option<GlobSet>,
    /// The includes as they are written.
    named: Vec<String>,
    /// Files and folders that are left out whatever the globs say, by their paths.
    left_out: BTreeSet<Vec<u8>>,
    hidden: bool,
}

impl Filter {
    pub(crate) fn new(
        include: &[&str],
        exclude: &[&str],
        hidden: bool,
    ) -> Result<Self, OptionError> {
        let all = include
            .iter()
            .any(|pattern| matches!(*pattern, "**" | "**/*"));
        let routes: Vec<Route> = include.iter().map(|pattern| Route::of(pattern)).collect();
        // A folder that is excluded as a whole is not entered: `target` and `target/**` both say so.
        let folders = exclude
            .iter()
            .filter_map(|pattern| pattern.strip_suffix("/**"));
        let exclude: Vec<&str> = exclude.iter().copied().chain(folders).collect();
        Ok(Filter {
            include: if all {
                None
            } else {
                Some(set("include", include)?)
            },
            routes: if all || routes.iter().any(Route::goes_anywhere) {
                None
            } else {
                Some(routes)
            },
            exclude: if exclude.is_empty() {
                None
            } else {
                Some(set("exclude", &exclude)?)
            },
            named: include.iter().map(|&pattern| pattern.to_owned()).collect(),
            left_out: BTreeSet::new(),
            hidden,
        })
    }

    /// Leaves out files and folders, by their paths below the root, but for those that an include names as they are: whoever
    /// says `out/*.md` wants what is in `out`, whoever says `**/*` may not have thought of it.
    pub(crate) fn leave_out(&mut self, paths: impl Iterator<Item = PathBuf>) {
        for path in paths {
            let names: Vec<_> = path.iter().map(OsStr::as_encoded_bytes).collect();
            let path = names.join(&b'/');
            let is_named = |pattern: &String| {
                (pattern.as_bytes().strip_prefix(path.as_slice()))
                    .is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
            };
            // The root itself is a place that others write to as well.
            if !path.is_empty() && !self.named.iter().any(is_named) {
                self.left_out.insert(path);
            }
        }
    }

    /// Whether a name is one that the source looks at: files and folders that begin with a dot are hidden, and those that
    /// targets keep their books in are nobody's rows.
    pub(crate) fn takes_name(&self, name: &[u8]) -> bool {
        !name.starts_with(b".") || (self.hidden && !name.starts_with(RESERVED_PREFIX.as_bytes()))
    }

    /// Whether the file at this path is wanted.
    pub(crate) fn takes_file(&self, path: &[u8]) -> bool {
        if self.left_out.contains(path) {
            return false;
        }
        if self.include.is_none() && self.exclude.is_none() {
            return true;
        }
        let candidate = Candidate::from_bytes(path);
        self.include
            .as_ref()
            .is_none_or(|globs| globs.is_match_candidate(&candidate))
            && !self
                .exclude
                .as_ref()
                .is_some_and(|globs| globs.is_match_candidate(&candidate))
    }

    /// Whether wanted files may lie in the folder at this path (which ends in no `/`).
    pub(crate) fn enters(&self, path: &[u8]) -> bool {
        let excluded = || {
            self.exclude
                .as_ref()
                .is_some_and(|globs| globs.is_match_candidate(&Candidate::from_bytes(path)))
        };
        self.routes
            .as_ref()
            .is_none_or(|routes| routes.iter().any(|route| route.leads_through(path)))
            && !self.left_out.contains(path)
            && !excluded()
    }
}

fn set(option: &str, patterns: &[&str]) -> Result<GlobSet, OptionError> {
    let bad =
        |error: globset::Error| OptionError::new(option, format!("option `{option}`: {error}"));
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        builder.add(glob(pattern).map_err(bad)?);
    }
    builder.build().map_err(bad)
}

fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
}

/// The folders that an include glob leads through: one matcher per name, as far as they can be told.
#[derive(Debug)]
struct Route {
    steps: Vec<GlobMatcher>,
    /// Whether files may lie at any depth below the steps. Otherwise they lie directly in the last step's folder.
    open: bool,
}

impl Route {
    fn of(pattern: &str) -> Self {
        let names: Vec<&str> = pattern.split('/').collect();
        let mut route = Route {
            steps: Vec::new(),
            open: false,
        };
        for name in &names[..names.len() - 1] {
            // A `/` may hide in braces, brackets and escapes; from there on anything goes.
            let plain = !name.contains("**") && !name.contains(['{', '}', '[', ']', '\\']);
            match glob(name) {
                Ok(step) if plain => route.steps.push(step.compile_matcher()),
                _ => {
                    return Route {
                        open: true,
                        ..route
                    };
                }
            }
        }
        route.open = names.last().is_some_and(|last| last.contains("**"));
        route
    }

    fn goes_anywhere(&self) -> bool {
        self.open && self.steps.is_empty()
    }

    fn leads_through(&self, folder: &[u8]) -> bool {
        let mut steps = self.steps.iter();
        for name in folder.split(|&byte| byte == b'/') {
            match steps.next() {
                Some(step) if step.is_match_candidate(&Candidate::from_bytes(name)) => {}
                Some(_) => return false,
                None => return self.open,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        Filter::new(include, exclude, false).unwrap()
    }

    #[test]
    fn a_star_stays_within_a_folder() {
        let filter = filter(&["*.md", "docs/**/*.txt"], &[]);
        for (path, taken) in [
            ("a.md", true),
            ("d/a.md", false),
            ("docs/a.txt", true),
            ("docs/x/y/a.txt", true),
            ("a.txt", false),
        ] {
            assert_eq!(filter.takes_file(path.as_bytes()), taken, "{path}");
        }
    }

    #[test]
    fn folders_that_no_include_leads_through_are_not_entered() {
        let filter = filter(&["docs/*/guide/*.md", "src/**/*.rs", "{a,b/c}/*.md"], &[]);
        for (folder, entered) in [
            ("docs", true),
            ("docs/x", true),
            ("docs/x/guide", true),
            ("docs/x/other", true),
            ("docs/x/guide/deep", true),
            ("src/any/where", true),
        ] {
            assert_eq!(filter.enters(folder.as_bytes()), entered, "{folder}");
        }
        let filter = Filter::new(&["docs/*/guide/*.md", "src/**/*.rs"], &[], false).unwrap();
        for (folder, entered) in [
            ("docs", true),
            ("docs/x/guide", true),
            ("docs/x/other", false),
            ("docs/x/guide/deep", false),
            ("src/any/where", true),
            ("target", false),
        ] {
            assert_eq!(filter.enters(folder.as_bytes()), entered, "{folder}");
        }
    }

    #[test]
    fn an_excluded_folder_takes_all_below_with_it() {
        for exclude in ["target", "target/**", "**/target", "**/target/**"] {
            let filter = filter(&["**/*"], &[exclude]);
            assert!(!filter.enters(b"target"), "{exclude}");
            assert!(filter.enters(b"src"), "{exclude}");
        }
        let filter = filter(&["**/*.md"], &["**/draft-*.md"]);
        assert!(filter.enters(b"docs"));
        assert!(!filter.takes_file(b"docs/draft-1.md"));
        assert!(filter.takes_file(b"docs/1.md"));
    }

    #[test]
    fn what_is_left_out_is_left_out_unless_an_include_names_it() {
        let left = |include: &str| {
            let mut filter = filter(&[include], &[]);
            let paths = ["", "out/copy", "out/t.db"].map(PathBuf::from);
            filter.leave_out(paths.into_iter());
            (filter.enters(b"out/copy"), filter.takes_file(b"out/t.db"))
        };
        assert_eq!(left("**/*"), (false, false));
        assert_eq!(left("out/**"), (false, false));
        assert_eq!(left("out/copy/**"), (true, false));
        assert_eq!(left("out/copy-of/**"), (false, false));
        assert_eq!(left("out/t.db"), (false, true));
    }

    #[test]
    fn the_books_of_targets_are_never_taken() {
        let filter = Filter::new(&["**/*"], &[], true).unwrap();
        assert!(filter.takes_name(b".hidden"));
        assert!(!filter.takes_name(b".flowstone-target.db-journal"));
    }

    #[test]
    fn names_that_are_not_utf8_are_matched_too() {
        assert!(filter(&["**/*.md"], &[]).takes_file(b"a/\xff.md"));
    }

    #[test]
    fn a_bad_glob_names_the_option() {
        let error = Filter::new(&["a[b"], &[], false).unwrap_err();
        assert_eq!(error.option.as_deref(), Some("include"));
        assert!(error.message.contains("a[b"), "{}", error.message);
    }

    proptest! {
        /// Not entering a folder must never lose a file that the globs take.
        #[test]
        fn pruning_never_loses_a_file(
            include in prop::collection::vec("(a|b|\\*|\\?b|\\*\\*|\\{a,b\\}|\\{a/b,b\\}|a\\*)(/(a|b|\\*|\\*\\*|\\[ab\\])){0,3}", 1..3),
            path in "[ab]{1,2}(/[ab]{1,2}){0,4}",
        ) {
            let include: Vec<&str> = include.iter().map(String::as_str).collect();
            let filter = Filter::new(&include, &[], false).unwrap();
            if filter.takes_file(path.as_bytes()) {
                for (cut, _) in path.match_indices('/') {
                    prop_assert!(filter.enters(&path.as_bytes()[..cut]), "{include:?} takes {path}");
                }
            }
        }
    }
}
