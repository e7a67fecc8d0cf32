//! Interference: the spec that a stressor obeys, the lines that steer it and the samples that it prints.

use serde::{Deserialize, Serialize};

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
    /// The machine had no room for what was asked.
    pub saturated: bool,
    /// The controller has settled at the request (or found the machine saturated): a case may begin.
    #[serde(default)]
    pub held: bool,
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
