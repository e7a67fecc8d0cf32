//! One row of `quality` is what one source delivered for one case, however many findings there are of it.

use aefm_collector::records::QualityRow;

/// One row a source, in the order in which they first come: the worst status, all reasons, each once. Counts add up:
/// each finding counts other things, such as the seconds of another stressor.
pub(super) fn united(rows: &[QualityRow]) -> Vec<QualityRow> {
    let mut united: Vec<QualityRow> = Vec::new();
    for row in rows {
        match united.iter_mut().find(|own| own.source == row.source) {
            None => united.push(row.clone()),
            Some(own) => add(own, row),
        }
    }
    united
}

fn add(own: &mut QualityRow, row: &QualityRow) {
    own.status = own.status.max(row.status);
    own.reason = match (own.reason.take(), &row.reason) {
        (None, other) => other.clone(),
        (Some(own), Some(other)) if !own.split("; ").any(|said| said == other) && own != *other => {
            Some(format!("{own}; {other}"))
        }
        (own, _) => own,
    };
    own.expected = sum(own.expected, row.expected);
    own.received = sum(own.received, row.received);
    own.missing = sum(own.missing, row.missing);
}

const fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (Some(one), None) | (None, Some(one)) => Some(one),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aefm_collector::records::Status;
    use proptest::prelude::*;

    fn row(source: &str, status: Status, reason: &str, missing: Option<u64>) -> QualityRow {
        QualityRow {
            source: source.to_owned(),
            expected: None,
            received: None,
            missing,
            status,
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
        }
    }

    #[test]
    fn a_command_that_failed_and_its_rows_are_one_delivery() {
        let counted = QualityRow {
            expected: Some(1),
            received: Some(1),
            ..row("user_a", Status::Ok, "", Some(0))
        };
        let found = united(&[
            row("user_a", Status::Failed, "exit status 3", None),
            counted,
        ]);
        let expected = QualityRow {
            expected: Some(1),
            received: Some(1),
            ..row("user_a", Status::Failed, "exit status 3", Some(0))
        };
        assert_eq!(found, [expected]);
    }

    proptest! {
        #[test]
        fn a_source_has_one_row_with_the_worst_and_every_reason_once(
            rows in proptest::collection::vec(("[ab]", 0..3_usize, "|x|y|z", proptest::option::of(0..9_u64)), 0..12))
        {
            let status = [Status::Ok, Status::Degraded, Status::Failed];
            let rows: Vec<_> = rows
                .iter()
                .map(|(source, at, reason, missing)| row(source, status[*at], reason, *missing))
                .collect();
            let found = united(&rows);
            for source in ["a", "b"] {
                let of: Vec<_> = rows.iter().filter(|row| row.source == source).collect();
                let own: Vec<_> = found.iter().filter(|row| row.source == source).collect();
                prop_assert_eq!(own.len(), usize::from(!of.is_empty()));
                for own in own {
                    prop_assert_eq!(Some(own.status), of.iter().map(|row| row.status).max());
                    let mut said: Vec<_> = of.iter().filter_map(|row| row.reason.as_deref()).collect();
                    said.sort_unstable();
                    said.dedup();
                    let mut told: Vec<_> = own.reason.iter().flat_map(|reason| reason.split("; ")).collect();
                    told.sort_unstable();
                    prop_assert_eq!(told, said);
                    let lost: u64 = of.iter().filter_map(|row| row.missing).sum();
                    prop_assert_eq!(own.missing.unwrap_or(0), lost);
                }
            }
        }
    }
}
