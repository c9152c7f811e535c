//! Runs a program of a build to its end, or to that of what it may take: what it reads is somebody else's.

use std::io::{ErrorKind, Read};
#[cfg(target_os = "linux")]
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

#[cfg(target_os = "linux")]
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

/// How much of the processor a program may use that loads a plugin's modules, or installs some: ten times what the slowest
/// takes.
pub(super) const PROCESSOR_MAX: Duration = Duration::from_mins(10);

/// How long a program may take that only looks at a plugin's sources: it would wait for what never comes, such as the
/// content of a pipe, without using the processor.
pub(super) const CLOCK_MAX: Duration = Duration::from_mins(2);

/// What a program may take, where that is limited.
#[derive(Clone, Copy, Default)]
pub(super) struct Limits {
    /// Of the processor.
    pub(super) processor: Option<Duration>,
    /// From its start to its end.
    pub(super) clock: Option<Duration>,
}

/// Runs a program to its end, or to that of what it may take.
pub(super) fn ended(command: &mut Command, limits: Limits) -> std::io::Result<Output> {
    let pipes = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = pipes.stderr(Stdio::piped()).spawn()?;
    if let Some(processor) = limits.processor {
        limit(&child, processor);
    }
    match limits.clock {
        Some(clock) => ended_in_time(child, clock),
        None => child.wait_with_output(),
    }
}

fn ended_in_time(mut child: Child, clock: Duration) -> std::io::Result<Output> {
    let (sender, ended) = channel::<()>();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let other = sender.clone();
    let stdout = thread::spawn(move || all(out, other));
    let stderr = thread::spawn(move || all(err, sender));
    // Nothing is ever sent: when both have come to the end, nobody is left who could.
    if ended.recv_timeout(clock) == Err(RecvTimeoutError::Timeout) {
        child.kill()?;
        child.wait()?;
        // What it began may live on and hold the pipes: they are not waited for.
        return Err(ErrorKind::TimedOut.into());
    }
    let broken = |_| ErrorKind::BrokenPipe;
    Ok(Output {
        status: child.wait()?,
        stdout: stdout.join().map_err(broken)??,
        stderr: stderr.join().map_err(broken)??,
    })
}

/// All that comes out of a pipe; `done` is dropped after it.
fn all(pipe: Option<impl Read>, done: Sender<()>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes));
    drop(done);
    read.map(|_| bytes)
}

/// Has the system end a program when it has used so much of the processor, also when nobody waits for it any more. What it
/// begins later has the same limit. Where it cannot be limited it runs on.
#[cfg(target_os = "linux")]
fn limit(child: &Child, processor: Duration) {
    let seconds = processor.as_secs();
    let limit = Rlimit {
        current: Some(seconds),
        // The first signal could be passed over.
        maximum: Some(seconds + 10),
    };
    let _ = prlimit(Some(Pid::from_child(child)), Resource::Cpu, limit);
}

#[cfg(not(target_os = "linux"))]
fn limit(_: &Child, _: Duration) {}

/// Whether the system ended a program at its limit.
pub(super) fn is_limited(output: &Output) -> bool {
    #[cfg(target_os = "linux")]
    {
        output.status.signal() == Some(Signal::XCPU.as_raw())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = output;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_that_takes_too_much_of_the_processor_is_ended() {
        let mut command = Command::new("sh");
        // Some twenty seconds: where it is not ended the test fails, and does not hang.
        command.args(["-c", "n=0; while [ $n -lt 20000000 ]; do n=$((n+1)); done"]);
        let limits = Limits {
            processor: Some(Duration::from_secs(1)),
            clock: None,
        };
        let output = ended(&mut command, limits).expect("it starts");
        assert!(is_limited(&output));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_waits_for_ever_is_ended() {
        let within = |script: &str, clock| {
            let limits = Limits {
                processor: None,
                clock: Some(clock),
            };
            ended(Command::new("sh").args(["-c", script]), limits)
        };
        let error = within("exec sleep 1000", Duration::from_millis(50));
        assert_eq!(
            error.map_err(|error| error.kind()),
            Err(ErrorKind::TimedOut)
        );
        let output = within("echo out; echo err >&2; exit 3", CLOCK_MAX).expect("it ends");
        assert_eq!(
            (output.stdout, output.stderr, output.status.code()),
            (b"out\n".to_vec(), b"err\n".to_vec(), Some(3))
        );
    }
}
