//! What `flowstone check` shows of roots: sources, and steps that gather rows of other stages.

use flowstone::core::{
    Fold, FoldKind, Gather, GatherColumn, Plan, REDUCE, STATE, Stage, StateArgument, TargetPlan,
    UNION, to_json, to_wave,
};
use serde_json::{Value as Json, json};

use super::aligned;

/// What a root is and what it comes from: `reduce` and `over product, by company-id`.
pub(super) fn title(plan: &Plan, stage: &Stage) -> (&'static str, String) {
    let source = &stage.source;
    let Some(gather) = &source.gather else {
        return ("source", source.kind.clone());
    };
    let from = origins(gather).join(", ");
    let by = keys(plan, gather);
    let by = if by.is_empty() {
        String::new()
    } else {
        format!(", by {}", by.join(", "))
    };
    match &*source.kind {
        UNION => ("union", format!("of {from}")),
        STATE => ("state", format!("each {from}{by}")),
        _ => ("reduce", format!("over {from}{by}")),
    }
}

/// The columns of a root, and what each of those that are gathered holds; then the function that is folded over them.
pub(super) fn lines(plan: &Plan, stage: &Stage) -> Vec<String> {
    let source = &stage.source;
    let columns: Vec<(&str, String, String)> = source
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let from = source.gather.as_ref().map(|gather| {
                let from = gathered(plan, gather, gather.columns[at]);
                format!("<- {from}")
            });
            (
                &*column.name,
                column.ty.to_string(),
                from.unwrap_or_default(),
            )
        })
        .collect();
    let columns = columns.iter();
    let mut lines = aligned(columns.map(|(name, ty, from)| (*name, &**ty, &**from)));
    let fold = source
        .gather
        .as_ref()
        .and_then(|gather| Some((gather, gather.fold.as_ref()?)));
    if let Some((gather, fold)) = fold {
        lines.extend(fold_lines(plan, gather, fold));
    }
    lines
}

fn fold_lines(plan: &Plan, gather: &Gather, fold: &Fold) -> Vec<String> {
    let called = format!("{}.{}", fold.plugin, fold.function.short_name());
    match &fold.kind {
        FoldKind::Combine { column, ty } => {
            let column = published(plan, gather, *column);
            vec![format!("-> {ty}: {column}, put together by {called}")]
        }
        FoldKind::State {
            arguments,
            state,
            output,
            rows_max,
        } => {
            let given = arguments.iter().zip(&fold.function.params);
            let given: Vec<(&str, String, String)> = given
                .map(|(argument, param)| {
                    let given = match argument {
                        StateArgument::State => "<- what the call before has left".to_owned(),
                        StateArgument::Literal(value) => format!("= {}", to_wave(value, &param.ty)),
                        StateArgument::Members(at) => {
                            format!("<- {} of each row", published(plan, gather, *at))
                        }
                    };
                    (&*param.name, param.ty.to_string(), given)
                })
                .collect();
            let mut lines = vec![format!("{called}, up to {rows_max} rows at once")];
            let given = aligned(
                given
                    .iter()
                    .map(|(name, ty, given)| (*name, &**ty, &**given)),
            );
            lines.extend(given.into_iter().map(|line| format!("  {line}")));
            lines.push(format!(
                "-> {output} of each row, and {state} for the next call"
            ));
            lines
        }
    }
}

/// The root as an object. The names of its list are those of the tables of the flow file.
pub(super) fn object(plan: &Plan, stage: &Stage) -> (&'static str, Json) {
    let source = &stage.source;
    let columns = source.columns.iter().enumerate().map(|(at, column)| {
        let mut object = json!({"name": column.name, "type": column.ty.to_string()});
        if let Some(gather) = &source.gather {
            object["from"] = Json::from(gathered(plan, gather, gather.columns[at]));
        }
        object
    });
    let columns: Vec<Json> = columns.collect();
    let Some(gather) = &source.gather else {
        let object = json!({"name": source.name, "kind": source.kind, "columns": columns});
        return ("sources", object);
    };
    let (name, by) = (&source.name, keys(plan, gather));
    match &*source.kind {
        REDUCE => {
            let combine = gather.fold.as_ref().map(|fold| {
                json!({"plugin": fold.plugin, "function": fold.function.name, "type": fold.result().to_string()})
            });
            let over = origins(gather).concat();
            let object = json!({"name": name, "over": over, "by": by, "columns": columns, "combine": combine});
            ("reduces", object)
        }
        STATE => {
            let each = origins(gather).concat();
            let fold = gather
                .fold
                .as_ref()
                .map(|fold| state_object(plan, gather, fold));
            let object =
                json!({"name": name, "each": each, "by": by, "columns": columns, "calls": fold});
            ("states", object)
        }
        _ => (
            "unions",
            json!({"name": name, "of": origins(gather), "columns": columns}),
        ),
    }
}

fn state_object(plan: &Plan, gather: &Gather, fold: &Fold) -> Json {
    let FoldKind::State {
        arguments,
        rows_max,
        ..
    } = &fold.kind
    else {
        return Json::Null;
    };
    let arguments = arguments.iter().zip(&fold.function.params);
    let arguments = arguments.map(|(argument, param)| {
        let (given, what) = match argument {
            StateArgument::State => ("state", Json::from(true)),
            StateArgument::Literal(value) => ("value", to_json(value, &param.ty)),
            StateArgument::Members(at) => ("from", Json::from(published(plan, gather, *at))),
        };
        json!({"name": param.name, "type": param.ty.to_string(), given: what})
    });
    json!({
        "plugin": fold.plugin,
        "function": fold.function.name,
        "arguments": arguments.collect::<Vec<_>>(),
        "rows_max": rows_max,
        "result": fold.function.result.as_ref().map(ToString::to_string),
    })
}

fn origins(gather: &Gather) -> Vec<&str> {
    gather.from.iter().map(|origin| &*origin.name).collect()
}

/// The stage and the rows that the first of the relations is published from.
fn first<'p>(plan: &'p Plan, gather: &Gather) -> Option<(&'p Stage, &'p TargetPlan)> {
    let relation = gather.from.first()?.relation;
    let stage = &plan.stages[relation.stage];
    Some((stage, &stage.relations[relation.relation].rows))
}

fn keys<'p>(plan: &'p Plan, gather: &Gather) -> Vec<&'p str> {
    let keys = first(plan, gather).map(|(_, rows)| {
        let keys = rows.spec.key.iter();
        keys.map(|&at| &*rows.spec.columns[at].name).collect()
    });
    keys.unwrap_or_default()
}

/// The column that is published at a position, as the flow may name it.
fn published(plan: &Plan, gather: &Gather, at: usize) -> String {
    let first = first(plan, gather);
    first.map_or_else(String::new, |(stage, rows)| {
        stage.column_path(&rows.columns[at])
    })
}

/// What a gathered column holds.
fn gathered(plan: &Plan, gather: &Gather, column: GatherColumn) -> String {
    match column {
        GatherColumn::Members(at) => format!("{} of each row", published(plan, gather, at)),
        // Each collection of a union has it from elsewhere, but under one name.
        GatherColumn::Own(at) if gather.from.len() > 1 => {
            let name = first(plan, gather).map(|(_, rows)| &rows.spec.columns[at].name);
            let name = name.map_or("", |name| name);
            format!("{name} of {}", origins(gather).join(", "))
        }
        GatherColumn::Group(at) | GatherColumn::Own(at) => published(plan, gather, at),
        GatherColumn::Origin => "the name of its collection".to_owned(),
        GatherColumn::Folded(_) => "the result".to_owned(),
    }
}
