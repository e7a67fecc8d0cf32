//! The highest rate that meets objectives: which rate to try next, given what was seen. Pure.

/// The search is over when the highest good and the lowest bad rate are this close.
const CLOSE: f64 = 1.03;
/// Tries at most.
const TRIES_MAX: usize = 24;

/// One try.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Try {
    /// Its rate.
    pub rate_hz: f64,
    /// Whether all objectives were met.
    pub met: bool,
}

/// Where the search stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Try this rate.
    Try(f64),
    /// The highest rate that met the objectives; none if none did.
    Found(Option<f64>),
}

/// What to do after these tries, the first of which is at `first_hz`: doubling until a rate fails (halving until one
/// does not), then bisecting on a logarithmic scale.
#[must_use]
pub fn next(first_hz: f64, tries: &[Try]) -> Next {
    let good = tries
        .iter()
        .filter(|one| one.met)
        .map(|one| one.rate_hz)
        .reduce(f64::max);
    // A rate that failed below one that was met failed by chance.
    let bad = tries
        .iter()
        .filter(|one| !one.met && good.is_none_or(|good| one.rate_hz > good));
    let bad = bad.map(|one| one.rate_hz).reduce(f64::min);
    if tries.len() >= TRIES_MAX {
        return Next::Found(good);
    }
    match (good, bad) {
        (None, None) => Next::Try(first_hz),
        (Some(good), None) => Next::Try(good * 2.0),
        (None, Some(bad)) if bad < first_hz / 1000.0 => Next::Found(None),
        (None, Some(bad)) => Next::Try(bad / 2.0),
        (Some(good), Some(bad)) if bad <= good * CLOSE => Next::Found(Some(good)),
        (Some(good), Some(bad)) => Next::Try((good * bad).sqrt()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn search(first_hz: f64, limit_hz: f64) -> (Option<f64>, usize) {
        let mut tries = Vec::new();
        loop {
            match next(first_hz, &tries) {
                Next::Try(rate_hz) => tries.push(Try {
                    rate_hz,
                    met: rate_hz <= limit_hz,
                }),
                Next::Found(found) => return (found, tries.len()),
            }
        }
    }

    proptest! {
        #[test]
        fn it_finds_the_limit(first in 1.0f64..1e5, factor in 0.01f64..500.0) {
            let limit = first * factor;
            let (found, tries) = search(first, limit);
            let found = found.unwrap();
            prop_assert!(found <= limit && found * 1.04 >= limit, "{found} for {limit}");
            prop_assert!(tries <= 24);
        }
    }

    #[test]
    fn it_gives_up_where_nothing_is_met() {
        assert_eq!(search(100.0, 0.0).0, None);
    }
}
