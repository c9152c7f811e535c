//! Small components made by chance: functions that call each other, directly and through a table, and share state.

use std::fmt::Write as _;

use super::Dice;

/// How many functions a program has. The first half takes one number, the second half two.
pub(crate) const FUNCTIONS: usize = 8;
/// How many of them are exported: those that take one number.
pub(crate) const EXPORTS: usize = FUNCTIONS / 2;
const GLOBALS: usize = 4;
const SLOTS: usize = 8;
const DATA: usize = 16;

/// One instruction on the number that a function works on.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// `number = number (operator) constant`
    Binary(usize, u32),
    Call(usize),
    /// A call through the table: of a signature, of a slot that depends on the number, or of a known one.
    Indirect(bool, Option<usize>),
    GlobalGet(usize),
    GlobalSet(usize),
    Load(u32),
    Store(u32),
    TableSet(usize, usize),
    TableInit(usize),
    MemoryInit(u32),
    /// Two ways, by whether the number is below a constant.
    If(u32, Vec<Op>, Vec<Op>),
}

const BINARY: [&str; 8] = [
    "i32.add", "i32.sub", "i32.xor", "i32.rotl", "i32.mul", "i32.add", "i32.xor", "i32.lt_u",
];

#[derive(Debug, Clone)]
pub(crate) struct Program {
    functions: Vec<Vec<Op>>,
    globals: Vec<u32>,
    data: Vec<u8>,
    passive_data: Vec<u8>,
    /// What is in the table.
    slots: Vec<Option<usize>>,
    passive_slots: Vec<usize>,
    start: Option<Vec<Op>>,
}

impl Program {
    pub(crate) fn roll(dice: &mut Dice) -> Self {
        Program {
            functions: (0..FUNCTIONS).map(|_| ops(dice, 2)).collect(),
            globals: (0..GLOBALS).map(|_| dice.below(100) as u32).collect(),
            data: bytes(dice),
            passive_data: bytes(dice),
            slots: (0..SLOTS).map(|slot| entry(slot, dice)).collect(),
            passive_slots: (0..4).map(|_| dice.below(FUNCTIONS)).collect(),
            start: (dice.below(6) == 0).then(|| ops(dice, 1)),
        }
    }

    /// Changes one thing.
    pub(crate) fn mutate(&mut self, dice: &mut Dice) {
        match dice.below(12) {
            0 => self.globals[dice.below(GLOBALS)] ^= 1 + dice.below(50) as u32,
            1 => self.data[dice.below(DATA)] ^= 1 + dice.below(255) as u8,
            2 => self.passive_data[dice.below(DATA)] ^= 1 + dice.below(255) as u8,
            3 => {
                let slot = dice.below(SLOTS);
                self.slots[slot] = entry(slot, dice);
            }
            4 => self.passive_slots[dice.below(4)] = dice.below(FUNCTIONS),
            5 if self.start.is_some() => {
                let start = self.start.as_mut().expect("a start function");
                *one(start, dice) = op(dice, 0);
            }
            _ => {
                let function = &mut self.functions[dice.below(FUNCTIONS)];
                *one(function, dice) = op(dice, 0);
            }
        }
    }

    /// The component, with everything in the order that `order` chooses: it means the same in any.
    pub(crate) fn text(&self, order: &mut Dice) -> String {
        let mut parts = vec![
            "(type $a (func (param i32) (result i32)))".to_owned(),
            "(type $b (func (param i32 i32) (result i32)))".to_owned(),
            "(memory 1)".to_owned(),
            "(table 8 8 funcref)".to_owned(),
            "(global $fuel (mut i32) (i32.const 60))".to_owned(),
            "(elem declare func $f0 $f1 $f2 $f3 $f4 $f5 $f6 $f7)".to_owned(),
            format!("(data (i32.const 0) \"{}\")", escaped(&self.data)),
            format!("(data $passive \"{}\")", escaped(&self.passive_data)),
        ];
        for (at, value) in self.globals.iter().enumerate() {
            parts.push(format!("(global $g{at} (mut i32) (i32.const {value}))"));
        }
        for (at, ops) in self.functions.iter().enumerate() {
            parts.push(function(at, ops));
        }
        if let Some(start) = &self.start {
            let body = instructions(start);
            parts.push(format!(
                "(func $start (local $n i32) {body}) (start $start)"
            ));
        }
        for at in (1..parts.len()).rev() {
            parts.swap(at, order.below(at + 1));
        }
        let items = |slots: &mut dyn Iterator<Item = Option<usize>>| {
            slots.fold(String::new(), |mut text, slot| {
                let _ = match slot {
                    Some(function) => write!(text, " (ref.func $f{function})"),
                    None => write!(text, " (ref.null func)"),
                };
                text
            })
        };
        let elements = items(&mut self.slots.iter().copied());
        let passive = items(&mut self.passive_slots.iter().map(|slot| Some(*slot)));
        let lifts = (0..EXPORTS).fold(String::new(), |mut text, at| {
            let _ = write!(
                text,
                r#"(func (export "f{at}") (param "n" u32) (result u32) (canon lift (core func $i "f{at}")))"#
            );
            text
        });
        format!(
            "(component (core module $m {}
                (elem (i32.const 0) funcref{elements}) (elem $elements funcref{passive}))
             (core instance $i (instantiate $m)) {lifts})",
            parts.join("\n")
        )
    }
}

/// What is in a slot: mostly a function of one number in the first half of the table, of two in the second.
fn entry(slot: usize, dice: &mut Dice) -> Option<usize> {
    match dice.below(12) {
        0 => None,
        1 => Some(dice.below(FUNCTIONS)),
        _ => Some(dice.below(EXPORTS) + if slot < SLOTS / 2 { 0 } else { EXPORTS }),
    }
}

fn bytes(dice: &mut Dice) -> Vec<u8> {
    (0..DATA).map(|_| dice.below(256) as u8).collect()
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:02x}");
        text
    })
}

/// One of the instructions, at any depth.
fn one<'o>(ops: &'o mut [Op], dice: &mut Dice) -> &'o mut Op {
    let at = dice.below(ops.len());
    if matches!(ops[at], Op::If(..)) && dice.below(3) > 0 {
        let Op::If(_, then, otherwise) = &mut ops[at] else {
            unreachable!("it is an `if`")
        };
        let branch = if dice.below(2) == 0 { then } else { otherwise };
        return one(branch, dice);
    }
    &mut ops[at]
}

fn ops(dice: &mut Dice, depth: usize) -> Vec<Op> {
    (0..=dice.below(3)).map(|_| op(dice, depth)).collect()
}

fn op(dice: &mut Dice, depth: usize) -> Op {
    match dice.below(if depth > 0 { 20 } else { 18 }) {
        0..6 => Op::Binary(dice.below(BINARY.len()), dice.below(40) as u32),
        6..9 => Op::Call(dice.below(FUNCTIONS)),
        9 => Op::Indirect(dice.below(2) == 0, None),
        10 => Op::Indirect(dice.below(2) == 0, Some(dice.below(SLOTS))),
        11 => Op::GlobalGet(dice.below(GLOBALS)),
        12 => Op::GlobalSet(dice.below(GLOBALS)),
        13 | 14 => Op::Load(dice.below(8) as u32),
        15 => Op::Store(dice.below(8) as u32),
        16 => match dice.below(3) {
            0 => Op::TableSet(dice.below(SLOTS), dice.below(FUNCTIONS)),
            1 => Op::TableInit(dice.below(5)),
            _ => Op::MemoryInit(dice.below(8) as u32),
        },
        17 => Op::Binary(0, 1 << dice.below(31)),
        _ => Op::If(
            dice.below(60) as u32,
            ops(dice, depth - 1),
            ops(dice, depth - 1),
        ),
    }
}

fn takes_two(function: usize) -> bool {
    function >= EXPORTS
}

fn function(at: usize, ops: &[Op]) -> String {
    let (ty, export) = if takes_two(at) {
        (
            "(type $b) (param $n i32) (param $m i32) (result i32)",
            String::new(),
        )
    } else {
        (
            "(type $a) (param $n i32) (result i32)",
            format!("(export \"f{at}\")"),
        )
    };
    // Every call takes one off, so that everything ends.
    format!(
        "(func $f{at} {export} {ty}
            (if (i32.eqz (global.get $fuel)) (then (return (i32.const {at}))))
            (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
            {} local.get $n)",
        instructions(ops)
    )
}

fn instructions(ops: &[Op]) -> String {
    ops.iter().map(instruction).collect::<Vec<_>>().join("\n")
}

fn instruction(op: &Op) -> String {
    let value = match op {
        Op::Binary(operator, constant) => {
            format!(
                "({} (local.get $n) (i32.const {constant}))",
                BINARY[*operator]
            )
        }
        Op::Call(function) if takes_two(*function) => {
            format!("(call $f{function} (local.get $n) (i32.const 3))")
        }
        Op::Call(function) => format!("(call $f{function} (local.get $n))"),
        Op::Indirect(two, slot) => {
            let first = if *two { SLOTS / 2 } else { 0 };
            let slot = slot.map_or(
                format!("(i32.add (i32.const {first}) (i32.and (local.get $n) (i32.const 3)))"),
                |slot| format!("(i32.const {slot})"),
            );
            if *two {
                format!("(call_indirect (type $b) (local.get $n) (i32.const 5) {slot})")
            } else {
                format!("(call_indirect (type $a) (local.get $n) {slot})")
            }
        }
        Op::GlobalGet(global) => format!("(i32.add (local.get $n) (global.get $g{global}))"),
        Op::GlobalSet(global) => return format!("(global.set $g{global} (local.get $n))"),
        Op::Load(offset) => format!(
            "(i32.xor (local.get $n) (i32.load8_u offset={offset} (i32.and (local.get $n) (i32.const 7))))"
        ),
        Op::Store(offset) => {
            return format!("(i32.store8 offset={offset} (i32.const 0) (local.get $n))");
        }
        Op::TableSet(slot, function) => {
            return format!("(table.set (i32.const {slot}) (ref.func $f{function}))");
        }
        Op::TableInit(slot) => {
            return format!(
                "(table.init $elements (i32.const {slot}) (i32.const 0) (i32.const 3))"
            );
        }
        Op::MemoryInit(at) => {
            return format!("(memory.init $passive (i32.const {at}) (i32.const 1) (i32.const 6))");
        }
        Op::If(below, then, otherwise) => {
            return format!(
                "(if (i32.lt_u (local.get $n) (i32.const {below})) (then {}) (else {}))",
                instructions(then),
                instructions(otherwise)
            );
        }
    };
    format!("(local.set $n {value})")
}
