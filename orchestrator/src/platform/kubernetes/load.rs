//! A load from inside of the cluster, from its Job to its tables.

use super::Kubernetes;
use super::cluster::ClusterError;
use super::deploy::Site;
use super::load_job::{self, LOAD_LABEL, index_of};
use super::logs;
use super::merge::merge;
use super::pod::WORK_DIR;
use super::provenance::Made;
use super::watched::{has_ended, pods};
use crate::http;
use crate::lifecycle::Scope;
use crate::platform::{LoadRun, PlatformError};
use crate::shard::{ShardEnd, ShardSpec, Table, sha256};
use aefm_collector::sink::part_path;
use aefm_workloads::load::{LoadSpec, RequestsSink};
use bytes::Bytes;
use hyper::Method;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long pods of a load may take until they run.
const START: Duration = Duration::from_secs(120);
/// How long a load may take beyond its schedule, time-out and grace, tables included.
const OVERTIME: Duration = Duration::from_secs(60);
/// The longest table of requests.
const MAX_TABLE: usize = 1 << 30;
/// How often a table is fetched before it is given up.
const ATTEMPTS: u32 = 10;

/// The last lines of the shards.
type Ends = BTreeMap<u32, ShardEnd>;

/// What comes from the shards' pods.
enum Said {
    /// A line, and by which shard.
    Line(u32, String),
    /// Nothing more from the pod of that name, and why.
    End(String, Result<(), ClusterError>),
}

/// Runs a load in so many pods to its end.
pub(super) async fn run(
    platform: &Kubernetes,
    spec: &LoadSpec,
    shards: u32,
    name: &str,
    done: &(dyn Fn(u32) + Send + Sync),
) -> LoadRun {
    let mut run = LoadRun::of(shards as usize);
    let failed =
        |reason: String| PlatformError::new(Scope::Case, format!("run the load: {reason}"));
    let mut load = spec.clone();
    if let Some(sink) = &mut load.requests {
        sink.dir = WORK_DIR.into();
    }
    let shard = ShardSpec {
        load_name: name.to_owned(),
        shards,
        receiver: platform.receiver.clone(),
        load,
    };
    let length =
        Duration::from_millis(spec.warmup_ms + spec.duration_ms + spec.timeout_ms + spec.grace_ms)
            + OVERTIME;
    let jobs = load_job::jobs(
        &platform.site.owner,
        &platform.options,
        &platform.survey.load,
        &shard,
        START + length,
        platform.survey.cluster.server_minor,
    );
    let jobs = match jobs {
        Ok(jobs) => jobs,
        Err(error) => {
            run.error = Some(failed(error.to_string()));
            return run;
        }
    };
    let mut made = Vec::new();
    let making = platform.site.make(jobs, load_job::PURPOSE, &mut made);
    if let Err(error) = making.await {
        run.error = Some(failed(error.to_string()));
        remove(&platform.site, &made).await;
        return run;
    }
    let mut ends = Ends::default();
    let ended = tokio::select! {
        ended = listen(&platform.site, &shard, length, done, &mut run, &mut ends) => ended.map_err(failed),
        trouble = platform.trouble() => Err(trouble),
    };
    run.error = match ended {
        Ok(()) => conclude(platform, spec, &shard, &mut run, &ends)
            .await
            .err()
            .map(failed),
        Err(error) => Some(error),
    };
    remove(&platform.site, &made).await;
    run
}

async fn remove(site: &Site, made: &[Made]) {
    if let Err(error) = site.remove(made).await {
        tracing::error!("a load is left to its deadline: failed to {error}");
    }
}

/// Reads records until every shard has said its last line.
async fn listen(
    site: &Site,
    shard: &ShardSpec,
    length: Duration,
    done: &(dyn Fn(u32) + Send + Sync),
    run: &mut LoadRun,
    ends: &mut Ends,
) -> Result<(), String> {
    let ours = pods_of_load(site, shard).await?;
    let (sender, mut lines) = mpsc::unbounded_channel();
    // Dropped at the end of this function: nobody reads on.
    let mut readers = JoinSet::new();
    for (index, name) in ours {
        let (pods, objects, sender) = (site.pods(), site.watched.now(), sender.clone());
        readers.spawn(async move {
            // Nobody hears it when the load is over for another reason.
            let read = logs::follow(&pods, &name, objects, |line| {
                _ = sender.send(Said::Line(index, line.to_owned()));
            })
            .await;
            _ = sender.send(Said::End(name, read));
        });
    }
    drop(sender);
    let deadline = Instant::now() + START + length;
    loop {
        let told = tokio::time::timeout_at(deadline, lines.recv()).await;
        match told.map_err(|_| format!("it did not end within {:?}", START + length))? {
            Some(Said::Line(index, line)) => take(index, &line, run, ends, done),
            Some(Said::End(_, Err(refused))) => return Err(refused.to_string()),
            Some(Said::End(name, Ok(()))) => {
                let now = site.watched.now().borrow().clone();
                let pod = pods(&now).find(|pod| pod["metadata"]["name"] == name.as_str());
                let index = pod.and_then(index_of);
                if index.is_none_or(|index| !ends.contains_key(&index)) {
                    let state = match pod {
                        Some(pod) => site.explain(pod).await,
                        None => format!("pod {name} is gone"),
                    };
                    return Err(format!("a shard ended without its last line: {state}"));
                }
            }
            None => return Ok(()),
        }
    }
}

/// Index and name of each shard's pod, when all of them run.
async fn pods_of_load(site: &Site, shard: &ShardSpec) -> Result<Vec<(u32, String)>, String> {
    let ours = |pod: &&Value| pod["metadata"]["labels"][LOAD_LABEL] == shard.load_name.as_str();
    let found = site.watched.until(Instant::now() + START, |objects| {
        let all: BTreeMap<_, _> = pods(objects)
            .filter(ours)
            .filter_map(|pod| Some((index_of(pod)?, pod)))
            .collect();
        let vain = all
            .values()
            .any(|pod| super::explain::is_final(pod) || has_ended(pod));
        let run = all
            .values()
            .filter(|pod| pod["status"]["phase"] == "Running")
            .count();
        let ready = run >= shard.shards as usize;
        let names = || {
            all.iter()
                .map(|(index, pod)| (*index, super::cluster::name_of(pod)))
                .collect::<Vec<_>>()
        };
        (ready || vain).then(names)
    });
    if let Some(found) = found
        .await
        .filter(|found| found.len() == shard.shards as usize)
    {
        return Ok(found);
    }
    let now = site.watched.now().borrow().clone();
    let states = pods(&now)
        .filter(ours)
        .filter(|pod| pod["status"]["phase"] != "Running");
    let mut told = Vec::new();
    for pod in states.take(2) {
        told.push(site.explain(pod).await);
    }
    if told.is_empty() {
        told.push(site.why_no_pod(&shard.load_name).await);
    }
    let told = told.join("; ");
    Err(format!(
        "start its {} pods within {START:?}: {told}",
        shard.shards
    ))
}

fn take(
    index: u32,
    line: &str,
    run: &mut LoadRun,
    ends: &mut Ends,
    done: &(dyn Fn(u32) + Send + Sync),
) {
    if let Ok(end) = serde_json::from_str::<ShardEnd>(line) {
        run.ended(index, end.process());
        ends.insert(index, end);
        return;
    }
    match run.hear(index, line) {
        Ok(Some(second)) if index == 0 => {
            tracing::debug!("second {second} of the load has all its outcomes");
            done(second);
        }
        Ok(_) => {}
        // What the container prints beside its records: warnings of the load itself.
        Err(_) => tracing::info!("shard {index} says: {line}"),
    }
}

/// Merges summaries and fetches tables.
async fn conclude(
    platform: &Kubernetes,
    spec: &LoadSpec,
    shard: &ShardSpec,
    run: &mut LoadRun,
    ends: &Ends,
) -> Result<(), String> {
    let summaries: Vec<_> = run.summaries().cloned().collect();
    if summaries.len() != shard.shards as usize {
        let codes: Vec<_> = ends
            .iter()
            .map(|(index, end)| match end.process() {
                Some(end) => format!("shard {index}: {end}"),
                None => format!("shard {index}: none"),
            })
            .collect();
        return Err(format!(
            "{} of {} shards gave no summary; exit codes: {}",
            shard.shards as usize - summaries.len(),
            shard.shards,
            codes.join(", ")
        ));
    }
    run.seconds
        .sort_by_key(|second| (second.second, second.shard));
    run.summary = merge(&summaries, &run.seconds).map_err(|error| error.to_string())?;
    let Some(sink) = &spec.requests else {
        return Ok(());
    };
    let mut lost = Vec::new();
    for (index, end) in ends {
        let fetched = match &end.table {
            Some(Ok(table)) => fetch(&platform.way, table, sink, *index).await,
            Some(Err(reason)) => Err(reason.clone()),
            None => Err("it has no table".to_owned()),
        };
        if let Err(reason) = fetched {
            lost.push(format!("shard {index}: failed to {reason}"));
        }
    }
    if let (false, Some(summary)) = (lost.is_empty(), &mut run.summary) {
        summary.requests_error = Some(format!("have all its parts: {}", lost.join("; ")));
    }
    Ok(())
}

/// Fetches a shard's part of the table of requests. It appears whole or not at all.
async fn fetch(way: &str, table: &Table, sink: &RequestsSink, index: u32) -> Result<(), String> {
    let path = format!("/files/{}", table.name);
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match http::send(
            way,
            http::request(Method::GET, way, &path, Bytes::new())?,
            MAX_TABLE,
        )
        .await
        {
            Ok(bytes) if sha256(&bytes) == table.sha256 => {
                write(
                    &part_path(&sink.dir, "requests", &sink.labels.case_id),
                    index,
                    &bytes,
                )
                .map_err(|error| format!("write its part: {error}"))?;
                drop(
                    http::send(
                        way,
                        http::request(Method::DELETE, way, &path, Bytes::new())?,
                        1 << 10,
                    )
                    .await,
                );
                return Ok(());
            }
            Ok(bytes) => {
                last = format!(
                    "fetch its part: {} of {} bytes came, or others",
                    bytes.len(),
                    table.bytes
                );
            }
            Err(reason) => last = reason,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(last)
}

fn write(first: &Path, index: u32, bytes: &[u8]) -> std::io::Result<()> {
    let dir = first
        .parent()
        .ok_or_else(|| std::io::Error::other("the dataset has no folder"))?;
    std::fs::create_dir_all(dir)?;
    let (hidden, path) = (
        dir.join(format!(".part-{index}.incoming")),
        dir.join(format!("part-{index}.parquet")),
    );
    std::fs::write(&hidden, bytes)?;
    std::fs::rename(hidden, path)
}
