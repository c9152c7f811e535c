//! The shapes: which function is called with what, what it must give, and the same work done natively.

use std::hint::black_box;
use std::sync::Arc;

use flowstone_core::Value;

use crate::work;

/// How many rows the shape of many rows has.
const ROWS: usize = 64;
const BULK_BYTES: usize = 1 << 20;

/// A function with arguments.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) function: &'static str,
    pub(crate) arguments: Vec<Value>,
    pub(crate) result: Value,
    pub(crate) native: Box<dyn Fn()>,
    /// How many rows a call answers for; figures are for a row.
    pub(crate) rows: usize,
}

impl Shape {
    /// The bytes that go there and come back, where a call has hardly anything else to do than to move them.
    pub(crate) fn copied(&self) -> Option<[Arc<[u8]>; 2]> {
        match (&self.arguments[0], &self.result) {
            (
                Value::Bytes(there) | Value::Packed(there),
                Value::Bytes(back) | Value::Packed(back),
            ) => Some([Arc::clone(there), Arc::clone(back)]),
            _ => None,
        }
    }
}

/// A text of so many bytes.
pub(crate) fn text(bytes: usize) -> String {
    "words and more words, "
        .chars()
        .cycle()
        .take(bytes)
        .collect()
}

pub(crate) fn numbers() -> Vec<f32> {
    (0..work::DIMENSIONS).map(|at| at as f32 / 7.0).collect()
}

pub(crate) fn bulk() -> Vec<u8> {
    (0..BULK_BYTES).map(|at| (at % 251) as u8).collect()
}

pub(crate) fn texts() -> Vec<String> {
    (0..ROWS).map(|row| text(400 - row)).collect()
}

fn packed(numbers: &[f32]) -> Value {
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    Value::Packed(bytes.into())
}

fn place(x: f64, level: u32) -> Value {
    let fields = [
        Value::str("Bielefeld"),
        Value::F64(x),
        Value::F64(x),
        Value::U32(level),
    ];
    Value::Record(fields.into())
}

/// All shapes.
pub(crate) fn all() -> Vec<Shape> {
    vec![scalar(), string(), vector(), bytes(), record(), rows()]
}

fn scalar() -> Shape {
    Shape {
        name: "scalars: u32, u32 -> u32",
        function: "step",
        arguments: vec![Value::U32(40), Value::U32(2)],
        result: Value::U32(42),
        native: Box::new(|| {
            black_box(work::step(black_box(40), black_box(2)));
        }),
        rows: 1,
    }
}

fn string() -> Shape {
    let text = text(400);
    Shape {
        name: "string of 400 bytes -> u32",
        function: "words",
        arguments: vec![Value::str(text.as_str())],
        result: Value::U32(work::words(&text)),
        native: Box::new(move || {
            black_box(work::words(black_box(&text)));
        }),
        rows: 1,
    }
}

fn vector() -> Shape {
    let numbers = numbers();
    Shape {
        name: "384 x f32 -> 384 x f32",
        function: "halve",
        arguments: vec![packed(&numbers)],
        result: packed(&work::halve(numbers.clone())),
        native: Box::new(move || {
            black_box(work::halve(black_box(numbers.clone())));
        }),
        rows: 1,
    }
}

fn bytes() -> Shape {
    let bytes = bulk();
    Shape {
        name: "1 MiB of bytes there and back",
        function: "same",
        arguments: vec![Value::bytes(bytes.as_slice())],
        result: Value::bytes(bytes.as_slice()),
        native: Box::new(move || {
            black_box(black_box(&bytes).clone());
        }),
        rows: 1,
    }
}

fn record() -> Shape {
    Shape {
        name: "record of 4 fields -> record",
        function: "raise",
        arguments: vec![place(1.5, 6)],
        result: place(2.5, 7),
        native: Box::new(|| {
            let moved = black_box(1.5) + 1.0;
            black_box(("Bielefeld".to_owned(), moved, moved, work::step(6, 1)));
        }),
        rows: 1,
    }
}

fn rows() -> Shape {
    let texts = texts();
    let given: Arc<[Value]> = texts.iter().map(|t| Value::str(t.as_str())).collect();
    let result = texts.iter().map(|text| packed(&work::embed(text)));
    Shape {
        name: "64 strings -> 64 x 384 x f32, for a row",
        function: "embed",
        arguments: vec![Value::List(given)],
        result: Value::List(result.collect()),
        native: Box::new(move || {
            let all: Vec<Vec<f32>> = texts.iter().map(|text| work::embed(text)).collect();
            black_box(all);
        }),
        rows: ROWS,
    }
}
