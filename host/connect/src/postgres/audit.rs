//! Looking at what the table holds, whoever wrote it: for finding out whether it is still what was applied.

use std::pin::pin;
use std::sync::Arc;

use flowstone_core::{Column, Type, Value};
use futures_util::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type as SqlType};

use crate::error::ConnectError;
use crate::key::push_part;
use crate::postgres::cell::{Cell, declared_type};
use crate::postgres::layout::Layout;
use crate::postgres::table::key_cells;
use crate::postgres::wire::Wire;
use crate::postgres::work::{Parameter, Work};
use crate::tables::{TableKeys, value_of_float, value_of_integer, value_of_text};
use crate::target::Held;

/// So many keys are gone through at once.
const PAGE: i64 = 1000;

impl Work<'_> {
    /// See [`crate::Target::held`].
    pub(crate) async fn held(
        &self,
        layout: &Layout,
        keys: &TableKeys,
        wanted: &[Vec<u8>],
        visit: &mut dyn FnMut(usize, Held),
    ) -> Result<(), ConnectError> {
        let doing = "read rows";
        let columns: Vec<Column> = keys.key_columns().cloned().collect();
        let rows = wanted.iter().map(|key| key_cells(key, &columns));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let wires = layout.key_wires();
        let arrays: Vec<_> = (wires.iter().enumerate())
            .map(|(at, wire)| wire.parameter(rows.iter().map(|row| &row[at])))
            .collect();
        let values: Vec<Parameter<'_>> = (arrays.iter().zip(&wires))
            .map(|(array, wire)| (&**array, wire.array_type()))
            .collect();
        let sql = layout.select_sql(&self.qualified());
        // One row at a time: a page of long ones is not held at once.
        let mut found = pin!(self.stream(doing, &sql, values).await?);
        while let Some(row) =
            (found.try_next().await).map_err(|error| self.failed(doing, &error))?
        {
            let place: i64 = self.get(doing, &row, 0)?;
            let values = keys.columns.iter().enumerate();
            let values = values.map(|(at, column)| value(&row, at + 1, &column.ty));
            let held = values
                .collect::<Option<Vec<_>>>()
                .map_or(Held::Other, Held::Row);
            visit(place.unsigned_abs() as usize - 1, held);
        }
        Ok(())
    }

    /// The next keys after `last`, in their order.
    pub(crate) async fn keys(
        &self,
        layout: &Layout,
        keys: &TableKeys,
        last: Option<&[u8]>,
    ) -> Result<Vec<Vec<u8>>, ConnectError> {
        let doing = "read the keys of rows";
        let columns: Vec<Column> = keys.key_columns().cloned().collect();
        let last = last.map(|key| key_cells(key, &columns)).transpose()?;
        let sql = layout.keys_sql(&self.qualified(), last.is_some());
        let mut values: Vec<Parameter<'_>> = Vec::new();
        for cell in last.iter().flatten() {
            match cell {
                Cell::Bool(value) => values.push((value, SqlType::BOOL)),
                Cell::Integer(value) => values.push((value, SqlType::INT8)),
                Cell::Text(value) => values.push((value, SqlType::TEXT)),
                Cell::Bytes(value) => values.push((value, SqlType::BYTEA)),
                Cell::Null | Cell::Real(_) => {
                    return Err(ConnectError::misuse("the bytes are no key of this table"));
                }
            }
        }
        values.push((&PAGE, SqlType::INT8));
        let mut page = Vec::new();
        for row in self.query(doing, &sql, &values).await? {
            let mut key = Vec::new();
            for (at, column) in columns.iter().enumerate() {
                let cell = match Wire::of(&column.ty) {
                    Wire::Bool => Cell::Bool(self.get(doing, &row, at)?),
                    Wire::Integer => Cell::Integer(self.get(doing, &row, at)?),
                    Wire::Bytes => Cell::Bytes(self.get::<Vec<u8>>(doing, &row, at)?.into()),
                    _ => Cell::Text(self.get::<String>(doing, &row, at)?.into()),
                };
                let part = cell.into_part();
                if let Some(part) = part {
                    push_part(&mut key, &part);
                }
            }
            page.push(key);
        }
        Ok(page)
    }
}

/// The value of a type in a cell, the inverse of [`crate::postgres::cell::cell`]; none when there is no such value.
fn value(row: &Row, at: usize, ty: &Type) -> Option<Value> {
    if let Type::Option(inner) = ty {
        return match row.try_get::<_, Option<Anything>>(at).ok()? {
            None => Some(Value::Option(None)),
            Some(Anything) => Some(Value::Option(Some(Arc::new(value(row, at, inner)?)))),
        };
    }
    match declared_type(ty) {
        "bigint" => value_of_integer(row.try_get(at).ok()?, ty),
        "boolean" => row.try_get(at).ok().map(Value::Bool),
        "double precision" => value_of_float(row.try_get(at).ok()?, ty),
        "bytea" => row.try_get::<_, &[u8]>(at).ok().map(Value::bytes),
        "text" | "jsonb" => value_of_text(row.try_get(at).ok()?, ty),
        _ => packed(row, at, ty),
    }
}

/// A list of numbers out of an array. One with NULLs in it or of several dimensions is none.
fn packed(row: &Row, at: usize, ty: &Type) -> Option<Value> {
    let Type::List(element) = ty else {
        return None;
    };
    let packed = match &**element {
        Type::S8 => bytes::<i16, 1>(get(row, at)?, |v| i8::try_from(v).ok().map(i8::to_le_bytes)),
        Type::S16 => bytes::<i16, 2>(get(row, at)?, |v| Some(v.to_le_bytes())),
        Type::U16 => bytes::<i32, 2>(get(row, at)?, |v| {
            u16::try_from(v).ok().map(u16::to_le_bytes)
        }),
        Type::S32 => bytes::<i32, 4>(get(row, at)?, |v| Some(v.to_le_bytes())),
        Type::U32 => bytes::<i64, 4>(get(row, at)?, |v| {
            u32::try_from(v).ok().map(u32::to_le_bytes)
        }),
        Type::S64 => bytes::<i64, 8>(get(row, at)?, |v| Some(v.to_le_bytes())),
        Type::U64 => bytes::<i64, 8>(get(row, at)?, |v| {
            u64::try_from(v).ok().map(u64::to_le_bytes)
        }),
        Type::F32 => bytes::<f32, 4>(get(row, at)?, |v| Some(v.to_le_bytes())),
        Type::F64 => bytes::<f64, 8>(get(row, at)?, |v| Some(v.to_le_bytes())),
        _ => None,
    };
    packed.map(|bytes| Value::Packed(bytes.into()))
}

fn bytes<T, const N: usize>(numbers: Vec<T>, form: fn(T) -> Option<[u8; N]>) -> Option<Vec<u8>> {
    let parts: Option<Vec<[u8; N]>> = numbers.into_iter().map(form).collect();
    Some(parts?.concat())
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Option<T> {
    row.try_get(at).ok()
}

/// A cell of any type that is not NULL.
struct Anything;

impl<'a> FromSql<'a> for Anything {
    fn from_sql(
        _: &SqlType,
        _: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Anything)
    }

    fn accepts(_: &SqlType) -> bool {
        true
    }
}
