//! `flowstone graph`: the flow as a picture or a script for one, with what the last run did.

use std::fs;
use std::path::Path;

use crate::args::{GraphArgs, GraphFormat};
use crate::failure::{EXIT_DONE, Failure, Kind};
use crate::graph::{Graph, dot, mermaid, svg};
use crate::opening;
use crate::outlet;
use crate::output::Output;
use crate::settings::FlowSettings;

/// Draws a flow.
pub(crate) fn graph(args: &GraphArgs, output: Output) -> Result<u8, Failure> {
    let settings = FlowSettings::new(&args.flow)?;
    let opened = opening::open(&settings, output)?;
    if let Some(file) = &args.output {
        outlet::check_in_flow(file, &settings, &opened)?;
    }
    let plan = opened.flow.plan();
    let mut runs = opened.engine.runs(Some((&plan.name, &settings.place)))?;
    let last = runs.next().transpose()?;
    let graph = Graph::of(plan, last.as_ref());
    let file = args.output.as_deref();
    let drawn = drawn(&graph, args.format, file);
    if let Some(file) = file {
        fs::write(file, drawn)
            .map_err(|error| Failure::cannot(Kind::Machine, "write", file, &error))?;
        output.note(&format!("wrote {}", file.display()));
        if output.json {
            output.object(&graph)?;
        }
    } else if output.json {
        output.object(&graph)?;
    } else {
        output.answer(&drawn)?;
    }
    Ok(EXIT_DONE)
}

/// The graph in the format that is asked for, or that the file's name stands for.
fn drawn(graph: &Graph, format: Option<GraphFormat>, file: Option<&Path>) -> String {
    let ending = file
        .and_then(Path::extension)
        .and_then(|ending| ending.to_str());
    let ending = ending.unwrap_or_default().to_ascii_lowercase();
    let of_file = match &*ending {
        "svg" => GraphFormat::Svg,
        "mmd" | "md" => GraphFormat::Mermaid,
        _ => GraphFormat::Dot,
    };
    match format.unwrap_or(of_file) {
        GraphFormat::Dot => dot(graph),
        GraphFormat::Svg => svg(graph),
        // A Markdown page draws what stands in such a fence.
        GraphFormat::Mermaid if ending == "md" => format!("```mermaid\n{}```\n", mermaid(graph)),
        GraphFormat::Mermaid => mermaid(graph),
    }
}
