//! The receiver: whatever it refused or dropped in a case's time is told, with its reason.

use super::Finding;
use crate::report::Status;
use aefm_collector::otlp::{Loss, Reason};
use aefm_collector::records::QualityRow;

/// A finding for each reason. `counted` is how many spans there should be, where the application counts them: then spans
/// that were sent again are known to be there, and a refusal for want of room is no loss by itself.
pub(crate) fn receiver(losses: &[Loss], counted: Option<u64>) -> Vec<Finding> {
    let again = |loss: &&Loss| loss.reason != Reason::Full || counted.is_none();
    losses.iter().filter(again).map(found).collect()
}

fn found(loss: &Loss) -> Finding {
    let row = QualityRow {
        missing: Some(loss.count),
        ..Finding::told("receiver", Status::Degraded, told(loss)).row
    };
    Finding {
        row,
        case: Status::Degraded,
    }
}

fn told(loss: &Loss) -> String {
    let Loss {
        reason,
        count,
        example,
    } = loss;
    match reason {
        Reason::Foreign => format!(
            "{count} spans are of no case of this run and are left out, the first of {example}: whoever made them did not take up the load's trace header"
        ),
        Reason::Untimely => {
            format!("{count} spans began in the time of no case and are left out")
        }
        Reason::Invalid => format!("{count} spans are left out: {example}"),
        Reason::Full => format!(
            "{count} export requests were refused for want of room (`collect.trace_memory`), and nobody knows whether they came again"
        ),
        _ => format!("{count} export requests were refused, the first: {example}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(reason: Reason) -> Loss {
        Loss {
            reason,
            count: 3,
            example: "an example".to_owned(),
        }
    }

    #[test]
    fn every_reason_degrades_the_case_and_says_how_many() {
        use Reason::{Cut, Foreign, Full, Invalid, Path, TooLarge, Type, Undecodable, Untimely};
        for reason in [
            Path,
            Type,
            TooLarge,
            Cut,
            Undecodable,
            Full,
            Invalid,
            Foreign,
            Untimely,
        ] {
            let found = receiver(&[loss(reason)], None);
            assert_eq!((found.len(), found[0].case), (1, Status::Degraded));
            let unit = if reason.counts_spans() {
                "3 spans"
            } else {
                "3 export requests"
            };
            let row = &found[0].row;
            assert!(row.reason.as_ref().unwrap().contains(unit), "{row:?}");
            assert_eq!((row.source.as_str(), row.missing), ("receiver", Some(3)));
        }
    }

    #[test]
    fn where_spans_are_counted_a_refusal_for_want_of_room_is_no_loss() {
        let losses = [loss(Reason::Full), loss(Reason::Type)];
        assert_eq!(receiver(&losses, Some(9)).len(), 1);
    }
}
