//! Values of which quantiles are wanted: exact while there are few, with bounded memory when there are many.

use hdrhistogram::Histogram;

/// So many values are kept as they are; beyond, they go to a histogram of three digits.
const EXACT: usize = 1 << 18;

/// Values in ns.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    values: Vec<i64>,
    histogram: Option<Histogram<u64>>,
    sum: f64,
    count: u64,
}

impl Sample {
    /// Adds a value; negative ones do not occur and count as zero.
    pub fn push(&mut self, value: i64) {
        self.sum += value as f64;
        self.count += 1;
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(value.max(0).cast_unsigned());
            return;
        }
        self.values.push(value);
        if self.values.len() >= EXACT {
            let mut histogram = wide();
            for value in self.values.drain(..) {
                histogram.saturating_record(value.max(0).cast_unsigned());
            }
            self.histogram = Some(histogram);
        }
    }

    /// How many values.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The values as a histogram of three digits.
    #[must_use]
    pub fn histogram(&self) -> Histogram<u64> {
        self.histogram.clone().unwrap_or_else(|| {
            let mut histogram = wide();
            self.values
                .iter()
                .for_each(|value| histogram.saturating_record(value.max(&0).cast_unsigned()));
            histogram
        })
    }

    /// Arithmetic mean; none without values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The smallest value that at least this share (0 to 1) of all are not above, for each share; none without values.
    #[must_use]
    pub fn quantiles<const N: usize>(&mut self, shares: [f64; N]) -> [Option<i64>; N] {
        if let Some(histogram) = &self.histogram {
            return shares.map(|share| i64::try_from(histogram.value_at_quantile(share)).ok());
        }
        self.values.sort_unstable();
        let count = self.values.len();
        shares.map(|share| {
            let rank = (share * count as f64).ceil() as usize;
            self.values.get(rank.clamp(1, count.max(1)) - 1).copied()
        })
    }
}

/// An empty histogram of three digits, up to a day. Its bounds are fixed, since recording with saturation never resizes.
fn wide() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 86_400_000_000_000, 3).expect("these bounds are valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_exact() {
        let mut sample = Sample::default();
        assert_eq!(sample.quantiles([0.5, 1.0]), [None, None]);
        (1..=100).rev().for_each(|value| sample.push(value));
        assert_eq!(
            sample.quantiles([0.0, 0.5, 0.95, 0.99, 1.0]),
            [1, 50, 95, 99, 100].map(Some)
        );
        assert_eq!(sample.mean(), Some(50.5));
    }

    #[test]
    fn many_values_are_within_three_digits() {
        let mut sample = Sample::default();
        (1..=1_000_000).for_each(|value| sample.push(value * 10));
        assert!(sample.values.is_empty());
        for (value, share) in sample
            .quantiles([0.5, 0.99])
            .into_iter()
            .flatten()
            .zip([0.5, 0.99])
        {
            assert!(
                (value as f64 / (share * 1e7) - 1.0).abs() < 0.002,
                "{value} at {share}"
            );
        }
    }
}
