//! Without a grant: a component that was built with all of WASI runs, and reaches nothing.

use crate::{probe, project, put};

#[test]
fn without_a_grant_nothing_real_can_be_had() {
    let project = project("");
    put(&project, "data/words/en.txt", "the");
    let lines = [
        "read data/words/en.txt",
        "read flow.toml",
        "list .",
        "list /",
        "create new.txt",
        "mkdir new",
        "tcp 127.0.0.1:9",
        "tcp [::1]:9",
        "listen 127.0.0.1:0",
        "udp 127.0.0.1:9",
        "lookup localhost:80",
        "tcp localhost:80",
        "get http://127.0.0.1:9/",
        "get https://example.org/",
        "env",
        "env PATH",
        "args",
        "time",
        "wait",
        "random",
    ];
    let said = probe(&project, &lines);
    for (line, said) in &said {
        let nothing = match &**line {
            "env" => said.is_empty(),
            "args" => said == "[]",
            "time" => said.contains("tv_sec: 0") || said.contains("(0ns)"),
            "wait" => said == "0ns",
            "random" => continue,
            _ => said.starts_with("error: "),
        };
        assert!(nothing, "`{line}` gave {said}");
    }
    // Elsewhere, and at another time, it is all the same.
    let other = crate::project("");
    assert_eq!(probe(&other, &lines), said);
}
