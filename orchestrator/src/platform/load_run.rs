//! What a load left: the lines of its processes, read one by one, and how these processes ended. Pure.

use super::PlatformError;
use aefm_workloads::load::{LoadRecord, LoadSecond, LoadSummary, Phase};
use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// What a load left: its records as far as they came, and what went wrong.
#[derive(Clone, Debug, Default)]
pub struct LoadRun {
    /// Time zero of the schedule, ns since the epoch, once it was set.
    pub start_ns: Option<i64>,
    /// Complete seconds.
    pub seconds: Vec<LoadSecond>,
    /// The summary of all shards, if the load came to its end.
    pub summary: Option<LoadSummary>,
    /// The processes that were asked for; none where somebody else put the load on.
    pub shards: Vec<ShardRun>,
    /// What went wrong.
    pub error: Option<PlatformError>,
    /// Seconds that have come, since lines may come twice.
    known: BTreeSet<(u32, Phase, u32)>,
}

/// One process of a load.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShardRun {
    /// Its last record, if it came.
    pub summary: Option<LoadSummary>,
    /// How it ended, if that is known.
    pub end: Option<ProcessEnd>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEnd {
    /// By itself, with this exit code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl ProcessEnd {
    /// The end that the system told.
    #[must_use]
    pub fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for ProcessEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

impl LoadRun {
    /// A load of so many processes, of which nothing has been heard yet.
    #[must_use]
    pub fn of(shards: usize) -> Self {
        Self {
            shards: vec![ShardRun::default(); shards],
            ..Self::default()
        }
    }

    /// Takes a line of a process in; says which second of the schedule it completes.
    ///
    /// # Errors
    /// The line is no record.
    pub fn hear(&mut self, shard: u32, line: &str) -> Result<Option<u32>, serde_json::Error> {
        match serde_json::from_str(line)? {
            LoadRecord::Started { start_ns } => self.start_ns = Some(start_ns),
            LoadRecord::Second(second) => {
                let (key, number) = ((second.shard, second.phase, second.second), second.second);
                if self.known.insert(key) {
                    self.seconds.push(second);
                    return Ok(Some(number));
                }
            }
            LoadRecord::Summary(summary) => self.shard(shard).summary = Some(summary),
        }
        Ok(None)
    }

    /// Notes how a process ended.
    pub fn ended(&mut self, shard: u32, end: Option<ProcessEnd>) {
        self.shard(shard).end = end;
    }

    /// The summaries that have come, by shard.
    pub fn summaries(&self) -> impl Iterator<Item = &LoadSummary> {
        self.shards
            .iter()
            .filter_map(|shard| shard.summary.as_ref())
    }

    fn shard(&mut self, shard: u32) -> &mut ShardRun {
        let at = shard as usize;
        if self.shards.len() <= at {
            self.shards.resize_with(at + 1, ShardRun::default);
        }
        &mut self.shards[at]
    }
}
