//! The command line: what can be typed, and which exit code comes of it.
//!
//! Exit codes: 0 the intensity was held; 1 failed; 2 usage; 3 ran, but the intensity was not held; 130 interrupted.

mod calibrate;
mod kind;
mod list;
mod run;
mod selftest;

use crate::calibration::Calibration;
use crate::guard;
use crate::machine::Machine;
use crate::options;
use crate::schedule::Schedule;
use crate::session::input::{Heard, Input};
use crate::session::output::{Output, Style};
use crate::session::{self, Ending, Outcome};
use aefm_workloads::interference::InterferenceSpec;
use aefm_workloads::unit::parse_duration;
use anyhow::anyhow;
use clap::{Args, Parser, Subcommand};
use kind::KindCommand;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// The intensity was not held.
const NOT_HELD: u8 = 3;
/// SIGINT, SIGTERM or SIGHUP.
const INTERRUPTED: u8 = 130;

/// Interference of a requested, held and measured intensity
#[derive(Debug, Parser)]
#[command(name = "aefm-interfere", version, arg_required_else_help = true)]
#[command(args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
struct Cli {
    /// Obey a JSON spec: a file, or - for the first line of standard input, whose end then stops the run
    #[arg(long, value_name = "FILE|-")]
    spec: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

const AFTER_HELP: &str =
    "Exit codes: 0 held, 1 failed, 2 usage, 3 ran but the intensity was not held, 130 interrupted";

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Kind(KindCommand),
    /// Run several kinds at once, each with an intensity over time
    Run {
        /// The profile, in YAML
        profile: PathBuf,
        #[command(flatten)]
        console: Console,
    },
    /// Measure this machine's peaks in under 20 s, and keep them: percent then means the same in every run
    Calibrate {
        /// Cores to measure on, such as 0-3,7 [default: all that may be used]
        #[arg(long, value_name = "LIST")]
        cores: Option<String>,
        /// Measure the disk of this folder, too
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Where to keep them [default: AEFM_CALIBRATION, or aefm/calibration.json in the user's state folder]
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Print how much each kind moves the others' probes on this machine
    Selftest {
        /// The core to press and to probe on
        #[arg(long, default_value_t = 0)]
        core: usize,
        /// Press on the disk of this folder, and probe it, too
        #[arg(long)]
        dir: Option<PathBuf>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Say which kinds this machine supports, and why not
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Give exclusive cores back when standard input ends: started by what takes them
    #[command(hide = true)]
    Keep {
        /// The folder of their control group
        folder: PathBuf,
    },
}

/// How what runs is followed and told what to do.
#[derive(Debug, Args)]
struct Console {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Take {"intensity": X} lines (of a profile: {"kind": K, "intensity": X}) on standard input, and stop at its end
    #[arg(long)]
    control: bool,
    /// Stop when no line came on standard input for this long (an empty line will do)
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "control")]
    lease: Option<Duration>,
}

impl Console {
    fn output(&self) -> Output {
        Output::stdout(if self.json { Style::Json } else { Style::Plain })
    }
}

/// Runs the program with these arguments, the first of which is its name.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    guard::outlive_file_limits();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and is no error. When even printing fails there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = match (cli.spec, cli.command) {
        (Some(path), _) => by_spec(&path),
        (None, Some(Command::Kind(command))) => command.run(),
        (None, Some(Command::Run { profile, console })) => run::run(&profile, &console),
        (None, Some(Command::Calibrate { cores, dir, file })) => {
            calibrate::run(cores.as_deref(), dir.as_deref(), file)
        }
        (None, Some(Command::Selftest { core, dir, json })) => selftest::run(core, dir, json),
        (None, Some(Command::List { json })) => list::run(json),
        (None, Some(Command::Keep { folder })) => keep(&folder),
        (None, None) => Err(Failure::usage(anyhow!(
            "name a kind, a command or --spec (see --help)"
        ))),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("aefm-interfere: failed to {}", failure.reason);
        ExitCode::from(failure.code)
    })
}

/// Why nothing came of it.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    reason: anyhow::Error,
}

impl Failure {
    fn usage(reason: impl Into<anyhow::Error>) -> Self {
        Self {
            code: 2,
            reason: reason.into(),
        }
    }

    fn run(reason: impl Into<anyhow::Error>) -> Self {
        Self {
            code: 1,
            reason: reason.into(),
        }
    }
}

/// Prints text that is the whole result.
fn print(text: &str) -> Result<ExitCode, Failure> {
    use std::io::Write;
    let written = std::io::stdout().write_all(text.as_bytes());
    written
        .map(|()| ExitCode::SUCCESS)
        .map_err(|error| Failure::run(anyhow!("print: {error}")))
}

fn keep(folder: &Path) -> Result<ExitCode, Failure> {
    // Signals to all that was started from a terminal are not meant for what comes last.
    let _signals = guard::signals().map_err(Failure::run)?;
    let gone = crate::stressor::keep(folder);
    gone.map_err(|error| {
        Failure::run(anyhow!(
            "give back the cores of {}: {error}",
            folder.display()
        ))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// `--spec`: the contract with the programs that start this one.
fn by_spec(path: &Path) -> Result<ExitCode, Failure> {
    let signals = guard::signals().map_err(Failure::run)?;
    let (text, mut input, early) = if path.as_os_str() == "-" {
        let mut input = Input::stdin().map_err(Failure::usage)?;
        let (line, early) = input.first_line().map_err(Failure::usage)?;
        (line, input, early)
    } else {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| {
            Failure::usage(anyhow!("read the spec {}: {error}", path.display()))
        })?;
        (text, Input::none(), Vec::new())
    };
    let mut spec: InterferenceSpec = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(options::SpecError::Json(error)))?;
    for heard in early {
        match heard {
            Heard::End => {
                return Err(Failure::usage(anyhow!(
                    "obey the spec: standard input ended with it, which means stop"
                )));
            }
            Heard::Retuned(intensity) => spec.intensity = intensity,
            Heard::Renewed => {}
            Heard::Refused(reason) => eprintln!("aefm-interfere: {reason}"),
        }
    }
    let schedule = Schedule::Constant(spec.intensity);
    press(
        &spec,
        schedule,
        &signals,
        &mut input,
        &mut Output::stdout(Style::Json),
    )
}

/// Checks and runs a spec.
fn press(
    spec: &InterferenceSpec,
    schedule: Schedule,
    signals: &nix::sys::signalfd::SignalFd,
    input: &mut Input,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let machine = Machine::here().map_err(Failure::run)?;
    let mut ask = options::check(spec, &machine).map_err(Failure::usage)?;
    let calibration = if ask.wants_peak() {
        Calibration::here(&machine)
    } else {
        None
    };
    ask.calibration = calibration.as_ref();
    let outcome = session::run(ask, schedule, signals, input, output).map_err(Failure::run)?;
    verdict(&outcome)
}

fn verdict(outcome: &Outcome) -> Result<ExitCode, Failure> {
    match &outcome.ending {
        Ending::Failed(reason) => Err(Failure::run(anyhow!("{reason}"))),
        Ending::OutputFailed(reason) => Err(Failure::run(anyhow!("report: {reason}"))),
        Ending::OutputClosed => Err(Failure::run(anyhow!(
            "report: nobody reads standard output any more"
        ))),
        Ending::Signal(_) => Ok(ExitCode::from(INTERRUPTED)),
        Ending::Deadline | Ending::EndOfInput | Ending::LeaseExpired => {
            Ok(if outcome.summary.held {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(NOT_HELD)
            })
        }
    }
}
