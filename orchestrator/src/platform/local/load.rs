//! One load process: started, listened to, and stopped early when the application or a stressor dies under it.

use super::Local;
use super::spawn::{Program, Spawner};
use crate::lifecycle::Scope;
use crate::platform::{LoadRun, PlatformError, ProcessEnd};
use aefm_workloads::load::LoadSpec;
use futures_util::FutureExt;
use futures_util::future::select_all;
use std::time::Duration;
use tokio::io::{BufReader, Lines};
use tokio::net::unix::pipe;

/// How long the load may take beyond its schedule, time-out and grace until something must be wrong.
const OVERTIME: Duration = Duration::from_secs(10);
/// How long it may take to write its summary once it was told to stop.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// The one process of such a load.
const SHARD: u32 = 0;

/// Runs a load to its end, or until `trouble` ends.
pub(in crate::platform) async fn run(
    spawner: &Spawner,
    spec: &LoadSpec,
    done: &(dyn Fn(u32) + Send + Sync),
    trouble: impl Future<Output = PlatformError>,
) -> LoadRun {
    let mut run = LoadRun::of(1);
    if let Err(error) = run_into(spawner, spec, done, trouble, &mut run).await {
        run.error = Some(error);
    }
    run
}

/// Ends when a service or a stressor of this machine does.
pub(super) async fn trouble(local: &Local) -> PlatformError {
    tokio::select! {
        end = local.services.first_end() => PlatformError::new(Scope::Environment, format!("{end} under load")),
        name = stressor_end(local) => PlatformError::new(Scope::Case, format!("{name} interference ended in mid-case")),
    }
}

async fn run_into(
    spawner: &Spawner,
    spec: &LoadSpec,
    done: &(dyn Fn(u32) + Send + Sync),
    trouble: impl Future<Output = PlatformError>,
    run: &mut LoadRun,
) -> Result<(), PlatformError> {
    let failed = |error: &dyn std::fmt::Display| {
        PlatformError::new(Scope::Case, format!("run the load: {error}"))
    };
    let args = ["load", "--spec", "-"].map(str::to_owned).to_vec();
    let program = Program {
        name: "load".to_owned(),
        args,
        cores: spec.cores.clone(),
    };
    let mut child = spawner
        .spawn(program)
        .await
        .map_err(|error| failed(&error))?;
    let line = serde_json::to_string(spec).map_err(|error| failed(&error))?;
    child.tell(&line).await.map_err(|error| failed(&error))?;
    let mut lines = child
        .lines()
        .ok_or_else(|| failed(&"its output is taken"))?;
    let limit =
        Duration::from_millis(spec.warmup_ms + spec.duration_ms + spec.timeout_ms + spec.grace_ms)
            + OVERTIME;

    let mut trouble = tokio::select! {
        ended = listen(&mut lines, run, done) => ended.err().map(|error| failed(&error)),
        trouble = trouble => Some(trouble),
        () = tokio::time::sleep(limit) => Some(failed(&format!("it did not end within {limit:?}"))),
    };
    if trouble.is_some() {
        // Whatever it has seen until now counts: it is asked for its summary before it goes.
        drop(child.tell("stop").await);
        drop(tokio::time::timeout(LAST_WORDS, listen(&mut lines, run, done)).await);
    } else {
        // It has said all: how it ends by itself is a part of that.
        drop(tokio::time::timeout(OVERTIME, child.exit().wait()).await);
        run.ended(SHARD, child.exit().ended().map(ProcessEnd::of));
        if run.summaries().next().is_none() {
            trouble = Some(failed(&format!("no summary: {}", child.obituary())));
        }
    }
    let summary = run.summaries().next().cloned();
    run.summary = summary;
    child.stop(super::PATIENCE).await;
    trouble.map_or(Ok(()), Err)
}

/// Reads records until the output ends.
async fn listen(
    lines: &mut Lines<BufReader<pipe::Receiver>>,
    run: &mut LoadRun,
    done: &(dyn Fn(u32) + Send + Sync),
) -> Result<(), String> {
    while let Some(line) = lines.next_line().await.map_err(|error| error.to_string())? {
        let heard = run.hear(SHARD, &line);
        if let Some(second) = heard.map_err(|error| format!("it said `{line}`: {error}"))? {
            tracing::debug!("second {second} of the load has all its outcomes");
            done(second);
        }
    }
    Ok(())
}

async fn stressor_end(local: &Local) -> &'static str {
    if local.stressors.is_empty() {
        return std::future::pending().await;
    }
    let ends = local
        .stressors
        .iter()
        .map(|(kind, stressor)| stressor.end().map(|()| kind.name()).boxed());
    select_all(ends).await.0
}
