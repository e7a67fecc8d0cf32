//! Do intervals cover? Are lower bounds named?

use super::quantile::bounded;
use super::*;
use crate::record::hist;

fn filled(values: impl IntoIterator<Item = u64>) -> crate::record::Hist {
    let mut hist = hist();
    values.into_iter().for_each(|value| hist.saturating_record(value));
    hist
}

#[test]
fn a_quantile_needs_ten_samples_beyond_it() {
    let hist = filled(1..=1000);
    assert!(quantile(&hist, 0.99).is_some());
    assert_eq!(quantile(&hist, 0.999), None);
    assert_eq!(quantile(&filled(1..=999), 0.99), None);
    assert_eq!(quantiles(&filled([])).max, None);
}

#[test]
fn a_quantile_that_given_up_requests_decide_is_a_lower_bound() {
    let known = filled((0..9_800).map(|i| 1_000_000 + i));
    let mut all = known.clone();
    (0..200).for_each(|i| all.saturating_record(4_000_000 + i));
    assert!(matches!(bounded(&all, &known, 0.5), Some(Bound::Exact(_))));
    assert!(matches!(bounded(&all, &known, 0.95), Some(Bound::Exact(_))));
    assert!(matches!(bounded(&all, &known, 0.99), Some(Bound::AtLeast(_))));
    // Young ones among the fast leave the median open, too, where they are many.
    let mut all = filled((0..1000).map(|i| 1_000_000 + i * 10_000));
    let known = all.clone();
    (0..1000).for_each(|_| all.saturating_record(1000));
    assert!(matches!(bounded(&all, &known, 0.5), Some(Bound::AtLeast(_))));
}
