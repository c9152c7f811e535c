//! What must hold of every graph in every language, whatever the names are.

use std::collections::BTreeMap;

use flowstone::core::RunId;
use flowstone::{FailedRow, RunReport, TransformCounts};
use flowstone_tests::Project;
use proptest::prelude::*;

use super::*;

fn node(kind: NodeKind, name: &str, text: &str) -> Node {
    Node {
        id: format!("{kind:?}.{name}"),
        kind,
        name: name.to_owned(),
        does: text.to_owned(),
        settings: BTreeMap::from([(text.to_owned(), text.to_owned())]),
        literals: BTreeMap::from([("size".to_owned(), text.to_owned())]),
        status: Status::Worked,
        counts: Some(Counts::Transform(TransformCounts {
            called: 3,
            ..TransformCounts::default()
        })),
        failed: 0,
    }
}

/// A graph all of whose texts are these.
fn graph(name: &str, text: &str) -> Graph {
    let taken = |column: &str| Taken {
        name: text.to_owned(),
        column: column.to_owned(),
    };
    Graph {
        flow: text.to_owned(),
        run: Some(RunNote {
            run: RunId(2),
            started: 0,
            seconds: 0.5,
            failures: 1,
            interrupted: true,
        }),
        nodes: vec![
            node(NodeKind::Source, name, text),
            node(NodeKind::Transform, "step", text),
            node(NodeKind::Target, name, text),
        ],
        edges: vec![
            Edge {
                from: 0,
                to: 1,
                takes: vec![taken("x.y"), taken(text)],
            },
            Edge {
                from: 1,
                to: 2,
                takes: Vec::new(),
            },
        ],
    }
}

/// The text of all elements of one name in a document, after parsing it as XML.
fn texts(svg: &str, element: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{error}\n{svg}"));
    document
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", element)))
        .map(|node| {
            node.descendants()
                .filter_map(|node| node.text().filter(|_| node.is_text()))
                .collect()
        })
        .collect()
}

/// The quoted strings of a line of DOT, unescaped as Graphviz does it; what stands between them must be harmless.
fn dot_strings(line: &str) -> Vec<String> {
    let mut strings = Vec::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c != '"' {
            assert!(
                c.is_ascii_alphanumeric() || " {}[]=->#,.".contains(c),
                "{c:?} in {line}"
            );
            continue;
        }
        let mut text = String::new();
        loop {
            match chars
                .next()
                .unwrap_or_else(|| panic!("a string that does not end: {line}"))
            {
                '"' => break,
                '\\' => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some(c @ ('"' | '\\')) => text.push(c),
                    other => panic!("an escape that means something else: {other:?} in {line}"),
                },
                c => text.push(c),
            }
        }
        strings.push(text.replace("&amp;", "&"));
    }
    strings
}

/// What is written of a text: what could trick a terminal or is no XML, is escaped already.
fn shown(text: &str) -> String {
    flowstone::core::printable(text, &[]).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\"\\\\<>&#;%{}\\[\\]()|`'*_.0-9a-z \n-]{0,40}",
        Just("</text><script>alert(1)</script>".to_owned()),
        Just("]]><!-- --> \u{0} \u{ffff} \u{202e}".to_owned()),
    ]
}

proptest! {
    #[test]
    fn a_picture_is_xml_that_says_what_there_is(name in hostile(), text in hostile()) {
        let svg = svg(&graph(&name, &text));
        let tips = texts(&svg, "title");
        prop_assert!(tips[1].starts_with(&shown(&name)), "{:?}", tips);
        prop_assert!(tips[2].contains(&shown(&text)), "{:?}", tips);
        prop_assert!(texts(&svg, "script").is_empty());
    }

    #[test]
    fn a_script_in_dot_is_strings_and_nothing_else(name in hostile(), text in hostile()) {
        let dot = dot(&graph(&name, &text));
        let lines: Vec<Vec<String>> = dot.lines().map(dot_strings).collect();
        prop_assert_eq!(&lines[0], &[shown(&text)]);
        let nodes = &lines[6..9];
        prop_assert!(nodes.iter().all(|strings| strings.len() == 4));
        let label = &nodes[0][1];
        prop_assert!(label.starts_with(&format!("{}\nsource · {}", shown(&name), shown(&text))), "{}", label);
    }

    #[test]
    fn a_script_in_mermaid_is_labels_and_nothing_else(name in hostile(), text in hostile()) {
        let script = mermaid(&graph(&name, &text));
        let lines: Vec<&str> = script.lines().collect();
        prop_assert_eq!(lines.len(), 2 + 3 + 2 + 1, "{}", script);
        let directive = ['%', '{'];
        prop_assert!(lines[1].starts_with("  %% ") && !lines[1][4..].contains(directive));
        for line in &lines[2..7] {
            prop_assert!(line.matches('"').count() == if line.contains("-.->") { 0 } else { 2 }, "{}", line);
            let label = line.split('"').nth(1).unwrap_or_default().replace("<br/>", "");
            let special = ['<', '>', '`', '%', '{', '[', '&'];
            prop_assert!(!label.contains(special), "{}", line);
        }
    }
}

/// A flow with columns that pass by rows, and literals.
fn flow() -> Project {
    let mut project = Project::new();
    project.flow = project.flow.replace(
        "[target.index]",
        "[transform.size]\ncall = \"sample.scale\"\neach = \"line\"\nwith = { times = 3 }\n\
         cache = { mode = \"recompute\", max-age = \"90min\" }\ngrants = { clock = true }\n\n\
         [transform.title]\ncall = \"sample.weigh\"\neach = \"line\"\nfrom = { line = \"page.path\" }\n\
         cache = { pin = \"title-1\" }\n\n[target.index]",
    );
    project
}

fn plain(project: &Project, run: Option<&RunReport>) -> Graph {
    let (_engine, flow) = project.open().expect("the flow opens");
    Graph::of(flow.plan(), run)
}

#[test]
fn a_flow_is_its_sources_transforms_and_targets() {
    let graph = plain(&flow(), None);
    let ids: Vec<&str> = graph.nodes.iter().map(|node| &*node.id).collect();
    let expected = [
        "source.page",
        "transform.line",
        "transform.weight",
        "transform.size",
        "transform.title",
        "target.index",
    ];
    assert_eq!(ids, expected);
    let labels = |from: usize, to: usize| {
        let edge = graph
            .edges
            .iter()
            .find(|edge| (edge.from, edge.to) == (from, to));
        edge.map(|edge| edge.labels(&graph.nodes[from]))
    };
    assert_eq!(labels(0, 1), Some(vec!["content".to_owned()]));
    assert_eq!(labels(1, 2), Some(vec!["line".to_owned()]));
    assert_eq!(labels(0, 4), Some(vec!["line ← path".to_owned()]));
    assert_eq!(
        labels(1, 4),
        Some(Vec::new()),
        "its rows are lines, though it reads pages"
    );
    assert_eq!(labels(0, 5), Some(vec!["path".to_owned()]));
    assert_eq!(labels(3, 5), None);
    assert!(graph.edges.iter().all(|edge| edge.from < edge.to));
}

#[test]
fn a_node_says_what_the_flow_says_of_it() {
    let graph = plain(&flow(), None);
    let facts: Vec<String> = graph.nodes[3].facts().collect();
    assert_eq!(
        facts,
        [
            "times = 3",
            "each line",
            "grants clock",
            "max-age 90 min",
            "mode recompute"
        ]
    );
    let facts: Vec<String> = graph.nodes[4].facts().collect();
    assert_eq!(facts, ["each line", "pin title-1"]);
    assert!(
        graph
            .nodes
            .iter()
            .all(|node| node.status == Status::None && node.outcome().is_none())
    );
}

#[test]
fn a_node_says_what_the_run_did() {
    let project = flow();
    project
        .write("a.md", "one\ntwo\n")
        .write("b.md", "one\n!boom\n");
    let status = |graph: &Graph, at: usize| {
        (
            graph.nodes[at].status,
            graph.nodes[at].outcome().unwrap_or_default(),
        )
    };
    let (engine, flow) = project.open().expect("the flow opens");
    let run = || {
        let report = project.run_as(&engine, &project.flow, "flow.toml");
        Graph::of(flow.plan(), Some(&report.expect("the flow runs")))
    };
    let graph = run();
    assert_eq!(
        status(&graph, 0),
        (Status::Worked, "2 rows · 2 new".to_owned())
    );
    assert_eq!(status(&graph, 1), (Status::Worked, "2 called".to_owned()));
    assert_eq!(
        status(&graph, 2),
        (Status::Failed, "3 called · 1 reused · 1 failed".to_owned())
    );
    assert_eq!(status(&graph, 5), (Status::Worked, "3 inserted".to_owned()));
    project.write("b.md", "one\n");
    run();
    let graph = run();
    assert_eq!(
        status(&graph, 0),
        (Status::Unchanged, "2 rows · unchanged".to_owned())
    );
    assert_eq!(status(&graph, 1).0, Status::Reused);
    assert_eq!(
        status(&graph, 3).0,
        Status::Worked,
        "it is called in every run"
    );
    assert_eq!(
        status(&graph, 5),
        (Status::Unchanged, "unchanged".to_owned())
    );
}

#[test]
fn rows_that_failed_before_are_still_failed() {
    let row = |reason: &str| FailedRow {
        source: "page".to_owned(),
        key: "a.md".to_owned(),
        reason: reason.to_owned(),
    };
    let run = RunReport {
        sources: BTreeMap::from([("page".to_owned(), SourceCounts::default())]),
        transforms: BTreeMap::from([
            ("line".to_owned(), TransformCounts::default()),
            ("weight".to_owned(), TransformCounts::default()),
        ]),
        failed: vec![
            row("weight: it trapped"),
            row("weightless: no such transform"),
            row("it is not text"),
        ],
        failures: 3,
        ..RunReport::default()
    };
    let graph = plain(&flow(), Some(&run));
    let seen = |at: usize| {
        (
            graph.nodes[at].status,
            graph.nodes[at].failed,
            graph.nodes[at].outcome(),
        )
    };
    assert_eq!(
        seen(0),
        (Status::Failed, 2, Some("0 rows · 2 failed".to_owned()))
    );
    assert_eq!(
        seen(1),
        (Status::Unchanged, 0, Some("unchanged".to_owned()))
    );
    assert_eq!(seen(2), (Status::Failed, 1, Some("1 failed".to_owned())));
    assert_eq!(seen(3), (Status::None, 0, None), "it was not in that run");
}

#[test]
fn a_node_of_many_words_is_cut() {
    let mut long = node(NodeKind::Transform, "step", "x");
    long.literals = (0..40)
        .map(|at| (format!("p{at:02}"), "1".to_owned()))
        .collect();
    let lines = long.lines();
    assert_eq!(lines.len(), 2 + 6 + 1);
    assert_eq!(lines[7], "… 36 more");
    assert_eq!(lines[6], "p04 = 1");
}

#[test]
fn a_run_that_was_cut_off_has_no_time() {
    let mut graph = graph("page", "x");
    assert!(
        graph
            .title()
            .ends_with("UTC · 500 ms · 1 row failed · interrupted"),
        "{}",
        graph.title()
    );
    graph.run = graph.run.map(|run| RunNote {
        seconds: 0.0,
        failures: 0,
        ..run
    });
    assert_eq!(
        graph.title(),
        "x · run 2 · 1970-01-01 00:00:00 UTC · cut off"
    );
}
