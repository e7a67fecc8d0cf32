//! Was the load sent that was asked for? If not: how many connections there were, and why they were too few.

use super::Evidence;

/// Share of the asked rate that has to be sent.
const SENT_SHARE_MIN: f64 = 0.99;
/// Fewer requests than these are the end of the run that cut them off.
const MISSING_MIN: u64 = 10;
/// Steps by which a connection comes about: a fault of these is one of connecting.
const OPENING: [&str; 3] = ["connect: ", "agree on TLS: ", "agree on HTTP/2: "];

pub(super) fn reason(evidence: &Evidence<'_>) -> Option<String> {
    let rate_hz = evidence.rate_asked_hz?;
    let share = evidence.sent as f64 / evidence.intended.max(1) as f64;
    let missing = evidence.intended - evidence.sent.min(evidence.intended);
    (share < SENT_SHARE_MIN && missing >= MISSING_MIN).then(|| {
        format!(
            "only {:.1} % of the {rate_hz} requests per second that were asked for were sent: {}",
            share * 100.0,
            connections(evidence)
        )
    })
}

/// How many connections there were, and why they were too few.
fn connections(evidence: &Evidence<'_>) -> String {
    let (open, asked) = (evidence.open_most, evidence.connections);
    let is_opening = |fault: &str| OPENING.iter().any(|step| fault.starts_with(step));
    let failed = evidence
        .faults
        .iter()
        .filter(|(fault, _)| is_opening(fault))
        .max_by_key(|(_, count)| **count)
        .map(|(fault, count)| format!("{count} x failed to {fault}"));
    match failed {
        Some(failed) if open == 0 => format!("none of {asked} connections could be had ({failed})"),
        Some(failed) if open < asked => {
            format!("{open} of {asked} connections were open at most ({failed})")
        }
        _ if evidence.unsent == 0 => {
            "requests could not be made, or no connection could be had for them".to_owned()
        }
        _ => format!(
            "{open} connections were open at most, and all waited for answers: the server cannot keep up, or use more connections (-c)"
        ),
    }
}
