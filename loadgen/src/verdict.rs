//! The tool judges itself: may these numbers be believed?

use crate::record::Hist;
use crate::statistics::quantile;
use aefm_workloads::load::Verdict;

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
    /// Send lags.
    pub lag: &'a Hist,
    /// Response times.
    pub response: &'a Hist,
    /// The busiest worker's share of a core; above 1 is 1.
    pub cpu_share: f64,
    /// Workers spin on purpose.
    pub spin: bool,
    /// Time that a CPU quota held the process back, ns, in how many periods.
    pub held_back: (u64, u64),
    /// Connects that failed for want of a local port.
    pub out_of_ports: u64,
    /// Connects that failed for want of file descriptors.
    pub out_of_files: u64,
    /// Requests by which the record and the schedule disagree.
    pub unaccounted: u64,
    /// The run was ended early.
    pub interrupted: bool,
}

/// Lags below this are the kernel's wake-up, not a fault, whatever they are compared with.
const LAG_FLOOR_NS: u64 = 250_000;
/// Share of the reported p99 that the generator itself may have added.
const LAG_SHARE_MAX: f64 = 0.10;
/// Share of the asked rate that has to be sent.
const SENT_SHARE_MIN: f64 = 0.99;
/// Share of a core from which on a worker cannot be sure to be on time.
const CPU_SHARE_MAX: f64 = 0.95;
/// Fewer samples say nothing about any quantile.
const SAMPLES_MIN: u64 = 20;

/// The verdict and, where it is suspect, why: in sentences that say what to do.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> (Verdict, Vec<String>) {
    let mut reasons = Vec::new();
    if let Some(rate_hz) = evidence.rate_asked_hz {
        reasons.extend(late(evidence, rate_hz));
        reasons.extend(short_of_rate(evidence, rate_hz));
        reasons.extend(saturated(evidence));
    }
    let (held_ns, periods) = evidence.held_back;
    if periods > 0 {
        reasons.push(format!(
            "the CPU quota held the generator back {:.1} ms in {periods} periods: raise its limit",
            held_ns as f64 / 1e6
        ));
    }
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
    (
        if reasons.is_empty() {
            Verdict::Valid
        } else {
            Verdict::Suspect
        },
        reasons,
    )
}

fn late(evidence: &Evidence<'_>, rate_hz: f64) -> Option<String> {
    let p = if evidence.lag.len() >= 1000 {
        0.99
    } else {
        0.9
    };
    let (lag_ns, response_ns) = (quantile(evidence.lag, p)?, quantile(evidence.response, p)?);
    let interval_ns = 1e9 / rate_hz;
    let late = lag_ns > LAG_FLOOR_NS
        && lag_ns as f64 > interval_ns * LAG_SHARE_MAX
        && lag_ns as f64 > response_ns as f64 * LAG_SHARE_MAX;
    late.then(|| {
        format!(
            "requests left late: the send lag's p{} is {:.3} ms, against {:.3} ms between requests and a response time \
             of {:.3} ms there: give the generator a core of its own, more threads, or --pace spin",
            p * 100.0,
            lag_ns as f64 / 1e6,
            interval_ns / 1e6,
            response_ns as f64 / 1e6
        )
    })
}

fn short_of_rate(evidence: &Evidence<'_>, rate_hz: f64) -> Option<String> {
    let share = evidence.sent as f64 / evidence.intended.max(1) as f64;
    let missing = evidence.intended - evidence.sent.min(evidence.intended);
    (share < SENT_SHARE_MIN && missing >= 10).then(|| {
        let why = if evidence.unsent > 0 {
            "all connections were waiting for answers: the server cannot keep up, or use more connections (-c)"
        } else {
            "no connection could be had"
        };
        format!("only {:.1} % of the {rate_hz} requests per second that were asked for were sent: {why}", share * 100.0)
    })
}

fn saturated(evidence: &Evidence<'_>) -> Option<String> {
    (evidence.cpu_share > CPU_SHARE_MAX && !evidence.spin).then(|| {
        format!(
            "the generator itself was at its limit: its busiest worker used {:.0} % of a core: use more threads (-t)",
            evidence.cpu_share * 100.0
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::hist;

    fn filled(ns: u64) -> Hist {
        let mut hist = hist();
        hist.saturating_record_n(ns, 10_000);
        hist
    }

    fn judged(change: impl FnOnce(&mut Evidence<'_>), lag_ns: u64) -> Vec<String> {
        let (lag, response) = (filled(lag_ns), filled(2_000_000));
        let mut evidence = Evidence {
            rate_asked_hz: Some(1000.0),
            intended: 10_000,
            sent: 10_000,
            unsent: 0,
            lag: &lag,
            response: &response,
            cpu_share: 0.3,
            spin: false,
            held_back: (0, 0),
            out_of_ports: 0,
            out_of_files: 0,
            unaccounted: 0,
            interrupted: false,
        };
        change(&mut evidence);
        judge(&evidence).1
    }

    #[test]
    fn a_clean_run_is_valid() {
        assert_eq!(judged(|_| {}, 50_000), Vec::<String>::new());
        assert_eq!(judged(|e| e.cpu_share = 1.0, 50_000).len(), 1);
    }

    #[test]
    fn each_rule_has_its_reason() {
        let reason = |reasons: Vec<String>, word: &str| {
            assert!(
                reasons.len() == 1 && reasons[0].contains(word),
                "{reasons:?} without {word}"
            );
        };
        reason(judged(|_| {}, 800_000), "left late");
        reason(
            judged(|e| (e.sent, e.unsent) = (9_000, 1_000), 1_000),
            "90.0 %",
        );
        reason(judged(|e| e.cpu_share = 0.99, 1_000), "99 % of a core");
        reason(
            judged(|e| e.held_back = (5_000_000, 3), 1_000),
            "5.0 ms in 3 periods",
        );
        reason(judged(|e| e.out_of_ports = 7, 1_000), "7 connects");
        reason(judged(|e| e.out_of_files = 7, 1_000), "ulimit");
        reason(judged(|e| e.unaccounted = 1, 1_000), "fault of aefm-load");
    }

    #[test]
    fn the_closed_loop_knows_no_lag_rate_or_cpu() {
        let closed = |e: &mut Evidence<'_>| {
            (e.rate_asked_hz, e.cpu_share, e.sent) = (None, 1.0, 1);
        };
        assert_eq!(judged(closed, 900_000_000), Vec::<String>::new());
    }
}
