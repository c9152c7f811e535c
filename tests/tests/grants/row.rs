//! The row in hand: a function that asks for it gets it, and is called again for equal arguments in other rows.

use flowstone::Cause;
use flowstone_tests::Project;

use crate::explain;

/// A project in which `said` asks for the row of each line; `settings` are further ones of it.
fn project(settings: &str) -> Project {
    let text = include_str!("../../fixtures/0.1.0/row.wat");
    let mut project = Project::new();
    let row = wat::parse_str(text).expect("it is a component");
    project.components.insert("row".to_owned(), row);
    project.flow = crate::FLOW
        .replace("prober.wasm", "sample.wasm")
        .replace("prober.lines", "sample.lines")
        .replace("plugin.prober", "plugin.sample")
        .replace("prober.probe", "row.place")
        .replace("GRANTS", settings)
        + "\n[plugin.row]\ncomponent = \"row.wasm\"\n";
    project
}

#[test]
fn each_row_is_told_its_collection_and_its_key() {
    let project = project("");
    project
        .write("a.md", "one\ntwo\nthree")
        .write("b.md", "one");
    assert_eq!(project.run().report.failures, 0);
    assert_eq!(
        project.rows(),
        [
            "a.md|one|[\"line\",\"a.md#0\"]",
            "a.md|three|[\"line\",\"a.md#2\"]",
            "a.md|two|[\"line\",\"a.md#1\"]",
            "b.md|one|[\"line\",\"b.md#0\"]",
        ]
    );
    assert_eq!(project.run().calls, [""; 0]);
}

#[test]
fn equal_arguments_in_another_row_are_called_for_again() {
    let project = project("");
    project.write("a.md", "one\ntwo").write("b.md", "one");
    let calls = project.run().calls;
    assert_eq!(
        calls.iter().filter(|call| call.starts_with("said")).count(),
        3
    );
    // A line before it makes it another row, with the same text.
    project.write("a.md", "zero\none\ntwo");
    let calls = project.run().calls;
    assert_eq!(calls.iter().filter(|call| *call == "said a.md").count(), 3);
    assert_eq!(project.rows(), project.fresh_rows());
    let explained = explain(&project);
    assert!(
        explained.calls[0]
            .causes
            .iter()
            .any(|cause| matches!(cause, Cause::Argument { .. })),
        "{explained:?}"
    );
    let (engine, flow) = project.open().expect("the flow opens");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let explained = (engine.explain(&flow, "said", Some("a.md#2"), false, &stop)).expect("it can");
    assert_eq!(
        explained.calls[0].causes[0].to_string(),
        "the row that it is told is another"
    );
    drop(engine);
    // Renamed: another key, other rows. And back: all of that is remembered.
    project.rename("b.md", "c.md");
    assert_eq!(project.run().calls, ["said c.md"]);
    project.rename("c.md", "b.md");
    assert_eq!(project.run().calls, [""; 0]);
}

#[test]
fn another_name_of_the_collection_is_another_row() {
    let mut project = project("");
    project.write("a.md", "one");
    project.run();
    project.flow = project
        .flow
        .replace("transform.line", "transform.part")
        .replace("each = \"line\"", "each = \"part\"")
        .replace("rows = \"line\"", "rows = \"part\"")
        .replace("line = \"line\"", "line = \"part\"")
        .replace("\"row.place\"", "\"row.place\"\nfrom = { line = \"part\" }");
    assert_eq!(project.run().calls, ["said a.md"]);
    assert_eq!(project.rows(), ["a.md|one|[\"part\",\"a.md#0\"]"]);
}

#[test]
fn it_is_told_what_counts_and_verified_with_the_row() {
    let project = project("");
    project.write("a.md", "one\ntwo").write("b.md", "one");
    project.run();
    let (engine, flow) = project.open().expect("the flow opens");
    let said = &flow.plan().stages[0].transforms[1];
    assert!(said.tells_row);
    assert_eq!(said.granted_names(), ["row"]);
    assert!(!flow.plan().stages[0].transforms[0].tells_row);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let options = flowstone::VerifyOptions {
        sample: None,
        seed: 0,
        differences_max: 3,
    };
    let report = (engine.verify(
        &flow,
        &["said".to_owned()],
        &options,
        &stop,
        &|_: &flowstone::Event<'_>| {},
    ))
    .expect("it can be verified");
    let verified = &report.transforms[0];
    assert_eq!(
        (verified.compared, verified.different, verified.failed),
        (3, 0, 0)
    );
    // The keys of calls are found again from lineage alone: the call that made the cell is in its story.
    let lineage = (engine.lineage_of_target(&flow, "index", "a.md,one")).expect("it is there");
    let told = lineage.graph.nodes.iter().any(|node| {
        matches!(node, flowstone::LineageNode::Call { transform, key: Some(_), .. } if transform == "said")
    });
    assert!(told, "{lineage:?}");
}

#[test]
fn a_group_is_a_row_too() {
    let mut project = project("");
    project.flow += "\n[reduce.most]\ncall = \"row.place\"\nover = \"line\"\nby = [\"line\"]\n\n\
                     [target.groups]\nkind = \"sqlite\"\npath = \"out/lines.db\"\ntable = \"most\"\nrows = \"most\"\n\
                     key = [\"line\"]\ncolumns = { line = \"line\", told = \"most\" }\n";
    project.write("a.md", "one\ntwo").write("b.md", "one");
    assert_eq!(project.run().report.failures, 0);
    assert_eq!(
        project.table("most"),
        ["one|[\"most\",\"one\"]", "two|[\"most\",\"two\"]"]
    );
    assert_eq!(project.run().calls, [""; 0]);
}
