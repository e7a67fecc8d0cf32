//! The program: arguments in, an exit code out.

pub(crate) mod args;
mod hints;
mod probe;
mod spec_run;
mod start;
mod workloads;

pub use aefm_workloads::load::exit;

use crate::options::{self, Options};
use crate::run::RunError;
use args::{Args, Instead};
use clap::Parser;
use std::ffi::OsString;
use std::process::ExitCode;

/// Why the program ends without a result.
#[derive(Debug)]
struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it is what map_err hands over"
    )]
    fn usage(error: impl ToString) -> Self {
        Self {
            code: exit::USAGE,
            text: error.to_string(),
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "it is what map_err hands over"
    )]
    fn run(error: impl ToString) -> Self {
        Self {
            code: exit::FAILED,
            text: error.to_string(),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Script(_) => Self::usage(error),
            _ => Self::run(error),
        }
    }
}

/// Runs the program with these arguments, the first of which is its name. To be called before other threads are there.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            // The reader of the help may be gone; there is no one to tell.
            let _ = error.print();
            if let Some(hint) = hints::hint(&error) {
                eprintln!("\n  hint: {hint}");
            }
            return ExitCode::from(if error.use_stderr() {
                exit::USAGE
            } else {
                exit::VALID
            });
        }
    };
    let done = match (&args.instead, &args.spec) {
        (Some(Instead::Workloads { json }), _) => {
            workloads::list(*json, &mut std::io::stdout().lock())
        }
        (None, Some(path)) => spec_run::obey(path, &args),
        (None, None) => options::from_args(&args, crate::clock::seed())
            .map_err(Failure::usage)
            .and_then(|options| {
                options
                    .warnings
                    .iter()
                    .for_each(|warning| eprintln!("aefm-load: {warning}"));
                match &options {
                    Options {
                        find_max: Some(goal),
                        ..
                    } => probe::find_max(&options, goal),
                    _ => start::once(&options),
                }
            }),
    };
    ExitCode::from(done.unwrap_or_else(|failure| {
        eprintln!("aefm-load: failed to {}", failure.text);
        failure.code
    }))
}
