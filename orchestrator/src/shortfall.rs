//! What was asked for against what came. Pure: counts, flags and exit codes in, rows of `quality` and what they mean for
//! the case out. Whatever is started or asked for a case is compared here, so that nothing short of it counts as whole.
//!
//! Tolerances: requests, shards and exit codes have none. A sampler must have taken 90 % of its samples, since one that
//! shares a busy machine may be late. Interference must be within its own tolerance in 90 % of the measured seconds.

mod answers;
mod interference;
mod load;
mod receiver;
#[cfg(test)]
mod truncated;

pub(crate) use answers::answers;
pub(crate) use interference::{Pressed, Question, interference};
pub(crate) use load::load;
pub(crate) use receiver::receiver;

use crate::report::Status;
use aefm_collector::proc::Observed;
use aefm_collector::records::QualityRow;
use std::collections::BTreeSet;

/// The share of its samples that a sampler must have taken.
const SAMPLES_MIN: f64 = 0.9;

/// What is known of one source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    /// The row of `quality`.
    pub(crate) row: QualityRow,
    /// What it makes of the case.
    pub(crate) case: Status,
}

/// Something that can be counted.
pub(crate) struct Claim<'a> {
    /// The source.
    pub(crate) source: &'a str,
    /// How many were asked for.
    pub(crate) expected: u64,
    /// How many came.
    pub(crate) received: u64,
    /// The share of them that must have come: 1 is all.
    pub(crate) least: f64,
}

impl Finding {
    /// Compares. Missing parts degrade a case, whatever they are; `reason` is told how many are missing.
    pub(crate) fn counted(claim: &Claim<'_>, reason: impl FnOnce(u64) -> String) -> Self {
        let row = QualityRow::counted(claim.source, claim.expected, claim.received, reason);
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        let enough = claim.received as f64 >= claim.expected as f64 * claim.least;
        if enough {
            let row = QualityRow {
                status: Status::Ok,
                ..row
            };
            return Self {
                row,
                case: Status::Ok,
            };
        }
        Self {
            row,
            case: Status::Degraded,
        }
    }

    /// A source of which something went wrong that is no count.
    pub(crate) fn told(source: &str, status: Status, reason: String) -> Self {
        Self {
            row: QualityRow {
                source: source.to_owned(),
                expected: None,
                received: None,
                missing: None,
                status,
                reason: Some(reason),
            },
            case: status,
        }
    }
}

/// What the sampler took of what it was to take; nothing where somebody else sets the pace, as kubelets do.
pub(crate) fn samples(observed: &Observed) -> Option<Finding> {
    let due = observed.due?;
    let taken: BTreeSet<i64> = observed.rows.iter().map(|row| row.t_ns).collect();
    let claim = Claim {
        source: "sampler",
        expected: due,
        received: (taken.len() as u64).min(due),
        least: SAMPLES_MIN,
    };
    let mut found = Finding::counted(&claim, |missing| {
        format!("{missing} of {due} samples of the machine were not taken: it had no time for them")
    });
    if let Some(why) = &observed.unpinned {
        let unpinned = format!("the sampler is not on a core of its own: {why}");
        let reasons: Vec<_> = found.row.reason.into_iter().chain([unpinned]).collect();
        found.row.reason = Some(reasons.join("; "));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_its_tolerance_is_said_and_degrades_nothing() {
        let found = |received| {
            let claim = Claim {
                source: "sampler",
                expected: 20,
                received,
                least: 0.9,
            };
            let found = Finding::counted(&claim, |missing| format!("{missing} missing"));
            (found.row.status, found.row.reason, found.case)
        };
        assert_eq!(found(20), (Status::Ok, None, Status::Ok));
        let two = Some("2 missing".to_owned());
        assert_eq!(found(18), (Status::Ok, two, Status::Ok));
        let three = Some("3 missing".to_owned());
        assert_eq!(found(17), (Status::Degraded, three, Status::Degraded));
        assert_eq!(found(0).0, Status::Failed);
        assert_eq!(found(0).2, Status::Degraded);
    }

    #[test]
    fn a_sampler_that_died_or_had_no_core_says_so() {
        let died = Observed {
            due: Some(10),
            ..Observed::default()
        };
        assert_eq!(samples(&died).unwrap().case, Status::Degraded);
        let unpinned = Observed {
            due: Some(0),
            unpinned: Some("EINVAL".to_owned()),
            ..Observed::default()
        };
        let found = samples(&unpinned).unwrap();
        assert_eq!(found.case, Status::Ok);
        assert!(found.row.reason.unwrap().contains("EINVAL"));
        assert_eq!(samples(&Observed::default()), None);
    }
}
