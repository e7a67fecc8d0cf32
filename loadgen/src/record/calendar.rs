//! Which bin an intended time belongs to: a second of time zero's, cut where warm-up ends.

use aefm_workloads::load::Phase;

const SECOND: u64 = 1_000_000_000;

/// The bins of a run. Bin numbers ascend with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Where the measured phase starts, ns since time zero.
    pub warmup_ns: u64,
    /// Where it ends.
    pub end_ns: u64,
}

impl Calendar {
    const fn warm_bins(self) -> u64 {
        self.warmup_ns.div_ceil(SECOND)
    }

    /// The bin of an intended time.
    #[must_use]
    pub const fn bin(self, offset_ns: u64) -> u64 {
        if offset_ns < self.warmup_ns {
            offset_ns / SECOND
        } else {
            self.warm_bins() + offset_ns / SECOND - self.warmup_ns / SECOND
        }
    }

    /// How many bins there are.
    #[must_use]
    pub const fn bins(self) -> u64 {
        if self.end_ns == 0 {
            0
        } else {
            self.bin(self.end_ns - 1) + 1
        }
    }

    /// The phase of a bin.
    #[must_use]
    pub const fn phase(self, bin: u64) -> Phase {
        if bin < self.warm_bins() {
            Phase::WarmUp
        } else {
            Phase::Measure
        }
    }

    /// The whole seconds since time zero of a bin.
    #[must_use]
    pub const fn second(self, bin: u64) -> u64 {
        if bin < self.warm_bins() {
            bin
        } else {
            bin - self.warm_bins() + self.warmup_ns / SECOND
        }
    }

    /// The time at which a bin ends.
    #[must_use]
    pub fn end_of(self, bin: u64) -> u64 {
        let end = (self.second(bin) + 1) * SECOND;
        match self.phase(bin) {
            Phase::WarmUp => end.min(self.warmup_ns),
            Phase::Measure => end,
        }
    }
}
