//! The example that passes the same rows through plugins in five languages.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use flowstone_tests::Project;

use crate::support::{calls_of_run, languages_are_off};

/// The example in a folder of its own; its plugins are built where they are.
struct Guides {
    project: Project,
}

impl Guides {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let project = Project::new();
        let flow = fs::read_to_string(root.join("examples/languages/flow.toml"));
        let plugins = root.join("plugins");
        let plugins = plugins.to_str().expect("the path is text");
        let flow = flow.expect("it is there").replace("../../plugins", plugins);
        fs::write(project.path("flow.toml"), flow).expect("the project takes files");
        fs::create_dir(project.path("texts")).expect("the project takes folders");
        for name in ["bread.md", "knots.md", "tides.md"] {
            let from = root.join("examples/languages/texts").join(name);
            fs::copy(from, project.path("texts").join(name)).expect("the project takes files");
        }
        Self { project }
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let file = self.project.path("texts").join(file);
        let text = fs::read_to_string(&file).expect("it is there");
        assert!(text.contains(from), "{text}");
        fs::write(file, text.replace(from, to)).expect("the project takes files");
    }

    fn run(&self) -> BTreeMap<String, u64> {
        calls_of_run(&self.project)
    }

    /// A section of the table: plain text, words, terms and phrases.
    fn section(&self, path: &str, heading: &str) -> (String, i64, String, String) {
        let database = rusqlite::Connection::open(self.project.path("out/guides.db"));
        database
            .expect("it is a database")
            .query_row(
                "SELECT text, words, terms, phrases FROM section WHERE path = ? AND heading = ?",
                [path, heading],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            )
            .expect("the row is there")
    }
}

fn calls(expected: &[(&str, u64)]) -> BTreeMap<String, u64> {
    expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[test]
fn the_same_rows_pass_through_five_languages() {
    if languages_are_off() {
        return;
    }
    let guides = Guides::new();
    let of_each = |count| {
        ["phrases", "plain", "scores", "terms"]
            .map(|name| (name, count))
            .to_vec()
    };
    let first = guides.run();
    assert_eq!(first["section"], 3);
    assert_eq!(first["scores"], 10);
    assert!(guides.run().is_empty());

    let (text, words, terms, phrases) = guides.section("bread.md", "Mixing");
    assert!(text.starts_with("Mix the flour with the water"), "{text}");
    assert_eq!(words, 41);
    assert!(terms.contains(r#"{"stem":"fold","count":3}"#), "{terms}");
    assert!(phrases.contains("half hour"), "{phrases}");

    // The words of one section: what is said of it is said anew.
    guides.edit("bread.md", "four times in all", "three times in all");
    let mut expected = calls(&of_each(1));
    expected.insert("section".to_owned(), 1);
    assert_eq!(guides.run(), expected);

    // A heading alone, and markup alone: nobody computes with the one, and nothing but the text follows from the other.
    guides.edit("knots.md", "## Bowline", "## The bowline");
    assert_eq!(guides.run(), calls(&[("section", 1)]));
    guides.edit("tides.md", "**tide table**", "_tide table_");
    assert_eq!(guides.run(), calls(&[("plain", 1), ("section", 1)]));
    let (_, same, ..) = guides.section("knots.md", "The bowline");
    assert!(same > 30);
}
