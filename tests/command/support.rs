//! Running the command on a project in a temporary folder.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use flowstone_tests::{Project, guest};

/// The command, with nothing from the environment that could change what it says, and a home of its own.
pub(crate) fn command(project: &Project) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowstone"));
    command
        .current_dir(project.path(""))
        .env("NO_COLOR", "1")
        .env("HOME", project.path("home"))
        .env_remove("XDG_STATE_HOME")
        .stdin(Stdio::null());
    command
}

/// Writes the project's flow and guest as files, as the command wants them.
pub(crate) fn lay_out(project: &Project) -> PathBuf {
    let flow = project.path("flow.toml");
    std::fs::write(&flow, &project.flow).expect("the project takes files");
    std::fs::write(project.path("sample.wasm"), guest(project.guest))
        .expect("the project takes files");
    flow
}

/// Runs the command with these arguments.
pub(crate) fn flowstone(project: &Project, arguments: &[&str]) -> Output {
    command(project)
        .args(arguments)
        .output()
        .expect("the command starts")
}
