//! `aefm collect`

use super::{Exit, complain};
use crate::cli::CollectArgs;
use crate::gather::{AgainError, Past};
use crate::report::Status;
use std::io::{self, Write};
use std::path::Path;

pub(super) fn run(args: &CollectArgs) -> Exit {
    let file = match args.file.as_deref().map(text).transpose() {
        Ok(file) => file,
        Err(message) => {
            complain(&message);
            return Exit::Usage;
        }
    };
    let file = file
        .as_ref()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let mut past = match Past::open(&args.run, file) {
        Ok(past) => past,
        Err(AgainError::Faults(shown)) => {
            // Nobody reads: the exit code says it still.
            drop(io::stderr().write_all(shown.as_bytes()));
            return Exit::Usage;
        }
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

/// A file's name and text.
fn text(file: &Path) -> Result<(String, String), String> {
    let name = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(format!("failed to read {name}: {error}")),
    }
}
