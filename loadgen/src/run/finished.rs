//! What is left of a run when it is over.

use super::Throttling;
use crate::lua;
use crate::request_log::LogEnd;
use crate::stall::Stalls;
use crate::tally::Tally;
use aefm_workloads::load::Outcome;

/// A run that is over.
pub struct Finished {
    /// What happened.
    pub tally: Tally,
    /// The measured phase's length, ns: shorter than planned if the run was ended early.
    pub measured_ns: u64,
    /// Ended early, by whatever.
    pub interrupted: bool,
    /// When a script of the user's has stopped all workers, ns since time zero, if it has.
    pub stopped_ns: Option<u64>,
    /// Ended early because the parent is gone.
    pub orphaned: bool,
    /// How the `requests` table came out.
    pub(crate) log: LogEnd,
    /// The script, whose `done` is still to be called.
    pub(crate) script: Option<lua::Session>,
    /// How much the cgroup held us back.
    pub throttling: Throttling,
    /// When the generator did not do its work.
    pub stalls: Stalls,
    /// Connections open at time zero.
    pub open: usize,
    /// Time zero, ns since the epoch.
    pub zero_wall_ns: i64,
}

impl Finished {
    /// Requests of the measured phase.
    #[must_use]
    pub fn intended(&self) -> u64 {
        self.tally.measured.ended()
    }

    /// Whether anything was answered with success.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.tally.count(Outcome::Ok) > 0
    }

    /// Sends per second of the measured phase.
    #[must_use]
    pub fn rate_sent_hz(&self) -> f64 {
        if self.measured_ns == 0 {
            0.0
        } else {
            self.tally.measured.sent as f64 * 1e9 / self.measured_ns as f64
        }
    }
}
