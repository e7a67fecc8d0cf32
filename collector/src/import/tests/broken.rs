//! Files with something broken in them cost that, and nothing else.

use super::*;
use proptest::prelude::*;

fn line(id: usize) -> String {
    format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{id:032x}","spanId":"{id:016x}","startTimeUnixNano":9,"name":"a \"b\\"}}]}}]}}]}}"#
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// A line that was cut short, or holds something else, costs itself and no other, wherever it is cut.
    #[test]
    fn one_bad_line_costs_itself(count in 1..6_usize, bad in 0..6_usize, cut in 1..100_usize, garbage in "[a-z<>!]{1,20}", is_cut: bool) {
        let bad = bad % count;
        let lines: Vec<_> = (0..count).map(|place| {
            let whole = line(place + 1);
            match (place == bad, is_cut) {
                (true, true) => whole[..cut.min(whole.len() - 1)].to_owned(),
                (true, false) => garbage.clone(),
                _ => whole,
            }
        }).collect();
        let text = lines.join("\n") + "\n";
        match run(Kind::Otlp, text.as_bytes(), BUDGET_BYTES) {
            Ok((imported, _dir)) => {
                prop_assert_eq!(imported.report.spans, count as u64 - 1, "{}", text);
                prop_assert!(imported.left_out > 0);
            }
            Err(error) => prop_assert!(count == 1 && matches!(error, ImportError::Nothing(_)), "{}: {}", text, error),
        }
    }

    /// Whatever follows whole documents is named.
    #[test]
    fn what_follows_is_named(rest in "[a-z0-9<>,}\\]]{1,9}") {
        let text = format!("{}{rest}", line(1));
        let (imported, _dir) = run(Kind::Otlp, text.as_bytes(), BUDGET_BYTES).unwrap();
        prop_assert_eq!((imported.report.spans, imported.left_out), (1, 1));
        prop_assert_eq!(imported.first_left_out[0].at, line(1).len() as u64);
    }
}
