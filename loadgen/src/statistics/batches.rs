//! Response times in batches of equal length: how the run varies within itself, in constant memory.

use crate::record::{Hist, add, hist};
use std::fmt;

/// Batches at most; when they are reached, neighbours are joined and a batch is twice as long from then on.
const BATCHES_MAX: usize = 64;
/// Fewer say too little.
const BATCHES_MIN: usize = 5;

/// Consecutive seconds' response times, joined to at most 64 batches.
#[derive(Clone, Debug)]
pub struct Batches {
    complete: Vec<Hist>,
    open: Option<Hist>,
    /// Seconds per batch.
    length: u32,
    filled: u32,
}

impl Default for Batches {
    fn default() -> Self {
        Self {
            complete: Vec::new(),
            open: None,
            length: 1,
            filled: 0,
        }
    }
}

/// Whether response times rise or fall over the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Median of the first third's batch medians, ns.
    pub first_ns: u64,
    /// Median of the last third's, ns.
    pub last_ns: u64,
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.first_ns as f64 / 1e6, self.last_ns as f64 / 1e6);
        let way = if last > first { "rose" } else { "fell" };
        write!(
            f,
            "the median response time {way} over the run, from {first:.3} ms to {last:.3} ms"
        )
    }
}

impl Batches {
    /// Adds the next second.
    pub fn add(&mut self, second: &Hist) {
        match &mut self.open {
            Some(open) => add(open, second),
            None => self.open = Some(second.clone()),
        }
        self.filled += 1;
        if self.filled == self.length {
            self.filled = 0;
            self.complete.extend(self.open.take());
            if self.complete.len() == BATCHES_MAX {
                self.join_neighbours();
            }
        }
    }

    fn join_neighbours(&mut self) {
        let joined = self.complete.chunks(2).map(|pair| {
            let mut sum = pair[0].clone();
            pair.iter().skip(1).for_each(|part| add(&mut sum, part));
            sum
        });
        self.complete = joined.collect();
        self.length *= 2;
    }

    /// The batches that have samples. The last, incomplete one is left out where there are others enough.
    fn used(&self) -> Vec<&Hist> {
        let open = self
            .open
            .as_ref()
            .filter(|_| self.complete.len() < BATCHES_MIN);
        self.complete
            .iter()
            .chain(open)
            .filter(|batch| !batch.is_empty())
            .collect()
    }

    /// How many batches there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.complete.len() + usize::from(self.open.is_some())
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All batches together.
    #[must_use]
    pub fn all(&self) -> Hist {
        let mut all = hist();
        self.complete
            .iter()
            .chain(&self.open)
            .for_each(|batch| add(&mut all, batch));
        all
    }

    /// A 95 % confidence interval in ns for the `p`-quantile, whose estimate is `estimate_ns`; none with fewer than
    /// five batches, or where it would reach beyond the samples.
    ///
    /// The share of samples at or below the estimate is taken in each batch. Batches are long against the time over
    /// which samples are correlated, so that the shares' spread is the estimate's true error, and Student's t with it
    /// gives an interval of ranks, which the whole histogram turns into times.
    #[must_use]
    pub fn interval(&self, p: f64, estimate_ns: u64) -> Option<(u64, u64)> {
        let batches = self.used();
        if batches.len() < BATCHES_MIN {
            return None;
        }
        let mut all = batches[0].clone();
        batches[1..].iter().for_each(|batch| add(&mut all, batch));
        let total = all.len() as f64;
        let deviation: f64 = batches
            .iter()
            .map(|batch| {
                let below = batch.count_between(0, estimate_ns) as f64;
                (below - p * batch.len() as f64).powi(2)
            })
            .sum();
        let n = batches.len() as f64;
        // Of the sum over batches of (below - p * size); its root over the total is the standard error of the share.
        let error = (deviation * n / (n - 1.0)).sqrt() / total;
        let half = student_95(batches.len() - 1) * error;
        if p - half <= 0.0 || p + half >= 1.0 {
            return None;
        }
        Some((
            all.value_at_quantile(p - half),
            all.value_at_quantile(p + half),
        ))
    }

    /// A trend that chance would show in fewer than one run in a hundred (Mann-Kendall on batch medians) and that
    /// changes the median by a tenth at least.
    #[must_use]
    pub fn trend(&self) -> Option<Trend> {
        let medians: Vec<u64> = self
            .used()
            .iter()
            .map(|batch| batch.value_at_quantile(0.5))
            .collect();
        let n = medians.len();
        if n < 8 {
            return None;
        }
        let mut score = 0i64;
        for (later, &b) in medians.iter().enumerate() {
            score += medians[..later]
                .iter()
                .map(|&a| i64::from(b > a) - i64::from(b < a))
                .sum::<i64>();
        }
        let count = n as f64;
        let variance = count * (count - 1.0) * (2.0 * count + 5.0) / 18.0;
        let z = (score.abs() - 1).max(0) as f64 / variance.sqrt();
        let third = |part: &[u64]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part[part.len() / 2]
        };
        let (first_ns, last_ns) = (third(&medians[..n / 3]), third(&medians[n - n / 3..]));
        let changed = first_ns.abs_diff(last_ns) as f64 > 0.1 * first_ns as f64;
        (z > 2.576 && changed).then_some(Trend { first_ns, last_ns })
    }
}

/// The two-sided 95 % point of Student's t (Abramowitz and Stegun 26.7.5's expansion; exact to 0.2 % from 4 on).
fn student_95(freedom: usize) -> f64 {
    let (z, v) = (1.959_964_f64, freedom as f64);
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    z + (z3 + z) / (4.0 * v)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * v * v)
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * v.powi(3))
}
