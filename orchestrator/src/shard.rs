//! `aefm shard`: one pod's part of a load. It waits until all shards are there, runs its own, and leaves its table of
//! requests with the receiver. Records go to standard output, as a load's do, and then one last line of ours.

use crate::http;
use crate::platform::ProcessEnd;
use crate::receive::{Arrival, Departure};
use aefm_collector::sink::part_path;
use aefm_workloads::load::LoadSpec;
use hyper::Method;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How often the receiver is tried while it cannot be reached.
const RETRY: Duration = Duration::from_millis(500);
/// How often a table is offered before it is given up.
const ATTEMPTS: u32 = 20;

/// What all shards of a load have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardSpec {
    /// The load's name in the cluster.
    pub load_name: String,
    /// How many shards there are.
    pub shards: u32,
    /// The receiver, `host:port`.
    pub receiver: String,
    /// The whole load; its table of requests goes to a folder of the pod's own.
    pub load: LoadSpec,
}

/// A shard's last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "shard")]
pub struct ShardEnd {
    /// Which shard.
    pub index: u32,
    /// The exit code of its load, if it had one.
    pub exit_code: Option<i32>,
    /// The signal that ended its load, if one did.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Its table of requests, if one was asked for.
    pub table: Option<Result<Table, String>>,
}

impl ShardEnd {
    /// How its load ended; none if it never began.
    #[must_use]
    pub fn process(&self) -> Option<ProcessEnd> {
        let code = self.exit_code.map(ProcessEnd::Code);
        code.or_else(|| self.signal.map(ProcessEnd::Signal))
    }
}

/// A table that the receiver has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name at the receiver.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
}

/// Why a shard could not run.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The spec is not one.
    #[error("read the spec: {0}")]
    Spec(#[from] serde_json::Error),
    /// The pod does not know which shard it is.
    #[error(
        "find out which shard this is: JOB_COMPLETION_INDEX is no number; a Job of Kubernetes sets it"
    )]
    Index,
    /// The system refuses something.
    #[error("start: {0}")]
    Start(#[from] std::io::Error),
}

/// The name of a shard's table at the receiver.
#[must_use]
pub fn table_name(load_name: &str, index: u32) -> String {
    format!("{load_name}-{index}")
}

/// The SHA-256 of bytes in hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Runs the shard that this pod is.
///
/// # Errors
/// When it cannot begin; what goes wrong later is in its last line.
pub fn run(spec: &str) -> Result<(), ShardError> {
    let spec: ShardSpec = serde_json::from_str(spec)?;
    let index = std::env::var("JOB_COMPLETION_INDEX")
        .ok()
        .and_then(|index| index.parse().ok())
        .ok_or(ShardError::Index)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let end = runtime.block_on(obey(&spec, index))?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::to_string(&end)?)?;
    Ok(out.flush()?)
}

async fn obey(spec: &ShardSpec, index: u32) -> Result<ShardEnd, ShardError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let departure = tokio::select! {
        departure = barrier(spec, index) => departure,
        _ = terminate.recv() => return Ok(ShardEnd { index, exit_code: None, signal: None, table: None }),
    };
    let mut load = spec.load.clone();
    load.start_at_ns = Some(departure.start_at_ns);
    let child = start(&load, index, spec.shards)?;
    let status = wait(child, &mut terminate).await?;
    let table = match &load.requests {
        Some(sink) => Some(
            hand_over(
                spec,
                index,
                &part_path(&sink.dir, "requests", &sink.labels.case_id),
            )
            .await,
        ),
        None => None,
    };
    Ok(ShardEnd {
        index,
        exit_code: status.code(),
        signal: status.signal(),
        table,
    })
}

/// Waits until all shards have arrived. An orchestrator that goes in the meantime takes this pod with it.
async fn barrier(spec: &ShardSpec, index: u32) -> Departure {
    let arrival = Arrival {
        load_name: spec.load_name.clone(),
        index,
        shards: spec.shards,
    };
    loop {
        match http::post_json(&spec.receiver, "/barrier", &arrival).await {
            Ok(departure) => return departure,
            Err(reason) => eprintln!("aefm shard: failed to {reason}; trying again"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn start(load: &LoadSpec, index: u32, shards: u32) -> std::io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.args([
        "load",
        "--spec",
        "-",
        "--shard",
        &format!("{index}/{shards}"),
    ]);
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(stdin) = child.stdin.as_mut() {
        writeln!(stdin, "{}", serde_json::to_string(load)?)?;
    }
    Ok(child)
}

/// Waits for the load's end. It ends at the end of its input, and so it does when this process is told to stop.
async fn wait(
    mut child: Child,
    terminate: &mut tokio::signal::unix::Signal,
) -> std::io::Result<ExitStatus> {
    let mut stdin = child.stdin.take();
    let mut ended = tokio::task::spawn_blocking(move || child.wait());
    tokio::select! {
        status = &mut ended => return status.map_err(std::io::Error::other)?,
        _ = terminate.recv() => drop(stdin.take()),
    }
    ended.await.map_err(std::io::Error::other)?
}

async fn hand_over(spec: &ShardSpec, index: u32, path: &std::path::Path) -> Result<Table, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("read its requests: {error}"))?;
    let table = Table {
        name: table_name(&spec.load_name, index),
        bytes: bytes.len() as u64,
        sha256: sha256(&bytes),
    };
    let bytes = bytes::Bytes::from(bytes);
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let request = http::request(
            Method::PUT,
            &spec.receiver,
            &format!("/files/{}", table.name),
            bytes.clone(),
        )?;
        match http::send(&spec.receiver, request, 1 << 10).await {
            Ok(_) => return Ok(table),
            Err(reason) => last = reason,
        }
        tokio::time::sleep(RETRY).await;
    }
    Err(last)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use aefm_workloads::load::{Arrival, TraceContext};

    pub(crate) fn spec(shards: u32) -> ShardSpec {
        let load = LoadSpec {
            url: "http://10.0.0.1:8080".into(),
            workload: None,
            written: None,
            arrival: Arrival::Constant,
            rate_hz: 10.0,
            warmup_ms: 0,
            duration_ms: 1000,
            seed: 1,
            trace_seed: 2,
            trace: TraceContext::W3c,
            connections: 1,
            cores: Vec::new(),
            timeout_ms: 1000,
            grace_ms: 0,
            start_at_ns: None,
            requests: None,
        };
        ShardSpec {
            load_name: "aefm-load-r-1".into(),
            shards,
            receiver: "10.0.0.2:8080".into(),
            load,
        }
    }

    #[test]
    fn the_last_line_is_no_record_of_a_load() {
        let table = Table {
            name: "n".into(),
            bytes: 3,
            sha256: sha256(b"abc"),
        };
        let line = serde_json::to_string(&ShardEnd {
            index: 1,
            exit_code: Some(0),
            signal: None,
            table: Some(Ok(table)),
        })
        .unwrap();
        assert!(
            line.starts_with(r#"{"type":"shard","index":1"#) && line.contains("ba7816bf8f01cfea")
        );
        assert!(serde_json::from_str::<aefm_workloads::load::LoadRecord>(&line).is_err());
    }
}
