//! `aefm-interfere KIND ...`: one kind, by hand.

use super::{Failure, press};
use crate::guard;
use crate::machine::cores::parse_list;
use crate::schedule::Schedule;
use crate::session::input::Input;
use crate::session::output::{Output, Style};
use aefm_workloads::interference::{CpuClass, CpuWork, InterferenceSpec, Kind};
use aefm_workloads::quantity::Quantity;
use aefm_workloads::unit::parse_duration;
use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};
use std::process::ExitCode;
use std::time::Duration;

/// One of the kinds.
#[derive(Debug, Subcommand)]
pub(super) enum KindCommand {
    /// A share of the named cores' time
    Cpu {
        #[command(flatten)]
        common: Common,
        /// What the threads compute
        #[arg(long, value_enum, default_value = "integer")]
        work: Work,
        /// How the share is secured: reserved holds it beside any load (SCHED_DEADLINE, needs the right to it)
        #[arg(long = "cpu-class", value_enum, default_value = "fair")]
        class: Class,
    },
}

/// What every kind takes.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// How hard: a percentage or a quantity in one of the kind's units, such as 30%, 2GB/s, 8GiB, 500Mbit/s
    #[arg(short, long, default_value = "50%")]
    intensity: String,
    /// Cores to press on, such as 0-3,7 [default: all that may be used]
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,
    /// For how long, at most 24h
    #[arg(short, long, default_value = "1m", value_parser = parse_duration)]
    duration: Duration,
    /// Rise from zero in a straight line over this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    ramp: Option<Duration>,
    /// Time between reports
    #[arg(long, default_value = "1s", value_parser = parse_duration)]
    report: Duration,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Take {"intensity": X} lines on standard input, and stop at its end
    #[arg(long)]
    control: bool,
    /// Stop when no line came on standard input for this long (an empty line will do)
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "control")]
    lease: Option<Duration>,
    /// Seed of whatever is drawn
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// See [`CpuWork`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Work {
    Integer,
    Float,
    Simd,
}

/// See [`CpuClass`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Class {
    Fair,
    Weight,
    Reserved,
}

impl KindCommand {
    /// Runs it.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (common, spec) = self.spec()?;
        let signals = guard::signals().map_err(Failure::run)?;
        if !guard::end_with_parent() {
            return Err(Failure::run(anyhow!("start: the parent is gone already")));
        }
        let mut input = if common.control { Input::stdin().map_err(Failure::usage)? } else { Input::none() };
        let schedule = match common.ramp {
            Some(over) => Schedule::ramp(spec.intensity, u64::try_from(over.as_nanos()).unwrap_or(u64::MAX)),
            None => Schedule::Constant(spec.intensity),
        };
        let style = if common.json { Style::Json } else { Style::Plain };
        press(&spec, schedule, &signals, &mut input, &mut Output::stdout(style))
    }

    /// The spec it means.
    fn spec(self) -> Result<(Common, InterferenceSpec), Failure> {
        match self {
            Self::Cpu { common, work, class } => {
                let mut spec = common.spec(Kind::Cpu)?;
                spec.options.work = match work {
                    Work::Integer => CpuWork::Integer,
                    Work::Float => CpuWork::Float,
                    Work::Simd => CpuWork::Simd,
                };
                spec.options.class = match class {
                    Class::Fair => CpuClass::Fair,
                    Class::Weight => CpuClass::Weight,
                    Class::Reserved => CpuClass::Reserved,
                };
                Ok((common, spec))
            }
        }
    }
}

impl Common {
    fn spec(&self, kind: Kind) -> Result<InterferenceSpec, Failure> {
        let intensity = Quantity::parse(&self.intensity, kind.units()[0]).map_err(Failure::usage)?;
        let cores = self.cores.as_deref().map(parse_list).transpose().map_err(Failure::usage)?;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Ok(InterferenceSpec {
            intensity: intensity.value,
            unit: intensity.unit.name().to_owned(),
            cores: cores.unwrap_or_default(),
            deadline_ms: millis(self.duration),
            report_ms: millis(self.report),
            lease_ms: self.lease.map(millis),
            seed: self.seed,
            ..InterferenceSpec::new(kind, 0.0)
        })
    }
}
