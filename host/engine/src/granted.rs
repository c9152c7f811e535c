//! What a flow's transforms are granted, as it was when the flow was opened: for their keys, and for their calls.
//!
//! Granted files are taken as a tree of digests when a flow is opened. A content is read when a plugin first opens it, must
//! be what the tree says, and is kept for the flow's life. So whatever becomes of the files meanwhile, what a plugin reads
//! is what the keys of its calls stand for, or its call fails and is not remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flowstone_connect::{GrantedEntry, GrantedTree};
use flowstone_core::{
    Diagnostic, Fingerprint, FlowErrors, Grant, Grants, Located, Plan, Transform, format_size,
};
use flowstone_sandbox::{FileContent, FileNode, Files, World};
use flowstone_store::{Store, StoreError};

pub(crate) use self::apart::Written;
use self::kept::{put_latest, read_latest, remove_latest};
use crate::engine::FlowPlace;
use crate::error::Error;

mod apart;
mod kept;

pub(crate) use self::kept::{Trees, keep_used};

/// The part of the memory given that granted files may take: they are held for as long as the flow is open.
const FILES_SHARE: u64 = 4;

/// The most files and folders that a flow can grant in all.
const ENTRIES_MAX: usize = GrantedTree::ENTRIES_MAX;

/// The granted files of a flow.
#[derive(Default)]
pub(crate) struct Granted {
    paths: BTreeMap<String, GrantedPath>,
    doubted: Arc<Doubted>,
}

/// The files that were not as they were looked at when they were read: by the granted path, and the path below it.
type Doubted = Mutex<BTreeSet<(String, String)>>;

/// A granted file or folder.
struct GrantedPath {
    tree: Arc<GrantedTree>,
    /// That of the tree.
    digest: Fingerprint,
    node: FileNode,
}

impl Granted {
    /// Looks at everything that a flow grants.
    ///
    /// # Errors
    ///
    /// What cannot be granted, each with its place in the flow file; when the store fails.
    pub(crate) fn take(
        plan: &Plan,
        place: &FlowPlace,
        store: &Store,
        memory_bytes_max: u64,
    ) -> Result<Self, Error> {
        let mut granted = Self::default();
        let reads: Vec<&Located<String>> = transforms(plan)
            .flat_map(|transform| &transform.grants.read)
            .collect();
        if reads.is_empty() {
            remove_latest(store, &place.file)?;
            return Ok(granted);
        }
        let mut faults = Vec::new();
        let before = read_latest(&store.snapshot()?, &place.file)?;
        let written = Written::of(plan, place, store.path());
        let mut room = Room::new(memory_bytes_max);
        for path in reads {
            let looked = match written.fault(path) {
                Some(fault) => Err(fault),
                None => granted.look(&place.base, path, before.get(&path.value), &mut room),
            };
            faults.extend(looked.err());
        }
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.span.as_ref().map_or(0, |span| span.start));
            return Err(FlowErrors(faults).into());
        }
        put_latest(store, &place.file, &before, &granted.trees())?;
        Ok(granted)
    }

    /// Looks at a file or folder, if it was not looked at yet.
    fn look(
        &mut self,
        base: &Path,
        path: &Located<String>,
        before: Option<&GrantedTree>,
        room: &mut Room,
    ) -> Result<(), Diagnostic> {
        if self.paths.contains_key(&path.value) {
            return Ok(());
        }
        let tree = GrantedTree::take(base, &path.value, before).map_err(|error| {
            let message = format!("`{}` cannot be granted: {error}", path.value);
            Diagnostic::at(&path.span, message).help(error.help)
        })?;
        let (bytes, entries) = (tree.memory_bytes(), tree.entries.len());
        // What is over is not held: it is only told how far.
        if bytes > room.bytes || entries > room.entries {
            return Err(too_large(path, &tree, room.memory_bytes_max));
        }
        room.bytes -= bytes;
        room.entries -= entries;
        self.add(base, &path.value, tree);
        Ok(())
    }

    fn add(&mut self, base: &Path, path: &str, tree: GrantedTree) {
        let tree = Arc::new(tree);
        let base: Arc<Path> = base.into();
        let doubted = &self.doubted;
        let file = |below: &str| {
            FileNode::File(Arc::new(GrantedFile {
                tree: Arc::clone(&tree),
                base: Arc::clone(&base),
                path: path.to_owned(),
                below: below.to_owned(),
                content: Mutex::new(None),
                doubted: Arc::clone(doubted),
            }))
        };
        let node = if tree.entries.contains_key("") {
            file("")
        } else {
            let entries: Vec<(&str, &GrantedEntry)> = (tree.entries.iter())
                .map(|(path, entry)| (path.as_str(), entry))
                .collect();
            folder(&entries, 0, &file)
        };
        let digest = tree.digest();
        let granted = GrantedPath { tree, digest, node };
        self.paths.insert(path.to_owned(), granted);
    }

    /// What a transform is granted, as its keys have it: in the order of the names.
    pub(crate) fn recipe(&self, transform: &Transform) -> Vec<Grant> {
        let Grants { read, env, .. } = &transform.grants;
        let impure = transform.grants.impure_names().into_iter();
        let mut grants: Vec<Grant> = impure.map(Grant::plain).collect();
        grants.extend(read.iter().filter_map(|path| {
            let granted = self.paths.get(&path.value)?;
            Some(Grant::read(&path.value, granted.digest))
        }));
        grants.extend(env.iter().map(Grant::variable));
        grants.sort_by(|a, b| a.name.cmp(&b.name));
        grants
    }

    /// What calls with these grants can learn besides their arguments, all but the seed and the row.
    pub(crate) fn world(&self, grants: &Grants) -> World {
        let mut world = World::default();
        world.clock = grants.clock;
        world.random = grants.random;
        let mut network = grants.network.clone();
        network.sort();
        world.network = network.into();
        let set = |variable: &flowstone_core::Variable| {
            Some((variable.name.clone(), variable.value.clone()?))
        };
        let mut env: Vec<(String, String)> = grants.env.iter().filter_map(set).collect();
        env.sort_unstable();
        world.env = env.into();
        if !grants.read.is_empty() {
            let mut files = Files::default();
            for path in &grants.read {
                if let Some(granted) = self.paths.get(&path.value) {
                    files.add(&path.value, granted.node.clone());
                }
            }
            world.files = Some(Arc::new(files));
        }
        world
    }

    /// Sees to it that files which were not as they were looked at are read when a flow is opened next, even where nothing
    /// else says that they changed.
    pub(crate) fn forget_doubted(&self, store: &Store, file: &str) -> Result<(), StoreError> {
        let mut doubted = (self.doubted.lock()).unwrap_or_else(PoisonError::into_inner);
        if doubted.is_empty() {
            return Ok(());
        }
        let before = read_latest(&store.snapshot()?, file)?;
        let mut now = before.clone();
        for (path, below) in &*doubted {
            if let Some(tree) = now.get_mut(path) {
                tree.distrust(below);
            }
        }
        let now = now.iter().map(|(path, tree)| (path.as_str(), tree));
        put_latest(store, file, &before, &now.collect())?;
        doubted.clear();
        Ok(())
    }

    fn trees(&self) -> BTreeMap<&str, &GrantedTree> {
        let paths = self.paths.iter();
        paths
            .map(|(path, granted)| (path.as_str(), &*granted.tree))
            .collect()
    }
}

/// The world of calls that are made by hand with these grants, whose paths start at the folder `base`. Inherited variables
/// have the values that were set.
///
/// # Errors
///
/// What cannot be granted, each with its place.
pub fn granted_world(
    grants: &Grants,
    base: &Path,
    memory_bytes_max: u64,
) -> Result<World, FlowErrors> {
    let mut granted = Granted::default();
    let mut room = Room::new(memory_bytes_max);
    let looked = (grants.read.iter()).map(|path| granted.look(base, path, None, &mut room));
    let faults: Vec<_> = looked.filter_map(Result::err).collect();
    if faults.is_empty() {
        Ok(granted.world(grants))
    } else {
        Err(FlowErrors(faults))
    }
}

/// What there is room for in all.
struct Room {
    memory_bytes_max: u64,
    bytes: u64,
    entries: usize,
}

impl Room {
    fn new(memory_bytes_max: u64) -> Self {
        Self {
            memory_bytes_max,
            bytes: memory_bytes_max / FILES_SHARE,
            entries: ENTRIES_MAX,
        }
    }
}

fn transforms(plan: &Plan) -> impl Iterator<Item = &Transform> {
    plan.stages.iter().flat_map(|stage| &stage.transforms)
}

fn too_large(path: &Located<String>, tree: &GrantedTree, memory_bytes_max: u64) -> Diagnostic {
    let message = format!(
        "`{}` holds {} in {} files and folders, and the memory given leaves {} and {ENTRIES_MAX} of them for all that is granted",
        path.value,
        format_size(tree.bytes()),
        tree.entries.len(),
        format_size(memory_bytes_max / FILES_SHARE)
    );
    Diagnostic::at(&path.span, message)
        .help("grant only what the plugin reads, or raise `--memory`: granted files may take a quarter of it, with 256 bytes and a name for each")
}

/// The folder of which `entries`, in the order of their paths, are all that is below; their first `skip` bytes are its own
/// path.
fn folder(
    entries: &[(&str, &GrantedEntry)],
    skip: usize,
    file: &dyn Fn(&str) -> FileNode,
) -> FileNode {
    let mut nodes = BTreeMap::new();
    let name = |path: &str| {
        let rest = path.get(skip..).unwrap_or_default();
        rest.split('/').next().unwrap_or_default().to_owned()
    };
    // Folders come before what is in them, though perhaps not at once: `a`, `a-b`, `a/c`.
    let mut inner: BTreeMap<String, Vec<(&str, &GrantedEntry)>> = BTreeMap::new();
    for (path, entry) in entries {
        let name = name(path);
        if path.len() > skip + name.len() {
            inner.entry(name).or_default().push((path, entry));
        } else if matches!(entry, GrantedEntry::Folder) {
            inner.entry(name).or_default();
        } else {
            nodes.insert(name, file(path));
        }
    }
    for (name, entries) in inner {
        let node = folder(&entries, skip + name.len() + 1, file);
        nodes.insert(name, node);
    }
    FileNode::Folder(Arc::new(nodes))
}

/// A granted file: read when it is first opened, and then kept.
struct GrantedFile {
    tree: Arc<GrantedTree>,
    base: Arc<Path>,
    path: String,
    below: String,
    content: Mutex<Option<Arc<[u8]>>>,
    doubted: Arc<Doubted>,
}

impl FileContent for GrantedFile {
    fn size(&self) -> u64 {
        match self.tree.entries.get(&self.below) {
            Some(GrantedEntry::File { size, .. }) => *size,
            _ => 0,
        }
    }

    fn read(&self) -> Result<Arc<[u8]>, String> {
        // A panic while it was read leaves nothing behind.
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(content) = &*content {
            return Ok(Arc::clone(content));
        }
        let read = self.tree.read(&self.base, &self.path, &self.below);
        let read = read.inspect_err(|_| {
            let mut doubted = (self.doubted.lock()).unwrap_or_else(PoisonError::into_inner);
            doubted.insert((self.path.clone(), self.below.clone()));
        })?;
        Ok(Arc::clone(content.insert(read.into())))
    }
}

/// Looks at granted files again and again, to see that something changed; unchanged ones are not read.
#[derive(Default)]
pub struct GrantWatch {
    trees: BTreeMap<(PathBuf, String), GrantedTree>,
}

impl GrantWatch {
    /// What stands for the present state of a granted path: another one when a plugin could see a difference, or when it
    /// cannot be had any more.
    pub fn state(&mut self, base: &Path, path: &str) -> String {
        let key = (base.to_owned(), path.to_owned());
        match GrantedTree::take(base, path, self.trees.get(&key)) {
            Ok(tree) => {
                let digest = tree.digest().to_string();
                self.trees.insert(key, tree);
                digest
            }
            Err(error) => error.to_string(),
        }
    }
}
