//! What there is to a function, as a graph: each node says what it is by itself, and names others in order.
//!
//! Nodes are made when somebody first asks for them, once for all exports of the component.

use std::collections::HashMap;
use std::rc::Rc;

use super::Work;
use super::instance::CoreFunction;
use super::link::{Function, Linked, Made, Options};
use super::module::{SignatureId, reference_type, value_type};
use super::operators::{self, Body, Reference};
use super::parse::Parsed;
use super::tables::Contents;

/// What counts for the budget when a node is made: it takes memory.
const NODE_WORK: usize = 64;

/// Something that a function can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// A component function.
    Component(u32),
    Core(CoreFunction),
    /// The functions of a signature in a table.
    Slots {
        table: u32,
        signature: SignatureId,
    },
    /// A call of one slot.
    Slot {
        table: u32,
        signature: SignatureId,
        slot: u32,
    },
    Table(u32),
    /// Which table it is, without what is in it.
    TableItself(u32),
    Memory(u32),
    Global(u32),
    Element {
        instance: u32,
        segment: u32,
    },
    Data {
        instance: u32,
        segment: u32,
    },
    /// A component instance: calling into one that is being left is a trap.
    Frame(u32),
}

/// What a node is by itself, and the nodes that it names.
pub(super) struct Description {
    pub(super) digest: [u8; 32],
    pub(super) names: Box<[u32]>,
}

/// A description that is being written.
pub(super) struct Draft {
    hasher: blake3::Hasher,
    pub(super) names: Vec<Node>,
}

impl Draft {
    /// Begins with the kind of node, so that no two kinds are taken for each other.
    pub(super) fn new(kind: &str) -> Self {
        let mut draft = Draft {
            hasher: blake3::Hasher::new(),
            names: Vec::new(),
        };
        draft.bytes(&[kind.len() as u8]).bytes(kind.as_bytes());
        draft
    }

    /// Adds bytes of which there are always as many, or whose number is known from what came before.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.hasher.update(bytes);
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_le_bytes())
    }

    pub(super) fn optional(&mut self, number: Option<u64>) -> &mut Self {
        self.bytes(&[u8::from(number.is_some())])
            .number(number.unwrap_or(0))
    }

    pub(super) fn name(&mut self, node: Node) -> &mut Self {
        self.names.push(node);
        self
    }
}

/// The graph of everything in a component.
pub(super) struct Graph<'p, 'a> {
    pub(super) parsed: &'p Parsed<'a>,
    pub(super) linked: &'p Linked<'p, 'a>,
    nodes: Vec<Node>,
    numbers: HashMap<Node, u32>,
    descriptions: Vec<Option<Description>>,
    bodies: HashMap<(usize, u32), Rc<Body>>,
    pub(super) contents: HashMap<u32, Rc<Contents>>,
    /// For each table, whether no instruction can change it.
    pub(super) fixed: HashMap<u32, bool>,
}

impl<'p, 'a> Graph<'p, 'a> {
    pub(super) fn new(parsed: &'p Parsed<'a>, linked: &'p Linked<'p, 'a>) -> Self {
        Graph {
            parsed,
            linked,
            nodes: Vec::new(),
            numbers: HashMap::new(),
            descriptions: Vec::new(),
            bodies: HashMap::new(),
            contents: HashMap::new(),
            fixed: HashMap::new(),
        }
    }

    /// The number of a node in the graph. It means nothing outside, and is no part of any digest.
    pub(super) fn number(&mut self, node: Node) -> u32 {
        let next = self.nodes.len() as u32;
        let number = *self.numbers.entry(node).or_insert(next);
        if number == next {
            self.nodes.push(node);
            self.descriptions.push(None);
        }
        number
    }

    /// The body that a node is of, by its module and its place there; nothing for what has none.
    pub(super) fn body_of(&self, number: u32) -> Option<(usize, u32)> {
        match self.nodes.get(number as usize)? {
            Node::Core(CoreFunction::Defined { instance, index }) => {
                let instance = self.linked.core.instances.get(*instance as usize)?;
                Some((instance.module, *index))
            }
            _ => None,
        }
    }

    /// What a node is. Nothing when that is not fully understood, or when the work is over.
    pub(super) fn describe(&mut self, number: u32, work: &mut Work) -> Option<&Description> {
        let at = number as usize;
        if self.descriptions.get(at)?.is_none() {
            let draft = self.draft(self.nodes[at], work)?;
            work.take(NODE_WORK + draft.names.len())?;
            let names = draft.names.iter().map(|node| self.number(*node)).collect();
            let digest = *draft.hasher.finalize().as_bytes();
            self.descriptions[at] = Some(Description { digest, names });
        }
        self.descriptions[at].as_ref()
    }

    fn draft(&mut self, node: Node, work: &mut Work) -> Option<Draft> {
        match node {
            Node::Component(function) => self.component_function(function),
            Node::Core(CoreFunction::Defined { instance, index }) => {
                self.defined(instance, index, work)
            }
            Node::Core(CoreFunction::Canonical(number)) => self.made(number),
            Node::Core(CoreFunction::Unknown) => None,
            Node::Slots { table, signature } => self.slots(table, signature, work),
            Node::Slot {
                table,
                signature,
                slot,
            } => self.slot(table, signature, slot, work),
            Node::Table(table) => self.table(table, work),
            Node::TableItself(_) => Some(Draft::new("table itself")),
            Node::Memory(memory) => self.memory(memory, work),
            Node::Global(global) => self.global(global),
            Node::Element { instance, segment } => self.element(instance, segment, work),
            Node::Data { instance, segment } => self.data(instance, segment),
            Node::Frame(_) => Some(Draft::new("component instance")),
        }
    }

    fn component_function(&self, function: u32) -> Option<Draft> {
        match self.linked.functions.get(function as usize)? {
            Function::Import(name) => {
                let mut draft = Draft::new("import");
                draft.bytes(name);
                Some(draft)
            }
            Function::Lift {
                function,
                ty,
                options,
            } => {
                let mut draft = Draft::new("lift");
                draft.bytes(ty).name(Node::Core(*function));
                with_options(&mut draft, options);
                Some(draft)
            }
            Function::Unknown => None,
        }
    }

    fn made(&self, number: u32) -> Option<Draft> {
        match &self.linked.made.get(number as usize)?.0 {
            Made::Lower {
                function,
                ty,
                options,
            } => {
                let mut draft = Draft::new("lower");
                draft.bytes(ty).name(Node::Component(*function));
                with_options(&mut draft, options);
                Some(draft)
            }
            Made::Resource {
                operation,
                resource,
                frame,
            } => {
                let mut draft = Draft::new("resource");
                draft
                    .bytes(&[*operation as u8])
                    .bytes(resource)
                    .name(Node::Frame(*frame));
                Some(draft)
            }
            Made::Unknown => None,
        }
    }

    fn defined(&mut self, instance: u32, index: u32, work: &mut Work) -> Option<Draft> {
        let body = self.body(instance, index, work)?;
        let module = self.linked.core.module(instance)?;
        let signature = *module
            .functions
            .get(module.functions_imported + index as usize)?;
        let mut draft = Draft::new("function");
        draft
            .bytes(self.parsed.signatures.digest(signature)?)
            .bytes(&body.digest);
        self.references(&mut draft, instance, &body)?;
        Some(draft)
    }

    /// The body of a function that a module defines, read once for all its instances.
    pub(super) fn body(&mut self, instance: u32, index: u32, work: &mut Work) -> Option<Rc<Body>> {
        let number = self.linked.core.instances.get(instance as usize)?.module;
        if let Some(body) = self.bodies.get(&(number, index)) {
            return Some(Rc::clone(body));
        }
        let module = self.linked.core.module(instance)?;
        let body = module.bodies.get(index as usize)?;
        let body = Rc::new(operators::body(module, body, &self.parsed.signatures)?);
        work.take(16 + 4 * body.references.len())?;
        self.bodies.insert((number, index), Rc::clone(&body));
        Some(body)
    }

    /// Adds what a body or expression names, resolved in an instance.
    fn references(&self, draft: &mut Draft, instance: u32, body: &Body) -> Option<()> {
        for reference in &body.references {
            draft.names.push(self.resolve(instance, *reference)?);
        }
        Some(())
    }

    fn resolve(&self, instance: u32, reference: Reference) -> Option<Node> {
        let core = &self.linked.core;
        let own = core.instances.get(instance as usize)?;
        let table = |index: u32| own.tables.get(index as usize).copied();
        Some(match reference {
            Reference::Function(index) => Node::Core(core.function(instance, index)),
            Reference::Slots {
                table: index,
                signature,
            } => Node::Slots {
                table: table(index)?,
                signature,
            },
            Reference::Slot {
                table: index,
                signature,
                slot,
            } => Node::Slot {
                table: table(index)?,
                signature,
                slot,
            },
            Reference::Table(index) => Node::Table(table(index)?),
            Reference::Memory(index) => Node::Memory(*own.memories.get(index as usize)?),
            Reference::Global(index) => Node::Global(*own.globals.get(index as usize)?),
            Reference::Element(segment) => Node::Element { instance, segment },
            Reference::Data(segment) => Node::Data { instance, segment },
        })
    }

    fn memory(&self, memory: u32, work: &mut Work) -> Option<Draft> {
        let memory = self.linked.core.memories.get(memory as usize)?;
        work.take(memory.writes.len())?;
        let ty = memory.ty;
        let mut draft = Draft::new("memory");
        draft
            .bytes(&[u8::from(ty.memory64), u8::from(ty.shared)])
            .number(ty.initial)
            .optional(ty.maximum)
            .optional(ty.page_size_log2.map(u64::from));
        for write in &memory.writes {
            let module = self.linked.core.module(write.instance)?;
            let data = module.data.get(write.segment as usize)?;
            draft
                .number(u64::from(write.starts_before))
                .number(u64::from(write.offset))
                .number(data.len)
                .bytes(&data.digest);
        }
        Some(draft)
    }

    fn global(&self, global: u32) -> Option<Draft> {
        let global = self.linked.core.globals.get(global as usize)?;
        let module = self.linked.core.module(global.instance)?;
        let (_, init) = module.globals.get(global.index as usize)?;
        let init = operators::constant(module, init, &self.parsed.signatures)?;
        let mut draft = Draft::new("global");
        draft
            .bytes(&[
                value_type(global.ty.content_type)?,
                u8::from(global.ty.mutable),
                u8::from(global.ty.shared),
            ])
            .bytes(&init.digest);
        self.references(&mut draft, global.instance, &init)?;
        Some(draft)
    }

    fn data(&self, instance: u32, segment: u32) -> Option<Draft> {
        let module = self.linked.core.module(instance)?;
        let data = module.data.get(segment as usize)?;
        let mut draft = Draft::new("data");
        draft
            .bytes(&[u8::from(data.place.is_some())])
            .number(data.len)
            .bytes(&data.digest);
        Some(draft)
    }

    fn element(&self, instance: u32, segment: u32, work: &mut Work) -> Option<Draft> {
        let core = &self.linked.core;
        let mut draft = Draft::new("element");
        let element = core.module(instance)?.elements.get(segment as usize)?;
        let mode = match element.kind {
            wasmparser::ElementKind::Passive => 0,
            wasmparser::ElementKind::Active { .. } => 1,
            wasmparser::ElementKind::Declared => 2,
        };
        let ty = match element.items {
            wasmparser::ElementItems::Functions(_) => wasmparser::RefType::FUNCREF,
            wasmparser::ElementItems::Expressions(ty, _) => ty,
        };
        draft.bytes(&[mode, reference_type(ty)?]);
        for function in core.elements(instance, segment, work)? {
            draft.bytes(&[u8::from(function.is_some())]);
            draft.names.extend(function.map(Node::Core));
        }
        Some(draft)
    }
}

/// Adds the options of a canonical definition.
fn with_options(draft: &mut Draft, options: &Options) {
    draft.bytes(&[
        options.encoding,
        u8::from(options.memory.is_some()),
        u8::from(options.realloc.is_some()),
        u8::from(options.post_return.is_some()),
    ]);
    draft.names.extend(options.memory.map(Node::Memory));
    let functions = [options.realloc, options.post_return];
    draft
        .names
        .extend(functions.into_iter().flatten().map(Node::Core));
    draft.name(Node::Frame(options.frame));
}
