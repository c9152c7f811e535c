//! Failures of files of results: what to do about them.

use std::path::Path;

use flowstone::ArchiveError;

use super::{Failure, Kind};

impl Failure {
    /// The failure that a file of results is.
    pub(crate) fn of_archive(error: &ArchiveError, file: &Path) -> Self {
        Self::archive(error, format!("`{}`: {error}", file.display()))
    }

    pub(super) fn archive(error: &ArchiveError, message: String) -> Self {
        let (kind, hint) = match error {
            ArchiveError::Damaged { .. } => {
                (Kind::Usage, "nothing of it was imported; export it anew")
            }
            ArchiveError::Foreign => (Kind::Usage, "`flowstone cache export FILE` writes one"),
            ArchiveError::TooLarge { .. } => (Kind::Usage, "`--memory SIZE` gives more memory"),
            ArchiveError::TooMuch { .. } => (
                Kind::Usage,
                "export a part of it: `--in-use`, or the results of some transforms",
            ),
            ArchiveError::Io(_) => return Self::new(Kind::Machine, message),
            _ => return Self::new(Kind::Usage, message),
        };
        Self::new(kind, message).hint(hint)
    }
}
