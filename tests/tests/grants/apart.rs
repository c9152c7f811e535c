//! What flowstone itself writes cannot be granted, whatever way leads there.

use std::fs;
use std::os::unix::fs::symlink;

use crate::{put, refused};

const HELP: &str =
    "what runs write would change the content that was granted: grant a file or folder beside it";

#[test]
fn what_runs_write_cannot_be_granted() {
    let mut project = crate::project("");
    put(&project, "data/words/en.txt", "the");
    put(&project, "out/beside/words.txt", "the");
    put(&project, "out/lines.db", "");
    fs::create_dir(project.path("links")).expect("folders are taken");
    for (to, link) in [
        (".", "all"),
        ("..", "links/all"),
        (".flowstone", "kept"),
        ("out", "made"),
        ("lines.db", "out/same.db"),
    ] {
        symlink(to, project.path(link)).expect("links are taken");
    }
    let store = "the store `.flowstone`";
    let target = "`out/lines.db` of the target `index`";
    for (path, why) in [
        (".flowstone", format!("is {store}")),
        (".flowstone/store.redb", format!("lies in {store}")),
        ("kept", format!("is {store}")),
        ("all", format!("holds {store}")),
        ("links/all", format!("holds {store}")),
        ("all/.flowstone/objects", format!("lies in {store}")),
        ("out", format!("holds {target}")),
        ("made", format!("holds {target}")),
        ("out/lines.db", format!("is {target}")),
        ("out/same.db", format!("is {target}")),
    ] {
        let grants = format!("grants = {{ read = [\"{path}\"] }}");
        project.flow = crate::FLOW.replace("GRANTS", &grants);
        assert_eq!(
            refused(&project),
            [format!("`{path}` cannot be granted: it {why}: {HELP}")]
        );
    }
    fs::remove_file(project.path("out/lines.db")).expect("it is there");
    let grants = "grants = { read = [\"all/data\", \"out/beside\"] }";
    project.flow = crate::FLOW.replace("GRANTS", grants);
    crate::probe(&project, &["read all/data/words/en.txt"]);
}
