//! What was typed, made sense of: a plan, and what to tell about it.

mod arrival;
mod body;

use crate::cli::args::{Args, Pace, Trace};
use crate::content::Fields;
use crate::context::Context;
use crate::http2::CONNECTION_FIELDS;
use crate::plan::{Plan, Protocol};
use crate::quantity::{QuantityError, duration, number};
use crate::schedule::{FileError, ProfileError, Share};
use crate::slo::{Objectives, SloError};
use crate::spec::SpecError;
use crate::target::{Target, UrlError};
use crate::tls::TlsOptions;
use aefm_workloads::draw::derive_text;
use aefm_workloads::labels::{CaseLabels, FactorValue};
use aefm_workloads::load::{RequestsSink, TraceContext};
use aefm_workloads::scenario::ScenarioError;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Why arguments make no run. Each says what to type instead.
#[derive(Debug, Error)]
pub enum OptionsError {
    /// No rate.
    #[error(
        "know how fast to send: give a rate such as -R 1000, or -R max for the closed loop (as fast as answers come)"
    )]
    NoRate,
    /// A scenario file.
    #[error("use {path}: failed to {error}")]
    Scenario {
        /// Which.
        path: PathBuf,
        /// What is wrong, with line and column.
        error: Box<ScenarioError>,
    },
    /// A combination that makes no sense.
    #[error("use {0}")]
    Conflict(&'static str),
    /// A value that cannot be.
    #[error("use {option} {value}: {reason}")]
    Value {
        /// The option.
        option: &'static str,
        /// What was typed.
        value: String,
        /// What is wrong, and what would be right.
        reason: &'static str,
    },
    /// A file.
    #[error("read {path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// An arrival file.
    #[error("use the arrival file {path}: failed to {error}")]
    Arrivals {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: FileError,
    },
    /// A number or duration.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// A rate.
    #[error(transparent)]
    Rate(#[from] ProfileError),
    /// The URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The workload.
    #[error(transparent)]
    Workload(#[from] SpecError),
    /// Objectives.
    #[error(transparent)]
    Slo(#[from] SloError),
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers hand over text or numbers as they have them"
)]
fn bad(option: &'static str, value: impl ToString, reason: &'static str) -> OptionsError {
    OptionsError::Value {
        option,
        value: value.to_string(),
        reason,
    }
}

/// A run as asked for.
#[derive(Debug)]
pub struct Options {
    /// What to do.
    pub plan: Plan,
    /// What is worth knowing before.
    pub warnings: Vec<String>,
    /// The whole spectrum.
    pub spectrum: bool,
    /// The uncorrected one, too.
    pub uncorrected: bool,
    /// JSON instead of text.
    pub json: bool,
    /// No progress.
    pub quiet: bool,
    /// The HdrHistogram log.
    pub hdr: Option<PathBuf>,
    /// The dataset's folder and labels.
    pub parquet: Option<(PathBuf, CaseLabels)>,
    /// Objectives.
    pub slo: Option<Objectives>,
    /// Objectives to search the highest rate for.
    pub find_max: Option<Objectives>,
}

/// Makes options of arguments; `drawn_seed` is used unless a seed was typed.
///
/// # Errors
/// The first thing that cannot be used.
pub(crate) fn from_args(args: &Args, drawn_seed: u64) -> Result<Options, OptionsError> {
    refuse_what_is_not_there(args)?;
    let mut warnings = Vec::new();
    let seed = args.seed.unwrap_or(drawn_seed);
    let target = Target::parse(args.url.as_deref().unwrap_or_default())?;
    let timeout = positive("--timeout", &args.timeout)?;
    let connections = count("--connections", &args.connections)?;
    let times = arrival::times(args, seed, &mut warnings)?;
    let trace = trace_of(args.trace);
    let trace_seed = derive_text(seed, "trace");
    let cores = args
        .cores
        .as_deref()
        .map(cores)
        .transpose()?
        .unwrap_or_default();
    let slo = args.slo.as_deref().map(str::parse).transpose()?;
    let find_max = args.find_max.as_deref().map(str::parse).transpose()?;
    let share = args
        .shard
        .as_deref()
        .map(shard)
        .transpose()?
        .unwrap_or(Share::WHOLE);
    let labels = labels(args, seed);
    let requests = args.parquet.clone().filter(|_| args.log_requests);
    let fields = fields(args, &target)?;
    let plan = Plan {
        connect_to: args
            .connect_to
            .as_deref()
            .map(|to| Target::parse(&format!("http://{to}")))
            .transpose()?,
        protocol: protocol(args)?,
        tls: TlsOptions {
            ca: args.cacert.clone(),
            client: args.cert.clone().zip(args.key.clone()),
            name: args.sni.clone(),
            insecure: args.insecure,
        },
        content: body::content(args, &target, &fields, seed)?,
        fields,
        context: Context::new(trace, trace_seed),
        trace_seed: (trace != TraceContext::None).then_some(trace_seed),
        load: match times.load {
            crate::plan::Loop::Open(schedule) => crate::plan::Loop::Open(schedule.sharded(share)),
            closed @ crate::plan::Loop::Closed { .. } => closed,
        },
        share,
        seed,
        warmup_ns: ns(times.warmup),
        duration_ns: ns(times.duration),
        grace_ns: ns(duration(&args.grace)?),
        threads: threads(args, &cores)?,
        cores,
        connections,
        connections_max: match &args.connections_max {
            Some(max) => count("--connections-max", max)?.max(connections),
            None => connections,
        },
        keepalive: !args.no_keepalive,
        timeout_ns: ns(timeout),
        connect_timeout_ns: match &args.connect_timeout {
            Some(text) => ns(positive("--connect-timeout", text)?),
            None => ns(timeout),
        },
        spin: args.pace == Pace::Spin,
        start_at_ns: args.start_at.as_deref().map(start_at).transpose()?,
        whole_pipelines: args.batch_latency,
        requests: requests.map(|dir| RequestsSink {
            dir,
            labels: labels.clone(),
            limit: None,
        }),
        target,
    };
    Ok(Options {
        plan,
        warnings,
        spectrum: args.latency,
        uncorrected: args.u_latency,
        json: args.json,
        quiet: args.quiet,
        hdr: args.hdr.clone(),
        parquet: args.parquet.clone().map(|dir| (dir, labels)),
        slo,
        find_max,
    })
}

fn refuse_what_is_not_there(args: &Args) -> Result<(), OptionsError> {
    if args.http2 && (args.script.is_some() || args.scenario.is_some()) {
        return Err(OptionsError::Conflict(
            "--http2 with -s or --scenario: scripts and scenarios speak HTTP/1.1",
        ));
    }
    if args.script.is_none() && !args.script_args.is_empty() {
        return Err(OptionsError::Conflict(
            "arguments after the URL without a script: they are for -s",
        ));
    }
    if args.no_keepalive && args.http2 {
        return Err(OptionsError::Conflict(
            "--no-keepalive with --http2: its connections carry many requests",
        ));
    }
    if args.find_max.is_some()
        && (args.hdr.is_some() || args.parquet.is_some() || args.shard.is_some())
    {
        return Err(OptionsError::Conflict(
            "--find-max with --hdr, --parquet or --shard: it makes many runs",
        ));
    }
    Ok(())
}

/// Nanoseconds; longer than 500 years counts as that.
fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}

fn positive(option: &'static str, text: &str) -> Result<Duration, OptionsError> {
    match duration(text)? {
        Duration::ZERO => Err(bad(option, text, "it has to be longer than 0")),
        some => Ok(some),
    }
}

fn count(option: &'static str, text: &str) -> Result<usize, OptionsError> {
    match number(text)? {
        whole if whole >= 1.0 && whole.fract() == 0.0 && whole <= 1e9 => Ok(whole as usize),
        _ => Err(bad(
            option,
            text,
            "it has to be a whole number of at least 1",
        )),
    }
}

/// One a named core; otherwise half of the cores, since the server often runs on the same machine.
fn threads(args: &Args, cores: &[usize]) -> Result<usize, OptionsError> {
    match &args.threads {
        Some(text) => count("--threads", text),
        None if !cores.is_empty() => Ok(cores.len()),
        None => {
            Ok(std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)))
        }
    }
}

fn protocol(args: &Args) -> Result<Protocol, OptionsError> {
    if !args.http2 {
        return Ok(Protocol::Http1);
    }
    for field in &args.headers {
        let name = field
            .split(':')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        if CONNECTION_FIELDS.contains(&name.as_str()) {
            return Err(bad(
                "-H",
                field,
                "HTTP/2 has no such field: leave it out, or leave out --http2",
            ));
        }
    }
    match args.streams {
        0 => Err(bad("--streams", 0, "a connection has to carry at least 1")),
        streams => Ok(Protocol::Http2 { streams }),
    }
}

const fn trace_of(trace: Trace) -> TraceContext {
    match trace {
        Trace::None => TraceContext::None,
        Trace::W3c => TraceContext::W3c,
        Trace::B3 => TraceContext::B3,
        Trace::Jaeger => TraceContext::Jaeger,
    }
}

/// `0,2-3`.
fn cores(text: &str) -> Result<Vec<usize>, OptionsError> {
    let error = || bad("--cores", text, "write core numbers such as 0,2-3");
    let mut cores = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| error())?;
        let last: usize = last.trim().parse().map_err(|_| error())?;
        if first > last || last > 4096 {
            return Err(error());
        }
        cores.extend(first..=last);
    }
    Ok(cores)
}

/// `I/N`.
pub(crate) fn shard(text: &str) -> Result<Share, OptionsError> {
    let share = text
        .split_once('/')
        .and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
    match share {
        Some((index, of)) if index < of => Ok(Share { index, of }),
        _ => Err(bad(
            "--shard",
            text,
            "write I/N with I counting from 0: 0/4, 1/4, 2/4, 3/4",
        )),
    }
}

/// Seconds since the epoch or RFC 3339, as ns since the epoch.
pub(crate) fn start_at(text: &str) -> Result<i64, OptionsError> {
    let error = || {
        bad(
            "--start-at",
            text,
            "write seconds since the epoch or RFC 3339, such as 2026-11-24T15:00:00Z",
        )
    };
    if let Ok(seconds) = text.parse::<f64>() {
        return if seconds > 0.0 && seconds < 9e9 {
            Ok((seconds * 1e9) as i64)
        } else {
            Err(error())
        };
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| error())?;
    i64::try_from(time.as_nanosecond()).map_err(|_| error())
}

fn fields(args: &Args, target: &Target) -> Result<Fields, OptionsError> {
    let mut fields = Fields::default();
    for field in &args.headers {
        let (name, value) = field
            .split_once(':')
            .ok_or_else(|| bad("-H", field, "write `Name: value`"))?;
        let (name, value) = (name.trim(), value.trim());
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) || value.contains(['\r', '\n', '\0']) {
            return Err(bad(
                "-H",
                field,
                "a name has letters, digits and hyphens, a value no line breaks",
            ));
        }
        if name.eq_ignore_ascii_case("content-length")
            || name.eq_ignore_ascii_case("transfer-encoding")
        {
            return Err(bad("-H", field, "the length follows from the body"));
        }
        fields.fields.push((name.to_owned(), value.to_owned()));
    }
    // A script makes its own from what it does to the table `wrk`.
    if !fields.has("host") && args.script.is_none() {
        fields
            .fields
            .insert(0, ("Host".to_owned(), target.authority.clone()));
    }
    if args.no_keepalive && !fields.has("connection") {
        fields
            .fields
            .push(("Connection".to_owned(), "close".to_owned()));
    }
    Ok(fields)
}

/// Labels of a run outside an experiment.
fn labels(args: &Args, seed: u64) -> CaseLabels {
    let rate = args.rate.as_deref().and_then(|rate| number(rate).ok());
    let file = args
        .script
        .as_ref()
        .or(args.scenario.as_ref())
        .map(|path| path.display().to_string());
    let workload = args
        .workload
        .clone()
        .or(file)
        .or_else(|| args.url.clone())
        .unwrap_or_default();
    let mut factors = vec![("workload".to_owned(), FactorValue::Text(workload))];
    factors.extend(rate.map(|rate| ("rate_hz".to_owned(), FactorValue::Float(rate))));
    CaseLabels {
        run_id: format!("{seed:016x}"),
        case_id: "c000".to_owned(),
        factors,
    }
}

/// Reads a file that was named.
fn read(path: &Path) -> Result<Vec<u8>, OptionsError> {
    std::fs::read(path).map_err(|error| OptionsError::File {
        path: path.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests;
