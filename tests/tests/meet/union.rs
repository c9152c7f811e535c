//! Unions: rows of several collections as one.

use crate::{project, target};

#[test]
fn rows_of_several_collections_are_one_and_keep_their_origins() {
    let flow = format!(
        r#"
[source.note]
kind = "files"
root = "docs"
include = ["*.md"]

[union.text]
of = ["page", "note"]

[transform.weight]
call = "sample.weigh"
each = "text"
from = {{ line = "text.content" }}
{}"#,
        target(
            "texts",
            "text",
            r#""origin", "path""#,
            r#"origin = "text.origin", path = "text.path", weight = "weight""#
        )
    );
    let project = project(&flow);
    project
        .write("a.txt", "1")
        .write("a.md", "2")
        .write("b.md", "1");
    let outcome = project.run();
    assert_eq!(
        project.table("texts"),
        ["note|a.md|50", "note|b.md|49", "page|a.txt|49"]
    );
    let counts = outcome.report.sources["text"];
    assert_eq!((counts.rows, counts.added), (3, 3));
    assert_eq!(project.run().calls, [""; 0]);
    project.write("b.md", "3");
    assert_eq!(project.run().calls, ["weight note/b.md"]);
    project.remove("a.md");
    let outcome = project.run();
    assert_eq!(outcome.calls, [""; 0]);
    assert_eq!(outcome.report.sources["text"].removed, 1);
    assert_eq!(project.table("texts"), ["note|b.md|51", "page|a.txt|49"]);
}

#[test]
fn a_collection_that_leaves_a_union_takes_its_rows_along() {
    let flow = format!(
        r#"
[source.note]
kind = "files"
root = "docs"
include = ["*.md"]

[union.text]
of = ["page", "note"]
{}"#,
        target("texts", "text", r#""path""#, r#"path = "text.path""#)
    );
    let mut project = project(&flow);
    project.write("a.txt", "1").write("a.md", "2");
    project.run();
    assert_eq!(project.table("texts"), ["a.md", "a.txt"]);
    project.flow = project.flow.replace(r#"["page", "note"]"#, r#"["page"]"#);
    project.run();
    assert_eq!(project.table("texts"), ["a.txt"]);
    project.flow = project.flow.replace(r#"["page"]"#, r#"["note", "page"]"#);
    project.run();
    assert_eq!(project.table("texts"), ["a.md", "a.txt"]);
}
