//! What may be typed: clap only. `options.rs` makes sense of it.

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes: 0 valid; 1 failed; 2 usage; 3 ran, but the measurement is suspect; 4 a service level objective was missed; \
130 interrupted (with the summary of what was done).

Numbers are 100, 0.5, 1e3, 10k, 2M or 1G; durations are 250ms, 30s, 1.5m, 1h or 1m30s, bare numbers are seconds.";

/// What there is to do but to put load on something.
#[derive(Debug, Subcommand)]
pub(crate) enum Instead {
    /// List the native workloads (-w) and what each sends
    Workloads {
        /// As one JSON array
        #[arg(long)]
        json: bool,
    },
}

/// Open-loop HTTP load whose latency numbers can be trusted
#[derive(Debug, Parser)]
#[command(name = "aefm-load", version, after_help = EXIT_CODES, disable_version_flag = true, args_override_self = true)]
#[command(
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) instead: Option<Instead>,
    /// http://[USER:PASSWORD@]HOST[:PORT]/PATH, https://..., or unix:/SOCKET[:/PATH]
    #[arg(required_unless_present = "spec")]
    pub(crate) url: Option<String>,
    /// Arguments of the script's init(), after `--`
    #[arg(last = true, value_name = "SCRIPT ARGS")]
    pub(crate) script_args: Vec<String>,

    // What wrk2 has.
    /// Worker threads; half of the cores by default
    #[arg(short, long, value_name = "N")]
    pub(crate) threads: Option<String>,
    /// Connections to hold open, all threads together
    #[arg(short, long, value_name = "N", default_value = "64")]
    pub(crate) connections: String,
    /// Length of the measured phase; 10s by default
    #[arg(short, long, value_name = "TIME")]
    pub(crate) duration: Option<String>,
    /// Requests per second, all threads (and shards) together; fractions are fine. `max` is the closed loop
    #[arg(short = 'R', long, value_name = "RATE")]
    pub(crate) rate: Option<String>,
    /// Header field, `Name: value`; repeatable. `Host` replaces the URL's
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    pub(crate) headers: Vec<String>,
    /// When a request is given up and its connection (in HTTP/2 its stream) closed, from when it was sent
    #[arg(short = 'T', long, value_name = "TIME", default_value = "2s")]
    pub(crate) timeout: String,
    /// Print the whole spectrum of response times
    #[arg(short = 'L', long)]
    pub(crate) latency: bool,
    /// Print the spectrum of service times, too: uncorrected, from when a request was sent
    #[arg(short = 'U', long = "u_latency", alias = "u-latency")]
    pub(crate) u_latency: bool,
    /// As in wrk2: requests that a script pipelines end with the last of them
    #[arg(short = 'B', long = "batch_latency", alias = "batch-latency")]
    pub(crate) batch_latency: bool,
    /// A Lua script for wrk or wrk2: setup, init, delay, request, response, done
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["workload", "scenario", "body_file"])]
    pub(crate) script: Option<PathBuf>,
    /// What math.randomseed does in a script: draws from --seed, shard and worker, or the time that the script gives it
    #[arg(long, value_enum, default_value = "seed", requires = "script")]
    pub(crate) script_seed: ScriptSeed,
    /// DeathStarBench's arrival processes: fixed and exp are constant and poisson, norm and zipf approximations
    #[arg(
        short = 'D',
        long,
        value_enum,
        value_name = "DIST",
        conflicts_with = "arrival"
    )]
    pub(crate) dist: Option<Dist>,

    // When to send.
    /// The closed loop: each connection sends its next request when it has its answer
    #[arg(long, conflicts_with_all = ["rate", "stages", "arrival", "dist"])]
    pub(crate) closed: bool,
    /// Arrival process: constant, poisson, or a CSV FILE of times `t` or of steps `t,rate`
    #[arg(long, value_name = "PROCESS", default_value = "constant")]
    pub(crate) arrival: String,
    /// Stretches the time axis of an arrival file
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub(crate) time_scale: f64,
    /// Rate over time, linear between points: `0s:100,30s:2000,1m:2000`; two points at one time are a step
    #[arg(long, value_name = "TIME:RATE,...", conflicts_with = "rate")]
    pub(crate) stages: Option<String>,
    /// Warm-up in front of the measured phase
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub(crate) warmup: String,
    /// How long answers are awaited after the end
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub(crate) grace: String,
    /// At most N requests; without -d the run takes as long as they need
    #[arg(long, value_name = "N")]
    pub(crate) requests: Option<String>,
    /// Seed of schedule, contents and trace ids; drawn and reported by default
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Time zero: seconds since the epoch, or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(crate) start_at: Option<String>,
    /// Send the I-th (from 0) of N deterministic parts of the schedule
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<String>,
    /// How to wait for the next intended time: timer sleeps, spin takes a whole core and is on time to the microsecond
    #[arg(long, value_enum, default_value = "timer")]
    pub(crate) pace: Pace,
    /// Cores to pin workers to, such as 0,2-3
    #[arg(long, value_name = "LIST")]
    pub(crate) cores: Option<String>,

    // What to send.
    /// Method
    #[arg(short, long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Body, or @FILE for a file's content (`@-`: standard input's)
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// Body from a file
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    pub(crate) body_file: Option<PathBuf>,
    /// A native workload, such as hotel-reservation/mixed
    #[arg(short, long, value_name = "NAME", conflicts_with_all = ["method", "body", "body_file"])]
    pub(crate) workload: Option<String>,
    /// A scenario: a YAML file of weighted sessions with seeded values and values from answers
    #[arg(long, value_name = "FILE", conflicts_with_all = ["workload", "method", "body", "body_file"])]
    pub(crate) scenario: Option<PathBuf>,
    /// Trace context to inject
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) trace: Trace,

    // How to connect.
    /// Let the pool grow to N connections when all are busy
    #[arg(long, value_name = "N")]
    pub(crate) connections_max: Option<String>,
    /// Open a connection for each request
    #[arg(long)]
    pub(crate) no_keepalive: bool,
    /// When a connect is given up, TLS included; the request time-out by default
    #[arg(long, value_name = "TIME")]
    pub(crate) connect_timeout: Option<String>,
    /// Connect to HOST:PORT instead of the URL's
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) connect_to: Option<String>,
    /// HTTP/2: by ALPN over TLS, by prior knowledge without
    #[arg(long)]
    pub(crate) http2: bool,
    /// Requests under way on one HTTP/2 connection at most
    #[arg(long, value_name = "N", default_value_t = 1, requires = "http2")]
    pub(crate) streams: u32,
    /// Certificate authorities (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,
    /// Client certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Name to ask for and to check in TLS instead of the URL's host
    #[arg(long, value_name = "NAME")]
    pub(crate) sni: Option<String>,
    /// Take any certificate
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,

    // What to tell.
    /// Print the summary as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Write response times as a HdrHistogram log, one interval a second
    #[arg(long, value_name = "FILE")]
    pub(crate) hdr: Option<PathBuf>,
    /// Write the tables `load` and, with --log-requests, `requests` below DIR
    #[arg(long, value_name = "DIR")]
    pub(crate) parquet: Option<PathBuf>,
    /// One row a request
    #[arg(long, requires = "parquet")]
    pub(crate) log_requests: bool,
    /// Write over tables that are there already
    #[arg(long, requires = "parquet")]
    pub(crate) force: bool,
    /// Objectives, such as `p99<50ms,errors<0.1%`; exit code 4 when one is missed
    #[arg(long, value_name = "LIST")]
    pub(crate) slo: Option<String>,
    /// Search the highest rate that meets these objectives, each try as long as -d (5s by default), and print the curve
    #[arg(long, value_name = "LIST", conflicts_with_all = ["closed", "stages", "slo"])]
    pub(crate) find_max: Option<String>,
    /// No progress on standard error
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Obey the JSON load spec in FILE (`-`: the first line of standard input, whose end then ends the run) and print
    /// JSON records
    #[arg(long, value_name = "FILE")]
    pub(crate) spec: Option<PathBuf>,
    /// Print the version
    #[arg(short, long, action = ArgAction::Version)]
    version: Option<bool>,
}

/// DeathStarBench's `-D`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dist {
    Fixed,
    Exp,
    Norm,
    Zipf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScriptSeed {
    Seed,
    Wall,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pace {
    Timer,
    Spin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trace {
    None,
    W3c,
    B3,
    Jaeger,
}
