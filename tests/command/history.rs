//! What a person sees of a flow's shape and history: graphs, past runs, lineage.

use std::fs;

use flowstone::LineageNode;
use flowstone_tests::{Guest, Project};
use proptest::prelude::*;

use crate::support::{assert_seen, flowstone, lay_out, regex_of_folder};

fn project() -> Project {
    let project = Project::new();
    project
        .write("a.md", "one\ntwo\n")
        .write("b.md", "three\n!boom\n");
    lay_out(&project);
    project
}

/// Standard output of the command, which does what it is asked.
fn answer(project: &Project, arguments: &[&str]) -> String {
    let output = flowstone(project, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("answers are text")
}

fn json(project: &Project, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&answer(project, arguments)).expect("the answer is JSON")
}

#[test]
fn a_graph_shows_the_flow_and_what_the_last_run_did() {
    let project = project();
    assert_seen!(&project, "graph_before_a_run", &["graph"]);
    flowstone(&project, &["run"]);
    assert_seen!(&project, "graph_dot", &["graph"]);
    assert_seen!(&project, "graph_mermaid", &["graph", "--format", "mermaid"]);
    assert_seen!(&project, "graph_svg", &["graph", "--format", "svg"]);
    assert_seen!(&project, "graph_json", &["graph", "--json"]);
}

#[test]
fn the_name_of_the_file_says_in_which_language_a_graph_is() {
    let project = project();
    let written = |name: &str| {
        assert_eq!(answer(&project, &["graph", "--output", name]), "");
        fs::read_to_string(project.path(name)).expect("it was written")
    };
    assert!(written("flow.SVG").starts_with("<svg "));
    assert!(written("flow.mmd").starts_with("flowchart LR\n"));
    assert!(written("flow.md").starts_with("```mermaid\nflowchart LR\n"));
    assert!(written("flow.md").ends_with("\n```\n"));
    assert!(written("flow.gv").starts_with("digraph \"lines\" {\n"));
    let both = json(&project, &["graph", "--json", "-o", "flow.svg"]);
    assert_eq!(both["nodes"][1]["id"], "transform.line");
    assert_seen!(
        &project,
        "graph_to_nowhere",
        &["graph", "-o", "nowhere/flow.svg"]
    );
}

#[test]
fn a_picture_is_xml_whatever_the_flow_is_called() {
    let mut project = project();
    project.flow = project.flow.replace(
        "name = \"lines\"",
        "name = \"</title><script> & \\\"x\\\" ]]> %%{init}%%\"",
    );
    lay_out(&project);
    flowstone(&project, &["run"]);
    let svg = answer(&project, &["graph", "--format", "svg"]);
    let document = roxmltree::Document::parse(&svg).expect("it is XML");
    let title = document
        .descendants()
        .find(|node| node.tag_name().name() == "title");
    let title = title.and_then(|node| node.text()).unwrap_or_default();
    assert!(
        title.starts_with("</title><script> & \"x\" ]]> %%{init}%% · run 1 · "),
        "{title}"
    );
    let links = ["script", "image", "a", "use", "foreignObject"];
    let names = document.descendants().map(|node| node.tag_name().name());
    assert!(
        names.into_iter().all(|name| !links.contains(&name)),
        "a picture of its own"
    );
}

#[test]
fn past_runs_are_listed_newest_first() {
    let project = project();
    assert_seen!(&project, "runs_none", &["runs"]);
    assert!(
        !project.path(".flowstone").exists(),
        "to look is not to leave something behind"
    );
    flowstone(&project, &["run"]);
    project.write("b.md", "three\n").remove("a.md");
    flowstone(&project, &["run", "--refresh"]);
    assert_seen!(&project, "runs", &["runs"]);
    assert_seen!(&project, "runs_limit", &["runs", "--limit", "1"]);
    assert_seen!(&project, "runs_json", &["runs", "--json", "--limit", "1"]);
    assert_seen!(&project, "runs_show", &["runs", "show", "1"]);
    assert_seen!(&project, "runs_show_asked", &["runs", "show", "2"]);
    assert_seen!(&project, "runs_show_none", &["runs", "show", "7"]);
    assert_seen!(&project, "runs_show_no_number", &["runs", "show", "last"]);
    let shown = json(&project, &["runs", "show", "2", "--json"]);
    assert_eq!(shown, json(&project, &["runs", "--json"])["runs"][0]);
}

#[test]
fn the_flows_of_a_store_have_runs_of_their_own() {
    let mut project = project();
    flowstone(&project, &["run"]);
    let text = fs::read_to_string(project.path("flow.toml")).expect("there is a flow");
    let other = text
        .replace("\"lines\"", "\"other\"")
        .replace("lines.db", "other.db");
    fs::write(project.path("other.toml"), other).expect("the project takes files");
    flowstone(&project, &["run", "other.toml"]);
    let runs = |arguments: &[&str]| {
        let runs = json(&project, &[&["runs", "--json"], arguments].concat());
        let runs = runs["runs"].as_array().expect("a list").clone();
        let shown = |run: &serde_json::Value| format!("{} {}", run["run"], run["flow"]);
        runs.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(runs(&[]), ["1 \"lines\""]);
    assert_eq!(runs(&["other.toml"]), ["2 \"other\""]);
    assert_eq!(runs(&["--all"]), ["2 \"other\"", "1 \"lines\""]);
    assert_seen!(&project, "runs_all", &["runs", "--all"]);
    // Without a flow file the store is enough.
    for name in ["flow.toml", "other.toml"] {
        fs::remove_file(project.path(name)).expect("it is there");
    }
    assert_eq!(runs(&["--store", ".flowstone"]).len(), 2);
    assert_eq!(runs(&[]).len(), 2);
    assert_eq!(
        json(&project, &["runs", "show", "2", "--json"])["flow"],
        "other"
    );
    // A flow that is renamed is still the same.
    project.flow = project.flow.replace("\"lines\"", "\"renamed\"");
    lay_out(&project);
    let runs = json(&project, &["runs", "--json"]);
    assert_eq!(runs["runs"][0]["flow"], "lines");
}

#[test]
fn lineage_shows_short_what_is_very_much() {
    let project = project();
    let many: Vec<String> = (0..40).map(|at| format!("line {at}")).collect();
    project.write("many.md", many.join("\n"));
    flowstone(&project, &["run"]);
    let folded = answer(&project, &["lineage", "--down", "page", "many.md"]);
    assert!(
        folded.contains("   └─ … 28 more; `--all` shows everything\n"),
        "{folded}"
    );
    assert_eq!(folded.lines().count(), 2 + 12 * 3 + 1);
    let all = answer(&project, &["lineage", "--down", "page", "many.md", "--all"]);
    assert_eq!(all.lines().count(), 2 + 40 * 3);
    let dot = answer(&project, &["lineage", "--down", "page", "many.md", "--dot"]);
    assert!(dot.contains("[label=\"… 28 more\""), "{dot}");
    let graph = json(
        &project,
        &["lineage", "--down", "page", "many.md", "--json"],
    );
    let nodes = graph["graph"]["nodes"].as_array().expect("a list");
    assert_eq!(nodes.len(), 2 + 40 * 3, "a program gets all of it");
}

#[test]
fn lineage_is_a_script_for_graphviz() {
    let project = project();
    flowstone(&project, &["run"]);
    assert_seen!(
        &project,
        "lineage_dot_up",
        &["lineage", "index", "a.md,two", "--dot"]
    );
    assert_seen!(
        &project,
        "lineage_dot_down",
        &["lineage", "--down", "page", "b.md", "--dot"]
    );
    assert_seen!(
        &project,
        "lineage_json",
        &["lineage", "index", "a.md,two", "--json"]
    );
}

#[test]
fn lineage_tells_what_the_last_run_did_not_what_the_next_would() {
    let mut project = project();
    flowstone(&project, &["run"]);
    let up = ["lineage", "index", "a.md,two"];
    let down = ["lineage", "--down", "page", "a.md"];
    let (before_up, before_down) = (answer(&project, &up), answer(&project, &down));
    // Other code, and another content: nothing of it has run.
    project.guest = Guest {
        weight: 1,
        ..Guest::default()
    };
    project.write("a.md", "zwei\n");
    lay_out(&project);
    assert_eq!(answer(&project, &up), before_up);
    assert_eq!(answer(&project, &down), before_down);
    // A step less, and another source of an argument: what is still so is told, and the rest is named.
    project.flow = project.flow.replace(
        "each = \"line\"\n",
        "each = \"line\"\nfrom = { line = \"page.path\" }\n",
    );
    lay_out(&project);
    assert_seen!(&project, "lineage_of_another_flow_up", &up);
    assert_seen!(&project, "lineage_of_another_flow_down", &down);
}

#[test]
fn lineage_knows_given_results_from_calls() {
    let project = project();
    fs::write(
        project.path("given.jsonl"),
        "{\"key\": \"a.md\", \"index\": [1], \"value\": 7}\n",
    )
    .expect("the project takes files");
    flowstone(&project, &["run", "--override", "weight=given.jsonl"]);
    assert_seen!(
        &project,
        "lineage_of_a_given_result",
        &["lineage", "index", "a.md,two"]
    );
    assert_seen!(
        &project,
        "lineage_of_a_given_result_down",
        &["lineage", "--down", "page", "a.md"]
    );
}

/// A flow with rows below rows, values that are none, and failures.
fn deep() -> Project {
    let mut project = Project::new();
    project.flow = project.flow.replace(
        "[target.index]",
        "[transform.part]\ncall = \"sample.lines\"\neach = \"line\"\nrows = true\nfrom = { content = \"line\" }\n\n\
         [transform.kept]\ncall = \"sample.keep\"\neach = \"part\"\nfrom = { line = \"part\" }\n\n\
         [transform.vetted]\ncall = \"sample.vet\"\neach = \"part\"\nfrom = { line = \"kept\" }\n\n\
         [transform.size]\ncall = \"sample.scale\"\neach = \"part\"\nfrom = { line = \"vetted\" }\n\
         with = { times = 3 }\n\n\
         [target.parts]\nkind = \"sqlite\"\npath = \"out/lines.db\"\ntable = \"part\"\nrows = \"part\"\n\
         key = [\"path\", \"line\", \"part\"]\n\
         columns = { path = \"page.path\", line = \"line\", part = \"part\", vetted = \"vetted\", size = \"size\" }\n\n\
         [target.index]",
    );
    project
}

fn lines() -> impl Strategy<Value = String> {
    // Lines that are kept, that are none, that fail, and that trap.
    let line = prop_oneof![
        5 => "[a-z]{1,6}",
        1 => Just("#none".to_owned()),
        1 => Just("?err".to_owned()),
        1 => Just("!trap".to_owned()),
    ];
    proptest::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

/// A target row's key as one types it: `["a.md","one"]` for `path=a.md, line=one`.
fn typed(shown: &str) -> String {
    let values = shown
        .split(", ")
        .map(|column| column.split_once('=').map_or("", |(_, value)| value));
    serde_json::json!(values.collect::<Vec<_>>()).to_string()
}

fn is_source(node: &LineageNode) -> bool {
    matches!(node, LineageNode::Source { .. })
}

fn is_target(node: &LineageNode) -> bool {
    matches!(node, LineageNode::Target { .. })
}

fn is_known_call(node: &LineageNode) -> bool {
    matches!(node, LineageNode::Call { key: Some(_), .. })
}

fn is_unknown_call(node: &LineageNode) -> bool {
    matches!(node, LineageNode::Call { key: None, .. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Upward, every target row that the last run wrote or left as it should be is explained to the last column;
    /// downward, every call and every target row has its place.
    #[test]
    fn lineage_is_whole(pages in proptest::collection::vec(lines(), 1..4)) {
        let project = deep();
        for (index, page) in pages.iter().enumerate() {
            project.write(&format!("{index}.md"), page);
        }
        // Opened once: while other tests start processes, these may hold on to a store that was just closed.
        let (engine, flow) = project.open().expect("the flow opens");
        project.run_as(&engine, &project.flow, "flow.toml").expect("the flow runs");
        for index in 0..pages.len() {
            let down = engine.lineage_of_source(&flow, "page", &format!("{index}.md"))
                .expect("the row is there");
            prop_assert!(down.certain && down.unplaced.is_empty(), "{:?}", down);
            let placed = |wanted: fn(&LineageNode) -> bool| {
                let ends = down.graph.edges.iter().map(|edge| &down.graph.nodes[edge.to]);
                ends.filter(|node| wanted(node)).count()
            };
            prop_assert_eq!(placed(is_target), down.targets.len());
            // Rows with the same arguments share a call, but each has it in its place.
            prop_assert!(placed(is_known_call) >= down.calls.len());
            for row in &down.targets {
                let up = engine.lineage_of_target(&flow, &row.target, &typed(&row.key))
                    .expect("the row is there");
                prop_assert!(up.certain, "{} {}: {:?}", row.target, row.key, up.graph);
                let nodes = &up.graph.nodes;
                prop_assert_eq!(nodes.iter().filter(|node| is_source(node)).count(), 1);
                prop_assert!(nodes.iter().all(|node| !is_unknown_call(node)));
            }
        }
    }
}
