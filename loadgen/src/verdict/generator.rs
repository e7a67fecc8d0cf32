//! Did the generator itself decide a quantile?

use super::Evidence;
use crate::stall::Stall;
use crate::statistics::{REPORTED, quantile};

/// A quantile may change by so much without the generator's part: the kernel's wake-ups are not a fault.
const TOLERANCE_NS: u64 = 250_000;
/// And by this share of itself.
const TOLERANCE_SHARE: f64 = 0.10;
/// Stalls that a sentence names.
const NAMED: usize = 3;
/// Seconds that hold this share of what was added are where it was added.
const MOST: f64 = 0.9;

/// A quantile with and without the generator's part.
struct Moved {
    name: &'static str,
    with_ns: u64,
    without_ns: u64,
}

/// The quantiles that differ by more than the tolerance, as far as there are samples enough for them.
fn moved(evidence: &Evidence<'_>) -> Vec<Moved> {
    let moved = REPORTED.into_iter().filter_map(|(name, p)| {
        Some(Moved {
            name,
            with_ns: quantile(evidence.response, p)?,
            without_ns: quantile(evidence.unhindered, p)?,
        })
    });
    moved
        .filter(|moved| {
            let added_ns = moved.with_ns.saturating_sub(moved.without_ns);
            added_ns > TOLERANCE_NS && added_ns as f64 > moved.with_ns as f64 * TOLERANCE_SHARE
        })
        .collect()
}

/// Which quantiles the generator has moved, when, and what most likely kept it from its work.
pub(super) fn reason(evidence: &Evidence<'_>) -> Option<String> {
    let moved = moved(evidence);
    if moved.is_empty() {
        return None;
    }
    let figures: Vec<_> = moved
        .iter()
        .map(|moved| {
            let [with, without] = [moved.with_ns, moved.without_ns].map(|ns| ns as f64 / 1e6);
            format!(
                "{} is {with:.2} ms, and {without:.2} ms without it",
                moved.name
            )
        })
        .collect();
    let mut longest: Vec<&Stall> = evidence.stalls.iter().collect();
    longest.sort_by_key(|stall| std::cmp::Reverse(stall.to_ns - stall.from_ns));
    longest.truncate(NAMED);
    let (when, advice) = match longest.first() {
        Some(first) => {
            let advice = first.cause.advice();
            longest.sort_by_key(|stall| stall.from_ns);
            let named: Vec<_> = longest.iter().map(ToString::to_string).collect();
            let more = match evidence.stalls.len() - longest.len() {
                0 => String::new(),
                more => format!(" and {more} shorter times"),
            };
            (
                format!("it did not do its work {}{more}", named.join(", ")),
                advice,
            )
        }
        None => (
            format!(
                "it was late by little at a time, {}",
                span(evidence.generator_ns)
            ),
            "give it a core of its own, more threads (-t), or --pace spin",
        ),
    };
    Some(format!(
        "the generator itself made requests late: {}; {when}: {advice}",
        figures.join(", ")
    ))
}

/// The shortest stretch of seconds that holds most of what was added.
fn span(seconds: &[(u64, u64)]) -> String {
    let sum: u64 = seconds.iter().map(|(_, added_ns)| added_ns).sum();
    let enough = sum as f64 * MOST;
    let (mut from, mut held) = (0, 0);
    let mut best: Option<(u64, u64)> = None;
    for (to, &(second, added_ns)) in seconds.iter().enumerate() {
        held += added_ns;
        while from < to && (held - seconds[from].1) as f64 >= enough {
            held -= seconds[from].1;
            from += 1;
        }
        let stretch = (seconds[from].0, second + 1);
        let shorter = best.is_none_or(|best| stretch.1 - stretch.0 < best.1 - best.0);
        if held as f64 >= enough && shorter {
            best = Some(stretch);
        }
    }
    best.map_or_else(String::new, |(from, to)| {
        format!("most of it from second {from} to {to}")
    })
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn most_of_it_is_where_it_is() {
        let seconds = [(0, 5), (1, 3), (2, 900), (3, 850), (4, 6), (7, 2)];
        assert_eq!(span(&seconds), "most of it from second 2 to 4");
        assert_eq!(span(&[(4, 9)]), "most of it from second 4 to 5");
        let even: Vec<_> = (0..10).map(|second| (second, 10)).collect();
        assert_eq!(span(&even), "most of it from second 0 to 9");
    }
}
