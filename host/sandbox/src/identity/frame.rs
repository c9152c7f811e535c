//! The index spaces of a component while it is instantiated on paper.

use std::collections::HashMap;

use wasmparser::component_types::ResourceId;
use wasmparser::{ComponentExternalKind, ComponentOuterAliasKind, ExternalKind};

use super::instance::{CoreFunction, CoreItem, UNKNOWN};

/// Something that a component defines, imports or exports. Types are looked up where they are needed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item {
    Function(u32),
    Instance(ComponentInstance),
    Module(Option<usize>),
    Component(Option<Closure>),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum ComponentInstance {
    /// A set of names, by its number.
    Bundle(usize),
    /// What the host gives under this name.
    Imported([u8; 32]),
}

/// A component with the frame in which it was defined, whose modules and components it may name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closure {
    pub(super) component: usize,
    pub(super) frame: usize,
}

/// What a component's index spaces hold so far.
pub(super) struct Frame<'a> {
    pub(super) component: usize,
    /// The next step.
    pub(super) next: usize,
    /// The frame in which the component was defined.
    pub(super) outer: Option<usize>,
    pub(super) imports: HashMap<&'a str, Item>,
    pub(super) exports: HashMap<&'a str, Item>,
    pub(super) modules: Vec<Option<usize>>,
    pub(super) components: Vec<Option<Closure>>,
    pub(super) instances: Vec<ComponentInstance>,
    pub(super) functions: Vec<u32>,
    pub(super) core_instances: Vec<CoreInstance>,
    pub(super) core_functions: Vec<CoreFunction>,
    pub(super) core_tables: Vec<u32>,
    pub(super) core_memories: Vec<u32>,
    pub(super) core_globals: Vec<u32>,
    /// What the resources that the component imports really are.
    pub(super) resources: HashMap<ResourceId, [u8; 32]>,
}

#[derive(Clone, Copy)]
pub(super) enum CoreInstance {
    Module(u32),
    Names(usize),
}

impl Frame<'_> {
    pub(super) fn new(component: usize, outer: Option<usize>) -> Self {
        Frame {
            component,
            next: 0,
            outer,
            imports: HashMap::new(),
            exports: HashMap::new(),
            modules: Vec::new(),
            components: Vec::new(),
            instances: Vec::new(),
            functions: Vec::new(),
            core_instances: Vec::new(),
            core_functions: Vec::new(),
            core_tables: Vec::new(),
            core_memories: Vec::new(),
            core_globals: Vec::new(),
            resources: HashMap::new(),
        }
    }

    /// What an index means. The outer nothing is an index that is not there, the inner one a type.
    pub(super) fn item(&self, kind: ComponentExternalKind, index: u32) -> Option<Option<Item>> {
        let index = index as usize;
        Some(Some(match kind {
            ComponentExternalKind::Func => Item::Function(*self.functions.get(index)?),
            ComponentExternalKind::Instance => Item::Instance(*self.instances.get(index)?),
            ComponentExternalKind::Module => Item::Module(*self.modules.get(index)?),
            ComponentExternalKind::Component => Item::Component(*self.components.get(index)?),
            ComponentExternalKind::Type => return Some(None),
            ComponentExternalKind::Value => return None,
        }))
    }

    pub(super) fn push(&mut self, item: Item) {
        match item {
            Item::Function(function) => self.functions.push(function),
            Item::Instance(instance) => self.instances.push(instance),
            Item::Module(module) => self.modules.push(module),
            Item::Component(component) => self.components.push(component),
        }
    }

    /// What an index of something that all components share means: a module or a component.
    pub(super) fn outer_item(
        &self,
        kind: ComponentOuterAliasKind,
        index: u32,
    ) -> Option<Option<Item>> {
        let index = index as usize;
        Some(match kind {
            ComponentOuterAliasKind::CoreModule => Some(Item::Module(*self.modules.get(index)?)),
            ComponentOuterAliasKind::Component => {
                Some(Item::Component(*self.components.get(index)?))
            }
            ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => None,
        })
    }

    pub(super) fn core_item(&self, kind: ExternalKind, index: u32) -> Option<CoreItem> {
        let entity = |space: &[u32]| space.get(index as usize).copied();
        Some(match kind {
            ExternalKind::Func => CoreItem::Function(self.core_function(index)),
            ExternalKind::Table => CoreItem::Table(entity(&self.core_tables)?),
            ExternalKind::Memory => CoreItem::Memory(entity(&self.core_memories)?),
            ExternalKind::Global => CoreItem::Global(entity(&self.core_globals)?),
            _ => return None,
        })
    }

    pub(super) fn push_core(&mut self, item: CoreItem) {
        match item {
            CoreItem::Function(function) => self.core_functions.push(function),
            CoreItem::Table(table) => self.core_tables.push(table),
            CoreItem::Memory(memory) => self.core_memories.push(memory),
            CoreItem::Global(global) => self.core_globals.push(global),
        }
    }

    pub(super) fn memory(&self, index: u32) -> u32 {
        let memory = self.core_memories.get(index as usize);
        memory.copied().unwrap_or(UNKNOWN)
    }

    pub(super) fn core_function(&self, index: u32) -> CoreFunction {
        let function = self.core_functions.get(index as usize);
        function.copied().unwrap_or(CoreFunction::Unknown)
    }
}
