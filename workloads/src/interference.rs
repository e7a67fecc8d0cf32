//! Interference: the spec that a stressor obeys, the lines that steer it and the samples that it prints.

mod tolerance;

pub use tolerance::Tolerance;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The kinds of interference, by the names that tables, events and axes use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Percent of the named cores' time.
    Cpu,
    /// Percent of what may be taken, or bytes, resident.
    MemCapacity,
    /// Percent of the measured peak, or GB/s.
    MemBandwidth,
    /// Bit/s, or percent of the link.
    Network,
    /// Percent of the last-level cache's capacity.
    Llc,
    /// Percent of the second-level cache's capacity.
    L2,
    /// Percent of the first-level data cache's capacity.
    L1d,
    /// Percent of the first-level instruction cache's capacity.
    L1i,
    /// Bytes/s or operations/s of direct I/O.
    Disk,
    /// Percent of the measured peak of page walks.
    Tlb,
    /// Context switches per second, percent of the measured peak.
    Ctx,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Cpu,
        Self::MemCapacity,
        Self::MemBandwidth,
        Self::Network,
        Self::Llc,
        Self::L2,
        Self::L1d,
        Self::L1i,
        Self::Disk,
        Self::Tlb,
        Self::Ctx,
    ];

    /// The name in tables, events and axes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::MemCapacity => "mem_capacity",
            Self::MemBandwidth => "mem_bandwidth",
            Self::Network => "network",
            Self::Llc => "llc",
            Self::L2 => "l2",
            Self::L1d => "l1d",
            Self::L1i => "l1i",
            Self::Disk => "disk",
            Self::Tlb => "tlb",
            Self::Ctx => "ctx",
        }
    }

    /// The kind of that name; the short forms that command lines take (`membw`, `memcap`, `net`) count.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "membw" => Some(Self::MemBandwidth),
            "memcap" => Some(Self::MemCapacity),
            "net" => Some(Self::Network),
            _ => Self::ALL.into_iter().find(|kind| kind.name() == name),
        }
    }
}

/// A stressor to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterferenceSpec {
    /// What to press on.
    pub kind: Kind,
    /// How hard, in `unit`.
    pub intensity: f64,
    /// The unit of `intensity`, `percent` unless said otherwise.
    #[serde(default = "percent")]
    pub unit: String,
    /// Cores to press on; empty: all that the process may use.
    #[serde(default)]
    pub cores: Vec<usize>,
    /// After this time it stops, whatever happens.
    pub deadline_ms: u64,
    /// Time between samples.
    pub report_ms: u64,
    /// Stop when no line came on stdin for this long; null: only the end of stdin stops it.
    #[serde(default)]
    pub lease_ms: Option<u64>,
    /// Seed for whatever it draws.
    #[serde(default)]
    pub seed: u64,
    /// What only some kinds look at; the defaults suit a machine under test.
    #[serde(default)]
    pub options: StressOptions,
}

impl InterferenceSpec {
    /// That kind at that many percent on all cores, a sample a second, for at most a minute.
    #[must_use]
    pub fn new(kind: Kind, percent_intensity: f64) -> Self {
        Self {
            kind,
            intensity: percent_intensity,
            unit: percent(),
            cores: Vec::new(),
            deadline_ms: 60_000,
            report_ms: 1_000,
            lease_ms: None,
            seed: 0,
            options: StressOptions::default(),
        }
    }
}

/// What only some kinds look at. A kind ignores the options of others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StressOptions {
    /// `cpu`: what the threads compute.
    pub work: CpuWork,
    /// `cpu`: how the share of the core is secured.
    pub class: CpuClass,
    /// `mem_bandwidth`, `disk`: how memory or the file is gone over.
    pub access: Option<Access>,
    /// Kinds whose percent is a share of a measured peak: that peak in base units a second (bytes, bits, operations).
    /// Without it a stored calibration is looked for, then the first 400 ms of the run measure it.
    pub peak_per_s: Option<f64>,
    /// `mem_capacity`, `mem_bandwidth`: bytes that stay free whatever is asked; default 5 % of the memory.
    pub reserve_bytes: Option<u64>,
    /// `network`: who talks to whom.
    pub network: NetworkOptions,
    /// `disk`: the folder whose file system is pressed on. Required for that kind.
    pub dir: Option<PathBuf>,
    /// `disk`: size of the nameless file; default 256 MiB.
    pub file_bytes: Option<u64>,
    /// `disk`: bytes an operation; default 1 MiB under a byte rate and 4 KiB under `iops`.
    pub block_bytes: Option<u64>,
}

/// What the `cpu` kind computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuWork {
    /// Integer multiplications and shifts.
    #[default]
    Integer,
    /// Scalar double precision.
    Float,
    /// The widest vectors that the machine has.
    Simd,
}

/// How the `cpu` kind secures its share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CpuClass {
    /// As any thread: it gets what others leave it.
    #[default]
    Fair,
    /// A heavier weight (nice -20; needs the right to it).
    Weight,
    /// SCHED_DEADLINE: held beside any load; refused where the kernel refuses it.
    Reserved,
}

/// How memory or a file is gone over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Loads, in order.
    Read,
    /// Stores, in order.
    Write,
    /// Stores past the caches, in order.
    NonTemporal,
    /// Loads from one half, stores to the other.
    Copy,
    /// Loads (for `disk`: operations) in random order.
    Random,
}

/// Who talks to whom in the `network` kind. The default is a server and a client on loopback in the one process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkOptions {
    /// Serve on this address (`127.0.0.1:0` lets the system choose the port) and send nothing unasked.
    pub listen: Option<String>,
    /// Press on the way to this server, `host:port`.
    pub target: Option<String>,
    /// The secret that both sides share. Required with `listen` or `target`.
    pub token: Option<String>,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Who sends.
    pub direction: Direction,
    /// Connections (or UDP flows) that share the intensity; 0 means 1.
    pub streams: u32,
    /// Speed of the link in bit/s, for percent where the system does not know it.
    pub link_bit_per_s: Option<f64>,
}

/// The transport of the `network` kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// A byte stream; what was acknowledged counts.
    #[default]
    Tcp,
    /// Datagrams; what the other side received counts.
    Udp,
}

/// Who sends in the `network` kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The client sends.
    #[default]
    Up,
    /// The server sends.
    Down,
    /// Both send, the intensity each.
    Both,
}

fn percent() -> String {
    "percent".to_owned()
}

/// One line on a running stressor's standard input. An empty line only renews the lease; the end of input stops it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The new intensity, in the unit of the spec.
    pub intensity: f64,
}

/// One line on the standard input of a profile's run, which has several stressors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileControl {
    /// Which of its stressors.
    pub kind: Kind,
    /// The new intensity, in the unit of the profile; its schedule no longer applies.
    pub intensity: f64,
}

/// Why an intensity that was asked for is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Cores, a scheduling class or a quota that it was given were changed by somebody else while it ran.
    Taken,
    /// The whole process did not run for a while: stopped by a signal, frozen, or its machine was.
    Stopped,
    /// A control group's CPU quota held it back.
    Throttled,
    /// A limit of its process or of its control group (ulimit, memory) lets it have no more.
    Limited,
    /// Its peer does not answer.
    Unreachable,
    /// It is still taking what it was asked to hold.
    Filling,
    /// It is still measuring the peak that percent is of.
    Measuring,
    /// It has not been at this request for long enough to tell.
    Settling,
    /// The run was over before that could be told.
    TooShort,
    /// It had settled, and then missed the request for a part of the time.
    Missed,
}

impl Why {
    /// The word in samples.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Stopped => "stopped",
            Self::Throttled => "throttled",
            Self::Limited => "limited",
            Self::Unreachable => "unreachable",
            Self::Filling => "filling",
            Self::Measuring => "measuring",
            Self::Settling => "settling",
            Self::TooShort => "too_short",
            Self::Missed => "missed",
        }
    }

    /// Whether waiting is likely to help: the stressor is still on its way to what was asked.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(
            self,
            Self::Filling | Self::Measuring | Self::Settling | Self::Missed | Self::Stopped
        )
    }
}

/// One line of a stressor's standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterferenceSample {
    /// Which stressor.
    pub kind: Kind,
    /// Intensity asked for.
    pub requested: f64,
    /// Intensity reached since the last sample (in the summary: the mean over the run, its first second left out).
    pub achieved: f64,
    /// Unit of both.
    pub unit: String,
    /// It presses as hard as this machine lets it, and that is less than was asked: the reachable maximum.
    pub saturated: bool,
    /// It settled at the request, and what it reached since then in this sample is within the kind's tolerance. (In the
    /// summary: the mean over the run is, and nothing that it was given was taken from it.)
    #[serde(default)]
    pub held: bool,
    /// Why it is neither held nor saturated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// The same for people, where there is more to say than the word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Wall clock at the end of the sample, ns since the epoch.
    pub wall_ns: i64,
    /// Monotonic clock at the same instant, ns.
    pub mono_ns: i64,
    /// The physical quantity behind a share, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_s: Option<f64>,
    /// True in the last line only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub summary: bool,
}

impl InterferenceSample {
    /// Whether waiting longer is not likely to change it: the request is held, or what can be had is less.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.held || self.falls_short()
    }

    /// Whether less than was asked is all that can be had, for whatever reason.
    #[must_use]
    pub fn falls_short(&self) -> bool {
        self.saturated || self.why.is_some_and(|why| !why.passes())
    }
}
