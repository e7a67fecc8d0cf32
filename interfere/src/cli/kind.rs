//! `aefm-interfere KIND ...`: one kind, by hand.

mod choices;
mod network;

use super::{Console, Failure, press};
use crate::guard;
use crate::machine::cores::parse_list;
use crate::schedule::Schedule;
use crate::session::input::Input;
use aefm_workloads::interference::{Access, InterferenceSpec, Kind, StressOptions};
use aefm_workloads::quantity::{Quantity, Unit};
use aefm_workloads::unit::{parse_bytes, parse_duration};
use anyhow::anyhow;
use choices::{Class, DiskAccess, MemoryAccess, Work};
use clap::{Args, Subcommand};
use std::path::PathBuf;
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
    /// Memory really resident: percent of what may be taken, or bytes
    #[command(name = "mem_capacity", visible_alias = "memcap")]
    MemCapacity {
        #[command(flatten)]
        common: Common,
        /// What stays free whatever is asked [default: a twentieth of the memory]
        #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
        reserve: Option<u64>,
    },
    /// Bytes a second between memory and the cores: percent of the measured peak, or GB/s
    #[command(name = "mem_bandwidth", visible_alias = "membw")]
    MemBandwidth {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        peak: Peak,
        /// How memory is gone over
        #[arg(long, value_enum, default_value = "read")]
        access: MemoryAccess,
        /// What stays free whatever is asked [default: a twentieth of the memory]
        #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
        reserve: Option<u64>,
    },
    /// Bits a second between a server and clients, by default both on loopback
    #[command(visible_alias = "net")]
    Network {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        ends: network::Ends,
    },
    /// Direct input and output in a folder: MB/s, iops, or percent of the measured peak
    Disk {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        peak: Peak,
        /// The folder whose file system is pressed on; the file in it has no name
        #[arg(long)]
        dir: PathBuf,
        /// Size of the file [default: 256MiB]
        #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
        file_size: Option<u64>,
        /// Bytes an operation [default: what suits the unit]
        #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
        block: Option<u64>,
        /// What is done [default: write; random reads under iops]
        #[arg(long, value_enum)]
        access: Option<DiskAccess>,
    },
    /// A share of the last-level cache, kept in use
    Llc {
        #[command(flatten)]
        common: Common,
    },
    /// A share of each core's second-level cache, kept in use
    L2 {
        #[command(flatten)]
        common: Common,
    },
    /// A share of each core's data cache, kept in use
    L1d {
        #[command(flatten)]
        common: Common,
    },
    /// A share of each core's instruction cache, kept in use
    L1i {
        #[command(flatten)]
        common: Common,
    },
    /// Address translations a second, or percent of the measured peak
    Tlb {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        peak: Peak,
    },
    /// Context switches a second, or percent of the measured peak
    Ctx {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        peak: Peak,
    },
}

/// Where percent is of a measured peak.
#[derive(Debug, Args)]
pub(super) struct Peak {
    /// The peak that 100% means, in bytes or operations a second [default: as calibrated, else measured at the start]
    #[arg(long, value_name = "PER_S")]
    peak: Option<f64>,
}

/// What every kind takes.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// How hard: a percentage or a quantity in one of the kind's units, such as 30%, 2GB/s, 8GiB, 500Mbit/s
    /// [default: 50%]
    #[arg(short, long)]
    intensity: Option<String>,
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
    #[command(flatten)]
    console: Console,
    /// Seed of whatever is drawn
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl KindCommand {
    /// Runs it.
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (common, spec) = self.spec()?;
        let signals = guard::signals().map_err(Failure::run)?;
        if !guard::end_with_parent() {
            return Err(Failure::run(anyhow!("start: the parent is gone already")));
        }
        let mut input = if common.console.control {
            Input::stdin().map_err(Failure::usage)?
        } else {
            Input::none()
        };
        let schedule = match common.ramp {
            Some(over) => Schedule::ramp(
                spec.intensity,
                u64::try_from(over.as_nanos()).unwrap_or(u64::MAX),
            ),
            None => Schedule::Constant(spec.intensity),
        };
        press(
            &spec,
            schedule,
            &signals,
            &mut input,
            &mut common.console.output(),
        )
    }

    /// The spec it means.
    fn spec(self) -> Result<(Common, InterferenceSpec), Failure> {
        let mut options = StressOptions::default();
        let (kind, common) = match self {
            Self::Cpu {
                common,
                work,
                class,
            } => {
                (options.work, options.class) = (work.into(), class.into());
                (Kind::Cpu, common)
            }
            Self::MemCapacity { common, reserve } => {
                options.reserve_bytes = reserve;
                (Kind::MemCapacity, common)
            }
            Self::MemBandwidth {
                common,
                peak,
                access,
                reserve,
            } => {
                options.reserve_bytes = reserve;
                (options.peak_per_s, options.access) = (peak.peak, Some(access.into()));
                (Kind::MemBandwidth, common)
            }
            Self::Network { common, ends } => {
                options.network = ends.options().map_err(Failure::usage)?;
                (Kind::Network, common)
            }
            Self::Disk {
                common,
                peak,
                dir,
                file_size,
                block,
                access,
            } => {
                (options.peak_per_s, options.dir) = (peak.peak, Some(dir));
                (options.file_bytes, options.block_bytes) = (file_size, block);
                options.access = access.map(Access::from);
                (Kind::Disk, common)
            }
            Self::Llc { common } => (Kind::Llc, common),
            Self::L2 { common } => (Kind::L2, common),
            Self::L1d { common } => (Kind::L1d, common),
            Self::L1i { common } => (Kind::L1i, common),
            Self::Tlb { common, peak } => {
                options.peak_per_s = peak.peak;
                (Kind::Tlb, common)
            }
            Self::Ctx { common, peak } => {
                options.peak_per_s = peak.peak;
                (Kind::Ctx, common)
            }
        };
        let mut spec = common.spec(kind, &options)?;
        spec.options = options;
        Ok((common, spec))
    }
}

impl Common {
    fn spec(&self, kind: Kind, options: &StressOptions) -> Result<InterferenceSpec, Failure> {
        let serves = options.network.listen.is_some();
        let default = if serves { "0%" } else { "50%" };
        let text = self.intensity.as_deref().unwrap_or(default);
        let mut intensity = Quantity::parse(text, kind.units()[0]).map_err(Failure::usage)?;
        if serves {
            // What a server reaches is said in bits: it knows no share of anything.
            intensity = Quantity {
                value: 0.0,
                unit: Unit::BitsPerS,
            };
        }
        let cores = self
            .cores
            .as_deref()
            .map(parse_list)
            .transpose()
            .map_err(Failure::usage)?;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Ok(InterferenceSpec {
            intensity: intensity.value,
            unit: intensity.unit.name().to_owned(),
            cores: cores.unwrap_or_default(),
            deadline_ms: millis(self.duration),
            report_ms: millis(self.report),
            lease_ms: self.console.lease.map(millis),
            seed: self.seed,
            ..InterferenceSpec::new(kind, 0.0)
        })
    }
}
