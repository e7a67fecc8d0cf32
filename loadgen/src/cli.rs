//! The command line.

use crate::commands::Commands;
use crate::output::records;
use crate::plan::Plan;
use crate::run::{Event, run as run_plan};
use crate::spec;
use crate::summary::Summary;
use aefm_workloads::load::LoadRecord;
use clap::Parser;
use std::ffi::OsString;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Exit codes. Documented in the help.
mod exit {
    pub(super) const VALID: u8 = 0;
    pub(super) const FAILED: u8 = 1;
    pub(super) const USAGE: u8 = 2;
    pub(super) const SUSPECT: u8 = 3;
    pub(super) const INTERRUPTED: u8 = 130;
}

#[derive(Debug, Parser)]
#[command(name = "aefm-load", version, about = "Open-loop HTTP load whose latency numbers can be trusted")]
struct Args {
    /// Obey the JSON load spec in FILE (`-`: the first line of standard input, whose end then ends the run) and print
    /// JSON records
    #[arg(long, value_name = "FILE")]
    spec: PathBuf,
}

/// Runs the program with these arguments, the first of which is its name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::VALID });
        }
    };
    match obey_spec(&args.spec) {
        Ok(code) => ExitCode::from(code),
        Err((code, text)) => {
            eprintln!("aefm-load: failed to {text}");
            ExitCode::from(code)
        }
    }
}

fn read_spec(path: &Path) -> Result<Plan, (u8, String)> {
    let text = if path == Path::new("-") {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| (exit::FAILED, format!("read the spec: {error}")))?;
    spec::plan(&text).map_err(|error| (exit::USAGE, error.to_string()))
}

fn obey_spec(path: &Path) -> Result<u8, (u8, String)> {
    let commands = Commands::listen().map_err(|error| (exit::FAILED, format!("listen for signals: {error}")))?;
    let plan = Arc::new(read_spec(path)?);
    if path == Path::new("-") {
        commands.follow_stdin();
    }
    let mut output = std::io::stdout().lock();
    // A reader that is gone does not end the load; standard input's end does.
    let mut tell = |event: Event<'_>| {
        let _ = match event {
            Event::Ready { open, fault: Some(fault) } => {
                eprintln!("aefm-load: {open} of {} connections are open: failed to {fault}", plan.connections);
                Ok(())
            }
            Event::Ready { .. } => Ok(()),
            Event::Started(start_ns) => records::write(&mut output, &LoadRecord::Started { start_ns }),
            Event::Second(second) => {
                let shard = u32::try_from(plan.share.index).unwrap_or(u32::MAX);
                records::write(&mut output, &LoadRecord::Second(records::second(second, shard)))
            }
        };
    };
    let finished = run_plan(&plan, &commands, &mut tell).map_err(|error| (exit::FAILED, error.to_string()))?;
    let (succeeded, orphaned) = (finished.succeeded(), finished.orphaned);
    let summary = Summary::new(&plan, finished);
    let _ = records::write(&mut output, &LoadRecord::Summary(summary.to_record()));
    Ok(if orphaned || summary.interrupted {
        exit::INTERRUPTED
    } else if !succeeded {
        exit::FAILED
    } else if summary.verdict == aefm_workloads::load::Verdict::Suspect {
        exit::SUSPECT
    } else {
        exit::VALID
    })
}
