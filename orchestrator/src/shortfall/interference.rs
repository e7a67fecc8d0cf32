//! Interference over the whole measured phase: what each stressor reached in each of its seconds against what was asked.

use super::Finding;
use crate::report::Status;
use aefm_collector::records::{NodeSample, QualityRow};
use aefm_workloads::interference::{InterferenceSample, Kind, Tolerance, Why};
use aefm_workloads::quantity::Unit;
use std::collections::{BTreeMap, BTreeSet};

/// The share of the measured seconds that must be within the tolerance.
const SECONDS_MIN: f64 = 0.9;
/// A second counts where so much of it is covered by samples: the last sample of a phase ends after it.
const COVERED_MIN: f64 = 0.25;
/// A stressor at rest may use so many percent for itself.
const AT_REST: f64 = 2.0;
const SECOND_NS: i64 = 1_000_000_000;
const INTERFERENCE: &str = "interference";

/// What was asked for.
pub(crate) struct Question<'a> {
    /// Kinds and intensities of the case.
    pub(crate) asked: &'a [(Kind, f64)],
    /// Stressors that there were, by kind and node.
    pub(crate) stressors: &'a [(Kind, String)],
    /// The measured phase, ns since the epoch.
    pub(crate) measured: (i64, i64),
}

/// What came of it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Pressed {
    /// Mean achieved intensity of the measured phase, over all nodes.
    pub(crate) achieved: BTreeMap<Kind, f64>,
    /// A finding for each stressor.
    pub(crate) found: Vec<Finding>,
}

/// Judges all stressors of a case.
pub(crate) fn interference(question: &Question<'_>, samples: &[NodeSample]) -> Pressed {
    let mut pressed = Pressed::default();
    for (kind, requested) in question.asked {
        let mut nodes: BTreeMap<&str, Vec<&InterferenceSample>> = BTreeMap::new();
        let there = question.stressors.iter().filter(|(of, _)| of == kind);
        nodes.extend(there.map(|(_, node)| (node.as_str(), Vec::new())));
        for NodeSample { node, sample } in samples {
            if sample.kind == *kind && !sample.summary {
                nodes.entry(node).or_default().push(sample);
            }
        }
        let mut all = Vec::new();
        for (node, samples) in &nodes {
            let seconds = seconds(samples, question.measured);
            all.extend(seconds.iter().flatten().copied());
            let stressor = Stressor {
                node,
                kind: *kind,
                requested: *requested,
                samples,
                seconds: &seconds,
            };
            pressed.found.extend(stressor.judge());
        }
        if let Some(mean) = mean(&all) {
            pressed.achieved.insert(*kind, mean);
        }
        if nodes.is_empty() {
            let reason = format!("no sample of {} while the load was on", kind.name());
            let told = Finding::told(INTERFERENCE, Status::Degraded, reason);
            pressed.found.push(told);
        }
    }
    pressed
}

/// The mean intensity of each second of a phase; none where too little of it is covered. A sample tells of the time since
/// the one before it.
fn seconds(samples: &[&InterferenceSample], (from_ns, to_ns): (i64, i64)) -> Vec<Option<f64>> {
    let mut samples = samples.to_vec();
    samples.sort_by_key(|sample| sample.wall_ns);
    // What is before the first one is unknown: it is taken to be as long as the second.
    let usual = samples
        .get(1)
        .map_or(SECOND_NS / 2, |second| second.wall_ns - samples[0].wall_ns);
    let begins = samples
        .first()
        .map(|first| first.wall_ns - usual)
        .into_iter()
        .chain(samples.iter().map(|sample| sample.wall_ns));
    let spans: Vec<_> = begins
        .zip(&samples)
        .map(|(begin, sample)| (begin, sample.wall_ns, sample.achieved))
        .collect();
    let count = u64::try_from(to_ns - from_ns).unwrap_or_default();
    let count = count.div_ceil(SECOND_NS.unsigned_abs());
    let second = |at: u64| {
        let begin = from_ns + i64::try_from(at).unwrap_or(i64::MAX / SECOND_NS) * SECOND_NS;
        mean_between(&spans, begin, (begin + SECOND_NS).min(to_ns))
    };
    (0..count).map(second).collect()
}

#[expect(clippy::cast_precision_loss, reason = "parts of a second in ns")]
fn mean_between(spans: &[(i64, i64, f64)], from_ns: i64, to_ns: i64) -> Option<f64> {
    let (mut covered, mut area) = (0.0, 0.0);
    for (begin, end, achieved) in spans {
        let common = (*end).min(to_ns) - (*begin).max(from_ns);
        if common > 0 {
            covered += common as f64;
            area += common as f64 * achieved;
        }
    }
    (covered > 0.0 && covered >= COVERED_MIN * (to_ns - from_ns) as f64).then(|| area / covered)
}

/// One stressor in the judging.
struct Stressor<'a> {
    node: &'a str,
    kind: Kind,
    requested: f64,
    samples: &'a [&'a InterferenceSample],
    seconds: &'a [Option<f64>],
}

impl Stressor<'_> {
    /// The row of this stressor; none where it was to rest in a unit in which rest has no tolerance.
    fn judge(&self) -> Option<Finding> {
        let unit = self
            .samples
            .first()
            .map_or("percent", |sample| sample.unit.as_str());
        let known = Unit::from_name(unit).unwrap_or(Unit::Percent);
        let mut allowed = Tolerance::of(self.kind, known).at(self.requested);
        if self.requested == 0.0 && known == Unit::Percent {
            allowed = allowed.max(AT_REST);
        }
        if allowed == 0.0 {
            return None;
        }
        let is_within = |achieved: f64| (achieved - self.requested).abs() <= allowed;
        let known: Vec<f64> = self.seconds.iter().flatten().copied().collect();
        let within = known
            .iter()
            .filter(|achieved| is_within(**achieved))
            .count() as u64;
        let expected = self.seconds.len() as u64;
        let median = median(&known);
        #[expect(clippy::cast_precision_loss, reason = "seconds of a case")]
        let enough = within as f64 >= expected as f64 * SECONDS_MIN;
        // As much elsewhere than on the cores that were named is no interference as asked.
        let is_taken = |sample: &&InterferenceSample| sample.why == Some(Why::Taken);
        let taken = self.samples.iter().copied().find(is_taken);
        let case = if enough && taken.is_none() && median.is_some_and(is_within) {
            Status::Ok
        } else {
            Status::Degraded
        };
        let row = QualityRow {
            source: INTERFERENCE.to_owned(),
            expected: Some(expected),
            received: Some(within),
            missing: Some(expected - within),
            status: case,
            reason: Some(self.told(unit, allowed, median, within) + &told_taken(taken)),
        };
        Some(Finding { row, case })
    }

    fn told(&self, unit: &str, allowed: f64, median: Option<f64>, within: u64) -> String {
        let Self {
            node,
            kind,
            requested,
            ..
        } = self;
        let of = self.seconds.len();
        let Some(median) = median else {
            return format!(
                "{} interference of {requested} {unit} on {node}: no sample in the {of} s of the measured phase",
                kind.name()
            );
        };
        let crowded = if self.samples.iter().any(|sample| sample.saturated) {
            ", and at times the machine had no room for more"
        } else {
            ""
        };
        // That it settles after a change is no news.
        let kept = self.samples.iter().filter_map(|sample| sample.why);
        let kept: BTreeSet<&str> = kept
            .filter(|why| *why != Why::Settling)
            .map(Why::name)
            .collect();
        let kept = if kept.is_empty() {
            String::new()
        } else {
            let words: Vec<_> = kept.into_iter().collect();
            format!(" (its samples say: {})", words.join(", "))
        };
        format!(
            "{} interference of {requested} {unit} on {node}: {} in the median of the measured phase, {within} of {of} s within {} of it{crowded}{kept}",
            kind.name(),
            shown(median),
            shown(allowed)
        )
    }
}

/// What was taken from a stressor, for the end of a reason.
fn told_taken(taken: Option<&InterferenceSample>) -> String {
    taken.map_or(String::new(), |sample| {
        let detail = sample.detail.as_deref().unwrap_or("its cores were changed");
        format!("; what it was given was changed while it ran: {detail}")
    })
}

/// A figure with a decimal, where it is not too large for one to matter.
fn shown(value: f64) -> String {
    if value.abs() < 10_000.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "seconds of a case")]
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let upper = sorted.get(half).copied()?;
    Some(if sorted.len() % 2 == 1 {
        upper
    } else {
        f64::midpoint(sorted[half - 1], upper)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples(node: &str, achieved: &[f64]) -> Vec<NodeSample> {
        let sample = |(at, achieved): (usize, &f64)| NodeSample {
            node: node.to_owned(),
            sample: InterferenceSample {
                kind: Kind::Cpu,
                requested: 20.0,
                achieved: *achieved,
                unit: "percent".into(),
                saturated: *achieved < 19.0,
                held: true,
                why: None,
                detail: None,
                wall_ns: (at as i64 + 1) * SECOND_NS / 2,
                mono_ns: 0,
                bytes_per_s: None,
                summary: false,
            },
        };
        achieved.iter().enumerate().map(sample).collect()
    }

    /// What is made of a stressor that was to press 20 % for `length` seconds from second `from` on.
    fn judged(achieved: &[f64], from: i64, length: i64) -> (Finding, Option<f64>) {
        let question = Question {
            asked: &[(Kind::Cpu, 20.0)],
            stressors: &[(Kind::Cpu, "n1".to_owned())],
            measured: (from * SECOND_NS, (from + length) * SECOND_NS),
        };
        let mut pressed = interference(&question, &samples("n1", achieved));
        assert_eq!(pressed.found.len(), 1);
        (
            pressed.found.remove(0),
            pressed.achieved.get(&Kind::Cpu).copied(),
        )
    }

    #[test]
    fn what_was_held_at_first_and_not_in_the_case_is_told_with_its_numbers() {
        // Two good seconds of warm-up, then ten of which most are too low.
        let mut achieved = vec![20.0; 4];
        achieved.extend([20.0; 4]);
        achieved.extend([15.3; 16]);
        let (found, mean) = judged(&achieved, 2, 10);
        assert_eq!(found.case, Status::Degraded);
        assert_eq!(
            (found.row.expected, found.row.received),
            (Some(10), Some(2))
        );
        let reason = found.row.reason.unwrap();
        assert_eq!(
            reason,
            "cpu interference of 20 percent on n1: 15.3 in the median of the measured phase, 2 of 10 s within 1.0 of it, \
             and at times the machine had no room for more"
        );
        assert!((mean.unwrap() - 16.24).abs() < 1e-9, "{mean:?}");
    }

    #[test]
    fn one_second_of_ten_may_be_missed_and_two_may_not() {
        let with = |bad: usize| {
            let mut achieved = vec![20.0; 20];
            achieved[..bad * 2].fill(25.0);
            judged(&achieved, 0, 10).0.case
        };
        assert_eq!(
            [0, 1, 2].map(with),
            [Status::Ok, Status::Ok, Status::Degraded]
        );
    }

    #[test]
    fn what_was_too_low_before_the_measured_phase_does_not_count() {
        let mut achieved = vec![3.0; 4];
        achieved.extend([20.4; 8]);
        let (found, mean) = judged(&achieved, 2, 4);
        assert_eq!(found.case, Status::Ok);
        assert!((mean.unwrap() - 20.4).abs() < 1e-9);
    }

    #[test]
    fn seconds_without_samples_are_seconds_missed() {
        assert_eq!(judged(&[20.0; 12], 0, 10).0.row.received, Some(6));
        let (found, mean) = judged(&[], 0, 10);
        assert_eq!((found.case, mean), (Status::Degraded, None));
        assert!(found.row.reason.unwrap().contains("no sample in the 10 s"));
    }

    #[test]
    fn a_node_that_says_nothing_and_a_kind_without_stressors_are_told() {
        let question = Question {
            asked: &[(Kind::Cpu, 20.0), (Kind::Disk, 5.0)],
            stressors: &[(Kind::Cpu, "n1".to_owned()), (Kind::Cpu, "n2".to_owned())],
            measured: (0, 4 * SECOND_NS),
        };
        let pressed = interference(&question, &samples("n1", &[20.0; 8]));
        let told: Vec<_> = pressed
            .found
            .iter()
            .map(|found| (found.case, found.row.reason.clone().unwrap_or_default()))
            .collect();
        assert_eq!(told[0].0, Status::Ok);
        assert!(
            told[1].0 == Status::Degraded && told[1].1.contains("on n2: no sample"),
            "{told:?}"
        );
        assert!(
            told[2].0 == Status::Degraded && told[2].1.contains("no sample of disk"),
            "{told:?}"
        );
    }

    proptest! {
        /// Verdict and row agree with each other, whatever was reached.
        #[test]
        fn rows_and_verdict_agree(achieved in prop::collection::vec(prop_oneof![3 => 19.2..20.8, 1 => 0.0..40.0f64], 0..40), length in 1..20_i64) {
            let (found, mean) = judged(&achieved, 0, length);
            let (expected, received) = (found.row.expected.unwrap(), found.row.received.unwrap());
            prop_assert_eq!(expected, length.unsigned_abs());
            prop_assert!(received <= expected);
            let enough = received * 10 >= expected * 9;
            // More than half of the seconds are within, and so is their median: an interval has it between its ends.
            prop_assert_eq!(found.case == Status::Ok, enough);
            prop_assert_eq!(found.row.status, found.case);
            prop_assert_eq!(mean.is_none(), achieved.is_empty());
        }
    }
}
