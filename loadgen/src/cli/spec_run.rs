//! `--spec`: one JSON spec in, JSON records out.

use super::args::Args;
use super::{Failure, exit};
use crate::commands::Commands;
use crate::lua::Totals;
use crate::options;
use crate::output::records;
use crate::output::text::Pace;
use crate::plan::Plan;
use crate::run::{Event, run};
use crate::spec;
use crate::summary::Summary;
use aefm_workloads::load::LoadRecord;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

fn read(path: &Path, args: &Args) -> Result<Plan, Failure> {
    let text = if path == Path::new("-") {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| Failure::run(format!("read the spec: {error}")))?;
    let mut plan = spec::plan(&text).map_err(Failure::usage)?;
    // What differs between the pods of one Job comes beside the spec that they share.
    if let Some(shard) = &args.shard {
        plan = plan.sharded(options::shard(shard).map_err(Failure::usage)?);
    }
    if let Some(start_at) = &args.start_at {
        plan.start_at_ns = Some(options::start_at(start_at).map_err(Failure::usage)?);
    }
    Ok(plan)
}

/// Obeys the spec.
pub(super) fn obey(path: &Path, args: &Args) -> Result<u8, Failure> {
    let commands =
        Commands::listen().map_err(|error| Failure::run(format!("listen for signals: {error}")))?;
    let plan = Arc::new(read(path, args)?);
    if path == Path::new("-") {
        commands.follow_stdin();
    }
    let mut output = std::io::stdout().lock();
    let shard = u32::try_from(plan.share.index).unwrap_or(u32::MAX);
    let mut pace = Pace::default();
    // A reader that is gone does not end the load; standard input's end does.
    let mut tell = |event: Event<'_>| {
        let _ = match event {
            Event::Ready {
                open,
                fault: Some(fault),
            } => {
                eprintln!(
                    "aefm-load: {open} of {} connections are open: failed to {fault}",
                    plan.connections
                );
                Ok(())
            }
            Event::Ready { .. } | Event::Waiting { .. } => Ok(()),
            Event::Started(start_ns) => {
                records::write(&mut output, &LoadRecord::Started { start_ns })
            }
            Event::Second(second) => {
                pace.add(second);
                records::write(
                    &mut output,
                    &LoadRecord::Second(records::second(second, shard)),
                )
            }
        };
    };
    let mut finished = run(&plan, &commands, &mut tell)?;
    let script = finished.script.take();
    let orphaned = finished.orphaned;
    let summary = Summary::new(&plan, finished);
    let _ = records::write(&mut output, &LoadRecord::Summary(summary.to_record()));
    if let Some(Err(error)) =
        script.map(|script| script.done(Totals::new(&summary, pace.seconds())))
    {
        eprintln!("aefm-load: failed to {error}");
    }
    Ok(if orphaned {
        exit::INTERRUPTED
    } else {
        super::start::code(&summary, &[])
    })
}
