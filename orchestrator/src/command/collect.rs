//! `aefm collect`

use super::{Exit, complain, read};
use crate::cli::CollectArgs;
use crate::gather::{AgainError, Past};
use crate::handler::Handlers;
use crate::report::Status;
use std::io::{self, Write};

pub(super) fn run(args: &CollectArgs, handlers: &Handlers) -> Exit {
    let collect = match args
        .file
        .as_deref()
        .map(|file| read(Some(file), handlers))
        .transpose()
    {
        Ok(read) => read.map(|(experiment, _)| experiment.collect),
        Err(exit) => return exit,
    };
    let mut past = match Past::open(&args.run, collect) {
        Ok(past) => past,
        Err(error) => {
            complain(&format!("failed to {error}"));
            return if matches!(error, AgainError::Secret(_)) {
                Exit::Failed
            } else {
                Exit::Usage
            };
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("failed to start: {error}"));
            return Exit::Failed;
        }
    };
    let mut is_whole = true;
    if let Err(error) = runtime.block_on(past.reach()) {
        // Sources of other places may answer all the same; those of the cluster say that nobody knows where they are.
        complain(&format!("failed to {error}"));
        is_whole = false;
    }
    for at in 0..past.cases() {
        match runtime.block_on(past.gather(at)) {
            Ok(gathered) => {
                is_whole &= gathered.status == Status::Ok && gathered.failures.is_empty();
                for failure in &gathered.failures {
                    complain(&format!("case {}: failed to {failure}", gathered.id));
                }
                // Nobody reads: the tables are there all the same.
                drop(writeln!(
                    io::stdout(),
                    "{}  {}  {}",
                    gathered.id,
                    gathered.name,
                    gathered.status.name()
                ));
            }
            Err(error) => {
                is_whole = false;
                complain(&format!("failed to {error}"));
            }
        }
    }
    if let Err(error) = past.close() {
        complain(&format!("failed to {error}"));
        return Exit::Failed;
    }
    if is_whole { Exit::Ok } else { Exit::Incomplete }
}
