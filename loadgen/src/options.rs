//! What was typed, made sense of: a plan, and what to tell about it.

mod arrival;
mod body;
mod error;
mod fields;
mod values;

use crate::cli::args::{Args, Pace, Trace};
use crate::context::Context;
use crate::plan::{Plan, Protocol};
use crate::schedule::Share;
use crate::slo::Objectives;
use crate::target::Target;
use crate::tls::TlsOptions;
use aefm_collector::sink::part_path;
use aefm_workloads::draw::derive_text;
use aefm_workloads::labels::{CaseLabels, FactorValue};
use aefm_workloads::load::{RequestsSink, TraceContext};
use aefm_workloads::unit::{parse_duration, parse_number};
pub use error::OptionsError;
use error::bad;
use fields::fields;
use std::path::PathBuf;
use values::{cores, count, ns, positive, threads};
pub(crate) use values::{shard, start_at};

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
    let labels = labels(args, seed, &target);
    refuse_to_write_over(args, &labels)?;
    let requests = args.parquet.clone().filter(|_| args.log_requests);
    let fields = fields(args, &target)?;
    let plan = Plan {
        connect_to: args.connect_to.as_deref().map(Target::place).transpose()?,
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
        grace_ns: match ns(parse_duration(&args.grace)?) {
            // The list ends with its last time: without this the run would, too, and cut that request off.
            grace_ns if times.whole_list => grace_ns.max(ns(timeout)),
            grace_ns => grace_ns,
        },
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

/// Tables that this call did not make are nobody's to write over.
fn refuse_to_write_over(args: &Args, labels: &CaseLabels) -> Result<(), OptionsError> {
    let Some(dir) = args.parquet.as_deref().filter(|_| !args.force) else {
        return Ok(());
    };
    let is_there = |table: &str| part_path(dir, table, &labels.case_id).exists();
    if is_there("load") || is_there("requests") {
        return Err(OptionsError::There {
            dir: dir.to_owned(),
            case: labels.case_id.clone(),
        });
    }
    Ok(())
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

fn protocol(args: &Args) -> Result<Protocol, OptionsError> {
    if !args.http2 {
        return Ok(Protocol::Http1);
    }
    fields::check_for_http2(args)?;
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

/// Labels of a run outside an experiment.
fn labels(args: &Args, seed: u64, target: &Target) -> CaseLabels {
    let rate = args
        .rate
        .as_deref()
        .and_then(|rate| parse_number(rate).ok());
    let file = args
        .script
        .as_ref()
        .or(args.scenario.as_ref())
        .map(|path| path.display().to_string());
    let workload = args
        .workload
        .clone()
        .or(file)
        .unwrap_or_else(|| target.shown(args.url.as_deref().unwrap_or_default()));
    let mut factors = vec![("workload".to_owned(), FactorValue::Text(workload))];
    factors.extend(rate.map(|rate| ("rate_hz".to_owned(), FactorValue::Float(rate))));
    CaseLabels {
        run_id: format!("{seed:016x}"),
        case_id: "c000".to_owned(),
        factors,
    }
}

#[cfg(test)]
mod tests;
