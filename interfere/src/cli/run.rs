//! `aefm-interfere run PROFILE`: several kinds at once.

use super::{Console, Failure, INTERRUPTED, NOT_HELD};
use crate::guard;
use crate::machine::Machine;
use crate::options;
use crate::profile::Profile;
use crate::session::Ending;
use crate::supervise::{self, Controls};
use anyhow::anyhow;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

pub(super) fn run(path: &Path, console: &Console) -> Result<ExitCode, Failure> {
    let read = |path: &Path| std::fs::read_to_string(path);
    let text =
        read(path).map_err(|error| Failure::usage(anyhow!("read {}: {error}", path.display())))?;
    // A trace is named from where the profile is.
    let beside = |trace: &Path| read(&path.parent().unwrap_or(Path::new("")).join(trace));
    let profile = Profile::parse(&text, &beside).map_err(Failure::usage)?;
    let machine = Machine::here().map_err(Failure::run)?;
    for part in &profile.parts {
        // All is checked before anything starts.
        options::check(&part.spec, &machine).map_err(Failure::usage)?;
    }
    let signals = guard::signals().map_err(Failure::run)?;
    if !guard::end_with_parent() {
        return Err(Failure::run(anyhow!("start: the parent is gone already")));
    }
    let stdin = std::io::stdin();
    let controls = Controls {
        signals: &signals,
        stdin: console.control.then(|| stdin.as_fd()),
        lease: console.lease,
    };
    let result = supervise::run(profile, controls, &mut console.output()).map_err(Failure::run)?;
    match result.ending {
        Ending::Failed(reason) => Err(Failure::run(anyhow!(reason))),
        Ending::OutputFailed(reason) => Err(Failure::run(anyhow!("report: {reason}"))),
        Ending::OutputClosed => Err(Failure::run(anyhow!(
            "report: nobody reads standard output any more"
        ))),
        Ending::Signal(_) => Ok(ExitCode::from(INTERRUPTED)),
        _ if result.summaries.iter().all(|summary| summary.held) => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::from(NOT_HELD)),
    }
}
