//! CSV: records of fields, as RFC 4180 has them, with any one-byte delimiter.

use csv_core::{ReadRecordResult, ReaderBuilder};
use flowstone_core::{Column, Type, Value};
use std::sync::{Arc, Mutex};

use crate::error::ConnectError;
use crate::key::{KeyPart, push_part};
use crate::records::format::{BadRecord, bad_value};
use crate::records::input::{Body, Input};
use crate::sorter::Span;

/// Whether a CSV file gives values of this type: scalars, and options of them, for which an empty field is none.
pub(crate) fn accepts(ty: &Type) -> bool {
    let scalar = |ty: &Type| {
        matches!(ty, Type::String | Type::Bool | Type::Char) || ty.number_width().is_some()
    };
    match ty {
        Type::Option(inner) => scalar(inner),
        ty => scalar(ty),
    }
}

/// How the fields of a record become values.
#[derive(Debug)]
pub(crate) struct Layout {
    splitter: Splitter,
    /// The number of fields in the header, or in the first record.
    width: usize,
    /// The columns asked for, with the positions of their fields.
    columns: Vec<(usize, Column)>,
    /// The key columns, with the positions of their fields.
    key: Vec<(usize, String)>,
    pub(crate) salt: [u8; 32],
}

/// Finds the ends of records. The fields themselves are of no interest here.
pub(crate) struct Reader {
    input: Input,
    core: csv_core::Reader,
}

/// Reads the header, or looks at the first record, and finds the columns.
pub(crate) fn begin(
    input: Input,
    delimiter: u8,
    header: bool,
    columns: &[Column],
    key: &[String],
) -> Result<(Layout, Reader), ConnectError> {
    let splitter = Splitter::new(delimiter);
    let path = input.file.path.clone();
    let file = Arc::clone(&input.file);
    let mut reader = Reader {
        input,
        core: splitter.build(),
    };
    let mut body = Body::default();
    reader.next(&mut body)?;
    let names = if header {
        let fields = splitter.split(&body.bytes);
        let names: Result<Vec<String>, _> = (0..fields.len())
            .map(|at| std::str::from_utf8(fields.get(at)).map(str::to_owned))
            .collect();
        names.map_err(|_| ConnectError::WrongType {
            path,
            expected: "a CSV file in UTF-8 (its header is not)",
        })?
    } else {
        // The first record is a row like the others: begin again.
        reader = Reader {
            input: Input::new(file)?,
            core: splitter.build(),
        };
        (1..=splitter.split(&body.bytes).len())
            .map(|number| format!("column-{number}"))
            .collect()
    };
    // A file without a header and without records has no columns, and no row that would miss one.
    let unknown_width = !header && names.is_empty();
    let find = |name: &str| {
        if unknown_width {
            Ok(0)
        } else {
            position(&names, name)
        }
    };
    let mut salt = blake3::Hasher::new();
    salt.update(&[delimiter, u8::from(header)]);
    for name in &names {
        salt.update(&(name.len() as u64).to_le_bytes());
        salt.update(name.as_bytes());
    }
    let layout = Layout {
        splitter,
        width: names.len(),
        columns: columns
            .iter()
            .map(|c| Ok((find(&c.name)?, c.clone())))
            .collect::<Result<_, ConnectError>>()?,
        key: key
            .iter()
            .map(|name| Ok((find(name)?, name.clone())))
            .collect::<Result<_, ConnectError>>()?,
        salt: *salt.finalize().as_bytes(),
    };
    Ok((layout, reader))
}

fn position(names: &[String], wanted: &str) -> Result<usize, ConnectError> {
    let mut found = names
        .iter()
        .enumerate()
        .filter(|(_, name)| *name == wanted)
        .map(|(position, _)| position);
    let message = match (found.next(), found.next()) {
        (Some(position), None) => return Ok(position),
        (Some(_), Some(_)) => format!("the file has more than one column `{wanted}`"),
        (None, _) if names.is_empty() => format!("the file has no column `{wanted}`: it is empty"),
        (None, _) => format!(
            "the file has no column `{wanted}`, but {}",
            names.join(", ")
        ),
    };
    Err(ConnectError::Column {
        column: wanted.to_owned(),
        message,
        candidates: names.to_vec(),
    })
}

impl Reader {
    pub(crate) fn next(&mut self, body: &mut Body) -> Result<Option<Span>, ConnectError> {
        body.clear();
        // Empty lines are no records, and the `\n` of a `\r\n` is still there after the record before.
        while let Some(b'\n' | b'\r') = self.input.peek()?.first() {
            self.input.consume(1);
        }
        let (offset, line) = (self.input.offset, self.input.line);
        if self.input.peek()?.is_empty() {
            return Ok(None);
        }
        loop {
            let (mut fields, mut ends) = ([0; 4096], [0; 64]);
            let input = self.input.peek()?;
            if input.is_empty() {
                return self.end_of_file(body, offset, line).map(Some);
            }
            let (result, used, ..) = self.core.read_record(input, &mut fields, &mut ends);
            body.extend(&input[..used]);
            self.input.consume(used);
            if matches!(result, ReadRecordResult::Record) {
                break;
            }
        }
        body.trim();
        Ok(Some(Span {
            offset,
            len: self.input.offset - offset,
            line,
        }))
    }

    /// The last record has no line end. If giving it one does not end it, it is inside quotes.
    fn end_of_file(
        &mut self,
        body: &mut Body,
        offset: u64,
        line: u64,
    ) -> Result<Span, ConnectError> {
        let (result, ..) = self.core.read_record(b"\n", &mut [0; 1], &mut [0; 1]);
        if !matches!(result, ReadRecordResult::Record) {
            let reason = format!(
                "in the record that begins in line {line}, a quote is opened and never closed"
            );
            return Err(ConnectError::incomplete(&self.input.file.path, reason));
        }
        body.trim();
        Ok(Span {
            offset,
            len: self.input.offset - offset,
            line,
        })
    }
}

/// How many fields of a record are expected, and how many there can be: a record of nothing but delimiters must not take
/// many times its size in memory.
const ENDS_AT_ONCE: usize = 32;
const FIELDS_MAX: usize = 1 << 20;

/// Splits records into fields.
#[derive(Debug)]
struct Splitter {
    delimiter: u8,
    /// Building a reader takes much longer than splitting a record, and copying one does not work (in csv-core 0.1.13 the
    /// copy lacks a part of its tables).
    core: Mutex<csv_core::Reader>,
}

impl Splitter {
    fn new(delimiter: u8) -> Self {
        let core = ReaderBuilder::new().delimiter(delimiter).build();
        Splitter {
            delimiter,
            core: Mutex::new(core),
        }
    }

    fn build(&self) -> csv_core::Reader {
        ReaderBuilder::new().delimiter(self.delimiter).build()
    }

    fn split(&self, record: &[u8]) -> Fields {
        match self.core.try_lock() {
            Ok(mut core) => {
                core.reset();
                split(record, &mut core)
            }
            // Another thread is at it: do not wait.
            Err(_) => split(record, &mut self.build()),
        }
    }
}

/// Splits a record with a reader that has read nothing since it was built or reset.
fn split(record: &[u8], core: &mut csv_core::Reader) -> Fields {
    // Fields are never longer than the record.
    let (mut bytes, mut ends) = (vec![0; record.len() + 1], vec![0; ENDS_AT_ONCE]);
    let (mut from, mut written, mut ended) = (0, 0, 0);
    loop {
        let (result, used, out, end) =
            core.read_record(&record[from..], &mut bytes[written..], &mut ends[ended..]);
        (from, written, ended) = (from + used, written + out, ended + end);
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputEndsFull if ended < FIELDS_MAX => ends.resize(ended * 4, 0),
            _ => break,
        }
    }
    bytes.truncate(written);
    ends.truncate(ended);
    Fields { bytes, ends }
}

/// The fields of one record.
struct Fields {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Fields {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start..self.ends[at]]
    }
}

impl Layout {
    /// That a record has as many fields as the header.
    fn check(&self, fields: &Fields) -> Result<(), String> {
        match fields.len() {
            count if count == self.width => Ok(()),
            count => Err(format!("the record has {count} fields, not {}", self.width)),
        }
    }

    pub(crate) fn values(&self, record: &[u8]) -> Result<Vec<Value>, String> {
        let fields = self.splitter.split(record);
        self.check(&fields)?;
        let values = self.columns.iter().map(|(at, column)| {
            let text = text(&fields, *at, &column.name)?;
            value(text, &column.ty).ok_or_else(|| bad_value(&column.name, text, &column.ty))
        });
        values.collect()
    }

    pub(crate) fn key(&self, record: &[u8]) -> Result<Vec<u8>, BadRecord> {
        let fields = self.splitter.split(record);
        let key = self.key_of(&fields);
        match (self.check(&fields), key) {
            (Ok(()), key) => Ok(key?),
            (Err(problem), key) => Err(BadRecord {
                problem,
                key: key.ok(),
            }),
        }
    }

    fn key_of(&self, fields: &Fields) -> Result<Vec<u8>, String> {
        let mut key = Vec::new();
        for (at, name) in &self.key {
            push_part(&mut key, &KeyPart::Text(text(fields, *at, name)?.into()));
        }
        Ok(key)
    }
}

fn text<'a>(fields: &'a Fields, at: usize, name: &str) -> Result<&'a str, String> {
    if at >= fields.len() {
        return Err(format!("the record has no column `{name}`"));
    }
    std::str::from_utf8(fields.get(at)).map_err(|_| format!("column `{name}` is not UTF-8"))
}

/// The value that the text of a field stands for. Blanks around numbers and bools do not count.
fn value(text: &str, ty: &Type) -> Option<Value> {
    let word = text.trim();
    Some(match ty {
        Type::Option(_) if text.is_empty() => Value::Option(None),
        Type::Option(inner) => Value::Option(Some(Arc::new(value(text, inner)?))),
        Type::String => Value::str(text),
        Type::Char => {
            let mut chars = text.chars();
            let first = chars.next()?;
            chars.next().is_none().then_some(Value::Char(first))?
        }
        Type::Bool => match word.to_ascii_lowercase().as_str() {
            "true" | "1" => Value::Bool(true),
            "false" | "0" => Value::Bool(false),
            _ => return None,
        },
        Type::S8 => Value::S8(word.parse().ok()?),
        Type::U8 => Value::U8(word.parse().ok()?),
        Type::S16 => Value::S16(word.parse().ok()?),
        Type::U16 => Value::U16(word.parse().ok()?),
        Type::S32 => Value::S32(word.parse().ok()?),
        Type::U32 => Value::U32(word.parse().ok()?),
        Type::S64 => Value::S64(word.parse().ok()?),
        Type::U64 => Value::U64(word.parse().ok()?),
        Type::F32 => Value::F32(word.parse().ok()?),
        Type::F64 => Value::F64(word.parse().ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(record: &str) -> Vec<String> {
        let fields = Splitter::new(b',').split(record.as_bytes());
        (0..fields.len())
            .map(|at| String::from_utf8(fields.get(at).to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn a_record_is_split_at_its_delimiters() {
        assert_eq!(fields("a,b"), ["a", "b"]);
        assert_eq!(fields("a,,"), ["a", "", ""]);
        assert_eq!(fields(r#""a,""b",c"#), ["a,\"b", "c"]);
        assert_eq!(fields("\"a\nb\",c"), ["a\nb", "c"]);
        assert_eq!(fields("a"), ["a"]);
        assert_eq!(fields("\"\""), [""]);
        assert_eq!(fields(","), ["", ""]);
    }

    #[test]
    fn a_record_may_have_many_fields_but_not_endlessly_many() {
        assert_eq!(fields(&",".repeat(1000)).len(), 1001);
        assert!(fields(&",".repeat(5 << 20)).len() < 4 * FIELDS_MAX);
    }

    #[test]
    fn fields_become_values_of_the_type_asked_for() {
        let some = |value| Some(Value::Option(Some(Arc::new(value))));
        assert_eq!(value(" 7 ", &Type::U8), Some(Value::U8(7)));
        assert_eq!(value("256", &Type::U8), None);
        assert_eq!(value("-1", &Type::S64), Some(Value::S64(-1)));
        assert_eq!(value("1e3", &Type::F64), Some(Value::F64(1000.0)));
        assert_eq!(value("TRUE", &Type::Bool), Some(Value::Bool(true)));
        assert_eq!(value("yes", &Type::Bool), None);
        assert_eq!(value("é", &Type::Char), Some(Value::Char('é')));
        assert_eq!(value("", &Type::Char), None);
        assert_eq!(value(" x ", &Type::String), Some(Value::str(" x ")));
        assert_eq!(value("", &Type::U8), None);
        assert_eq!(
            value("", &Type::option(Type::U8)),
            Some(Value::Option(None))
        );
        assert_eq!(value("7", &Type::option(Type::U8)), some(Value::U8(7)));
        assert_eq!(value("x", &Type::option(Type::U8)), None);
    }

    #[test]
    fn only_scalars_come_out_of_csv() {
        assert!(accepts(&Type::F32));
        assert!(accepts(&Type::option(Type::Char)));
        assert!(!accepts(&Type::bytes()));
        assert!(!accepts(&Type::option(Type::option(Type::U8))));
    }
}
