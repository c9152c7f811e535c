//! `flowstone check`: the flow as it is wired, stage by stage; nothing is run.

use flowstone::argument_text;
use flowstone::core::{Argument, Stage, TargetPlan, Transform, to_json};
use serde_json::{Value as Json, json};
use std::fmt::Write as _;

use crate::args::CheckArgs;
use crate::failure::{EXIT_DONE, Failure};
use crate::opening::{self, Opened};
use crate::output::{Output, Paint, Style};
use crate::settings::FlowSettings;
use crate::table::count;

/// Checks a flow and shows how it is wired.
pub(crate) fn check(args: &CheckArgs, output: Output) -> Result<u8, Failure> {
    let settings = FlowSettings::new(&args.flow)?;
    let opened = opening::open(&settings, output)?;
    if output.json {
        output.object(&object(&opened))?;
    } else if !output.quiet {
        output.answer(&text(&opened, output.paint()))?;
    }
    Ok(EXIT_DONE)
}

fn text(opened: &Opened, paint: Paint) -> String {
    let plan = opened.flow.plan();
    let bold = |text: &str| paint.text(Style::Bold, text);
    let dim = |text: &str| paint.text(Style::Dim, text);
    let mut text = format!("flow {}\n", bold(&plan.name));
    for (number, stage) in plan.stages.iter().enumerate() {
        let source = &stage.source;
        let _ = writeln!(
            text,
            "\nsource {} {}",
            bold(&source.name),
            dim(&format!("({})", source.kind))
        );
        let columns: Vec<_> = source
            .columns
            .iter()
            .map(|column| (&*column.name, column.ty.to_string()))
            .collect();
        for line in aligned(columns.iter().map(|(name, ty)| (*name, &**ty, ""))) {
            let _ = writeln!(text, "  {line}");
        }
        for (index, transform) in stage.transforms.iter().enumerate() {
            let call = format!("{}.{}", transform.plugin, transform.function.short_name());
            let each = &stage.collections[transform.collection].name;
            let call = dim(&format!("({call}, each {each})"));
            let _ = writeln!(text, "\ntransform {} {call}", bold(&transform.name));
            for line in arguments(opened, number, index, transform) {
                let _ = writeln!(text, "  {line}");
            }
            let _ = writeln!(text, "  -> {}", result(stage, transform));
        }
        for target in &stage.targets {
            let rows = &stage.collections[target.collection].name;
            let kind = dim(&format!("({}, rows of {rows})", target.spec.kind));
            let _ = writeln!(text, "\ntarget {} {kind}", bold(&target.name));
            for line in columns_of(stage, target) {
                let _ = writeln!(text, "  {line}");
            }
        }
    }
    let size =
        |count_of: fn(&Stage) -> usize| plan.stages.iter().map(count_of).sum::<usize>() as u64;
    let _ = writeln!(
        text,
        "\n{}: {}, {}, {}",
        paint.text(Style::Green, "ok"),
        count(plan.stages.len() as u64, "source"),
        count(size(|stage| stage.transforms.len()), "transform"),
        count(size(|stage| stage.targets.len()), "target"),
    );
    text
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
    let none = if shape.optional {
        "; none makes no row"
    } else {
        ""
    };
    format!("{what}{fails}{none}")
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

fn object(opened: &Opened) -> Json {
    let plan = opened.flow.plan();
    let (mut sources, mut transforms, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for stage in &plan.stages {
        let columns = stage.source.columns.iter();
        let columns =
            columns.map(|column| json!({"name": column.name, "type": column.ty.to_string()}));
        sources.push(json!({
            "name": stage.source.name,
            "kind": stage.source.kind,
            "columns": columns.collect::<Vec<_>>(),
        }));
        for transform in &stage.transforms {
            transforms.push(transform_object(stage, transform));
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
        "sources": sources,
        "transforms": transforms,
        "targets": targets,
    })
}

fn transform_object(stage: &Stage, transform: &Transform) -> Json {
    let arguments = transform.function.params.iter().zip(&transform.arguments);
    let arguments = arguments.map(|(param, argument)| {
        let (given, what) = match argument {
            Argument::Literal(value) => ("value", to_json(value, &param.ty)),
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
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
