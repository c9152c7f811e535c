//! Granted variables: those that are named, with the values that they are given; each by its value in the key.

use std::collections::BTreeMap;

use flowstone::core::{FlowFile, Variable};

use crate::{explain, probe, project, refused, said};

const LINES: [&str; 4] = ["env", "env LANG", "env HOME", "env EMPTY"];

#[test]
fn only_named_variables_are_there_in_the_order_of_their_names() {
    let given = "grants = { env = { LANG = \"C\", EMPTY = \"\", A = \"b=c\" } }";
    let mut project = project(given);
    let found = probe(&project, &LINES);
    assert_eq!(found["env"], "A=b=c EMPTY= LANG=C");
    assert_eq!(found["env LANG"], "C");
    assert_eq!(found["env HOME"], "error: environment variable not found");
    assert_eq!(found["env EMPTY"], "");
    // How they are put in the flow is nothing that a plugin could see.
    let turned = "grants = { env = { A = \"b=c\", LANG = \"C\", EMPTY = \"\" } }";
    project.flow = project.flow.replace(given, turned);
    assert_eq!(project.run().calls, [""; 0]);
}

#[test]
fn other_values_are_called_for_again() {
    let mut project = project("grants = { env = { LANG = \"C\" } }");
    probe(&project, &["env LANG"]);
    project.flow = project.flow.replace("\"C\"", "\"de\"");
    assert_eq!(
        project.plan().transforms[1].reasons[0].why,
        "granted `env LANG` changed"
    );
    assert_eq!(project.run().calls, ["said a.md"]);
    assert_eq!(said(&project)["env LANG"], "de");
    assert_eq!(
        explain(&project).calls[0].causes[0].to_string(),
        "granted `env LANG` changed"
    );
    project.flow = project.flow.replace("\"de\"", "\"C\"");
    assert_eq!(project.run().calls, [""; 0]);
    assert_eq!(said(&project)["env LANG"], "C");
    // A variable that is there and empty is another than one that is not.
    project.flow = project.flow.replace("\"C\"", "\"\"");
    assert_eq!(project.run().calls, ["said a.md"]);
    // The library has no environment: nobody gave it the value.
    project.flow = project.flow.replace("{ LANG = \"\" }", "[\"LANG\"]");
    assert_eq!(project.run().calls, ["said a.md"]);
    assert!(said(&project)["env LANG"].starts_with("error: "));
}

#[test]
fn names_that_cannot_be_variables_are_refused() {
    let name =
        "a name has characters, none of which is `=` or a control character, such as a line break";
    for (grants, fault) in [
        (
            "{ env = [\"A=B\"] }",
            format!("`A=B` is no name for a variable: {name}"),
        ),
        (
            "{ env = [\"\"] }",
            format!("`` is no name for a variable: {name}"),
        ),
        (
            "{ env = [\"A\\u001b[31m\"] }",
            format!("`A\\u{{1b}}[31m` is no name for a variable: {name}"),
        ),
        (
            "{ env = [\"A\", \"A\"] }",
            "the variable `A` is granted twice: keep one".to_owned(),
        ),
        (
            "{ env = { A = \"x\\u0000y\" } }",
            "the value of `A` has a zero byte in it: no variable can hold one: leave it out"
                .to_owned(),
        ),
    ] {
        let project = project(&format!("grants = {grants}"));
        assert_eq!(refused(&project), [fault]);
    }
}

#[test]
fn inherited_variables_are_those_without_a_value_in_all_kinds_of_steps() {
    let text = crate::FLOW.replace("GRANTS", "grants = { env = [\"LANG\"] }")
        + "[reduce.all]\ncall = \"prober.lines\"\nover = \"line\"\nby = []\ngrants = { env = [\"HOME\"] }\n";
    let mut file = FlowFile::parse(&text, &BTreeMap::new()).expect("it is a flow");
    let names: Vec<&mut Variable> = file.inherited_variables().collect();
    assert_eq!(
        names
            .iter()
            .map(|variable| &*variable.name)
            .collect::<Vec<_>>(),
        ["LANG", "HOME"]
    );
    let given = crate::FLOW.replace("GRANTS", "grants = { env = { LANG = \"C\" } }");
    let mut file = FlowFile::parse(&given, &BTreeMap::new()).expect("it is a flow");
    assert_eq!(file.inherited_variables().count(), 0);
}
