//! A container as a process of this machine: its arguments and environment as the pod says, its files in a folder.

use super::container::Container;
use bytes::Bytes;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

/// What to start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    /// The name it is called by, and its arguments.
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) folder: PathBuf,
    pub(crate) stdin: bool,
    /// Whether its input ends with the first client that leaves.
    pub(crate) stdin_once: bool,
}

pub(crate) fn spawn(start: &Start) -> io::Result<Child> {
    let mut command = Command::new(&start.program);
    if let Some((name, rest)) = start.arguments.split_first() {
        command.arg0(name).args(rest);
    }
    command
        .env_clear()
        .envs(start.environment.iter().cloned())
        .current_dir(&start.folder)
        .kill_on_drop(true);
    command.stdin(if start.stdin {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Lives as long as the process: its output into the log, bytes to its input, signals.
pub(crate) async fn supervise(
    mut child: Child,
    container: Arc<Container>,
    input: mpsc::UnboundedReceiver<Bytes>,
    mut signals: mpsc::UnboundedReceiver<Signal>,
) {
    let pid = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .map(Pid::from_raw);
    let outputs = tokio::task::JoinSet::from_iter([
        read_to_log(
            Output::Out(child.stdout.take().expect("it is piped")),
            container.clone(),
        ),
        read_to_log(
            Output::Err(child.stderr.take().expect("it is piped")),
            container.clone(),
        ),
    ]);
    if let Some(stdin) = child.stdin.take() {
        tokio::spawn(write_input(stdin, input));
    }
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            Some(signal) = signals.recv() => if let Some(pid) = pid {
                // The child is not reaped before `wait` is done, so this is the process that was started.
                let _ = kill(pid, signal);
            },
        }
    };
    outputs.join_all().await;
    let code = status
        .ok()
        .and_then(|status| status.code().or(status.signal().map(|signal| 128 + signal)));
    container.end(code.unwrap_or(255));
}

enum Output {
    Out(tokio::process::ChildStdout),
    Err(tokio::process::ChildStderr),
}

async fn read_to_log(output: Output, container: Arc<Container>) {
    match output {
        Output::Out(out) => read_lines(out, 1, &container).await,
        Output::Err(err) => read_lines(err, 2, &container).await,
    }
}

async fn read_lines(output: impl AsyncRead + Unpin, channel: u8, container: &Container) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output
        .read_until(b'\n', &mut line)
        .await
        .is_ok_and(|count| count > 0)
    {
        container
            .log
            .push(channel, Bytes::from(std::mem::take(&mut line)));
    }
}

async fn write_input(mut stdin: ChildStdin, mut input: mpsc::UnboundedReceiver<Bytes>) {
    while let Some(bytes) = input.recv().await {
        if bytes.is_empty() || stdin.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
