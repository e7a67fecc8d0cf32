//! When to send, from `-R`, `--closed`, `--arrival`, `--stages`, `--requests`, `-d` and `--warmup`.

use super::values::{ns, positive, read};
use super::{Args, OptionsError, bad};
use crate::cli::args::Dist;
use crate::plan::Loop;
use crate::schedule::{ArrivalFile, Profile, Schedule};
use aefm_workloads::load::Arrival;
use aefm_workloads::unit::{parse_duration, parse_number};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Runs take this long unless something says otherwise, as in wrk2.
const DURATION: Duration = Duration::from_secs(10);
/// Tries of `--find-max`.
const TRY: Duration = Duration::from_secs(5);
/// The longest run, for those that end with their requests.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// When to send, and for how long.
pub(super) struct Times {
    pub(super) load: Loop,
    pub(super) warmup: Duration,
    pub(super) duration: Duration,
    /// The times of a file, all of them: the last one is sent and its answer awaited like any other's.
    pub(super) whole_list: bool,
}

enum Rates {
    Closed,
    Profile(Profile),
    Listed(Arc<[u64]>),
}

pub(super) fn times(
    args: &Args,
    seed: u64,
    warnings: &mut Vec<String>,
) -> Result<Times, OptionsError> {
    let limit = args
        .requests
        .as_deref()
        .map(|text| super::count("--requests", text))
        .transpose()?
        .map(|n| n as u64);
    let warmup = parse_duration(&args.warmup)?;
    let (arrival, file) = process(args, warnings)?;
    let rates = rates(args, file)?;
    let length = match (&args.duration, &rates, limit) {
        (Some(text), ..) => positive("--duration", text)?,
        // A list of times is sent whole.
        (None, Rates::Listed(times), _) => Duration::from_nanos(
            times
                .last()
                .map_or(1, |last| last + 1)
                .saturating_sub(ns(warmup))
                .max(1),
        ),
        (None, _, Some(_)) => LONGEST,
        (None, ..) if args.find_max.is_some() => TRY,
        (None, ..) => DURATION,
    };
    let end_ns = ns(warmup) + ns(length);
    let limited = |schedule: Schedule| match limit {
        Some(limit) => schedule.limited(limit),
        None => schedule,
    };
    let whole_list = args.duration.is_none() && matches!(rates, Rates::Listed(_));
    let load = match rates {
        Rates::Closed => Loop::Closed { limit },
        Rates::Profile(profile) => {
            Loop::Open(limited(Schedule::new(arrival, profile, seed, end_ns)))
        }
        Rates::Listed(times) => Loop::Open(limited(Schedule::listed(times, end_ns))),
    };
    Ok(Times {
        load,
        warmup,
        duration: length,
        whole_list,
    })
}

/// The arrival process, or what a file of that name says.
fn process(
    args: &Args,
    warnings: &mut Vec<String>,
) -> Result<(Arrival, Option<ArrivalFile>), OptionsError> {
    let arrival = match args.dist {
        None => match args.arrival.as_str() {
            "constant" => Arrival::Constant,
            "poisson" => Arrival::Poisson,
            path => return Ok((Arrival::Constant, Some(file(args, Path::new(path))?))),
        },
        Some(Dist::Fixed) => Arrival::Constant,
        Some(Dist::Exp) => Arrival::Poisson,
        Some(Dist::Norm) => {
            warnings.push(
                "-D norm is approximated by constant arrivals: wrk2's fork sends without pacing there".to_owned(),
            );
            Arrival::Constant
        }
        Some(Dist::Zipf) => {
            warnings.push(
                "-D zipf is approximated by Poisson arrivals of the same mean rate".to_owned(),
            );
            Arrival::Poisson
        }
    };
    Ok((arrival, None))
}

fn file(args: &Args, path: &Path) -> Result<ArrivalFile, OptionsError> {
    if !(args.time_scale.is_finite() && args.time_scale > 0.0) {
        return Err(bad("--time-scale", args.time_scale, "it has to be above 0"));
    }
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    ArrivalFile::parse(&text, args.time_scale).map_err(|error| OptionsError::Arrivals {
        path: path.to_owned(),
        error,
    })
}

fn rates(args: &Args, file: Option<ArrivalFile>) -> Result<Rates, OptionsError> {
    let typed = args.rate.as_deref();
    match (typed, &args.stages, file) {
        (Some(_), _, Some(_)) => Err(OptionsError::Conflict(
            "-R with an arrival file: the file says when to send",
        )),
        (_, Some(_), Some(_)) => Err(OptionsError::Conflict(
            "--stages with an arrival file: the file says when to send",
        )),
        (_, _, Some(ArrivalFile::Times(times))) => Ok(Rates::Listed(times)),
        (_, _, Some(ArrivalFile::Rates(profile))) => Ok(Rates::Profile(profile)),
        (_, Some(stages), None) => Ok(Rates::Profile(stages.parse()?)),
        (Some("max"), None, None) if args.find_max.is_some() => {
            Ok(Rates::Profile(Profile::constant(100.0)?))
        }
        (Some("max"), None, None) => Ok(Rates::Closed),
        (Some(rate), None, None) => Ok(Rates::Profile(Profile::constant(parse_number(rate)?)?)),
        (None, None, None) if args.closed => Ok(Rates::Closed),
        (None, None, None) if args.find_max.is_some() => {
            Ok(Rates::Profile(Profile::constant(100.0)?))
        }
        (None, None, None) => Err(OptionsError::NoRate),
    }
}
