//! The row in hand, for functions that have to know it.

/// A row of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The collection that it is in, by its name in the flow.
    pub collection: String,
    /// Its key there, such as `guide.md`; of a row that a list was made into, with its positions: `guide.md#3`.
    pub key: String,
}

/// The row that the function is called for. None where there is no one row: in a call by hand, a batch, a `combine`, a
/// function with state; and natively.
///
/// A plugin that uses this asks `flowstone:plugin/row`, and that counts: its results are remembered for each row by itself, so
/// that equal arguments in other rows are called for again.
#[must_use]
pub fn row() -> Option<Row> {
    #[cfg(target_family = "wasm")]
    return crate::host::row::current().map(|row| Row {
        collection: row.collection,
        key: row.key,
    });
    #[cfg(not(target_family = "wasm"))]
    None
}
