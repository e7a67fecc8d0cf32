//! Each value once: of a subject and a metric that several series tell of, one is taken at each time.
//!
//! Two scrape jobs, or two Prometheus beside each other, tell of the same container in two series that differ in labels
//! such as `job`: one of these *sources* is taken, and another only where that one has nothing. A container that
//! restarts goes on in a series with another `id`: such *lives* follow each other, and each counts in its time.

use super::Series;
use super::counters::{METRICS, Metric};
use super::rows::{About, Names, Subject};
use crate::device::{disk_height, lowest, network_height};
use std::collections::{BTreeMap, BTreeSet};

/// Labels of a part of a subject, such as one of its devices: parts are added up.
const PARTS: [&str; 9] = [
    "cpu",
    "mode",
    "device",
    "interface",
    "resource",
    "unit",
    "major",
    "minor",
    "operation",
];
/// Labels that are new when a container begins anew.
const LIVES: [&str; 5] = ["id", "name", "uid", "container_id", "image"];

type Samples = Vec<(i64, f64)>;
type Labels<'a> = BTreeMap<&'a str, &'a str>;

/// One part of a metric of a subject.
#[derive(Clone, Debug)]
pub(super) struct Once {
    pub(super) subject: Subject,
    /// Where the subject is, where some series says so.
    pub(super) node: Option<String>,
    pub(super) metric: &'static Metric,
    /// Samples of one counter each, in the order of their time; no two reach into each other.
    pub(super) lives: Vec<Samples>,
}

/// What was found twice.
#[derive(Debug, Default)]
pub(super) struct Twice {
    /// Metrics of subjects that more than one source tells of.
    pub(super) count: usize,
    /// The labels by which the first one's sources differ.
    pub(super) sources: BTreeSet<String>,
    /// Those of which the sources do not say the same, in words.
    pub(super) differ: Vec<String>,
    /// Series whose labels do not say who they are about: by their metric how many, and the labels of one.
    pub(super) unknown: BTreeMap<&'static str, (usize, String)>,
}

impl Once {
    /// Gains a second between neighbouring samples of one life: at the later one's time, with the time between.
    pub(super) fn rates(&self) -> impl Iterator<Item = (i64, i64, f64)> {
        self.lives.iter().flat_map(|life| super::rows::rates(life))
    }

    /// All samples by time.
    pub(super) fn samples(&self) -> impl Iterator<Item = (i64, f64)> {
        self.lives.iter().flatten().copied()
    }
}

impl Once {
    /// The parts of all subjects' metrics, and what was found twice.
    pub(super) fn of(series: &[Series]) -> (Vec<Self>, Twice) {
        let names = Names::of(series);
        let (mut all, mut twice) = (Vec::new(), Twice::default());
        for metric in METRICS {
            let mut subjects: BTreeMap<Subject, Vec<&Series>> = BTreeMap::new();
            for series in series.iter().filter(|series| metric.takes(series)) {
                match names.subject(metric, series) {
                    About::Of(subject) => subjects.entry(subject).or_default().push(series),
                    About::Sum => {}
                    About::Unknown => twice.unknown(metric, series),
                }
            }
            for (subject, mut series) in subjects {
                // cAdvisor tells of each core or of all of them, or of both.
                let is_whole = |series: &&Series| matches!(series.label("cpu"), "" | "total");
                if !metric.is_node && series.iter().any(is_whole) {
                    series.retain(is_whole);
                }
                let node = series
                    .iter()
                    .map(|series| series.label("node"))
                    .find(|node| !node.is_empty())
                    .map(str::to_owned);
                let parts = parts(&subject, metric, &series, &mut twice);
                all.extend(parts.into_iter().map(|lives| Self {
                    subject: subject.clone(),
                    node: node.clone(),
                    metric,
                    lives,
                }));
            }
        }
        (all, twice)
    }
}

impl Twice {
    fn unknown(&mut self, metric: &Metric, series: &Series) {
        let labels = series.labels.keys().filter(|name| *name != "__name__");
        let (count, _) = self.unknown.entry(metric.name).or_insert_with(|| {
            let labels: Vec<_> = labels.map(String::as_str).collect();
            (0, labels.join(", "))
        });
        *count += 1;
    }
}

/// What one source tells of a metric of a subject: the lives of each part.
struct Source<'a> {
    labels: Labels<'a>,
    parts: BTreeMap<Labels<'a>, Vec<Samples>>,
}

impl Source<'_> {
    fn samples(&self) -> impl Iterator<Item = &(i64, f64)> {
        self.parts.values().flatten().flatten()
    }

    /// Mean of what it tells over a time, all parts together.
    fn mean(&self, metric: &Metric, from_ns: i64, to_ns: i64) -> f64 {
        let is_counter = metric.form == super::counters::Form::Counter;
        let part = |lives: &Vec<Samples>| -> f64 {
            if is_counter {
                let rates = lives.iter().flat_map(|life| super::rows::rates(life));
                let within =
                    rates.filter(|(t_ns, elapsed, _)| t_ns - elapsed >= from_ns && *t_ns <= to_ns);
                let (gain, time) = within.fold((0.0, 0.0), |(gain, time), (_, elapsed, rate)| {
                    (gain + rate * elapsed as f64, time + elapsed as f64)
                });
                if time > 0.0 { gain / time } else { 0.0 }
            } else {
                let within = lives
                    .iter()
                    .flatten()
                    .filter(|(t_ns, _)| (from_ns..=to_ns).contains(t_ns));
                let (sum, count) = within.fold((0.0, 0.0), |(sum, count), (_, value)| {
                    (sum + value, count + 1.0)
                });
                if count > 0.0 { sum / count } else { 0.0 }
            }
        };
        self.parts.values().map(part).sum()
    }
}

/// The lives of the parts of one metric of one subject.
fn parts(
    subject: &Subject,
    metric: &'static Metric,
    series: &[&Series],
    twice: &mut Twice,
) -> Vec<Vec<Samples>> {
    let mut sources = sources(series);
    for source in &mut sources {
        keep_lowest(metric, &mut source.parts);
    }
    // The fullest first; of equal ones the same for all metrics.
    sources.sort_by_key(|source| std::cmp::Reverse(source.samples().count()));
    let mut rest = sources.into_iter();
    let Some(mut first) = rest.next() else {
        return Vec::new();
    };
    for other in rest {
        note(subject, metric, &first, &other, twice);
        fill(&mut first, other);
    }
    let mut parts: Vec<_> = first.parts.into_values().collect();
    for lives in &mut parts {
        lives.retain(|life| !life.is_empty());
        lives.sort_by_key(|life| life[0].0);
    }
    parts
}

/// Series by the source that tells of them. Of one source, those of a part that differ in what a restart changes are its
/// lives: one ends where the next begins.
fn sources<'a>(series: &[&'a Series]) -> Vec<Source<'a>> {
    let mut sources: BTreeMap<Labels<'a>, BTreeMap<Labels<'a>, Vec<Samples>>> = BTreeMap::new();
    for series in series {
        let labels = series
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| *name != "__name__" && !LIVES.contains(name));
        let (part, source): (Labels<'a>, Labels<'a>) =
            labels.partition(|(name, _)| PARTS.contains(name));
        let lives = sources.entry(source).or_default().entry(part).or_default();
        lives.push(series.samples.clone());
    }
    let mut sources: Vec<_> = sources
        .into_iter()
        .map(|(labels, parts)| Source { labels, parts })
        .collect();
    for lives in sources
        .iter_mut()
        .flat_map(|source| source.parts.values_mut())
    {
        lives.retain(|life| !life.is_empty());
        lives.sort_by_key(|life| life[0].0);
        for place in 1..lives.len() {
            let begins_ns = lives[place][0].0;
            lives[place - 1].retain(|(t_ns, _)| *t_ns < begins_ns);
        }
    }
    sources
}

/// Of devices that stand on each other, the lowest.
fn keep_lowest(metric: &Metric, parts: &mut BTreeMap<Labels<'_>, Vec<Samples>>) {
    use super::counters::Target;
    let (label, height): (_, fn(&str) -> Option<u8>) = match metric.target {
        Target::Received | Target::Sent if metric.is_node => ("device", network_height),
        Target::Received | Target::Sent => ("interface", network_height),
        Target::DiskRead | Target::DiskWritten => ("device", disk_height),
        _ => return,
    };
    let device = |part: &Labels<'_>| {
        part.get(label)
            .map_or(String::new(), |name| (*name).to_owned())
    };
    let devices: Vec<String> = parts.keys().map(device).collect();
    let lowest: BTreeSet<String> = lowest(devices.iter().map(String::as_str), height)
        .into_iter()
        .map(str::to_owned)
        .collect();
    parts.retain(|part, _| lowest.contains(&device(part)));
}

/// Notes that two sources tell of one thing, if they do so at one time.
fn note(
    subject: &Subject,
    metric: &Metric,
    first: &Source<'_>,
    other: &Source<'_>,
    twice: &mut Twice,
) {
    let span = |source: &Source<'_>| {
        let times = || source.samples().map(|(t_ns, _)| *t_ns);
        Some((times().min()?, times().max()?))
    };
    let (Some(one), Some(two)) = (span(first), span(other)) else {
        return;
    };
    let (from_ns, to_ns) = (one.0.max(two.0), one.1.min(two.1));
    if from_ns < to_ns {
        let distinct = |source: &Source<'_>, than: &Source<'_>| {
            let own = source
                .labels
                .iter()
                .filter(|(name, value)| than.labels.get(*name) != Some(value));
            let own: Vec<_> = own
                .map(|(name, value)| format!("{name}=\"{value}\""))
                .collect();
            own.join(", ")
        };
        let (a, b) = (distinct(first, other), distinct(other, first));
        twice.count += 1;
        if twice.sources.is_empty() {
            twice.sources.extend(
                [a.clone(), b.clone()]
                    .into_iter()
                    .filter(|source| !source.is_empty()),
            );
        }
        let (x, y) = (
            first.mean(metric, from_ns, to_ns),
            other.mean(metric, from_ns, to_ns),
        );
        if (x - y).abs() > DIFFERENCE * x.abs().max(y.abs()) {
            twice.differ.push(format!(
                "{} of {}: {x:.3} by {a}, {y:.3} by {b}",
                metric.name,
                subject.shown()
            ));
        }
    }
}

/// Two that tell of one thing differ by no more than this share: they are scraped at different instants.
const DIFFERENCE: f64 = 0.25;

/// Adds what another source tells of times of which the first one tells nothing, as lives of their own: before it, after
/// it, and where it misses scrapes.
fn fill<'a>(first: &mut Source<'a>, other: Source<'a>) {
    let times: BTreeSet<i64> = first.samples().map(|(t_ns, _)| *t_ns).collect();
    let times: Vec<i64> = times.into_iter().collect();
    let (Some(begin), Some(end)) = (times.first(), times.last()) else {
        return *first = other;
    };
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(i64::MAX);
    let gaps = times
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
        .filter(|(a, b)| (b - a) / 5 > usual / 2);
    let gaps: Vec<_> = [(i64::MIN, *begin), (*end, i64::MAX)]
        .into_iter()
        .chain(gaps)
        .collect();
    for (part, lives) in other.parts {
        let own = first.parts.entry(part).or_default();
        for (life, (a, b)) in lives
            .iter()
            .flat_map(|life| gaps.iter().map(move |gap| (life, *gap)))
        {
            let piece: Samples = life
                .iter()
                .copied()
                .filter(|(t_ns, _)| a < *t_ns && *t_ns < b)
                .collect();
            if piece.is_empty() || (piece.len() < 2 && a != i64::MIN && b != i64::MAX) {
                continue;
            }
            // What the first one gained over the gap as a whole would count beside it.
            let ends: Vec<Samples> = own.iter_mut().filter_map(|life| split(life, a)).collect();
            own.extend(ends);
            own.push(piece);
        }
    }
}

/// Cuts a life after an instant; what comes later.
fn split(life: &mut Samples, at_ns: i64) -> Option<Samples> {
    let place = life.partition_point(|(t_ns, _)| *t_ns <= at_ns);
    (0 < place && place < life.len()).then(|| life.split_off(place))
}

#[cfg(test)]
mod tests;
