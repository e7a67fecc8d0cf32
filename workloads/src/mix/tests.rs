//! Tests of the native workloads: what they have in common, and their mixes within the 99 % confidence band.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Requests that a share is estimated from.
const REQUESTS: u64 = 20_000;

/// The requests of a workload under a seed.
pub(crate) fn requests(name: &str, seed: u64) -> impl Iterator<Item = Request> + use<> {
    let workload = Workload::by_name(name).unwrap();
    (0..REQUESTS).map(move |number| {
        let mut request = Request::default();
        workload.fill(seed, number, &mut request);
        request
    })
}

/// Checks that values occur with these probabilities, each within its 99 % band, and that no other value does.
pub(crate) fn assert_shares<K: Ord + std::fmt::Debug>(
    values: impl Iterator<Item = K>,
    expected: impl IntoIterator<Item = (K, f64)>,
) {
    let mut counts = BTreeMap::<K, u64>::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    let total = counts.values().sum::<u64>() as f64;
    for (value, share) in expected {
        let count = counts.remove(&value).unwrap_or(0) as f64;
        let band = 2.576 * (total * share * (1.0 - share)).sqrt();
        assert!(
            (count - total * share).abs() <= band,
            "{value:?}: {count} of {total}, expected {share} of them"
        );
    }
    assert!(counts.is_empty(), "not expected at all: {counts:?}");
}

/// Checks that whole numbers from `min` to `max` occur alike, each of them at all: chi-square at the 99.9 % level (normal approximation).
pub(crate) fn assert_uniform(values: impl Iterator<Item = i64>, min: i64, max: i64) {
    let mut counts = vec![0u64; usize::try_from(max - min + 1).unwrap()];
    for value in values {
        assert!(
            (min..=max).contains(&value),
            "{value} is not from {min} to {max}"
        );
        counts[usize::try_from(value - min).unwrap()] += 1;
    }
    let expected = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    // A value that never comes hardly moves chi-square where there are many; by chance it stays away once in e^expected.
    if expected > 20.0 {
        let missing = counts.iter().position(|&count| count == 0);
        assert_eq!(missing, None, "{min}..={max}: a value never came");
    }
    let chi: f64 = counts
        .iter()
        .map(|&count| (count as f64 - expected).powi(2) / expected)
        .sum();
    let freedom = (counts.len() - 1) as f64;
    // Wilson and Hilferty: the cube root of chi-square over its degrees of freedom is nearly normal.
    let spread = 2.0 / (9.0 * freedom);
    let z = ((chi / freedom).cbrt() - (1.0 - spread)) / spread.sqrt();
    assert!(
        z < 3.09,
        "{min}..={max}: chi-square {chi} at {freedom} degrees of freedom, counts {counts:?}"
    );
}

/// The value of a query's or form's parameter, as it stands there.
pub(crate) fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let text = text.split_once('?').map_or(text, |(_, query)| query);
    let found = text
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
    found.unwrap_or_else(|| panic!("no {name} in {text}")).1
}

pub(crate) fn number(text: &str) -> i64 {
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is no number"))
}

#[test]
fn names_are_unique_and_begin_with_an_application() {
    let names: std::collections::BTreeSet<_> =
        Workload::ALL.iter().map(|workload| workload.name).collect();
    assert_eq!(names.len(), Workload::ALL.len());
    let apps: std::collections::BTreeSet<_> = Workload::ALL
        .iter()
        .map(|workload| workload.app())
        .collect();
    assert_eq!(
        apps.into_iter().collect::<Vec<_>>(),
        [
            "hotel-reservation",
            "media-microservices",
            "social-network",
            "train-ticket"
        ]
    );
    assert!(Workload::by_name("hotel-reservation/none").is_none());
}

proptest! {
    #[test]
    fn a_request_is_the_same_whoever_draws_it(seed: u64, number: u64, other in 0..1000u64) {
        for workload in Workload::ALL {
            let (mut fresh, mut used) = (Request::default(), Request::default());
            workload.fill(seed, number, &mut fresh);
            workload.fill(seed ^ 1, other, &mut used);
            workload.fill(seed, number, &mut used);
            prop_assert_eq!(&fresh, &used, "{} keeps something of the request before", workload);
            prop_assert!(fresh.target.starts_with('/') && fresh.target.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }

    #[test]
    fn no_two_seeds_send_the_same_sequence(seed: u64, other: u64) {
        prop_assume!(seed != other);
        for workload in Workload::ALL {
            let sequence = |seed| (0..64).map(|number| {
                let mut request = Request::default();
                workload.fill(seed, number, &mut request);
                request
            }).collect::<Vec<_>>();
            prop_assert_ne!(sequence(seed), sequence(other), "{}", workload);
        }
    }
}
