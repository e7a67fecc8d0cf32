//! The commands of `aefm`: typed arguments in, exit code out.

mod auto_config;
mod clean;
mod collect;
mod doctor;
mod export;
mod get_file;
mod given;
mod image;
mod import;
mod init;
mod migrate;
mod plan;
mod run;
mod upload;
mod validate;

use crate::cli::{Cli, Command};
use crate::handler::Handlers;
use clap::Parser;
use std::ffi::OsString;
use std::process::ExitCode;

/// How `aefm` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and every case is `ok`.
    Ok = 0,
    /// It could not be done.
    Failed = 1,
    /// The command line or the experiment file is wrong; nothing was started.
    Usage = 2,
    /// Done, but some case is degraded, failed or skipped, or the dataset is not up where it should be.
    Incomplete = 3,
    /// Ended early by SIGINT, SIGTERM or SIGHUP; what was measured until then is there.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs `aefm` with these arguments (the first is the program's name) and handlers of the user's own.
pub fn run(args: impl IntoIterator<Item = OsString>, handlers: Handlers) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody reads: the exit code says it still.
            drop(error.print());
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Ok.into()
            };
        }
    };
    let exit = match cli.command {
        Command::Run(args) => run::run(&args, handlers),
        Command::Plan(args) => plan::run(&args, &handlers),
        Command::Validate(args) => validate::run(&args, &handlers),
        Command::Migrate(given) => migrate::run(&given, &handlers),
        Command::Clean(args) => clean::run(&args),
        Command::AutoConfig(args) => auto_config::run(&args),
        Command::Doctor(args) => doctor::run(&args, &handlers),
        Command::Init(args) => init::run(&args),
        Command::Collect(args) => collect::run(&args),
        Command::Upload(args) => upload::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::GetFile(args) => get_file::run(&args, &handlers),
        Command::Image(command) => image::run(&command),
        Command::Receive(args) => in_pod(crate::receive::run(&args.spec)),
        Command::Shard(args) => in_pod(crate::shard::run(&args.spec)),
        // `main` hands these over before it comes here; a binary of the user's own may not.
        Command::Load(_) | Command::Interfere(_) | Command::InitData(_) | Command::Testbed(_) => {
            complain("this program does not include that command; use `aefm`");
            Exit::Usage
        }
    };
    exit.into()
}

/// The end of a program that runs in a pod.
fn in_pod(outcome: Result<(), impl std::fmt::Display>) -> Exit {
    match outcome {
        Ok(()) => Exit::Ok,
        Err(error) => {
            complain(&format!("failed to {error}"));
            Exit::Failed
        }
    }
}

fn complain(message: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "aefm: {message}"));
}
