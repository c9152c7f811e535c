//! `flowstone check`: the flow as it is wired, stage by stage, or what a plugin can be used for; nothing is run.

mod gathered;
mod plugin;
mod wit;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use flowstone::core::{
    Argument, CacheMode, Column, ColumnKind, ColumnRef, Lookup, Plan, Stage, TargetPlan, Transform,
    format_size, to_json,
};
use flowstone::{PinState, argument_text};
use serde_json::{Value as Json, json};

use crate::args::CheckArgs;
use crate::failure::{EXIT_DONE, Failure};
use crate::opening::{self, Opened};
use crate::output::{Output, Paint, Style, word};
use crate::settings::FlowSettings;
use crate::table::count;

/// Checks a flow and shows how it is wired; or a plugin, where that is what was named.
pub(crate) fn check(args: &CheckArgs, output: Output) -> Result<u8, Failure> {
    if let Some(plugin) = plugin::meant(&args.flow) {
        return plugin::check(&plugin, args.flow.engine.store.as_deref(), output);
    }
    if let Some(failure) = plugin::neither(&args.flow) {
        return Err(failure);
    }
    let settings = FlowSettings::new(&args.flow)?;
    let opened = opening::open(&settings, output)?;
    let pins = pins(&opened)?;
    if output.json {
        output.object(&object(&opened, &pins))?;
    } else if !output.quiet {
        output.answer(&text(&opened, &pins, output.paint()))?;
    }
    Ok(EXIT_DONE)
}

/// The pins of the flow's transforms, by the transform's name.
fn pins(opened: &Opened) -> Result<BTreeMap<String, PinState>, Failure> {
    let mut pins = BTreeMap::new();
    for stage in &opened.flow.plan().stages {
        // Each is looked for by its name, which takes its time where there are thousands.
        let named = |transform: &&Transform| transform.cache.pin.is_some();
        for transform in stage.transforms.iter().filter(named) {
            if let Some(pin) = opened.engine.pin_state(&opened.flow, &transform.name)? {
                pins.insert(transform.name.clone(), pin);
            }
        }
    }
    Ok(pins)
}

fn text(opened: &Opened, pins: &BTreeMap<String, PinState>, paint: Paint) -> String {
    let plan = opened.flow.plan();
    let bold = |text: &str| paint.text(Style::Bold, &word(text));
    let dim = |text: &str| paint.text(Style::Dim, &word(text));
    let mut text = format!("flow {}\n", bold(&plan.name));
    for (number, stage) in plan.stages.iter().enumerate() {
        let (what, from) = gathered::title(plan, stage);
        let name = bold(&stage.source.name);
        let _ = writeln!(text, "\n{what} {name} {}", dim(&format!("({from})")));
        for line in gathered::lines(plan, stage) {
            let _ = writeln!(text, "  {}", word(&line));
        }
        for (index, transform) in stage.transforms.iter().enumerate() {
            let call = format!("{}.{}", transform.plugin, transform.function.short_name());
            let each = &stage.collections[transform.collection].name;
            let call = dim(&format!("({call}, each {each})"));
            let _ = writeln!(text, "\ntransform {} {call}", bold(&transform.name));
            for line in arguments(opened, number, index, transform) {
                let _ = writeln!(text, "  {}", word(&line));
            }
            let _ = writeln!(text, "  -> {}", word(&result(stage, transform)));
            if let Some(batch) = transform.batch {
                let bytes = format_size(batch.bytes_max);
                let _ = writeln!(
                    text,
                    "  for up to {} rows or {bytes} in one call",
                    batch.rows_max
                );
            }
            if let Some(pin) = pins.get(&transform.name) {
                let _ = writeln!(text, "  {pin}");
            }
            let mut granted = transform.grants.pure_names();
            granted.extend(transform.tells_row.then(|| "row".to_owned()));
            if !granted.is_empty() {
                let _ = writeln!(text, "  granted {}, in its keys", word(&granted.join(", ")));
            }
            if let Some(impure) = impure(transform) {
                let _ = writeln!(text, "  {} {impure}", paint.text(Style::Yellow, "impure:"));
            }
        }
        for target in &stage.targets {
            let rows = &stage.collections[target.collection].name;
            let kind = dim(&format!("({}, rows of {rows})", target.spec.kind));
            let _ = writeln!(text, "\ntarget {} {kind}", bold(&target.name));
            for line in columns_of(stage, target) {
                let _ = writeln!(text, "  {}", word(&line));
            }
        }
    }
    let _ = writeln!(
        text,
        "\n{}: {}",
        paint.text(Style::Green, "ok"),
        sizes(plan).join(", ")
    );
    text
}

/// How many there are of each kind of thing.
fn sizes(plan: &Plan) -> Vec<String> {
    let roots = |what: &str| {
        let kinds = plan
            .stages
            .iter()
            .map(|stage| gathered::title(plan, stage).0);
        kinds.filter(|kind| *kind == what).count() as u64
    };
    let sum =
        |count_of: fn(&Stage) -> usize| plan.stages.iter().map(count_of).sum::<usize>() as u64;
    // A transform with state is a root, and a transform all the same.
    let transforms = sum(|stage| stage.transforms.len()) + roots("state");
    let mut sizes = vec![count(roots("source"), "source")];
    for step in ["reduce", "union"] {
        sizes.extend(
            Some(roots(step))
                .filter(|many| *many > 0)
                .map(|many| count(many, step)),
        );
    }
    sizes.push(count(transforms, "transform"));
    sizes.push(count(sum(|stage| stage.targets.len()), "target"));
    sizes
}

fn arguments(opened: &Opened, stage: usize, index: usize, transform: &Transform) -> Vec<String> {
    let shown: Vec<_> = transform
        .function
        .params
        .iter()
        .enumerate()
        .map(|(position, param)| {
            let given = argument_text(opened.flow.plan(), stage, index, position);
            let sign = if matches!(transform.arguments[position], Argument::Literal(_)) {
                "="
            } else {
                "<-"
            };
            (
                &*param.name,
                param.ty.to_string(),
                format!("{sign} {given}"),
            )
        })
        .collect();
    aligned(
        shown
            .iter()
            .map(|(name, ty, given)| (*name, &**ty, &**given)),
    )
}

fn columns_of(stage: &Stage, target: &TargetPlan) -> Vec<String> {
    let shown: Vec<_> = target
        .spec
        .columns
        .iter()
        .zip(&target.columns)
        .enumerate()
        .map(|(position, (column, from))| {
            let key = if target.spec.key.contains(&position) {
                " (key)"
            } else {
                ""
            };
            (
                &*column.name,
                column.ty.to_string(),
                format!("<- {}{key}", stage.column_path(from)),
            )
        })
        .collect();
    aligned(shown.iter().map(|(name, ty, from)| (*name, &**ty, &**from)))
}

/// What a transform adds, and what its function's result means for the row.
fn result(stage: &Stage, transform: &Transform) -> String {
    let shape = &transform.result;
    let what = match transform.makes {
        Some(made) => {
            let row = stage.collections[made]
                .row
                .as_ref()
                .map_or_else(String::new, ToString::to_string);
            format!("rows of {}: {row}", stage.collections[made].name)
        }
        None => format!("column {}: {}", transform.name, shape.value),
    };
    let fails = if shape.fallible.is_some() {
        "; err fails the row"
    } else {
        ""
    };
    let none = match (shape.optional, shape.has_row_failure()) {
        (true, _) => "; none makes no row",
        (false, true) => "; skip makes no row",
        (false, false) => "",
    };
    format!("{what}{fails}{none}")
}

/// What the results of a transform hang on besides its arguments, and how long they stand.
fn impure(transform: &Transform) -> Option<String> {
    if !transform.grants.is_impure() {
        return None;
    }
    let granted = transform.grants.impure_names().join(" and ");
    let stand = match (transform.cache.mode, transform.cache.age_max) {
        (CacheMode::Disable | CacheMode::Ignore, _) => "no result is remembered".to_owned(),
        (CacheMode::Recompute, _) => "every run calls it".to_owned(),
        (CacheMode::Default, None) => "results stand for ever".to_owned(),
        (CacheMode::Default, Some(age)) => {
            format!("results older than {} are made anew", age_text(age))
        }
    };
    Some(format!("it is granted {granted}; {stand}"))
}

/// A duration as a flow file would say it, in the largest unit that fits.
fn age_text(age: Duration) -> String {
    let seconds = age.as_secs();
    let units = [("d", 86_400), ("h", 3600), ("min", 60)];
    let whole = |(_, unit): &&(&str, u64)| seconds > 0 && seconds.is_multiple_of(*unit);
    match units.iter().find(whole) {
        Some((name, unit)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} s"),
    }
}

/// Lines of a name, a type and where it comes from, one below the other.
fn aligned<'a>(parts: impl Iterator<Item = (&'a str, &'a str, &'a str)> + Clone) -> Vec<String> {
    /// Types wider than this are not waited for.
    const TYPE_WIDTH_MAX: usize = 32;
    let names = parts
        .clone()
        .map(|(name, ..)| name.chars().count())
        .max()
        .unwrap_or(0);
    let types = parts
        .clone()
        .map(|(_, ty, _)| ty.chars().count())
        .filter(|width| *width <= TYPE_WIDTH_MAX);
    let types = types.max().unwrap_or(0);
    let lines = parts.map(|(name, ty, from)| {
        format!("{name:names$}  {ty:types$}  {from}")
            .trim_end()
            .to_owned()
    });
    lines.collect()
}

fn object(opened: &Opened, pins: &BTreeMap<String, PinState>) -> Json {
    let plan = opened.flow.plan();
    let mut roots: BTreeMap<&str, Vec<Json>> = BTreeMap::new();
    let (mut transforms, mut targets) = (Vec::new(), Vec::new());
    for stage in &plan.stages {
        let (list, root) = gathered::object(plan, stage);
        roots.entry(list).or_default().push(root);
        for transform in &stage.transforms {
            transforms.push(transform_object(
                plan,
                stage,
                transform,
                pins.get(&transform.name),
            ));
        }
        for target in &stage.targets {
            let columns = target.spec.columns.iter().zip(&target.columns).enumerate();
            let columns = columns.map(|(position, (column, from))| {
                json!({
                    "name": column.name,
                    "type": column.ty.to_string(),
                    "from": stage.column_path(from),
                    "key": target.spec.key.contains(&position),
                })
            });
            targets.push(json!({
                "name": target.name,
                "kind": target.spec.kind,
                "rows": stage.collections[target.collection].name,
                "columns": columns.collect::<Vec<_>>(),
            }));
        }
    }
    let plugins = opened.plugins.iter();
    let plugins =
        plugins.map(|(name, path, digest)| json!({"name": name, "path": path, "digest": digest}));
    json!({
        "flow": plan.name,
        "ok": true,
        "plugins": plugins.collect::<Vec<_>>(),
        "sources": roots.remove("sources").unwrap_or_default(),
        "reduces": roots.remove("reduces").unwrap_or_default(),
        "unions": roots.remove("unions").unwrap_or_default(),
        "states": roots.remove("states").unwrap_or_default(),
        "transforms": transforms,
        "targets": targets,
    })
}

fn transform_object(
    plan: &Plan,
    stage: &Stage,
    transform: &Transform,
    pin: Option<&PinState>,
) -> Json {
    let arguments = transform.function.params.iter().zip(&transform.arguments);
    let arguments = arguments.map(|(param, argument)| {
        let (given, what) = match argument {
            Argument::Literal(value) => ("value", to_json(value, &param.ty)),
            Argument::Column(ColumnRef {
                kind: ColumnKind::Lookup(at),
                ..
            }) => ("lookup", lookup_object(plan, stage, &stage.lookups[*at])),
            Argument::Column(column) => ("from", Json::from(stage.column_path(column))),
        };
        json!({"name": param.name, "type": param.ty.to_string(), given: what})
    });
    json!({
        "name": transform.name,
        "plugin": transform.plugin,
        "function": transform.function.name,
        "each": stage.collections[transform.collection].name,
        "makes": transform.makes.map(|made| &stage.collections[made].name),
        "arguments": arguments.collect::<Vec<_>>(),
        "result": transform.function.result.as_ref().map(ToString::to_string),
        "batch": transform.batch.map(|batch| json!({
            "rows": batch.rows_max,
            "bytes": batch.bytes_max,
            "wait_seconds": batch.wait.as_secs_f64(),
        })),
        "pin": pin,
        "cache": transform.cache.mode,
        "max_age_seconds": transform.cache.age_max.map(|age| age.as_secs()),
        "grants": transform.granted_names(),
        "impure": transform.grants.is_impure(),
    })
}

fn lookup_object(plan: &Plan, stage: &Stage, lookup: &Lookup) -> Json {
    let relations = &plan.stages[lookup.relation.stage].relations;
    let columns = &relations[lookup.relation.relation].rows.spec.columns;
    let (on, takes) = columns.split_at(lookup.keys.len());
    let names = |columns: &[Column]| -> Vec<String> {
        columns.iter().map(|column| column.name.clone()).collect()
    };
    let key = lookup.keys.iter().map(|key| stage.column_path(key));
    json!({
        "in": lookup.within,
        "key": key.collect::<Vec<_>>(),
        "on": names(on),
        "takes": names(takes),
        "many": lookup.many,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_said_in_the_largest_unit() {
        let said = |seconds| age_text(Duration::from_secs(seconds));
        assert_eq!(
            [86_400, 7200, 90, 120, 172_800].map(said),
            ["1 d", "2 h", "90 s", "2 min", "2 d"]
        );
    }

    #[test]
    fn names_and_types_stand_below_each_other() {
        let lines = aligned(
            [
                ("text", "string", "<- page.content"),
                ("n", "u32", "= 1200"),
            ]
            .into_iter(),
        );
        assert_eq!(
            lines,
            ["text  string  <- page.content", "n     u32     = 1200"]
        );
    }
}
