//! Single values as they are typed.

use super::error::{OptionsError, bad};
use crate::cli::args::Args;
use crate::schedule::Share;
use aefm_workloads::unit::{parse_duration, parse_number};
use std::path::Path;
use std::time::Duration;

/// Nanoseconds; longer than 500 years counts as that.
pub(super) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}

pub(super) fn positive(option: &'static str, text: &str) -> Result<Duration, OptionsError> {
    match parse_duration(text)? {
        Duration::ZERO => Err(bad(option, text, "it has to be longer than 0")),
        some => Ok(some),
    }
}

pub(super) fn count(option: &'static str, text: &str) -> Result<usize, OptionsError> {
    match parse_number(text)? {
        whole if whole >= 1.0 && whole.fract() == 0.0 && whole <= 1e9 => Ok(whole as usize),
        _ => Err(bad(
            option,
            text,
            "it has to be a whole number of at least 1",
        )),
    }
}

/// One a named core; otherwise half of the cores, since the server often runs on the same machine.
pub(super) fn threads(args: &Args, cores: &[usize]) -> Result<usize, OptionsError> {
    match &args.threads {
        Some(text) => count("--threads", text),
        None if !cores.is_empty() => Ok(cores.len()),
        None => {
            Ok(std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)))
        }
    }
}

/// `0,2-3`.
pub(super) fn cores(text: &str) -> Result<Vec<usize>, OptionsError> {
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

/// Reads a file that was named.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, OptionsError> {
    std::fs::read(path).map_err(|error| OptionsError::File {
        path: path.to_owned(),
        error,
    })
}
