//! Two commands on one store: the second one says who has it and what to do.

use flowstone::{Engine, EngineConfig};
use flowstone_tests::Project;

use crate::support::{flowstone, lay_out};

#[test]
fn the_second_command_on_a_store_says_who_has_it() {
    let project = Project::new();
    project.write("a.md", "one\n");
    lay_out(&project);
    let mut config = EngineConfig::default();
    config.holder = Some("flowstone watch".to_owned());
    let engine = Engine::open(&project.path(".flowstone"), config).unwrap();
    for verb in ["run", "plan", "runs"] {
        let output = flowstone(&project, &[verb]);
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(3), "{verb}: {said}");
        let pid = std::process::id();
        assert!(said.contains("is in use by"), "{said}");
        for part in [
            format!("process {pid} (`flowstone watch`)"),
            "it has it since 20".to_owned(),
            "just now".to_owned(),
            format!("kill {pid}"),
            "--store DIR".to_owned(),
        ] {
            assert!(said.contains(&part), "{part}: {said}");
        }
    }
    drop(engine);
    assert!(flowstone(&project, &["run"]).status.success());
    let lock = std::fs::read_to_string(project.path(".flowstone/lock")).unwrap();
    assert!(lock.ends_with("\nflowstone run\n"), "{lock}");
}
