//! The tool judges itself: may these numbers be believed?

mod generator;
mod rate;

use crate::record::Hist;
use crate::stall::Stall;
use aefm_workloads::load::Verdict;
use std::collections::BTreeMap;

/// What the judgement rests on; all of the measured phase.
pub struct Evidence<'a> {
    /// Rate asked for, in the open loop.
    pub rate_asked_hz: Option<f64>,
    /// Requests intended.
    pub intended: u64,
    /// Requests sent.
    pub sent: u64,
    /// Requests that ended as `unsent`.
    pub unsent: u64,
    /// Connections asked for.
    pub connections: u64,
    /// The most that were open at once.
    pub open_most: u64,
    /// What went wrong on connections, and how often.
    pub faults: &'a BTreeMap<String, u64>,
    /// Response times.
    pub response: &'a Hist,
    /// The same without what the generator added to each.
    pub unhindered: &'a Hist,
    /// When the generator did not do its work, in order.
    pub stalls: &'a [Stall],
    /// What it added in all, ns, by measured second.
    pub generator_ns: &'a [(u64, u64)],
    /// Connects that failed for want of a local port.
    pub out_of_ports: u64,
    /// Connects that failed for want of file descriptors.
    pub out_of_files: u64,
    /// Requests by which the record and the schedule disagree.
    pub unaccounted: u64,
    /// The run was ended early.
    pub interrupted: bool,
}

/// Fewer samples say nothing about any quantile.
const SAMPLES_MIN: u64 = 20;

/// The verdict and, where it is suspect, why: in sentences that say what to do.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> (Verdict, Vec<String>) {
    let mut reasons = Vec::new();
    reasons.extend(generator::reason(evidence));
    reasons.extend(rate::reason(evidence));
    if evidence.out_of_ports > 0 {
        reasons.push(format!(
            "{} connects found no local port: use keep-alive, more target addresses, or a wider ip_local_port_range",
            evidence.out_of_ports
        ));
    }
    if evidence.out_of_files > 0 {
        reasons.push(format!(
            "{} connects found no file descriptor: raise `ulimit -n`",
            evidence.out_of_files
        ));
    }
    if evidence.response.len() < SAMPLES_MIN && !evidence.interrupted {
        let count = evidence.response.len();
        reasons.push(format!(
            "{count} response times are too few for any quantile: run longer or at a higher rate"
        ));
    }
    if evidence.unaccounted > 0 {
        reasons.push(format!(
            "the record and the schedule differ by {} requests: this is a fault of aefm-load, please report it",
            evidence.unaccounted
        ));
    }
    let verdict = if reasons.is_empty() {
        Verdict::Valid
    } else {
        Verdict::Suspect
    };
    (verdict, reasons)
}

#[cfg(test)]
mod tests;
