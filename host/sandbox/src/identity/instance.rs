//! Core modules instantiated on paper: which function, table, memory and global each index of each instance means.
//!
//! WebAssembly links statically, so this is known without running anything. Nothing here is shared between instances
//! but what they hand each other, and each entity is made once and known by its number.

use std::collections::HashMap;

use wasmparser::{
    ConstExpr, ElementItems, ElementKind, GlobalType, MemoryType, Operator, TableType,
};

use super::Work;
use super::module::{Kind, Module, element_count};

/// A core function of any instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum CoreFunction {
    /// A function with a body: its instance, and its number among those that the module defines.
    Defined {
        instance: u32,
        index: u32,
    },
    /// One that a canonical definition makes.
    Canonical(u32),
    Unknown,
}

/// A table, memory or global that nothing is known of.
pub(super) const UNKNOWN: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
pub(super) enum CoreItem {
    Function(CoreFunction),
    Table(u32),
    Memory(u32),
    Global(u32),
}

/// What a constant expression gives.
#[derive(Debug, Clone, Copy)]
pub(super) enum Constant {
    I32(i32),
    Function(CoreFunction),
    Null,
    /// Something that no offset and no table entry can be, or that is not understood.
    Other,
}

/// An active segment as it is applied.
pub(super) struct Write {
    pub(super) instance: u32,
    pub(super) segment: u32,
    pub(super) offset: u32,
    /// How many start functions have run before.
    pub(super) starts_before: u32,
}

pub(super) struct Instance {
    pub(super) module: usize,
    /// What it was given. The functions that the module defines come behind.
    pub(super) functions_imported: Vec<CoreFunction>,
    /// Whole index spaces, as numbers of entities.
    pub(super) tables: Vec<u32>,
    pub(super) memories: Vec<u32>,
    pub(super) globals: Vec<u32>,
}

pub(super) struct TableEntity {
    pub(super) ty: TableType,
    pub(super) writes: Vec<Write>,
    /// The instances that can get at it, with its index there.
    pub(super) users: Vec<(u32, u32)>,
}

pub(super) struct MemoryEntity {
    pub(super) ty: MemoryType,
    pub(super) writes: Vec<Write>,
}

pub(super) struct GlobalEntity {
    pub(super) ty: GlobalType,
    /// Where it is defined: the instance, and its number among the globals that the module defines.
    pub(super) instance: u32,
    pub(super) index: u32,
    value: Constant,
}

/// All core instances of a component, in the order in which they are made.
pub(super) struct Core<'p, 'a> {
    pub(super) modules: &'p [Module<'a>],
    pub(super) instances: Vec<Instance>,
    pub(super) tables: Vec<TableEntity>,
    pub(super) memories: Vec<MemoryEntity>,
    pub(super) globals: Vec<GlobalEntity>,
    /// The start functions, in the order in which they run.
    pub(super) starts: Vec<CoreFunction>,
}

impl<'p, 'a> Core<'p, 'a> {
    pub(super) fn new(modules: &'p [Module<'a>]) -> Self {
        Core {
            modules,
            instances: Vec::new(),
            tables: Vec::new(),
            memories: Vec::new(),
            globals: Vec::new(),
            starts: Vec::new(),
        }
    }

    pub(super) fn module(&self, instance: u32) -> Option<&'p Module<'a>> {
        let instance = self.instances.get(instance as usize)?;
        self.modules.get(instance.module)
    }

    /// The function that an index means in an instance.
    pub(super) fn function(&self, instance: u32, index: u32) -> CoreFunction {
        let Some(found) = self.instances.get(instance as usize) else {
            return CoreFunction::Unknown;
        };
        let imported = found.functions_imported.len();
        let defined = (index as usize).checked_sub(imported);
        match defined {
            None => found.functions_imported[index as usize],
            Some(defined) if defined < self.modules[found.module].bodies.len() => {
                CoreFunction::Defined {
                    instance,
                    index: defined as u32,
                }
            }
            Some(_) => CoreFunction::Unknown,
        }
    }

    /// What an instance exports under a name.
    pub(super) fn export(&self, instance: u32, name: &str) -> Option<CoreItem> {
        let found = self.instances.get(instance as usize)?;
        let (kind, index) = *self.modules[found.module].exports.get(name)?;
        let entity = |space: &[u32]| space.get(index as usize).copied().unwrap_or(UNKNOWN);
        Some(match kind {
            Kind::Function => CoreItem::Function(self.function(instance, index)),
            Kind::Table => CoreItem::Table(entity(&found.tables)),
            Kind::Memory => CoreItem::Memory(entity(&found.memories)),
            Kind::Global => CoreItem::Global(entity(&found.globals)),
        })
    }

    /// Makes an instance of a module. `import` finds what is given for an import.
    ///
    /// Nothing when instantiating is not fully understood: an unsupported module, or a segment that may not fit, so
    /// that no function can be called at all.
    pub(super) fn instantiate(
        &mut self,
        module: usize,
        import: impl Fn(&Self, &str, &str) -> Option<CoreItem>,
        work: &mut Work,
    ) -> Option<u32> {
        let definition = self
            .modules
            .get(module)
            .filter(|module| !module.unsupported)?;
        work.take(128 + 4 * definition.imports.len() + 8 * definition.globals.len())?;
        work.take(4 * (definition.elements.len() + definition.data.len()))?;
        let number = self.instances.len() as u32;
        let mut instance = Instance {
            module,
            functions_imported: Vec::with_capacity(definition.functions_imported),
            tables: Vec::new(),
            memories: Vec::new(),
            globals: Vec::new(),
        };
        for (module, name, kind) in &definition.imports {
            instance.give(*kind, import(self, module, name))?;
        }
        for ty in &definition.tables {
            instance.tables.push(self.tables.len() as u32);
            self.tables.push(TableEntity {
                ty: *ty,
                writes: Vec::new(),
                users: Vec::new(),
            });
        }
        for ty in &definition.memories {
            instance.memories.push(self.memories.len() as u32);
            self.memories.push(MemoryEntity {
                ty: *ty,
                writes: Vec::new(),
            });
        }
        for (index, table) in instance.tables.iter().enumerate() {
            let table = self.tables.get_mut(*table as usize)?;
            table.users.push((number, index as u32));
        }
        self.instances.push(instance);
        self.globals(number, definition)?;
        self.segments(number, definition)?;
        if let Some(start) = definition.start {
            self.starts.push(self.function(number, start));
        }
        Some(number)
    }

    fn globals(&mut self, instance: u32, module: &Module<'a>) -> Option<()> {
        for (index, (ty, init)) in module.globals.iter().enumerate() {
            let value = self.evaluate(instance, init);
            let entity = self.globals.len() as u32;
            self.globals.push(GlobalEntity {
                ty: *ty,
                instance,
                index: index as u32,
                value,
            });
            self.instances
                .get_mut(instance as usize)?
                .globals
                .push(entity);
        }
        Some(())
    }

    /// Applies the active segments.
    fn segments(&mut self, instance: u32, module: &Module<'a>) -> Option<()> {
        for (segment, element) in module.elements.iter().enumerate() {
            let ElementKind::Active {
                table_index,
                offset_expr,
            } = &element.kind
            else {
                continue;
            };
            let write = self.write(instance, segment, offset_expr)?;
            let space = &self.instances.get(instance as usize)?.tables;
            let table = *space.get(table_index.unwrap_or(0) as usize)?;
            let table = self.tables.get_mut(table as usize)?;
            let end = u64::from(write.offset) + u64::from(element_count(element));
            (end <= table.ty.initial).then(|| table.writes.push(write))?;
        }
        for (segment, data) in module.data.iter().enumerate() {
            let Some((memory, offset)) = &data.place else {
                continue;
            };
            let write = self.write(instance, segment, offset)?;
            let space = &self.instances.get(instance as usize)?.memories;
            let memory = *space.get(*memory as usize)?;
            let memory = self.memories.get_mut(memory as usize)?;
            let end = u64::from(write.offset) + data.len;
            let bytes = memory.ty.initial.checked_mul(64 << 10)?;
            (end <= bytes).then(|| memory.writes.push(write))?;
        }
        Some(())
    }

    fn write(&self, instance: u32, segment: usize, offset: &ConstExpr<'a>) -> Option<Write> {
        let Constant::I32(offset) = self.evaluate(instance, offset) else {
            return None;
        };
        Some(Write {
            instance,
            segment: segment as u32,
            offset: offset.cast_unsigned(),
            starts_before: self.starts.len() as u32,
        })
    }

    /// The functions of an element segment: nothing for a null. The second nothing is one that is not understood.
    pub(super) fn elements(
        &self,
        instance: u32,
        segment: u32,
        work: &mut Work,
    ) -> Option<Vec<Option<CoreFunction>>> {
        let element = self.module(instance)?.elements.get(segment as usize)?;
        work.take(16 * element_count(element) as usize)?;
        match &element.items {
            ElementItems::Functions(items) => items
                .clone()
                .into_iter()
                .map(|index| Some(Some(self.function(instance, index.ok()?))))
                .collect(),
            ElementItems::Expressions(_, items) => items
                .clone()
                .into_iter()
                .map(|item| match self.evaluate(instance, &item.ok()?) {
                    Constant::Function(function) => Some(Some(function)),
                    Constant::Null => Some(None),
                    _ => None,
                })
                .collect(),
        }
    }

    /// Evaluates a constant expression. Globals that it reads are those of instances that were made before, or
    /// earlier ones of this instance, so their values are there.
    fn evaluate(&self, instance: u32, expression: &ConstExpr<'a>) -> Constant {
        let mut stack = Vec::new();
        for operator in expression.get_operators_reader() {
            let Some(value) = operator
                .ok()
                .and_then(|operator| self.step(instance, &operator, &mut stack))
            else {
                return Constant::Other;
            };
            stack.extend(value);
        }
        match stack[..] {
            [value] => value,
            _ => Constant::Other,
        }
    }

    /// What one instruction pushes, after it took what it takes.
    fn step(
        &self,
        instance: u32,
        operator: &Operator<'_>,
        stack: &mut Vec<Constant>,
    ) -> Option<Option<Constant>> {
        let mut binary = |apply: fn(i32, i32) -> i32| match (stack.pop(), stack.pop()) {
            (Some(Constant::I32(right)), Some(Constant::I32(left))) => {
                Some(Constant::I32(apply(left, right)))
            }
            _ => None,
        };
        Some(Some(match *operator {
            Operator::I32Const { value } => Constant::I32(value),
            Operator::I32Add => binary(i32::wrapping_add)?,
            Operator::I32Sub => binary(i32::wrapping_sub)?,
            Operator::I32Mul => binary(i32::wrapping_mul)?,
            Operator::GlobalGet { global_index } => {
                let space = &self.instances.get(instance as usize)?.globals;
                let global = *space.get(global_index as usize)?;
                let global = self.globals.get(global as usize)?;
                (!global.ty.mutable).then_some(global.value)?
            }
            Operator::RefFunc { function_index } => {
                Constant::Function(self.function(instance, function_index))
            }
            Operator::RefNull { .. } => Constant::Null,
            Operator::End => return Some(None),
            _ => return None,
        }))
    }
}

impl Instance {
    /// Takes what is given for an import: nothing when it is of another kind.
    fn give(&mut self, kind: Kind, item: Option<CoreItem>) -> Option<()> {
        match (kind, item) {
            (Kind::Function, Some(CoreItem::Function(function))) => {
                self.functions_imported.push(function);
            }
            (Kind::Table, Some(CoreItem::Table(table))) => self.tables.push(table),
            (Kind::Memory, Some(CoreItem::Memory(memory))) => self.memories.push(memory),
            (Kind::Global, Some(CoreItem::Global(global))) => self.globals.push(global),
            _ => return None,
        }
        Some(())
    }
}

/// Core instances that are only a set of names.
pub(super) type Names<'a> = HashMap<&'a str, CoreItem>;
