//! Running the command on a project in a temporary folder.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use flowstone_tests::{Project, guest};

/// The command, with nothing from the environment that could change what it says, and a home of its own.
pub(crate) fn command(project: &Project) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowstone"));
    command
        .current_dir(project.path(""))
        .env("NO_COLOR", "1")
        .env("XDG_STATE_HOME", project.path("state"))
        .env("FLOWSTONE_COMPILED", project.path("state/compiled"))
        .stdin(Stdio::null());
    command
}

/// Runs the flow of the project: the calls per transform, without those of which there were none.
pub(crate) fn calls_of_run(project: &Project) -> BTreeMap<String, u64> {
    let output = command(project)
        .args(["run", "--json"])
        .output()
        .expect("the command starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("the report is JSON");
    let transforms = report["transforms"].as_object().expect("there are some");
    transforms
        .iter()
        .map(|(name, counts)| (name.clone(), counts["called"].as_u64().expect("a number")))
        .filter(|(_, called)| *called > 0)
        .collect()
}

/// Whether tests are left out that install the tools of other languages.
pub(crate) fn languages_are_off() -> bool {
    std::env::var_os("FLOWSTONE_TEST_LANGUAGES").is_some_and(|value| value == "off")
}

/// Writes the project's flow and guest as files, as the command wants them.
pub(crate) fn lay_out(project: &Project) -> PathBuf {
    let flow = project.path("flow.toml");
    std::fs::write(&flow, &project.flow).expect("the project takes files");
    let component = project.component.clone();
    let component = component.unwrap_or_else(|| guest(project.guest));
    std::fs::write(project.path("sample.wasm"), component).expect("the project takes files");
    flow
}

/// Runs the command with these arguments.
pub(crate) fn flowstone(project: &Project, arguments: &[&str]) -> Output {
    command(project)
        .args(arguments)
        .output()
        .expect("the command starts")
}

/// All that a person sees of a run of the command: status, stdout and stderr.
pub(crate) fn seen(project: &Project, arguments: &[&str]) -> String {
    let output = flowstone(project, arguments);
    let status = output
        .status
        .code()
        .map_or("killed".to_owned(), |code| code.to_string());
    format!(
        "$ flowstone {}\nstatus {status}\n--- stdout\n{}--- stderr\n{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Asserts what is seen against the snapshot `name`; times, digests and folders that differ between machines are
/// replaced.
macro_rules! assert_seen {
    ($project:expr, $name:expr, $arguments:expr) => {
        insta::with_settings!({
            omit_expression => true,
            snapshot_path => "snapshots",
            prepend_module_to_snapshot => false,
            filters => vec![
                (regex_of_folder($project).as_str(), "[PROJECT]"),
                (r#""(latency|queue)": ?\{[^}]*\}"#, "\"$1\": [TIME]"),
                (r#""rows_per_second": ?[0-9.e-]+"#, "\"rows_per_second\": [RATE]"),
                (r#""seconds": ?[\[{][^\]}]*[\]}]"#, "\"seconds\": [TIME]"),
                (r#""seconds": ?[0-9.e-]+"#, "\"seconds\": [TIME]"),
                (r"\b[0-9a-f]{64}\b", "[DIGEST]"),
                (r"\b[0-9a-f]{12}\b", "[DIGEST]"),
                (r"<?\b[0-9.]+ (ns|µs|ms|s)\b", "[TIME]"),
                (r#""started": ?[0-9]+"#, "\"started\": [WHEN]"),
                (r#""at": ?[0-9]+"#, "\"at\": [WHEN]"),
                (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "[WHEN]"),
                (r"started \(UTC\) +when\b", "started (UTC) when"),
                (r" *\(?\b(just now|\d+ min ago)\b\)?", " [AGO]"),
                (r" +time\b", " time"),
                (r" +\[TIME\]", " [TIME]"),
                (r"\[TIME\] +\d+ \[TIME\]", "[TIME] [RATE] [TIME]"),
                (r"failed +median +longest +memory", "failed median longest memory"),
                (r"most +p50 +p95 +p99 +rows/s +queued +longest", "most p50 p95 p99 rows/s queued longest"),
                (r"\b[0-9]+/s\b", "[RATE]"),
            ],
        }, {
            insta::assert_snapshot!($name, crate::support::seen($project, $arguments));
        });
    };
}
pub(crate) use assert_seen;

/// The project's folder as a pattern.
pub(crate) fn regex_of_folder(project: &Project) -> String {
    let folder = project.path("").display().to_string();
    folder.trim_end_matches('/').replace('.', "\\.")
}
