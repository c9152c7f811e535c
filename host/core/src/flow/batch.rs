//! Batches: what a flow says of calls for many rows at once, and what a function over lists is for one of these rows.

use std::time::Duration;

use super::fields::Fields;
use super::plan::Stage;
use super::tree::Kind;
use crate::diagnostic::Diagnostic;
use crate::interface::{Function, Param};
use crate::types::Type;
use crate::units::{format_size, parse_duration, parse_size};

/// The most rows that a flow may ask for in one call.
const ROWS_MAX: u32 = 65_536;

/// The most bytes of arguments that a flow may ask for in one call.
const BYTES_MAX: u64 = 1 << 30;

/// The longest that a flow may let rows wait for others.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// How the rows of a transform are put together, many in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSettings {
    /// The most rows in a call.
    pub rows_max: u32,
    /// The most bytes of arguments in a call, unless one row alone has more.
    pub bytes_max: u64,
    /// How long rows wait for others where they come one by one.
    pub wait: Duration,
}

/// 64 rows, 4 MiB, 20 ms.
impl Default for BatchSettings {
    fn default() -> Self {
        Self {
            rows_max: 64,
            bytes_max: 4 << 20,
            wait: Duration::from_millis(20),
        }
    }
}

/// The `batch` of a transform: `true` for the defaults, or a table.
pub(super) fn read_batch(fields: &mut Fields<'_, '_>) -> Option<BatchSettings> {
    let node = fields.get("batch")?;
    let entries = match &node.value {
        Kind::Bool(batched) => return batched.then(BatchSettings::default),
        Kind::Table(entries) => entries,
        _ => {
            fields.wrong(node, "batch", "true or a table");
            return None;
        }
    };
    let owner = format!("the batch of {}", fields.owner());
    let mut batch = fields.nested(&owner, node.span.clone(), entries);
    let rows = batch.count("rows");
    let bytes = batch.parsed("bytes", "a size such as \"4MiB\"", parse_size);
    let wait = batch.parsed("wait", "a duration such as \"20ms\"", parse_duration);
    let mut within = |key: &'static str, is_within: bool, range: String| {
        if let Some(node) = batch.get(key)
            && !is_within
        {
            let message = format!("`{key}` of {owner} must be {range}");
            batch.fault(Diagnostic::at(&node.span, message));
        }
    };
    let rows_fit = rows.is_none_or(|rows| (1..=ROWS_MAX).contains(&rows));
    within("rows", rows_fit, format!("1 to {ROWS_MAX}"));
    let bytes_fit = bytes.is_none_or(|bytes| (1..=BYTES_MAX).contains(&bytes));
    within(
        "bytes",
        bytes_fit,
        format!("1 B to {}", format_size(BYTES_MAX)),
    );
    let wait_fits = wait.is_none_or(|wait| wait <= WAIT_MAX);
    within(
        "wait",
        wait_fits,
        format!("at most {} s", WAIT_MAX.as_secs()),
    );
    batch.finish();
    let default = BatchSettings::default();
    Some(BatchSettings {
        rows_max: rows.unwrap_or(default.rows_max),
        bytes_max: bytes.unwrap_or(default.bytes_max),
        wait: wait.unwrap_or(default.wait),
    })
}

impl Stage {
    fn batches(&self) -> impl Iterator<Item = &BatchSettings> {
        self.transforms
            .iter()
            .filter_map(|transform| transform.batch.as_ref())
    }

    /// The most rows that one of its calls takes; none where none takes more than one.
    pub fn batch_rows(&self) -> Option<u32> {
        self.batches().map(|batch| batch.rows_max).max()
    }

    /// The most bytes of arguments that one of its batched calls takes.
    pub fn batch_bytes(&self) -> u64 {
        self.batches()
            .map(|batch| batch.bytes_max)
            .max()
            .unwrap_or(0)
    }

    /// For how long rows that come one by one, as they do when sources are watched, are to be gathered, so that there are
    /// enough for a call: the longest `wait` of its batched transforms. A run over all that changed has its rows at hand
    /// and waits for none.
    pub fn batch_wait(&self) -> Duration {
        self.batches()
            .map(|batch| batch.wait)
            .max()
            .unwrap_or_default()
    }
}

/// What a function over lists is for one row: each list that it takes or returns has one element per row. The parameters
/// for which `is_literal` holds are given once, as they are. None where another parameter or the result is no list.
pub fn row_function(function: &Function, is_literal: impl Fn(usize) -> bool) -> Option<Function> {
    let element = |ty: &Type| match ty {
        Type::List(element) => Some((**element).clone()),
        _ => None,
    };
    let param = |(position, param): (usize, &Param)| {
        let ty = if is_literal(position) {
            Some(param.ty.clone())
        } else {
            element(&param.ty)
        };
        let name = param.name.clone();
        ty.map(|ty| Param { name, ty })
    };
    Some(Function {
        name: function.name.clone(),
        params: function
            .params
            .iter()
            .enumerate()
            .map(param)
            .collect::<Option<_>>()?,
        result: Some(element(function.result.as_ref()?)?),
        docs: function.docs.clone(),
    })
}
