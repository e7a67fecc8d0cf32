//! Load: the spec that the load generator obeys and the records that it prints.
//!
//! On the wire between processes both are JSON: the spec as one document, the records as one [`LoadRecord`] a line.

use crate::labels::CaseLabels;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A load phase to run. Field names carry their units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadSpec {
    /// Where to send: scheme, host and port; for a static request its path and query, too.
    pub url: String,
    /// A native workload by its name (`hotel-reservation/mixed`); without one every request is a GET of `url`.
    pub workload: Option<String>,
    /// Requests that the user has written, instead of `workload`.
    #[serde(default)]
    pub written: Option<Written>,
    /// How intended times are drawn.
    pub arrival: Arrival,
    /// Mean rate of intended requests per second.
    pub rate_hz: f64,
    /// Length of the warm-up phase, whose requests are recorded as phase `warm-up`.
    pub warmup_ms: u64,
    /// Length of the measured phase.
    pub duration_ms: u64,
    /// Seed of the schedule and of the requests' contents.
    pub seed: u64,
    /// Seed of the trace ids; unique to a case, while `seed` is shared by cases that are compared.
    pub trace_seed: u64,
    /// Which trace context to inject.
    pub trace: TraceContext,
    /// Connections to hold open.
    pub connections: u32,
    /// Cores to pin workers to; empty: not pinned. One worker a core, one worker in all when empty.
    pub cores: Vec<usize>,
    /// After which time a request is given up.
    pub timeout_ms: u64,
    /// How long answers are awaited after the last intended time.
    pub grace_ms: u64,
    /// Wall-clock start (ns since the epoch); without one: as soon as the connections are open.
    pub start_at_ns: Option<i64>,
    /// Where the `requests` table goes; without one it is not written.
    pub requests: Option<RequestsSink>,
}

/// Requests that the user has written, whole: whoever obeys the spec needs no file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Written {
    /// A Lua script for wrk or wrk2.
    Script {
        /// Its file's name, for messages.
        name: String,
        /// Its text.
        text: String,
    },
    /// A scenario.
    Scenario {
        /// Its file's name, for messages.
        name: String,
        /// Its text.
        text: String,
        /// The CSV files that it names, with their texts.
        files: BTreeMap<String, String>,
    },
}

/// Where the load process itself writes the `requests` table, streaming.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestsSink {
    /// The dataset's folder: the file is `<dir>/requests/case=<case_id>/part-0.parquet`.
    pub dir: PathBuf,
    /// Columns every row starts with.
    pub labels: CaseLabels,
    /// At most so many rows; what was left out is counted in the summary's `requests_not_logged`.
    pub limit: Option<u64>,
}

/// How intended times are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// Request k at k / rate.
    #[default]
    Constant,
    /// Exponential gaps: a Poisson process.
    Poisson,
}

/// The trace context header a request carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TraceContext {
    /// None.
    #[default]
    None,
    /// W3C `traceparent`.
    W3c,
    /// Zipkin's single-letter header family.
    B3,
    /// Jaeger's `uber-trace-id`.
    Jaeger,
}

/// A phase of a load run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Not counted in results.
    WarmUp,
    /// What results are about.
    Measure,
}

impl Phase {
    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm-up",
            Self::Measure => "measure",
        }
    }
}

/// The one end of a request. Every intended request has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered with a status below 400.
    Ok,
    /// Answered with 4xx.
    Http4xx,
    /// Answered with 5xx.
    Http5xx,
    /// A connect was tried for it, and failed.
    Connect,
    /// The connection ended before the answer did.
    Reset,
    /// No answer within the time-out.
    Timeout,
    /// The answer was not HTTP.
    Protocol,
    /// Sent, and unanswered at the end of the run.
    Unfinished,
    /// Not sent by the end of the run.
    Unsent,
}

impl Outcome {
    /// All outcomes, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Http4xx,
        Self::Http5xx,
        Self::Connect,
        Self::Reset,
        Self::Timeout,
        Self::Protocol,
        Self::Unfinished,
        Self::Unsent,
    ];

    /// The name in tables and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Http4xx => "http_4xx",
            Self::Http5xx => "http_5xx",
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::Unfinished => "unfinished",
            Self::Unsent => "unsent",
        }
    }
}

/// One line of a load process's standard output under `--spec`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a run has one summary; boxing it would be in every reader's way"
)]
pub enum LoadRecord {
    /// Connections are open and the first intended time is set (ns since the epoch, UTC).
    Started {
        /// Time zero of the schedule.
        start_ns: i64,
    },
    /// One second of intended times has all its outcomes.
    Second(LoadSecond),
    /// The last line.
    Summary(LoadSummary),
}

/// One second of the schedule of one shard, in one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadSecond {
    /// The shard; 0 when there is one.
    pub shard: u32,
    /// The phase of these intended times. A second that two phases share is two records.
    pub phase: Phase,
    /// Whole seconds since time zero, of the *intended* times.
    pub second: u32,
    /// Requests the schedule has in this second.
    pub intended: u64,
    /// Of these, how many were sent.
    pub sent: u64,
    /// Of these, how many ended how; they add up to `intended`. Outcomes that did not occur may be absent.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Bytes of answers received.
    pub bytes: u64,
    /// Histograms (HdrHistogram V2, base64, values in ns).
    pub response_hdr: String,
    /// Service times of the requests sent and answered.
    pub service_hdr: String,
    /// Send lags of the requests sent.
    pub lag_hdr: String,
    /// What the generator added to the response times in `response_hdr`.
    pub generator_hdr: String,
}

/// The whole run of one shard in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadSummary {
    /// Requests of this shard's whole schedule, warm-up included, whether or not the run came to them. What a script of
    /// the user's has stopped on purpose ends there.
    pub scheduled: u64,
    /// Requests of the measured phase's schedule.
    pub intended: u64,
    /// How they ended; adds up to `intended`.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// The measured phase's achieved rate of sends.
    pub rate_sent_hz: f64,
    /// Quantiles of the measured phase.
    pub response_time_us: Quantiles,
    /// Done minus sent.
    pub service_time_us: Quantiles,
    /// Sent minus the later of the intended time and the moment a connection would have been free had the generator
    /// never been late.
    pub send_lag_us: Quantiles,
    /// What the generator added to response times.
    pub generator_time_us: Quantiles,
    /// When the generator did not do its work for 20 ms and more, whether it mattered or not.
    pub stalls: Vec<Stall>,
    /// Whether the measurement may be believed.
    pub verdict: Verdict,
    /// Why not, in sentences.
    pub reasons: Vec<String>,
    /// SHA-256 over all intended offsets (ns, little-endian u64) in hex, warm-up included.
    pub schedule_sha256: String,
    /// Requests that the cap kept out of the `requests` table.
    pub requests_not_logged: u64,
    /// Why the `requests` table could not be written, if so.
    pub requests_error: Option<String>,
    /// The run was ended early by a signal or by the end of its input.
    pub interrupted: bool,
}

/// A time in which the load generator did not do its work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// When it began, in seconds since time zero of the schedule.
    pub second: f64,
    /// How long it was.
    pub length_ms: f64,
    /// What most likely made it.
    pub cause: String,
}

impl LoadSummary {
    /// The exit code of a load process that ends with this summary.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let ok = self.outcomes.get(&Outcome::Ok).copied();
        if self.interrupted {
            exit::INTERRUPTED
        } else if ok.unwrap_or_default() == 0 {
            exit::FAILED
        } else if self.verdict == Verdict::Suspect {
            exit::SUSPECT
        } else {
            exit::VALID
        }
    }
}

/// Exit codes of a load process, as its help documents them.
pub mod exit {
    /// Ran, and the numbers may be believed.
    pub const VALID: u8 = 0;
    /// Could not run, or nothing succeeded.
    pub const FAILED: u8 = 1;
    /// Arguments or files that cannot be used.
    pub const USAGE: u8 = 2;
    /// Ran, but the measurement is suspect.
    pub const SUSPECT: u8 = 3;
    /// Ran, but a service level objective was missed.
    pub const SLO: u8 = 4;
    /// Interrupted; the summary is of what was done.
    pub const INTERRUPTED: u8 = 130;
}

/// A few quantiles in microseconds; null where there are too few samples to say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 75 %.
    pub p75: Option<f64>,
    /// 90 %.
    pub p90: Option<f64>,
    /// 95 %.
    pub p95: Option<f64>,
    /// 99 %.
    pub p99: Option<f64>,
    /// 99.9 %.
    #[serde(rename = "p99.9")]
    pub p99_9: Option<f64>,
    /// 99.99 %.
    #[serde(rename = "p99.99")]
    pub p99_99: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
}

/// Whether the load generator's own numbers may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing speaks against it.
    Valid,
    /// Something does; see the reasons.
    Suspect,
}
