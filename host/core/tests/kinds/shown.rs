//! A plan as text, one line for each thing in it.

use std::fmt::Write;

use flowstone_core::{
    Argument, ColumnRef, Fold, FoldKind, GatherColumn, Plan, Reader, RelationRef, Stage,
    StateArgument, TargetPlan, to_wave,
};

/// Writes down what the stages of a plan read, call, look up, write and publish.
pub(crate) fn shown(plan: &Plan) -> String {
    let mut out = String::new();
    for stage in &plan.stages {
        stage_lines(plan, stage, &mut out);
    }
    out
}

macro_rules! line {
    ($out:expr, $($text:tt)*) => { writeln!($out, $($text)*).expect("a string takes text") };
}

fn stage_lines(plan: &Plan, stage: &Stage, out: &mut String) {
    line!(
        out,
        "{} {} {:?}",
        stage.source.kind,
        stage.source.name,
        stage.source.on_error
    );
    let relation = |at: RelationRef| &plan.stages[at.stage].relations[at.relation].rows;
    for (at, column) in stage.source.columns.iter().enumerate() {
        let what = stage.source.gather.as_ref().map(|gather| {
            let from = relation(gather.from[0].relation);
            format!(" = {}", gathered(gather.columns[at], from))
        });
        let what = what.unwrap_or_default();
        line!(out, "  column {}: {}{what}", column.name, column.ty);
    }
    if let Some(gather) = &stage.source.gather {
        for origin in &gather.from {
            line!(
                out,
                "  from {}: {}",
                origin.name,
                relation(origin.relation).name
            );
        }
        if let Some(fold) = &gather.fold {
            fold_line(fold, relation(gather.from[0].relation), out);
        }
    }
    for collection in &stage.collections[1..] {
        let parent = collection
            .parent
            .map(|parent| &stage.collections[parent].name);
        line!(
            out,
            "  rows {} of {}",
            collection.name,
            parent.expect("it has a parent")
        );
    }
    for transform in &stage.transforms {
        let arguments = transform.arguments.iter().zip(&transform.function.params);
        let arguments = arguments.map(|(argument, param)| match argument {
            Argument::Literal(value) => to_wave(value, &param.ty),
            Argument::Column(column) => seen(stage, column),
        });
        let arguments: Vec<String> = arguments.collect();
        let on = &stage.collections[transform.collection].name;
        line!(
            out,
            "  transform {} on {on}{}: {}({})",
            transform.name,
            if transform.batch.is_some() {
                " in batches"
            } else {
                ""
            },
            transform.function.name,
            arguments.join(", ")
        );
    }
    for lookup in &stage.lookups {
        let keys: Vec<String> = lookup.keys.iter().map(|key| seen(stage, key)).collect();
        let on = &stage.collections[lookup.collection].name;
        line!(
            out,
            "  lookup {} of {on}: [{}] in {}: {}{}",
            lookup.name,
            keys.join(", "),
            relation(lookup.relation).name,
            lookup.ty(),
            if lookup.record { " of columns" } else { "" }
        );
    }
    for target in &stage.targets {
        rows_line("target", stage, target, "", out);
    }
    for relation in &stage.relations {
        let reader = match relation.reader {
            Reader::Stage(at) => format!(" for {}", plan.stages[at].source.name),
            Reader::Lookup => " for lookups".to_owned(),
        };
        rows_line("publishes", stage, &relation.rows, &reader, out);
    }
}

fn rows_line(what: &str, stage: &Stage, rows: &TargetPlan, reader: &str, out: &mut String) {
    let columns = rows.columns.iter().enumerate().map(|(at, column)| {
        let key = if rows.spec.key.contains(&at) {
            "key "
        } else {
            ""
        };
        format!("{key}{}", seen(stage, column))
    });
    let columns: Vec<String> = columns.collect();
    let on = &stage.collections[rows.collection].name;
    line!(
        out,
        "  {what} {}{reader}: each {on}: [{}]",
        rows.name,
        columns.join(", ")
    );
}

fn seen(stage: &Stage, column: &ColumnRef) -> String {
    format!("{}: {}", stage.column_path(column), column.ty)
}

fn gathered(column: GatherColumn, from: &TargetPlan) -> String {
    let name = |at: usize| &from.spec.columns[at].name;
    match column {
        GatherColumn::Group(at) => format!("the group's {}", name(at)),
        GatherColumn::Members(at) => format!("the members' {}", name(at)),
        GatherColumn::Own(at) => format!("its {}", name(at)),
        GatherColumn::Origin => "its origin".to_owned(),
        GatherColumn::Folded(None) => "folded".to_owned(),
        GatherColumn::Folded(Some(field)) => format!("field {field} of folded"),
    }
}

fn fold_line(fold: &Fold, from: &TargetPlan, out: &mut String) {
    let name = |at: usize| &from.spec.columns[at].name;
    match &fold.kind {
        FoldKind::Combine { column, ty } => {
            line!(
                out,
                "  fold {}: {} of {}: {ty}",
                fold.name,
                fold.function.name,
                name(*column)
            );
        }
        FoldKind::State {
            arguments,
            state,
            output,
            rows_max,
        } => {
            let arguments = arguments.iter().zip(&fold.function.params);
            let arguments = arguments.map(|(argument, param)| match argument {
                StateArgument::State => "state".to_owned(),
                StateArgument::Literal(value) => to_wave(value, &param.ty),
                StateArgument::Members(at) => format!("members' {}", name(*at)),
            });
            let arguments: Vec<String> = arguments.collect();
            line!(
                out,
                "  fold {}: {}({}) with {state} makes {output}, {rows_max} rows at once",
                fold.name,
                fold.function.name,
                arguments.join(", ")
            );
        }
    }
}
