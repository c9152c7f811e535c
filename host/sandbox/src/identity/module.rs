//! A core module, read but not instantiated: what each of its index spaces holds.
//!
//! Indices are those of the module; nothing is resolved here. What the sandbox's engine refuses makes a module
//! unsupported, and nothing is then said about any part of it.

use std::collections::HashMap;

use wasmparser::{
    CompositeInnerType, ConstExpr, DataKind, Element, ElementItems, Export, ExternalKind, FuncType,
    FunctionBody, GlobalType, Imports, MemoryType, Payload, RecGroup, RefType, Table, TableInit,
    TableType, TypeRef, ValType,
};

/// The number of a function signature, the same for equal ones in all modules.
pub(super) type SignatureId = u32;

/// Function signatures, by structure.
#[derive(Default)]
pub(super) struct Signatures {
    ids: HashMap<[u8; 32], SignatureId>,
    digests: Vec<[u8; 32]>,
}

impl Signatures {
    /// The number of this signature. Nothing when a type in it is not understood.
    pub(super) fn intern(&mut self, ty: &FuncType) -> Option<SignatureId> {
        let mut text = Vec::with_capacity(ty.params().len() + ty.results().len() + 8);
        for types in [ty.params(), ty.results()] {
            text.extend((types.len() as u32).to_le_bytes());
            for ty in types {
                text.push(value_type(*ty)?);
            }
        }
        let digest = *blake3::hash(&text).as_bytes();
        let next = self.digests.len() as SignatureId;
        let id = *self.ids.entry(digest).or_insert(next);
        if id == next {
            self.digests.push(digest);
        }
        Some(id)
    }

    pub(super) fn digest(&self, id: SignatureId) -> Option<&[u8; 32]> {
        self.digests.get(id as usize)
    }
}

/// One byte for each type that there is without garbage collection.
pub(super) fn value_type(ty: ValType) -> Option<u8> {
    Some(match ty {
        ValType::I32 => 0,
        ValType::I64 => 1,
        ValType::F32 => 2,
        ValType::F64 => 3,
        ValType::V128 => 4,
        ValType::Ref(ty) => reference_type(ty)?,
    })
}

pub(super) fn reference_type(ty: RefType) -> Option<u8> {
    match ty {
        RefType::FUNCREF => Some(5),
        RefType::EXTERNREF => Some(6),
        _ => None,
    }
}

/// What of a module can be imported or exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Function,
    Table,
    Memory,
    Global,
}

impl Kind {
    pub(super) fn of(kind: ExternalKind) -> Option<Self> {
        match kind {
            ExternalKind::Func => Some(Kind::Function),
            ExternalKind::Table => Some(Kind::Table),
            ExternalKind::Memory => Some(Kind::Memory),
            ExternalKind::Global => Some(Kind::Global),
            _ => None,
        }
    }
}

/// A data segment: its bytes are hashed once, when it is read.
pub(super) struct Data<'a> {
    /// The memory and the offset, for an active one.
    pub(super) place: Option<(u32, ConstExpr<'a>)>,
    pub(super) len: u64,
    pub(super) digest: [u8; 32],
}

#[derive(Default)]
pub(super) struct Module<'a> {
    pub(super) imports: Vec<(&'a str, &'a str, Kind)>,
    /// The signatures of the type section.
    pub(super) types: Vec<SignatureId>,
    /// The signatures of all functions, imported ones first.
    pub(super) functions: Vec<SignatureId>,
    /// How many functions are imported.
    pub(super) functions_imported: usize,
    /// The tables, memories and globals that it defines itself.
    pub(super) tables: Vec<TableType>,
    pub(super) memories: Vec<MemoryType>,
    pub(super) globals: Vec<(GlobalType, ConstExpr<'a>)>,
    pub(super) exports: HashMap<&'a str, (Kind, u32)>,
    pub(super) start: Option<u32>,
    pub(super) elements: Vec<Element<'a>>,
    pub(super) bodies: Vec<FunctionBody<'a>>,
    pub(super) data: Vec<Data<'a>>,
    /// Whether something in it was not understood.
    pub(super) unsupported: bool,
}

impl<'a> Module<'a> {
    /// Takes in one part of the module.
    pub(super) fn read(
        &mut self,
        payload: Payload<'a>,
        signatures: &mut Signatures,
    ) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(groups) => {
                for group in groups {
                    self.group(&group?, signatures);
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports {
                    self.import(&import?);
                }
            }
            Payload::FunctionSection(types) => {
                for ty in types {
                    self.function(ty?);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    self.table(&table?);
                }
            }
            Payload::MemorySection(memories) => {
                self.memories = memories.into_iter().collect::<wasmparser::Result<_>>()?;
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    let global = global?;
                    self.globals.push((global.ty, global.init_expr));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    self.export(export?);
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(elements) => {
                self.elements = elements.into_iter().collect::<wasmparser::Result<_>>()?;
            }
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::DataSection(segments) => {
                for segment in segments {
                    self.segment(segment?);
                }
            }
            Payload::Version { .. }
            | Payload::DataCountSection { .. }
            | Payload::CodeSectionStart { .. }
            | Payload::CustomSection(_)
            | Payload::End(_) => {}
            _ => self.unsupported = true,
        }
        Ok(())
    }

    fn group(&mut self, group: &RecGroup, signatures: &mut Signatures) {
        for ty in group.types() {
            let id = match &ty.composite_type.inner {
                CompositeInnerType::Func(function) if !ty.composite_type.shared => {
                    signatures.intern(function)
                }
                _ => None,
            };
            self.unsupported |= id.is_none();
            self.types.push(id.unwrap_or(SignatureId::MAX));
        }
    }

    fn import(&mut self, imports: &Imports<'a>) {
        let Imports::Single(_, import) = imports else {
            self.unsupported = true;
            return;
        };
        let kind = match import.ty {
            TypeRef::Func(ty) => {
                self.function(ty);
                self.functions_imported += 1;
                Kind::Function
            }
            TypeRef::Table(_) => Kind::Table,
            TypeRef::Memory(_) => Kind::Memory,
            TypeRef::Global(_) => Kind::Global,
            _ => {
                self.unsupported = true;
                return;
            }
        };
        self.imports.push((import.module, import.name, kind));
    }

    fn function(&mut self, ty: u32) {
        let signature = self.types.get(ty as usize).copied();
        self.unsupported |= signature.is_none();
        self.functions.push(signature.unwrap_or(SignatureId::MAX));
    }

    fn table(&mut self, table: &Table<'a>) {
        self.unsupported |= !matches!(table.init, TableInit::RefNull);
        self.unsupported |= reference_type(table.ty.element_type).is_none();
        self.tables.push(table.ty);
    }

    fn export(&mut self, export: Export<'a>) {
        match Kind::of(export.kind) {
            Some(kind) => {
                self.exports.insert(export.name, (kind, export.index));
            }
            None => self.unsupported = true,
        }
    }

    fn segment(&mut self, segment: wasmparser::Data<'a>) {
        self.data.push(Data {
            place: match segment.kind {
                DataKind::Passive => None,
                DataKind::Active {
                    memory_index,
                    offset_expr,
                } => Some((memory_index, offset_expr)),
            },
            len: segment.data.len() as u64,
            digest: *blake3::hash(segment.data).as_bytes(),
        });
    }
}

/// How many functions an element segment has.
pub(super) fn element_count(element: &Element<'_>) -> u32 {
    match &element.items {
        ElementItems::Functions(items) => items.count(),
        ElementItems::Expressions(_, items) => items.count(),
    }
}
