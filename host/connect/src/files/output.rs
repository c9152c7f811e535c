//! The target `files`: one file per row.
//!
//! Options: `root`, the folder; `path`, a template for the path of a row's file below it; `content`, the column that is
//! the file's content (default `content`). The key is the path. Rows whose path would leave the root, or could name the
//! same file in two ways, are refused one by one.
//!
//! The target keeps a list of the files it made, in `.flowstone-target.db` in the root. It overwrites and removes those
//! and no others: a file that a person put in the way stops the batch with its name, before anything is written. A batch
//! is (1) the list says which files are about to be written, (2) files are removed and replaced, each at once and synced,
//! (3) the list says that the batch is done. Killed anywhere, applying the batch again completes it.
//!
//! The list has a hash of every file: a path does not give the columns back that made it, so whether a file is still what
//! was written can only be told by that.

use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use flowstone_core::{OptionError, TargetSpec, Type, Value};

use crate::error::{ConnectError, KeyParseError, RowError};
use crate::files::folders::Folders;
use crate::files::manifest::{MANIFEST_NAME, Manifest};
use crate::files::operations::{content_of, is_last_in_folder, obstacles, path_of, sorted};
use crate::files::template::{Template, check_path};
use crate::key::printable;
use crate::location::{leads_out, place_target};
use crate::options::OptionReader;
use crate::stamp::FileTime;
use crate::target::{Held, Target, TargetIdentity, TargetKeys, TargetOp, TargetState};

/// The options, read and checked against the columns.
struct OutputOptions<'a> {
    root: &'a str,
    template: Template,
    /// The position of the column with the content.
    content: usize,
}

impl<'a> OutputOptions<'a> {
    fn read(spec: &'a TargetSpec) -> Result<Self, OptionError> {
        let options = OptionReader::new(&spec.options, &["root", "path", "content"])?;
        let root = options.required_text("root")?;
        let template = Template::parse(options.required_text("path")?, &spec.columns)?;
        let name = options.text("content")?.unwrap_or("content");
        let names = || {
            spec.columns
                .iter()
                .map(|column| column.name.clone())
                .collect()
        };
        let Some(content) = spec.columns.iter().position(|column| column.name == name) else {
            let message = format!(
                "the target has no column `{name}`, which is to be the content of the files"
            );
            return Err(OptionError {
                candidates: names(),
                ..OptionError::new("content", message)
            });
        };
        let ty = &spec.columns[content].ty;
        if *ty != Type::String && *ty != Type::bytes() {
            let message = format!(
                "column `{name}` is of type `{ty}`: the content of a file is `string` or `list<u8>`"
            );
            return Err(OptionError::new("content", message));
        }
        let mut columns = spec.columns.iter().enumerate();
        if let Some((_, unused)) =
            columns.find(|(position, _)| *position != content && !template.uses(*position))
        {
            let message = format!(
                "column `{}` is neither in `path` nor the content",
                unused.name
            );
            return Err(OptionError::new("columns", message));
        }
        Ok(OutputOptions {
            root,
            template,
            content,
        })
    }
}

/// Checks options and columns.
pub(crate) fn check_target(spec: &TargetSpec) -> Result<(), OptionError> {
    OutputOptions::read(spec).map(drop)
}

/// Opens the folder, or makes it.
pub(crate) fn open_target(
    spec: &TargetSpec,
    base: &Path,
    identity: &TargetIdentity,
    allow_outside: bool,
) -> Result<(Box<dyn Target>, TargetState), ConnectError> {
    let OutputOptions {
        root,
        template,
        content,
    } = OutputOptions::read(spec)?;
    let root_path = place_target(base, "root", root, allow_outside)?;
    if !allow_outside && leads_out(base, &root_path)? {
        return Err(ConnectError::OutsideFlow { path: root.into() });
    }
    if root_path.exists() && !root_path.is_dir() {
        return Err(ConnectError::WrongType {
            path: root_path,
            expected: "a folder",
        });
    }
    std::fs::create_dir_all(&root_path)
        .map_err(|error| ConnectError::io("create the folder", &root_path, error))?;
    let root_path = root_path
        .canonicalize()
        .map_err(|error| ConnectError::io("resolve", &root_path, error))?;
    let dir = Dir::open_ambient_dir(&root_path, ambient_authority())
        .map_err(|error| ConnectError::io("open", &root_path, error))?;
    let (mut manifest, owner) = Manifest::open(&root_path)?;
    let state = match owner {
        None => {
            manifest.take_over(identity, 0, false)?;
            TargetState::Created
        }
        Some(owner) if owner.identity.token != identity.token => TargetState::Foreign {
            flow: owner.identity.flow,
            target: owner.identity.target,
            token: owner.identity.token,
        },
        Some(owner) => {
            if owner.identity != *identity {
                manifest.take_over(identity, owner.batch, false)?;
            }
            TargetState::Known { batch: owner.batch }
        }
    };
    let mut target = FileOutput {
        folders: Folders::new(dir, root_path.clone()),
        usable: !matches!(state, TargetState::Foreign { .. }),
        identity: identity.clone(),
        keys: FileKeys {
            template,
            content,
            width: spec.columns.len(),
        },
        root_path,
        manifest,
    };
    if target.usable {
        target.for_each_file(true, Folders::remove_temporary)?;
    }
    Ok((Box::new(target), state))
}

/// The keys of a folder's files: their paths.
struct FileKeys {
    template: Template,
    /// The position of the column with the content.
    content: usize,
    /// The number of columns.
    width: usize,
}

/// The keys of the files of such a target.
pub(crate) fn target_keys(spec: &TargetSpec) -> Result<Box<dyn TargetKeys>, OptionError> {
    let OutputOptions {
        template, content, ..
    } = OutputOptions::read(spec)?;
    Ok(Box::new(FileKeys {
        template,
        content,
        width: spec.columns.len(),
    }))
}

struct FileOutput {
    folders: Folders,
    root_path: PathBuf,
    manifest: Manifest,
    keys: FileKeys,
    identity: TargetIdentity,
    /// False until the folder is ours.
    usable: bool,
}

impl FileOutput {
    /// Does something with every file in the list, or every one whose writing was cut short.
    fn for_each_file(
        &mut self,
        pending: bool,
        mut act: impl FnMut(&mut Folders, &str) -> Result<(), ConnectError>,
    ) -> Result<(), ConnectError> {
        let mut last = String::new();
        loop {
            let page = self.manifest.page(&last, pending)?;
            for path in &page {
                act(&mut self.folders, path)?;
            }
            match page.into_iter().next_back() {
                Some(path) => last = path,
                None => return Ok(()),
            }
        }
    }

    fn remove_all(&mut self) -> Result<(), ConnectError> {
        self.folders.forget();
        self.for_each_file(false, |folders, path| {
            folders.remove_temporary(path)?;
            folders.remove(path)?;
            folders.finish(path, true)
        })
    }
}

impl TargetKeys for FileKeys {
    fn key(&self, row: &[Value]) -> Result<Vec<u8>, RowError> {
        if row.len() != self.width {
            return Err(RowError::content(format!(
                "the row has {} values for {} columns",
                row.len(),
                self.width
            )));
        }
        content_of(&row[self.content]).map_err(|error| RowError::content(error.to_string()))?;
        self.template
            .render(row)
            .map(String::into_bytes)
            .map_err(RowError::content)
    }

    fn display_key(&self, key: &[u8]) -> String {
        String::from_utf8_lossy(key).into_owned()
    }

    fn parse_key(&self, text: &str) -> Result<Vec<u8>, KeyParseError> {
        check_path(text).map_err(|message| KeyParseError { message })?;
        Ok(text.as_bytes().to_vec())
    }
}

impl Target for FileOutput {
    fn keys(&self) -> &dyn TargetKeys {
        &self.keys
    }

    fn obstacles(&mut self, keys: &[&[u8]]) -> Result<Vec<(usize, String)>, ConnectError> {
        self.folders.forget();
        obstacles(&mut self.folders, keys)
    }

    fn apply(&mut self, batch: u64, ops: &[TargetOp]) -> Result<(), ConnectError> {
        if !self.usable {
            return Err(ConnectError::misuse(
                "the target must be cleared before it is written",
            ));
        }
        self.folders.forget();
        let (writes, removals) = sorted(ops)?;
        let written: Vec<&str> = writes.iter().map(|(path, _)| *path).collect();
        let fresh = self.manifest.unknown(&written)?;
        let not_ours = self.manifest.unknown(&removals)?;
        let removals: Vec<&str> = removals
            .into_iter()
            .filter(|path| not_ours.binary_search(path).is_err())
            .collect();
        for path in fresh {
            if self.folders.has_file(path)? {
                let what = format!("the file `{}`", printable(path.as_bytes()));
                return Err(ConnectError::NotOurs {
                    what,
                    path: self.root_path.clone(),
                });
            }
        }
        self.manifest.claim(&self.identity.token, &written)?;
        // Removals first: where `a` was, `a/b` may be wanted now.
        for (index, path) in removals.iter().enumerate() {
            self.folders.remove(path)?;
            if is_last_in_folder(&removals, index) {
                self.folders.finish(path, true)?;
            }
        }
        let mut done = Vec::with_capacity(writes.len());
        for (index, (path, row)) in writes.iter().enumerate() {
            let content = row
                .get(self.keys.content)
                .ok_or_else(|| ConnectError::misuse("the row has too few values"))?;
            let content = content_of(content)?;
            self.folders.write(path, content)?;
            done.push((*path, *blake3::hash(content).as_bytes()));
            if is_last_in_folder(&written, index) {
                self.folders.finish(path, false)?;
            }
        }
        self.manifest.settle(batch, &done, &removals)
    }

    fn held(
        &mut self,
        keys: &[Vec<u8>],
        visit: &mut dyn FnMut(usize, Held),
    ) -> Result<(), ConnectError> {
        self.folders.forget();
        let mut stamps = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let path = path_of(key)?;
            let seen = FileTime::now();
            let Some(found) = self.folders.stamp(path)? else {
                continue;
            };
            let known = self.manifest.written(path)?.flatten();
            let (Some(stamp), Some(known)) = (found, known) else {
                visit(index, Held::Other);
                continue;
            };
            let hint = stamp.hint(seen);
            if known.stamp.as_ref() == Some(&hint.bytes) {
                visit(index, Held::AsWritten);
            } else if self.folders.hash(path)? == known.hash {
                if hint.settled {
                    stamps.push((path, hint.bytes));
                }
                visit(index, Held::AsWritten);
            } else {
                visit(index, Held::Other);
            }
        }
        if stamps.is_empty() {
            return Ok(());
        }
        self.manifest.restamp(&stamps)
    }

    fn remove_unknown(
        &mut self,
        known: &mut dyn FnMut(&[u8]) -> bool,
        removed: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ConnectError> {
        self.folders.forget();
        let mut last = String::new();
        loop {
            let page = self.manifest.page(&last, false)?;
            let unknown: Vec<&str> = (page.iter().map(String::as_str))
                .filter(|path| !known(path.as_bytes()))
                .collect();
            for path in &unknown {
                self.folders.remove(path)?;
                self.folders.finish(path, true)?;
                removed(path.as_bytes());
            }
            if !unknown.is_empty() {
                self.manifest.forget(&unknown)?;
            }
            match page.into_iter().next_back() {
                Some(path) => last = path,
                None => return Ok(()),
            }
        }
    }

    fn clear(&mut self) -> Result<(), ConnectError> {
        self.remove_all()?;
        self.manifest.take_over(&self.identity, 0, true)?;
        self.usable = true;
        Ok(())
    }

    fn retire(mut self: Box<Self>) -> Result<(), ConnectError> {
        if !self.usable {
            return Err(ConnectError::misuse("the target belongs to another flow"));
        }
        // Claiming nothing checks that it is still ours.
        self.manifest.claim(&self.identity.token, &[])?;
        self.remove_all()?;
        let FileOutput {
            manifest,
            root_path,
            ..
        } = *self;
        drop(manifest);
        let path = root_path.join(MANIFEST_NAME);
        std::fs::remove_file(&path).map_err(|error| ConnectError::io("remove", &path, error))?;
        // Other files may be in the root: then it stays.
        let _ = std::fs::remove_dir(&root_path);
        Ok(())
    }
}
