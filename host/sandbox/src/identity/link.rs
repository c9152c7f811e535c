//! A component instantiated on paper, with all components in it: who calls whom across instances.
//!
//! Follows the steps of each component in order, as the engine does, with a stack of its own instead of recursion.
//! Core instances are made in the order in which they are made when the component runs.

use std::collections::HashMap;

use wasmparser::component_types::ComponentEntityType;
use wasmparser::{ComponentAlias, ComponentExport, ComponentExternalKind};

use super::Work;
use super::frame::{Closure, ComponentInstance, CoreInstance, Frame, Item};
use super::instance::{Core, CoreFunction, CoreItem, Names};
use super::module::SignatureId;
use super::parse::{Argument, Parsed, ResourceOperation, Step};
use super::types::{self, label};

/// A component function.
pub(super) enum Function {
    /// The host's, with the digest of its name.
    Import([u8; 32]),
    Lift {
        function: CoreFunction,
        ty: [u8; 32],
        options: Options,
    },
    Unknown,
}

/// A core function that a canonical definition makes.
pub(super) enum Made {
    Lower {
        function: u32,
        ty: [u8; 32],
        options: Options,
    },
    Resource {
        operation: ResourceOperation,
        resource: [u8; 32],
        frame: u32,
    },
    Unknown,
}

/// The options of a canonical definition, and the component instance that it belongs to.
pub(super) struct Options {
    pub(super) encoding: u8,
    pub(super) memory: Option<u32>,
    pub(super) realloc: Option<CoreFunction>,
    pub(super) post_return: Option<CoreFunction>,
    pub(super) frame: u32,
}

/// A component and all that it consists of.
pub(super) struct Linked<'p, 'a> {
    pub(super) core: Core<'p, 'a>,
    pub(super) made: Vec<(Made, Option<SignatureId>)>,
    pub(super) functions: Vec<Function>,
    bundles: Vec<HashMap<&'a str, Item>>,
}

impl Linked<'_, '_> {
    /// The function that the component exports, by the names of its instance, if it is in one, and of itself.
    pub(super) fn exported(&self, instance: Option<&str>, name: &str) -> Option<u32> {
        // The outermost component is the last to be finished.
        let root = self.bundles.last()?;
        let found = match instance {
            None => *root.get(name)?,
            Some(instance) => match *root.get(instance)? {
                Item::Instance(ComponentInstance::Bundle(bundle)) => {
                    *self.bundles.get(bundle)?.get(name)?
                }
                _ => return None,
            },
        };
        match found {
            Item::Function(function) => Some(function),
            _ => None,
        }
    }
}

pub(super) struct Linker<'p, 'a, 'w> {
    pub(super) parsed: &'p Parsed<'a>,
    pub(super) linked: Linked<'p, 'a>,
    pub(super) frames: Vec<Frame<'a>>,
    pub(super) names: Vec<Names<'a>>,
    /// The functions that the host gives, by the digests of their names.
    imported: HashMap<[u8; 32], u32>,
    pub(super) work: &'w mut Work,
}

/// Instantiates. Nothing when something in it is not understood, or when it is too much work.
pub(super) fn link<'p, 'a>(parsed: &'p Parsed<'a>, work: &mut Work) -> Option<Linked<'p, 'a>> {
    let mut linker = Linker {
        parsed,
        linked: Linked {
            core: Core::new(&parsed.modules),
            made: Vec::new(),
            functions: Vec::new(),
            bundles: Vec::new(),
        },
        frames: Vec::new(),
        names: Vec::new(),
        imported: HashMap::new(),
        work,
    };
    let root = parsed.components.len().checked_sub(1)?;
    linker.frames.push(Frame::new(root, None));
    let mut stack = vec![0];
    while let Some(&frame) = stack.last() {
        let at = &mut linker.frames[frame];
        let Some(step) = parsed.components[at.component].steps.get(at.next) else {
            stack.pop();
            linker.finish(frame, stack.last().copied());
            continue;
        };
        at.next += 1;
        linker.work.take(8)?;
        if let Some(entered) = linker.step(frame, step)? {
            stack.push(entered);
        }
    }
    Some(linker.linked)
}

impl<'p, 'a> Linker<'p, 'a, '_> {
    /// Follows one step. Gives the frame of the component that it instantiates, if it does.
    fn step(&mut self, frame: usize, step: &'p Step<'a>) -> Option<Option<usize>> {
        match step {
            Step::Module(module) => self.frames[frame].modules.push(Some(*module)),
            Step::Component(component) => self.frames[frame].components.push(Some(Closure {
                component: *component,
                frame,
            })),
            Step::CoreInstance(instance) => self.core_instance(frame, instance)?,
            Step::Instantiate { component, args } => {
                return self.enter(frame, *component, args).map(Some);
            }
            Step::Bundle(exports) => self.bundle(frame, exports)?,
            Step::Alias(alias) => self.alias(frame, alias)?,
            Step::Canonical(canonical) => self.canonical(frame, canonical),
            Step::Import { name, ty } => self.import(frame, name, *ty)?,
            Step::Export(export) => self.export(frame, export)?,
            Step::Unknown => return None,
        }
        Some(None)
    }

    /// Ends a component: what it exports is the instance that its user asked for.
    fn finish(&mut self, frame: usize, user: Option<usize>) {
        let exports = std::mem::take(&mut self.frames[frame].exports);
        self.linked.bundles.push(exports);
        if let Some(user) = user {
            let bundle = self.linked.bundles.len() - 1;
            self.frames[user]
                .instances
                .push(ComponentInstance::Bundle(bundle));
        }
    }

    /// Begins to instantiate a component.
    fn enter(&mut self, frame: usize, component: u32, args: &[Argument<'a>]) -> Option<usize> {
        let user = &self.frames[frame];
        let closure = (*user.components.get(component as usize)?)?;
        self.work.take(1024 + 8 * args.len())?;
        let mut entered = Frame::new(closure.component, Some(closure.frame));
        for argument in args {
            let arg = &argument.arg;
            if let Some(item) = user.item(arg.kind, arg.index)? {
                entered.imports.insert(arg.name, item);
            }
        }
        let steps = &self.parsed.components[closure.component].steps;
        let imports = steps.iter().filter_map(|step| match step {
            Step::Import { name, ty } => Some((*name, *ty)),
            _ => None,
        });
        entered.resources = types::given(
            &self.parsed.types,
            imports,
            args,
            &user.resources,
            self.work,
        )?;
        self.frames.push(entered);
        Some(self.frames.len() - 1)
    }

    fn bundle(&mut self, frame: usize, exports: &[ComponentExport<'a>]) -> Option<()> {
        self.work.take(64 + 8 * exports.len())?;
        let mut names = HashMap::with_capacity(exports.len());
        for export in exports {
            if let Some(item) = self.frames[frame].item(export.kind, export.index)? {
                names.insert(export.name.name, item);
            }
        }
        self.linked.bundles.push(names);
        let bundle = self.linked.bundles.len() - 1;
        self.frames[frame]
            .instances
            .push(ComponentInstance::Bundle(bundle));
        Some(())
    }

    fn import(&mut self, frame: usize, name: &'a str, ty: ComponentEntityType) -> Option<()> {
        let is_root = self.frames[frame].outer.is_none();
        if !is_root {
            if !matches!(ty, ComponentEntityType::Type { .. }) {
                let item = *self.frames[frame].imports.get(name)?;
                self.frames[frame].push(item);
            }
            return Some(());
        }
        let path = label(&[0; 32], name);
        match ty {
            ComponentEntityType::Func(_) => {
                let function = self.imported(path);
                self.frames[frame].functions.push(function);
            }
            ComponentEntityType::Instance(_) => {
                self.frames[frame]
                    .instances
                    .push(ComponentInstance::Imported(path));
            }
            ComponentEntityType::Module(_) => self.frames[frame].modules.push(None),
            ComponentEntityType::Component(_) => self.frames[frame].components.push(None),
            ComponentEntityType::Type { .. } => {}
            ComponentEntityType::Value(_) => return None,
        }
        let resources = &mut self.frames[frame].resources;
        types::imported(&self.parsed.types, ty, path, resources, self.work)
    }

    /// The function that the host gives under a name.
    fn imported(&mut self, path: [u8; 32]) -> u32 {
        let functions = &mut self.linked.functions;
        *self.imported.entry(path).or_insert_with(|| {
            functions.push(Function::Import(path));
            functions.len() as u32 - 1
        })
    }

    fn export(&mut self, frame: usize, export: &ComponentExport<'a>) -> Option<()> {
        let frame = &mut self.frames[frame];
        if let Some(item) = frame.item(export.kind, export.index)? {
            frame.exports.insert(export.name.name, item);
            // An export is a definition too.
            frame.push(item);
        }
        Some(())
    }

    fn alias(&mut self, frame: usize, alias: &ComponentAlias<'a>) -> Option<()> {
        match *alias {
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Type,
                ..
            } => {}
            ComponentAlias::InstanceExport {
                kind,
                instance_index,
                name,
            } => {
                let item = match *self.frames[frame].instances.get(instance_index as usize)? {
                    ComponentInstance::Bundle(bundle) => {
                        *self.linked.bundles.get(bundle)?.get(name)?
                    }
                    ComponentInstance::Imported(path) => self.host_export(&path, kind, name)?,
                };
                self.frames[frame].push(item);
            }
            ComponentAlias::CoreInstanceExport {
                kind: _,
                instance_index,
                name,
            } => {
                let instance = *self.frames[frame]
                    .core_instances
                    .get(instance_index as usize)?;
                let item = self.core_export(instance, name)?;
                self.frames[frame].push_core(item);
            }
            ComponentAlias::Outer { kind, count, index } => {
                let mut from = frame;
                for _ in 0..count {
                    from = self.frames[from].outer?;
                }
                if let Some(item) = self.frames[from].outer_item(kind, index)? {
                    self.frames[frame].push(item);
                }
            }
        }
        Some(())
    }

    /// What an instance that the host gives exports under a name.
    fn host_export(
        &mut self,
        path: &[u8; 32],
        kind: ComponentExternalKind,
        name: &str,
    ) -> Option<Item> {
        let path = label(path, name);
        Some(match kind {
            ComponentExternalKind::Func => Item::Function(self.imported(path)),
            ComponentExternalKind::Instance => Item::Instance(ComponentInstance::Imported(path)),
            ComponentExternalKind::Module => Item::Module(None),
            ComponentExternalKind::Component => Item::Component(None),
            ComponentExternalKind::Type | ComponentExternalKind::Value => return None,
        })
    }

    pub(super) fn core_export(&self, instance: CoreInstance, name: &str) -> Option<CoreItem> {
        match instance {
            CoreInstance::Module(instance) => self.linked.core.export(instance, name),
            CoreInstance::Names(names) => self.names.get(names)?.get(name).copied(),
        }
    }
}
