//! One run from the command line.

use super::{Failure, exit};
use crate::commands::Commands;
use crate::lua::Totals;
use crate::options::Options;
use crate::output::files::Files;
use crate::output::live::Live;
use crate::output::text;
use crate::run::{Event, run};
use crate::summary::Summary;
use aefm_workloads::load::Verdict;
use std::io::Write;
use std::sync::Arc;

/// Runs once and tells about it.
pub(super) fn once(options: &Options) -> Result<u8, Failure> {
    let commands =
        Commands::listen().map_err(|error| Failure::run(format!("listen for signals: {error}")))?;
    let plan = Arc::new(options.plan.clone());
    let mut files = Files::new(options).map_err(Failure::run)?;
    let mut live = Live::new(&plan, options.quiet);
    let mut pace = text::Pace::default();
    if !options.json {
        print(&text::heading(&plan))?;
    }
    let mut tell = |event: Event<'_>| {
        live.tell(&event);
        match event {
            Event::Started(start_ns) => files.start(start_ns),
            Event::Second(second) => {
                pace.add(second);
                files.second(second);
            }
            Event::Ready { .. } | Event::Waiting { .. } => {}
        }
    };
    let mut finished = run(&plan, &commands, &mut tell)?;
    let script = finished.script.take();
    let mut summary = Summary::new(&plan, finished);
    summary.slo_missed = options
        .slo
        .as_ref()
        .map(|slo| slo.missed(&summary))
        .unwrap_or_default();
    let broken = files.finish();
    live.end();
    if options.json {
        print(
            &serde_json::to_string(&summary)
                .map(|json| json + "\n")
                .map_err(Failure::run)?,
        )?;
    } else {
        print(&text::summary(
            &summary,
            &pace,
            options.spectrum,
            options.uncorrected,
        ))?;
    }
    let done = script.map(|script| script.done(Totals::new(&summary, pace.seconds())));
    if let Some(Err(error)) = &done {
        eprintln!("aefm-load: failed to {error}");
    }
    for error in summary.requests_error.iter().chain(&broken) {
        eprintln!("aefm-load: failed to {error}");
    }
    Ok(match code(&summary, &summary.slo_missed) {
        exit::VALID | exit::SUSPECT
            if !broken.is_empty()
                || summary.requests_error.is_some()
                || matches!(done, Some(Err(_))) =>
        {
            exit::FAILED
        }
        code => code,
    })
}

/// The exit code that a summary deserves.
pub(super) fn code(summary: &Summary, slo_missed: &[String]) -> u8 {
    if summary.interrupted {
        exit::INTERRUPTED
    } else if summary.ok() == 0 {
        exit::FAILED
    } else if !slo_missed.is_empty() {
        exit::SLO
    } else if summary.verdict == Verdict::Suspect {
        exit::SUSPECT
    } else {
        exit::VALID
    }
}

pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .map_err(|error| Failure::run(format!("print: {error}")))
}
