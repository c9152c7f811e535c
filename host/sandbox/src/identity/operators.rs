//! The body of a function, written so that it does not depend on any index: what it does, and what it names.
//!
//! Everything that an instruction names (functions, globals, tables, memories, segments, types) is written as the
//! number of its first use in this body; the list of what was named goes with it. Instructions that name nothing are
//! written as they are in the binary.
//!
//! The text can be read back instruction by instruction, so two bodies with the same text do the same to what they
//! name: an instruction that names something starts with `0xff`, which starts no other, and its name with its length.

use std::collections::HashMap;

use wasmparser::{BlockType, FunctionBody, HeapType, MemArg, Operator, OperatorsReader, ValType};

use super::module::{Module, SignatureId, Signatures, value_type};

/// Something that an instruction names, by its index in the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reference {
    Function(u32),
    /// What an indirect call can reach: the functions of a signature in a table.
    Slots {
        table: u32,
        signature: SignatureId,
    },
    /// The same for a slot whose number is known.
    Slot {
        table: u32,
        signature: SignatureId,
        slot: u32,
    },
    Table(u32),
    Memory(u32),
    Global(u32),
    Element(u32),
    Data(u32),
}

/// A body, or another sequence of instructions, without indices.
pub(super) struct Body {
    pub(super) digest: [u8; 32],
    pub(super) references: Box<[Reference]>,
}

/// Reads the body of a function. Nothing when something in it is not understood.
pub(super) fn body(
    module: &Module<'_>,
    body: &FunctionBody<'_>,
    signatures: &Signatures,
) -> Option<Body> {
    let mut writer = Writer::new(module, signatures);
    let locals = body.get_locals_reader().ok()?;
    writer.number(locals.get_count());
    for run in locals {
        let (count, ty) = run.ok()?;
        writer.number(count);
        writer.text.push(value_type(ty)?);
    }
    writer.operators(body.get_operators_reader().ok()?)
}

/// Reads a constant expression.
pub(super) fn constant(
    module: &Module<'_>,
    expression: &wasmparser::ConstExpr<'_>,
    signatures: &Signatures,
) -> Option<Body> {
    Writer::new(module, signatures).operators(expression.get_operators_reader())
}

/// Writes instructions out.
struct Writer<'m, 'a> {
    module: &'m Module<'a>,
    signatures: &'m Signatures,
    text: Vec<u8>,
    numbers: HashMap<Reference, u32>,
    references: Vec<Reference>,
    /// The immediates of the instruction at hand, in case it names something.
    immediates: Vec<u8>,
    /// Whether it names something.
    names: bool,
    /// Whether it has immediates that are only written as they are in the binary.
    raw: bool,
}

impl<'m, 'a> Writer<'m, 'a> {
    fn new(module: &'m Module<'a>, signatures: &'m Signatures) -> Self {
        Writer {
            module,
            signatures,
            text: Vec::new(),
            numbers: HashMap::new(),
            references: Vec::new(),
            immediates: Vec::new(),
            names: false,
            raw: false,
        }
    }

    fn number(&mut self, number: u32) {
        self.text.extend(number.to_le_bytes());
    }

    fn operators(mut self, mut reader: OperatorsReader<'_>) -> Option<Body> {
        // The number that the last instruction pushed, and where it was written.
        let mut pushed: Option<(u32, usize)> = None;
        while !reader.eof() {
            let mut source = reader.get_binary_reader();
            let start = reader.original_position();
            let operator = reader.read().ok()?;
            let raw = source.read_bytes(reader.original_position() - start).ok()?;
            let (slot, written) = (pushed.take(), self.text.len());
            match operator {
                Operator::CallIndirect {
                    type_index,
                    table_index,
                } => self.indirect("CallIndirect", type_index, table_index, slot)?,
                Operator::ReturnCallIndirect {
                    type_index,
                    table_index,
                } => self.indirect("ReturnCallIndirect", type_index, table_index, slot)?,
                operator => {
                    self.operator(&operator, raw)?;
                    if let Operator::I32Const { value } = operator {
                        pushed = Some((value.cast_unsigned(), written));
                    }
                }
            }
        }
        Some(Body {
            digest: *blake3::hash(&self.text).as_bytes(),
            references: self.references.into(),
        })
    }

    /// Writes an instruction other than an indirect call.
    fn operator(&mut self, operator: &Operator<'_>, raw: &[u8]) -> Option<()> {
        self.immediates.clear();
        (self.names, self.raw) = (false, false);
        let name = self.immediates_of(operator)?;
        match (self.names, self.raw) {
            (false, _) => self.text.extend(raw),
            (true, false) => self.naming(name),
            // It has an immediate that would be lost.
            (true, true) => return None,
        }
        Some(())
    }

    /// Writes an instruction that names something, with its immediates.
    fn naming(&mut self, name: &str) {
        self.text.push(0xff);
        self.text.push(name.len() as u8);
        self.text.extend(name.as_bytes());
        self.text.append(&mut self.immediates);
    }

    /// Writes an indirect call. Where its slot is a constant, that is taken back: the call names the slot.
    fn indirect(
        &mut self,
        name: &str,
        type_index: u32,
        table: u32,
        slot: Option<(u32, usize)>,
    ) -> Option<()> {
        let signature = *self.module.types.get(type_index as usize)?;
        self.immediates.clear();
        let reference = match slot {
            None => Reference::Slots { table, signature },
            Some((slot, written)) => {
                self.text.truncate(written);
                Reference::Slot {
                    table,
                    signature,
                    slot,
                }
            }
        };
        // The kind of reference tells the two kinds of calls apart.
        self.immediates.push(u8::from(slot.is_some()));
        self.reference(reference);
        self.naming(name);
        Some(())
    }

    fn reference(&mut self, reference: Reference) {
        // Most instructions name the memory or the stack pointer, which come first.
        let first = &self.references[..self.references.len().min(4)];
        let number = if let Some(number) = first.iter().position(|other| *other == reference) {
            number as u32
        } else {
            let next = self.references.len() as u32;
            let number = *self.numbers.entry(reference).or_insert(next);
            if number == next {
                self.references.push(reference);
            }
            number
        };
        self.immediates.extend(number.to_le_bytes());
        self.names = true;
    }

    fn memory_argument(&mut self, argument: MemArg) {
        self.immediates.push(argument.align);
        self.immediates.extend(argument.offset.to_le_bytes());
        self.reference(Reference::Memory(argument.memory));
    }

    /// The type of a block names something only where it is one of the type section.
    fn block(&mut self, ty: BlockType) -> Option<()> {
        match ty {
            BlockType::Empty => {}
            BlockType::Type(ty) => self.value_type(ty)?,
            BlockType::FuncType(index) => {
                let signature = *self.module.types.get(index as usize)?;
                let digest = self.signatures.digest(signature)?;
                self.immediates.extend(digest);
                self.names = true;
            }
        }
        Some(())
    }

    /// A type that is written as it is in the binary: it must not be one of the type section.
    fn value_type(&mut self, ty: ValType) -> Option<()> {
        value_type(ty)?;
        self.raw = true;
        Some(())
    }

    fn heap_type(&mut self, ty: HeapType) -> Option<()> {
        matches!(ty, HeapType::FUNC | HeapType::EXTERN).then(|| self.raw = true)
    }
}

/// Writes one immediate, by the name that it has in `wasmparser`. An unknown name does not compile.
macro_rules! immediate {
    ($self:ident function_index $value:ident) => {
        $self.reference(Reference::Function(*$value))
    };
    ($self:ident global_index $value:ident) => {
        $self.reference(Reference::Global(*$value))
    };
    ($self:ident elem_index $value:ident) => {
        $self.reference(Reference::Element(*$value))
    };
    ($self:ident data_index $value:ident) => {
        $self.reference(Reference::Data(*$value))
    };
    ($self:ident mem $value:ident) => {
        $self.reference(Reference::Memory(*$value))
    };
    ($self:ident dst_mem $value:ident) => {
        $self.reference(Reference::Memory(*$value))
    };
    ($self:ident src_mem $value:ident) => {
        $self.reference(Reference::Memory(*$value))
    };
    ($self:ident table $value:ident) => {
        $self.reference(Reference::Table(*$value))
    };
    ($self:ident dst_table $value:ident) => {
        $self.reference(Reference::Table(*$value))
    };
    ($self:ident src_table $value:ident) => {
        $self.reference(Reference::Table(*$value))
    };
    ($self:ident memarg $value:ident) => {
        $self.memory_argument(*$value)
    };
    ($self:ident lane $value:ident) => {
        $self.immediates.push(*$value)
    };
    ($self:ident blockty $value:ident) => {
        $self.block(*$value)?
    };
    ($self:ident ty $value:ident) => {
        $self.value_type(*$value)?
    };
    ($self:ident tys $value:ident) => {
        for ty in $value {
            $self.value_type(*ty)?;
        }
    };
    ($self:ident hty $value:ident) => {
        $self.heap_type(*$value)?
    };
    ($self:ident relative_depth $value:ident) => {
        immediate!(raw $self $value)
    };
    ($self:ident targets $value:ident) => {
        immediate!(raw $self $value)
    };
    ($self:ident local_index $value:ident) => {
        immediate!(raw $self $value)
    };
    ($self:ident value $value:ident) => {
        immediate!(raw $self $value)
    };
    ($self:ident lanes $value:ident) => {
        immediate!(raw $self $value)
    };
    // Indirect calls are written elsewhere: one that came here would be refused.
    ($self:ident type_index $value:ident) => {{
        let _ = $value;
        $self.names = true;
    }};
    ($self:ident table_index $value:ident) => {
        immediate!(raw $self $value)
    };
    (raw $self:ident $value:ident) => {{
        let _ = $value;
        $self.raw = true;
    }};
}

/// Writes the immediates of an instruction of a proposal that is understood; nothing for all others.
macro_rules! understood {
    (mvp $($rest:tt)*) => { understood!(@ $($rest)*) };
    (sign_extension $($rest:tt)*) => { understood!(@ $($rest)*) };
    (saturating_float_to_int $($rest:tt)*) => { understood!(@ $($rest)*) };
    (bulk_memory $($rest:tt)*) => { understood!(@ $($rest)*) };
    (reference_types $($rest:tt)*) => { understood!(@ $($rest)*) };
    (tail_call $($rest:tt)*) => { understood!(@ $($rest)*) };
    (simd $($rest:tt)*) => { understood!(@ $($rest)*) };
    (relaxed_simd $($rest:tt)*) => { understood!(@ $($rest)*) };
    (threads $($rest:tt)*) => { understood!(@ $($rest)*) };
    (@ $self:ident $op:ident $($arg:ident)*) => {{
        $( immediate!($self $arg $arg); )*
        Some(stringify!($op))
    }};
    ($proposal:ident $self:ident $op:ident $($arg:ident)*) => {{
        $( let _ = $arg; )*
        None
    }};
}

macro_rules! define_immediates_of {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*) )*) => {
        impl Writer<'_, '_> {
            /// Writes the immediates of an instruction, and gives its name.
            fn immediates_of(&mut self, operator: &Operator<'_>) -> Option<&'static str> {
                match operator {
                    $( Operator::$op $({ $($arg),* })? => understood!($proposal self $op $($($arg)*)?), )*
                    _ => None,
                }
            }
        }
    };
}

wasmparser::for_each_operator!(define_immediates_of);
