//! The seam of the stressors: each lives in a file of its own that ends in one [`Descriptor`].

mod cpu;
mod ctx;
mod disk;
mod l1d;
mod l1i;
mod l2;
mod llc;
mod mem_bandwidth;
mod mem_capacity;
mod network;
mod tlb;

pub(crate) use cpu::keep;
pub(crate) use disk::{DEFAULT_FILE_BYTES, nameless};

use crate::calibration::Calibration;
use crate::crew::{Crew, CrewError};
use crate::holding::Tolerance;
use crate::machine::{Machine, MachineError};
use crate::monitor::Reached;
use aefm_workloads::interference::{InterferenceSpec, Kind};
use aefm_workloads::quantity::Unit;

/// A source of interference at work. Dropping it ends it, with all its threads and memory.
pub trait Stressor {
    /// Presses that hard from now on, in the unit of its spec.
    fn set(&mut self, intensity: f64);

    /// What was reached since the last call.
    fn reached(&mut self, now_ns: u64) -> Reached;

    /// The threads that press, where it has threads of its own.
    fn crew(&self) -> Option<&Crew>;
    /// Why it can go on no more, if so.
    fn failure(&self) -> Option<String>;

    /// The peak that percent is of, in base units a second, once it is known.
    fn peak_per_s(&self) -> Option<f64> {
        None
    }
}

/// What there is to know about a kind.
pub struct Descriptor {
    /// Its name.
    pub kind: Kind,
    /// One line on what it does.
    pub about: &'static str,
    /// How near is held.
    pub tolerance: fn(Unit, f64) -> Tolerance,
    /// Whether percent is of a peak that can be measured and kept.
    pub has_peak: bool,
    /// Whether this machine has what it takes.
    pub support: fn(&Machine) -> Result<(), String>,
    /// Starts it at intensity zero.
    pub start: fn(&Ask<'_>) -> Result<Box<dyn Stressor>, StartError>,
}

/// What a stressor is started with.
#[derive(Clone)]
pub struct Ask<'a> {
    /// The spec, validated.
    pub spec: &'a InterferenceSpec,
    /// Its unit.
    pub unit: Unit,
    /// The cores it names, or all.
    pub cores: Vec<usize>,
    /// Where it runs.
    pub machine: &'a Machine,
    /// What presses.
    pub descriptor: &'static Descriptor,
    /// Peaks that were measured before; without it they are measured when the work begins.
    pub calibration: Option<&'a Calibration>,
}

impl Ask<'_> {
    /// The peak that percent is of, in base units a second: as the spec says, or as a calibration of this machine and
    /// these cores measured it for that variant. None: it has to be measured.
    #[must_use]
    pub fn peak(&self, variant: &str) -> Option<f64> {
        let kept = || {
            let calibration = self.calibration?;
            calibration.peak(self.spec.kind, variant, &self.cores)
        };
        self.spec.options.peak_per_s.or_else(kept)
    }

    /// Whether it may ask for a peak that the spec does not give.
    #[must_use]
    pub fn wants_peak(&self) -> bool {
        self.unit == Unit::Percent
            && self.spec.options.peak_per_s.is_none()
            && self.descriptor.has_peak
    }
}

/// Why a stressor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The machine does not say what has to be known, or has no such core.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// No threads.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// This machine lacks something.
    #[error("press on {kind}: {reason}")]
    Unsupported {
        /// The kind.
        kind: &'static str,
        /// What is missing, and the way out.
        reason: String,
    },
    /// The system refuses something.
    #[error("{action}: {}", crate::limits::explained(.source))]
    System {
        /// What was tried.
        action: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl StartError {
    /// The system refuses `action`.
    pub(crate) fn system(action: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        Self::System {
            action: action.into(),
            source: source.into(),
        }
    }
}

/// All that there are.
pub static DESCRIPTORS: [&Descriptor; 11] = [
    &cpu::CPU,
    &mem_capacity::MEM_CAPACITY,
    &mem_bandwidth::MEM_BANDWIDTH,
    &network::NETWORK,
    &llc::LLC,
    &l2::L2,
    &l1d::L1D,
    &l1i::L1I,
    &disk::DISK,
    &tlb::TLB,
    &ctx::CTX,
];

/// The descriptor of a kind.
#[must_use]
pub fn descriptor(kind: Kind) -> Option<&'static Descriptor> {
    DESCRIPTORS
        .iter()
        .copied()
        .find(|descriptor| descriptor.kind == kind)
}

/// Two percent of the request, as the kinds that move something promise.
pub(crate) fn two_percent(unit: Unit, _: f64) -> Tolerance {
    // What is said of one of these kinds holds for all of them.
    Tolerance::of(Kind::Llc, unit)
}
