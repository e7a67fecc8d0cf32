//! Rows of a table of the user's own: what a command prints or a URL answers.

use super::super::window::Window;
use super::Answer;
use crate::experiment::tables::{Origin, UserTable};
use crate::platform::local::die_with_thread;
use aefm_collector::http::{Http, HttpOptions, encode};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};

/// More is not taken.
const MAX_BYTES: usize = 64 << 20;
/// So much of what a command says on standard error is told.
const WORDS: usize = 400;

/// What came.
#[derive(Debug, Default)]
pub(in crate::gather) struct Rows {
    pub(in crate::gather) bytes: Vec<u8>,
    /// Why it may not be all.
    pub(in crate::gather) fault: Option<String>,
}

/// Asks the source of a table about a window.
///
/// # Errors
/// Nothing came, and why.
pub(super) async fn rows(table: UserTable, http: HttpOptions, window: Window) -> Answer<Rows> {
    match table.origin {
        Origin::Command(words) => output(&words, &window, table.timeout).await,
        Origin::Url { url, .. } => {
            let url = filled(&url, &window)?;
            let http = Http::new(HttpOptions {
                answer_bytes: MAX_BYTES,
                ..http
            })
            .map_err(|error| error.to_string())?;
            let bytes = http.get(&url).await.map_err(|error| error.to_string())?;
            Ok(Rows {
                bytes: bytes.to_vec(),
                fault: None,
            })
        }
    }
}

/// The URL with the case's facts in their places.
fn filled(url: &str, window: &Window) -> Result<String, String> {
    let mut filled = url.to_owned();
    for (name, value) in window.facts() {
        filled = filled.replace(&format!("{{{name}}}"), &encode(&value));
    }
    match filled.find('{') {
        None => Ok(filled),
        Some(at) => {
            let known: Vec<_> = window.facts().into_iter().map(|(name, _)| name).collect();
            let left = &filled[at..];
            Err(format!(
                "fill in `{:.40}` of the URL: there are {}",
                left,
                known.join(", ")
            ))
        }
    }
}

/// What a command prints; it knows the case by its environment. Given up, it is killed with all that it started.
async fn output(words: &[String], window: &Window, timeout: Duration) -> Answer<Rows> {
    let failed = |reason: String| format!("run `{}`: {reason}", words.join(" "));
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in window.facts() {
        command.env(format!("AEFM_{}", name.to_uppercase()), value);
    }
    die_with_thread(&mut command, &[]);
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut group = Group(
        child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .map(Pid::from_raw),
    );
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let leader = group.leader_ends();
    let work = async {
        let end = async {
            leader.await;
            // What it leaves in the background would hold the pipes open.
            group.kill();
        };
        tokio::join!(end, read(stdout, MAX_BYTES), read(stderr, 1 << 20))
    };
    let ended = tokio::time::timeout(timeout, work).await;
    group.kill();
    let status = child
        .wait()
        .await
        .map_err(|error| failed(error.to_string()))?;
    group.0 = None;
    let ((), bytes, said) =
        ended.map_err(|_| failed(format!("it did not end within {timeout:?}")))?;
    let (bytes, whole) = bytes.map_err(&failed)?;
    let said = said.map(|(said, _)| {
        String::from_utf8_lossy(&said[..said.len().min(WORDS)])
            .trim()
            .to_owned()
    });
    let fault = match (whole, status.success()) {
        (false, _) => Some(failed(format!("it printed more than {MAX_BYTES} bytes"))),
        (true, false) => Some(failed(format!(
            "it ended with {status}{}",
            said.ok()
                .filter(|said| !said.is_empty())
                .map_or(String::new(), |said| format!(": {said}"))
        ))),
        (true, true) => None,
    };
    Ok(Rows { bytes, fault })
}

/// A command that was not waited for, so that its process group is still its own; dropped, the group is killed.
struct Group(Option<Pid>);

impl Group {
    fn kill(&self) {
        if let Some(leader) = self.0 {
            // Nobody of the group may be left: nothing to do then.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }

    /// Waits for the command's end without reaping it.
    fn leader_ends(&self) -> impl Future<Output = ()> + use<> {
        let leader = self.0;
        async move {
            let wait = move || {
                let Some(leader) = leader else { return };
                let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
                while waitid(Id::Pid(leader), flags) == Err(nix::errno::Errno::EINTR) {}
            };
            drop(tokio::task::spawn_blocking(wait).await);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads to the end, but keeps no more than `most` bytes; says whether that was all.
async fn read(
    from: Option<impl AsyncRead + Unpin>,
    most: usize,
) -> Result<(Vec<u8>, bool), String> {
    let Some(mut from) = from else {
        return Ok((Vec::new(), true));
    };
    let mut bytes = Vec::new();
    (&mut from)
        .take(most as u64)
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| error.to_string())?;
    let rest = tokio::io::copy(&mut from, &mut tokio::io::sink())
        .await
        .map_err(|error| error.to_string())?;
    Ok((bytes, rest == 0))
}
