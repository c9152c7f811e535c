//! The steps in which rows meet others, as the flow file declares them: reduces, unions, lookups and state.

use super::batch::read_batch;
use super::cache::{CacheMode, read_cache};
use super::declaration::{OnError, TransformDecl, read_on_error};
use super::fields::Fields;
use super::grants::Grants;
use super::plan::InstanceMode;
use super::tree::{Kind, Located, Node};
use crate::diagnostic::Diagnostic;

/// `[reduce.NAME]`: one row per group of rows of another collection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReduceDecl {
    /// Its name and what it calls; `each` is the collection that it is over.
    pub(crate) call: TransformDecl,
    pub(crate) by: Vec<Located<String>>,
    /// The function that makes one of two results of `call`.
    pub(crate) combine: Option<Located<String>>,
    pub(crate) on_error: OnError,
}

/// `[union.NAME]`: the rows of several collections.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UnionDecl {
    pub(crate) name: Located<String>,
    pub(crate) of: Vec<Located<String>>,
    pub(crate) on_error: OnError,
}

/// One parameter of a transform's `lookup`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LookupDecl {
    pub(crate) param: Located<String>,
    pub(crate) within: Located<String>,
    pub(crate) keys: Vec<Located<String>>,
    pub(crate) on: Option<Vec<Located<String>>>,
    pub(crate) many: bool,
    pub(crate) take: Option<Located<String>>,
}

/// `state` of a transform.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StateDecl {
    /// The columns whose every combination has a state of its own.
    pub(crate) by: Vec<Located<String>>,
    /// The most rows that one call gets.
    pub(crate) rows_max: u32,
}

/// How many rows one call of a function with state gets where the flow does not say.
const STATE_ROWS_DEFAULT: u32 = 256;
/// The most that a flow may say.
const STATE_ROWS_MAX: u32 = 65536;

/// The settings that transforms and reduces share. `each` is the collection whose rows the function is called for.
pub(super) fn read_call(
    name: &Located<String>,
    each: Option<Located<String>>,
    state: Option<StateDecl>,
    fields: &mut Fields<'_, '_>,
) -> Option<TransformDecl> {
    let call = fields.required_str("call", "call = \"plugin.function\"");
    let rows = fields.bool("rows").unwrap_or(false);
    let with = fields.table("with");
    let from = fields.strings_table("from");
    let lookups = read_lookups(fields);
    let batch = read_batch(fields);
    let (cache, grants, pin_place) = read_cache(name, fields);
    let instance = read_instance(batch.is_some(), &grants, fields);
    if rows && cache.mode == CacheMode::Ignore {
        let message = format!("{} makes rows, which cannot be ignored", fields.owner());
        fields
            .fault(Diagnostic::at(&name.span, message).help("`mode = \"ignore\"` is for columns"));
    }
    Some(TransformDecl {
        name: name.clone(),
        call: call?,
        each: each?,
        rows,
        batch,
        instance,
        with: with.map_or_else(Vec::new, |(entries, _)| entries.to_vec()),
        from,
        lookups,
        state,
        cache,
        pin_place,
        grants,
    })
}

/// Which instance the calls run in. One is kept only where it cannot show that it is.
fn read_instance(is_batched: bool, grants: &Grants, fields: &mut Fields<'_, '_>) -> InstanceMode {
    let read = fields.parsed("instance", "\"fresh\" or \"kept\"", |text| match text {
        "fresh" => Some(InstanceMode::Fresh),
        "kept" => Some(InstanceMode::Kept),
        _ => None,
    });
    let instance = read.unwrap_or_default();
    let against = if is_batched {
        Some(("`batch`", "one call has many rows already".to_owned()))
    } else if grants.is_impure() {
        let real = grants.impure_names().join(" and ");
        Some((
            "grants",
            format!(
                "it is granted {real}, and nobody could tell what comes of that from what it remembers"
            ),
        ))
    } else {
        None
    };
    if let (InstanceMode::Kept, Some((other, why))) = (instance, against) {
        let place = fields
            .get("instance")
            .map_or(fields.place(), |node| node.span.clone());
        let message = format!("{} has {other}, and so no kept instance", fields.owner());
        fields.fault(Diagnostic::at(&place, message).help(format!("drop `instance`: {why}")));
    }
    instance
}

pub(super) fn read_reduce(
    name: &Located<String>,
    node: &Node,
    errors: &mut Vec<Diagnostic>,
) -> Option<ReduceDecl> {
    let mut fields = Fields::of(format!("reduce `{}`", name.value), node, errors)?;
    let over = fields.required_str("over", "over = \"page\"");
    let by = read_by(&mut fields);
    let combine = fields.str("combine");
    let on_error = read_on_error(&mut fields);
    let call = read_call(name, over, None, &mut fields);
    match (&combine, &call) {
        (Some(combine), Some(call)) => refuse_with_combine(combine, call, &mut fields),
        (None, Some(call)) if call.batch.is_some() => refuse_batch_of_groups(&mut fields),
        _ => {}
    }
    fields.finish();
    Some(ReduceDecl {
        call: call?,
        by: by?,
        combine,
        on_error,
    })
}

fn read_by(fields: &mut Fields<'_, '_>) -> Option<Vec<Located<String>>> {
    if fields.has("by") {
        return fields.string_list("by");
    }
    let message = format!("{} has no `by`", fields.owner());
    let place = fields.place();
    fields.fault(
        Diagnostic::at(&place, message)
            .help("name the columns that a group has in common, `by = [\"author\"]`; `by = []` is one group of all rows"),
    );
    None
}

fn refuse_batch_of_groups(fields: &mut Fields<'_, '_>) {
    let place = fields
        .get("batch")
        .map_or(fields.place(), |node| node.span.clone());
    let message = format!("{} has `batch`, but no `combine`", fields.owner());
    fields.fault(Diagnostic::at(&place, message).help(
        "its function gets all rows of a group in one call already; with `combine` it is called for rows, which can be \
         put together",
    ));
}

fn refuse_with_combine(
    combine: &Located<String>,
    call: &TransformDecl,
    fields: &mut Fields<'_, '_>,
) {
    let owner = fields.owner().to_owned();
    if call.rows {
        let message = format!("{owner} has both `rows = true` and `combine`");
        fields.fault(Diagnostic::at(&combine.span, message).help(
            "what is combined is one value per group; make rows of it in a transform, `each = \"NAME\"`",
        ));
    }
    if call.cache.mode == CacheMode::Ignore {
        let message = format!("{owner} combines its results, which cannot be ignored");
        fields.fault(
            Diagnostic::at(&combine.span, message).help("`mode = \"ignore\"` is for columns"),
        );
    }
}

pub(super) fn read_union(
    name: &Located<String>,
    node: &Node,
    errors: &mut Vec<Diagnostic>,
) -> Option<UnionDecl> {
    let mut fields = Fields::of(format!("union `{}`", name.value), node, errors)?;
    let blank = is_blank(fields.get("of"));
    let of = fields.string_list("of");
    let on_error = read_on_error(&mut fields);
    if blank {
        let message = format!("{} has no collection", fields.owner());
        fields.fault(
            Diagnostic::at(&name.span, message)
                .help("name those whose rows it has: `of = [\"food\", \"tools\"]`"),
        );
    }
    fields.finish();
    Some(UnionDecl {
        name: name.clone(),
        of: of?,
        on_error,
    })
}

fn read_lookups(fields: &mut Fields<'_, '_>) -> Vec<LookupDecl> {
    let Some((entries, _)) = fields.table("lookup") else {
        return Vec::new();
    };
    let mut lookups = Vec::with_capacity(entries.len());
    for entry in entries {
        let Kind::Table(settings) = &entry.value.value else {
            let key = format!("lookup.{}", entry.key.value);
            fields.wrong(&entry.value, &key, "a table");
            continue;
        };
        let owner = format!("the lookup `{}` of {}", entry.key.value, fields.owner());
        let mut lookup = fields.nested(&owner, entry.value.span.clone(), settings);
        let within = lookup.required_str("in", "in = \"company\"");
        let keys = read_key(&mut lookup);
        let on = lookup.one_or_more("on");
        let many = lookup.bool("many").unwrap_or(false);
        let take = lookup.str("take");
        lookup.finish();
        if let (Some(within), Some(keys)) = (within, keys) {
            lookups.push(LookupDecl {
                param: entry.key.clone(),
                within,
                keys,
                on,
                many,
                take,
            });
        }
    }
    lookups
}

fn read_key(lookup: &mut Fields<'_, '_>) -> Option<Vec<Located<String>>> {
    if is_blank(lookup.get("key")) {
        let message = format!("{} has no `key`", lookup.owner());
        let place = lookup.place();
        lookup.fault(
            Diagnostic::at(&place, message)
                .help("name the columns of the row that say what is looked for: `key = \"product.company-id\"`"),
        );
        return None;
    }
    lookup.one_or_more("key")
}

/// Whether a list is missing, or empty.
fn is_blank(node: Option<&Node>) -> bool {
    node.is_none_or(|node| matches!(&node.value, Kind::List(items) if items.is_empty()))
}

/// The `state` of a transform: `true`, or a table.
pub(super) fn read_state(fields: &mut Fields<'_, '_>) -> Option<StateDecl> {
    let node = fields.get("state")?;
    let mut state = StateDecl {
        by: Vec::new(),
        rows_max: STATE_ROWS_DEFAULT,
    };
    match &node.value {
        Kind::Bool(false) => return None,
        Kind::Bool(true) => {}
        Kind::Table(entries) => {
            let owner = format!("the state of {}", fields.owner());
            let mut settings = fields.nested(&owner, node.span.clone(), entries);
            state.by = settings.one_or_more("by").unwrap_or_default();
            if let Some(rows) = settings.count("rows") {
                state.rows_max = rows;
            }
            settings.finish();
            if !(1..=STATE_ROWS_MAX).contains(&state.rows_max) {
                let message = format!("`rows` of {owner} must be between 1 and {STATE_ROWS_MAX}");
                fields.fault(Diagnostic::at(&node.span, message));
            }
        }
        _ => {
            fields.wrong(
                node,
                "state",
                "true, or a table such as { by = [\"user\"] }",
            );
            return None;
        }
    }
    for (setting, why) in [
        (
            "rows",
            "its results are rows already, one for each row that it gets",
        ),
        (
            "batch",
            "it gets its rows in batches already; `state = { rows = 256 }` bounds them",
        ),
        (
            "lookup",
            "look it up in a transform before, and bind its column",
        ),
        (
            "instance",
            "what it remembers is its state, which every call is given",
        ),
        (
            "grants",
            "what it makes of its rows must be the same each time",
        ),
    ] {
        if fields.has(setting) {
            let message = format!("{} has `state`, and so no `{setting}`", fields.owner());
            fields.fault(Diagnostic::at(&node.span, message).help(why));
        }
    }
    Some(state)
}

/// Refuses the modes that a transform with state cannot have.
pub(super) fn check_state_cache(decl: &TransformDecl, fields: &mut Fields<'_, '_>) {
    let ignores = decl.cache.mode == CacheMode::Ignore;
    if decl.state.is_some() && (ignores || decl.cache.age_max.is_some()) {
        let setting = if ignores {
            "mode = \"ignore\""
        } else {
            "max-age"
        };
        let message = format!("{} has `state`, and so no `{setting}`", fields.owner());
        fields
            .fault(Diagnostic::at(&decl.name.span, message).help(
                "each call hangs on the ones before it, so none can be left out or grow old",
            ));
    }
}
