//! `flowstone test` with grants: cases of a plugin that reads files, variables, or the network.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use flowstone_tests::{Project, prober};
use serde_json::Value;

use crate::support::{assert_seen, command, lay_out, regex_of_folder};

/// A plugin that tries what it is told, with a file and these cases.
fn project(cases: &str) -> Project {
    let mut project = Project::new();
    project.component = Some(prober().to_vec());
    lay_out(&project);
    fs::create_dir_all(project.path("data/words")).expect("the project takes folders");
    fs::write(project.path("data/words/en.txt"), "the").expect("the project takes files");
    fs::write(project.path("data/secret.txt"), "secret").expect("the project takes files");
    fs::write(project.path("cases.toml"), cases).expect("the project takes files");
    project
}

/// What lets cases have what they could send away, and send it.
const ALLOWED: [&str; 1] = ["--allow-grants"];

const TEST: [&str; 4] = ["test", "sample.wasm", "--cases", "cases.toml"];

/// What `test --json` says, with its exit status.
fn tested(project: &Project, also: &[&str]) -> (i32, Value) {
    let output = command(project)
        .args(TEST)
        .arg("--json")
        .args(also)
        .env("FLOWSTONE_TEST_WORD", "from outside")
        .output()
        .expect("the command starts");
    let said = serde_json::from_slice(&output.stdout);
    let said = said.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().expect("it was not killed"), said)
}

fn got(said: &Value) -> Vec<&str> {
    let cases = said["cases"].as_array().expect("a list");
    let got = cases.iter().map(|case| case["got"].as_str());
    got.map(|got| got.expect("it is text")).collect()
}

const CASES: &str = r#"
[[case]]
function = "probe"
args = ["read data/words/en.txt"]
expect = '"the"'

[[case]]
function = "probe"
args = ["env FLOWSTONE_TEST_WORD"]
expect = '"from outside"'

[[case]]
function = "probe"
args = ["env HOME"]
expect = '"/nowhere"'
"#;

/// What none of them may see.
const OTHERS: &str = r#"
[[case]]
function = "probe"
args = ["read data/secret.txt"]

[[case]]
function = "probe"
args = ["env PATH"]

[[case]]
function = "probe"
args = ["read data/words/../secret.txt"]
"#;

#[test]
fn cases_see_what_they_are_granted_and_nothing_else() {
    let grants = "[grants]\nread = [\"data/words\"]\nenv = { HOME = \"/nowhere\" }\n";
    let with_value = CASES.replace("from outside", "within");
    let grants_both = grants.replace("{ HOME", "{ FLOWSTONE_TEST_WORD = \"within\", HOME");
    let (status, said) = tested(&project(&(grants_both + &with_value)), &[]);
    assert_eq!((status, &said["passed"]), (0, &3.into()), "{said:#}");
    assert_eq!(said["functions"][0]["deterministic"], true);

    let inherited = "[grants]\nread = [\"data/words/en.txt\"]\nenv = [\"FLOWSTONE_TEST_WORD\"]\n";
    let (status, said) = tested(&project(&format!("{inherited}{CASES}{OTHERS}")), &ALLOWED);
    assert_eq!((status, &said["passed"]), (1, &2.into()), "{said:#}");
    let got = got(&said);
    assert_eq!(got[..2], ["\"the\"", "\"from outside\""]);
    assert!(
        got[2..].iter().all(|got| got.starts_with("\"error: ")),
        "{got:?}"
    );
}

#[test]
fn what_could_be_sent_away_is_not_granted_by_the_cases_alone() {
    for grants in [
        "env = [\"FLOWSTONE_TEST_WORD\"]",
        "network = [\"127.0.0.1:1\"]",
    ] {
        let project = project(&format!("[grants]\n{grants}\n{CASES}"));
        let (status, said) = tested(&project, &ALLOWED);
        assert_eq!(status, 1, "they are tried: {said:#}");
        let output = command(&project)
            .args(TEST)
            .output()
            .expect("the command starts");
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(output.stdout, b"", "nothing was tried");
    }
    let project = project(&format!(
        "[grants]\nenv = [\"HOME\", \"KEY\"]\nnetwork = [\"example.org:443\"]\n{CASES}"
    ));
    assert_seen!(&project, "test_grants_not_allowed", &TEST);
}

#[test]
fn free_grants_need_no_leave() {
    let free = "[grants]\nclock = true\nrandom = true\nread = [\"data/words\"]\nenv = { HOME = \"/nowhere\" }\n";
    let (_, said) = tested(&project(&format!("{free}{CASES}")), &[]);
    assert_eq!(said["passed"], 2, "{said:#}");
}

/// A request asks for the authorities first: a plain server is enough to see whether they are asked for.
#[test]
fn the_authorities_to_trust_are_those_of_flows() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let project = project(&format!(
        "[grants]\nnetwork = [\"{address}\"]\n[[case]]\nfunction = \"probe\"\nargs = [\"get https://{address}/\"]\n"
    ));
    // Nobody answers: whoever comes is let go.
    let server = thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
        }
    });
    let output = command(&project)
        .args(TEST)
        .args(["--json", "--allow-grants"])
        .env("SSL_CERT_FILE", project.path("no-such.pem"))
        .output()
        .expect("the command starts");
    let said: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(
        got(&said),
        ["\"error: Other: ErrorCode::ConfigurationError\""]
    );
    drop(server);
}

#[test]
fn without_grants_there_is_nothing() {
    let (status, said) = tested(&project(CASES), &[]);
    assert_eq!((status, &said["failed"]), (1, &3.into()), "{said:#}");
    assert!(
        got(&said).iter().all(|got| got.starts_with("\"error: ")),
        "{said:#}"
    );
}

#[test]
fn what_differs_from_call_to_call_is_called_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let server = thread::spawn(move || {
        // The test itself comes last, and sends nothing.
        let mut calls = 0;
        loop {
            let (mut stream, _) = listener.accept().expect("somebody comes");
            let mut line = String::new();
            let read = BufReader::new(&stream).read_line(&mut line);
            if read.expect("it is text") == 0 {
                return calls;
            }
            calls += 1;
            write!(stream, "call {calls}").expect("it listens");
        }
    });
    let case = format!(
        "[[case]]\nfunction = \"probe\"\nargs = [\"tcp {address}\"]\nexpect = '\"call 1\"'\n"
    );
    let (status, said) = tested(&project(&case), &ALLOWED);
    assert_eq!(status, 1);
    assert!(got(&said)[0].starts_with("\"error: "), "{said:#}");

    let grants = format!("[grants]\nnetwork = [\"{address}\"]\n");
    let (status, said) = tested(&project(&(grants + &case)), &ALLOWED);
    assert_eq!((status, got(&said)), (0, vec!["\"call 1\""]), "{said:#}");
    let function = &said["functions"][0];
    for unknown in ["deterministic", "independent_of_order"] {
        assert_eq!(function[unknown], Value::Null, "{function:#}");
    }
    drop(TcpStream::connect(address));
    assert_eq!(server.join().expect("it ends"), 1);
}

#[test]
fn grants_that_lead_out_or_are_not_there_are_refused() {
    let project = project(&format!(
        "[grants]\nread = [\"../other\", \".\", \"/etc\"]\nnetwork = [\"*:80\"]\nwrite = [\"out\"]\n{CASES}"
    ));
    assert_seen!(&project, "test_grants_wrong", &TEST);
    let cases = format!("{CASES}[grants]\nread = [\"data/nowhere\"]\n");
    fs::write(project.path("cases.toml"), cases).expect("the project takes files");
    assert_seen!(&project, "test_grants_missing", &TEST);
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_refused() {
    let outside = tempfile::tempdir().expect("a folder for the test");
    fs::write(outside.path().join("en.txt"), "outside").expect("it can be written to");
    for link in ["data/link", "data/words/link"] {
        let granted = if link == "data/link" {
            link
        } else {
            "data/words"
        };
        let project = project(&format!("[grants]\nread = [\"{granted}\"]\n{CASES}"));
        std::os::unix::fs::symlink(outside.path().join("en.txt"), project.path(link))
            .expect("links can be made");
        let output = command(&project)
            .args(TEST)
            .output()
            .expect("the command starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("leads out of what is granted"), "{said}");
    }
}
