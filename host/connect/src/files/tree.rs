//! The source `files`: every file below a folder is a row.
//!
//! Options: `root`, the folder; `include` and `exclude`, globs over paths below the root (`**` spans folders, `*` does
//! not; an exclude that matches a folder leaves out all below it); `hidden`, whether names that begin with a dot count;
//! `max-size`, above which a file's content is not read; `poll`, for file systems that do not tell of changes.
//!
//! The key is the path below the root with `/` between names. A symbolic link to a file inside the root is read as
//! that file; links to folders are not followed (they could turn in circles), and links that lead out of the root, or
//! are absolute, are skipped, as are FIFOs, sockets and devices. Nothing outside the root can be reached, whatever the
//! links say and however they change meanwhile.
//!
//! What runs of the flow write below the root is left out: a target, unless an `include` names it, and the store.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cap_fs_ext::OpenOptionsSyncExt;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use flowstone_core::{Column, OptionError, Options, Type, Value};

use crate::error::{ConnectError, RowError};
use crate::files::changes;
use crate::files::globs::Filter;
use crate::files::walk::{Walk, find, same_folder, shown};
use crate::location::{is_escape, real_place};
use crate::options::OptionReader;
use crate::source::{Entries, Entry, Source, SourcePlace};
use crate::stamp::Stamp;
use crate::watch::{Tell, Watch};

/// `max-size` where the flow says nothing: 256 MiB.
const SIZE_MAX_DEFAULT: u64 = 256 << 20;

/// The columns on offer: `path` below the root, `content`, `size` in bytes, and `modified` in whole seconds since 1970
/// (rounded down).
pub(crate) fn source_columns() -> Vec<(String, Vec<Type>)> {
    vec![
        ("path".to_owned(), vec![Type::String]),
        ("content".to_owned(), vec![Type::String, Type::bytes()]),
        ("size".to_owned(), vec![Type::U64]),
        ("modified".to_owned(), vec![Type::S64]),
    ]
}

/// The options, read and checked.
pub(crate) struct SourceOptions {
    root: PathBuf,
    filter: Filter,
    size_max: u64,
    /// How often the folder is listed while it is watched; none where the system tells of changes.
    poll: Option<Duration>,
}

impl SourceOptions {
    pub(crate) fn read(options: &Options) -> Result<Self, OptionError> {
        let options = OptionReader::new(
            options,
            &["root", "include", "exclude", "hidden", "max-size", "poll"],
        )?;
        let include = options.list("include")?.unwrap_or_else(|| vec!["**/*"]);
        let exclude = options.list("exclude")?.unwrap_or_default();
        Ok(SourceOptions {
            root: PathBuf::from(options.required_text("root")?),
            filter: Filter::new(&include, &exclude, options.bool("hidden", false)?)?,
            size_max: options.size("max-size", SIZE_MAX_DEFAULT)?,
            poll: options.duration("poll")?,
        })
    }
}

/// Opens the source; the root must be there.
pub(crate) fn open_source(
    options: &Options,
    columns: &[Column],
    place: &SourcePlace<'_>,
) -> Result<Box<dyn Source>, ConnectError> {
    let mut options = SourceOptions::read(options)?;
    let columns = columns
        .iter()
        .map(Field::of)
        .collect::<Result<Vec<_>, _>>()?;
    let root_path = place.base.join(options.root);
    let root = Arc::new(open_root(&root_path)?);
    let real_root = real_place(&root_path);
    let below = |written: &PathBuf| Some(written.strip_prefix(&real_root).ok()?.to_owned());
    options
        .filter
        .leave_out(place.written.iter().filter_map(below));
    Ok(Box::new(FileTree {
        root_path,
        root: RwLock::new(root),
        filter: Arc::new(options.filter),
        size_max: options.size_max,
        poll: options.poll,
        columns,
    }))
}

pub(crate) fn open_root(path: &Path) -> Result<Dir, ConnectError> {
    Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ConnectError::Missing {
            what: "the root folder of the source",
            path: path.to_owned(),
        },
        io::ErrorKind::NotADirectory => ConnectError::WrongType {
            path: path.to_owned(),
            expected: "a folder",
        },
        _ => ConnectError::io("open", path, error),
    })
}

struct FileTree {
    root_path: PathBuf,
    /// The root as the last scan found it: a folder may be put in the place of another one between two scans.
    root: RwLock<Arc<Dir>>,
    filter: Arc<Filter>,
    size_max: u64,
    poll: Option<Duration>,
    columns: Vec<Field>,
}

/// A column that was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Path,
    Text,
    Bytes,
    Size,
    Modified,
}

impl Field {
    fn of(column: &Column) -> Result<Self, ConnectError> {
        let wrong = |message: String| ConnectError::Column {
            column: column.name.clone(),
            message,
            candidates: source_columns().into_iter().map(|(name, _)| name).collect(),
        };
        match (column.name.as_str(), &column.ty) {
            ("path", Type::String) => Ok(Field::Path),
            ("content", Type::String) => Ok(Field::Text),
            ("content", ty) if *ty == Type::bytes() => Ok(Field::Bytes),
            ("size", Type::U64) => Ok(Field::Size),
            ("modified", Type::S64) => Ok(Field::Modified),
            (name @ ("path" | "content" | "size" | "modified"), ty) => Err(wrong(format!(
                "files have no column `{name}` of type `{ty}`"
            ))),
            (name, _) => Err(wrong(format!("files have no column `{name}`"))),
        }
    }

    fn is_content(self) -> bool {
        matches!(self, Field::Text | Field::Bytes)
    }
}

impl Source for FileTree {
    fn entries(&self) -> Result<Entries<'_>, ConnectError> {
        let root = Arc::new(open_root(&self.root_path)?);
        *self.root.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&root);
        let walk = Walk::new(
            root,
            self.root_path.clone(),
            Arc::clone(&self.filter),
            self.content_max(),
        )?;
        Ok(Entries::new(walk))
    }

    fn find(&self, key: &[u8]) -> Result<Option<Entry>, ConnectError> {
        let then = Arc::clone(&self.root.read().unwrap_or_else(PoisonError::into_inner));
        let now = open_root(&self.root_path)?;
        let failed = |error| ConnectError::io("look into", &self.root_path, error);
        // Files that another folder in the root's place does not have are not gone: the next scan tells.
        if !same_folder(
            &now.dir_metadata().map_err(failed)?,
            &then.dir_metadata().map_err(failed)?,
        ) {
            return Err(ConnectError::incomplete(
                &self.root_path,
                "the root folder was replaced since it was listed",
            ));
        }
        find(&now, &self.filter, self.content_max(), key)
            .map_err(|error| ConnectError::io("look at", &self.root_path.join(shown(key)), error))
    }

    fn watch(&self, tell: Tell) -> Result<Watch, ConnectError> {
        changes::watch(&self.root_path, &self.filter, self.poll, tell)
    }

    fn load(&self, entry: &Entry) -> Result<Vec<Value>, RowError> {
        let path = std::str::from_utf8(&entry.key)
            .map_err(|_| RowError::content("the file's name is not UTF-8"))?;
        if self.columns.iter().all(|field| *field == Field::Path) {
            return Ok(self.columns.iter().map(|_| Value::str(path)).collect());
        }
        let mut file = self.open(path)?;
        let stamp = stamp_of(&file)?;
        let content = if self.with_content() {
            self.read(&mut file, &stamp)?
        } else {
            Vec::new()
        };
        let value = |field: &Field| {
            Ok(match field {
                Field::Path => Value::str(path),
                Field::Text => Value::str(text(&content)?),
                Field::Bytes => Value::bytes(content.as_slice()),
                Field::Size => Value::U64(stamp.size),
                Field::Modified => Value::S64(stamp.modified.seconds),
            })
        };
        self.columns.iter().map(value).collect()
    }
}

impl FileTree {
    /// The largest file whose content is read; none where no content is.
    fn content_max(&self) -> Option<u64> {
        self.with_content().then_some(self.size_max)
    }

    fn with_content(&self) -> bool {
        self.columns.iter().any(|field| field.is_content())
    }

    fn open(&self, path: &str) -> Result<File, RowError> {
        let root = Arc::clone(&self.root.read().unwrap_or_else(PoisonError::into_inner));
        // Not blocking: what was a file when it was listed may be a FIFO now.
        let mut options = OpenOptions::new();
        options.read(true).nonblock(true);
        let file = root
            .open_with(path, &options)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => RowError::Vanished,
                _ if is_escape(&error) => {
                    RowError::passing("it is a symbolic link that leads out of the source's root")
                }
                _ => failed("open", &error),
            })?;
        let metadata = file.metadata().map_err(|error| failed("look at", &error))?;
        if metadata.is_file() {
            Ok(file)
        } else {
            Err(RowError::Vanished)
        }
    }

    /// The whole content. A file that is written to meanwhile gives no mixture of both versions, but a failure.
    fn read(&self, file: &mut File, before: &Stamp) -> Result<Vec<u8>, RowError> {
        if before.size > self.size_max {
            let size_max = self.size_max;
            // Not a function of the content alone: the option may be raised.
            return Err(RowError::passing(format!(
                "it has {} bytes, and the `max-size` of the source is {size_max}: raise it to read it",
                before.size
            )));
        }
        // One byte more than expected, so that the end is seen without growing the buffer.
        let mut content = Vec::with_capacity(before.size as usize + 1);
        file.take(before.size + 1)
            .read_to_end(&mut content)
            .map_err(|error| failed("read", &error))?;
        if content.len() as u64 != before.size || stamp_of(file)? != *before {
            return Err(RowError::passing("it was changed while it was read"));
        }
        Ok(content)
    }
}

fn stamp_of(file: &File) -> Result<Stamp, RowError> {
    file.metadata()
        .map(|metadata| Stamp::of(&metadata))
        .map_err(|error| failed("look at", &error))
}

fn failed(action: &str, error: &io::Error) -> RowError {
    RowError::passing(format!("cannot {action} it: {error}"))
}

fn text(content: &[u8]) -> Result<&str, RowError> {
    std::str::from_utf8(content).map_err(|error| {
        let offset = error.valid_up_to();
        RowError::content(format!(
            "it is not UTF-8: the byte at offset {offset} is no text"
        ))
    })
}
