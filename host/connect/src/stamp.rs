//! File stamps: what the file system says about a file's version, and when that can be trusted.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Metadata;

use crate::hint::Hint;

/// How far back the last touch must lie for file times to be trusted: kernels take them from a clock that ticks every
/// 1 to 10 ms, so two writes within a tick leave the same time.
const TICK_MARGIN: Duration = Duration::from_millis(20);
/// The same for file systems that keep whole seconds (FAT even two).
const SECOND_MARGIN: Duration = Duration::from_secs(2);

/// A time as file systems give it: seconds since 1970, possibly before, and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileTime {
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
}

/// What is compared to tell whether a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    pub(crate) modified: FileTime,
    /// The time of the last change of content or attributes. Nobody can set it, so `touch -d` or an unpacked archive
    /// that puts an old modification time on new content still shows.
    pub(crate) changed: FileTime,
    pub(crate) inode: u64,
    pub(crate) device: u64,
    /// Whether the platform has all of the above. Without a change time nothing is ever settled.
    pub(crate) complete: bool,
}

impl Stamp {
    #[cfg(unix)]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        use cap_std::fs::MetadataExt;
        Stamp {
            size: metadata.len(),
            modified: FileTime {
                seconds: metadata.mtime(),
                nanos: metadata.mtime_nsec() as u32,
            },
            changed: FileTime {
                seconds: metadata.ctime(),
                nanos: metadata.ctime_nsec() as u32,
            },
            inode: metadata.ino(),
            device: metadata.dev(),
            complete: true,
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().map_or(
            FileTime {
                seconds: 0,
                nanos: 0,
            },
            |time| FileTime::of(time.into_std()),
        );
        Stamp {
            size: metadata.len(),
            modified,
            changed: modified,
            inode: 0,
            device: 0,
            complete: false,
        }
    }

    /// The stamp of the file at a path; links are followed.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::of(&Metadata::from_just_metadata(metadata)))
    }

    /// Whether no write after `seen`, the time at which the stamp was taken (or earlier), can leave the same stamp.
    ///
    /// This is git's rule for racily clean entries. A file written, stamped and written again within one tick of the
    /// kernel's clock has the same size and times twice, so a stamp is only trusted when both its times are older than
    /// the moment it was taken by more than a tick: any later write then gets a later time. A time in the future (a
    /// clock set back, a file from another machine) is never trusted, because a later write may be given it too.
    pub(crate) fn settled(&self, seen: FileTime) -> bool {
        let whole_seconds = self.modified.nanos == 0 && self.changed.nanos == 0;
        let margin = if whole_seconds {
            SECOND_MARGIN
        } else {
            TICK_MARGIN
        };
        self.complete && self.modified.max(self.changed).plus(margin) < seen
    }

    /// The stamp as a hint: 48 bytes.
    pub(crate) fn hint(&self, seen: FileTime) -> Hint {
        let mut bytes = Vec::with_capacity(48);
        bytes.extend_from_slice(&self.size.to_le_bytes());
        for time in [self.modified, self.changed] {
            bytes.extend_from_slice(&time.seconds.to_le_bytes());
            bytes.extend_from_slice(&time.nanos.to_le_bytes());
        }
        bytes.extend_from_slice(&self.inode.to_le_bytes());
        bytes.extend_from_slice(&self.device.to_le_bytes());
        Hint {
            bytes,
            settled: self.settled(seen),
        }
    }
}

impl FileTime {
    pub(crate) fn now() -> Self {
        Self::of(SystemTime::now())
    }

    fn of(time: SystemTime) -> Self {
        // A clock before 1970 says nothing; with time zero no stamp is settled.
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        FileTime {
            seconds: since.as_secs() as i64,
            nanos: since.subsec_nanos(),
        }
    }

    fn plus(self, margin: Duration) -> Self {
        let nanos = self.nanos + margin.subsec_nanos();
        FileTime {
            seconds: self
                .seconds
                .saturating_add(margin.as_secs() as i64 + i64::from(nanos / 1_000_000_000)),
            nanos: nanos % 1_000_000_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64, nanos: u32) -> FileTime {
        FileTime { seconds, nanos }
    }

    fn stamp(modified: FileTime, changed: FileTime) -> Stamp {
        Stamp {
            size: 1,
            modified,
            changed,
            inode: 2,
            device: 3,
            complete: true,
        }
    }

    #[test]
    fn a_file_touched_just_before_the_scan_is_not_settled() {
        let touched = stamp(at(100, 5_000_000), at(100, 5_000_000));
        assert!(!touched.settled(at(100, 5_000_000)));
        assert!(!touched.settled(at(100, 25_000_000)));
        assert!(touched.settled(at(100, 25_000_001)));
        assert!(touched.settled(at(5000, 0)));
    }

    #[test]
    fn the_later_of_both_times_counts() {
        let old_time_put_on_new_content = stamp(at(3, 1), at(100, 1));
        assert!(!old_time_put_on_new_content.settled(at(100, 2)));
        assert!(old_time_put_on_new_content.settled(at(101, 0)));
    }

    #[test]
    fn the_margin_carries_over_the_second() {
        let touched = stamp(at(99, 990_000_000), at(99, 990_000_000));
        assert!(!touched.settled(at(100, 9_000_000)));
        assert!(touched.settled(at(100, 11_000_000)));
    }

    #[test]
    fn whole_seconds_need_two_of_them() {
        let touched = stamp(at(100, 0), at(100, 0));
        assert!(!touched.settled(at(101, 500)));
        assert!(!touched.settled(at(102, 0)));
        assert!(touched.settled(at(102, 1)));
    }

    #[test]
    fn a_time_in_the_future_is_never_settled() {
        assert!(!stamp(at(200, 7), at(100, 7)).settled(at(150, 0)));
        assert!(!stamp(at(i64::MAX, 7), at(100, 7)).settled(at(150, 0)));
    }

    #[test]
    fn a_platform_without_change_times_never_settles() {
        let touched = Stamp {
            complete: false,
            ..stamp(at(1, 1), at(1, 1))
        };
        assert!(!touched.settled(at(100, 0)));
    }

    #[test]
    fn every_part_of_the_stamp_is_in_the_hint() {
        let seen = at(1000, 0);
        let base = stamp(at(1, 2), at(3, 4));
        let others = [
            Stamp { size: 9, ..base },
            Stamp {
                modified: at(1, 9),
                ..base
            },
            Stamp {
                modified: at(9, 2),
                ..base
            },
            Stamp {
                changed: at(3, 9),
                ..base
            },
            Stamp {
                changed: at(9, 4),
                ..base
            },
            Stamp { inode: 9, ..base },
            Stamp { device: 9, ..base },
        ];
        assert_eq!(base.hint(seen).bytes.len(), 48);
        for other in others {
            assert_ne!(base.hint(seen).bytes, other.hint(seen).bytes, "{other:?}");
        }
    }
}
