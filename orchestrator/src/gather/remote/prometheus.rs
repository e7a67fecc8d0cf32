//! A case's samples out of a Prometheus: rows of `metrics`, what each container used, and the user's own expressions.

use super::super::window::Window;
use super::Answer;
use crate::experiment::collect::PrometheusSource;
use aefm_collector::clock::now_ns;
use aefm_collector::http::HttpOptions;
use aefm_collector::proc::MetricRow;
use aefm_collector::prometheus::counters::METRICS;
use aefm_collector::prometheus::{
    Prometheus, PrometheusOptions, Scraped, Selector, Series, UsageRow, of as told,
};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What there was.
#[derive(Debug, Default)]
pub(in crate::gather) struct Samples {
    pub(in crate::gather) metrics: Vec<MetricRow>,
    pub(in crate::gather) usage: Vec<UsageRow>,
    /// The user's expressions by column; none without any, or with why there is no value.
    pub(in crate::gather) expressions: Vec<(String, Answer<Vec<Series>>)>,
    /// Metrics asked for, and those that were answered.
    pub(in crate::gather) asked: u64,
    pub(in crate::gather) answered: u64,
    /// What could not be had, and why.
    pub(in crate::gather) troubles: Vec<String>,
    /// What is worth knowing otherwise.
    pub(in crate::gather) remarks: Vec<String>,
}

/// Waits until the samples after the window are there, and asks for all of them; `patience` is the time for the answers.
///
/// # Errors
/// There is no such client.
pub(super) async fn samples(
    source: PrometheusSource,
    http: HttpOptions,
    window: Window,
    patience: Duration,
) -> Answer<Samples> {
    let url = source.url.ok_or(
        "ask Prometheus: neither `collect.prometheus.url` nor the platform says where it is",
    )?;
    let selector = Selector {
        pods: source.pods.unwrap_or_default(),
        nodes: source.nodes.unwrap_or_default(),
    };
    let prometheus = Prometheus::new(PrometheusOptions {
        url,
        http,
        selector,
    })
    .map_err(|error| error.to_string())?;
    // Half an interval more: scrapes take time themselves, and are not equally far apart.
    let margin = source.scrape + source.scrape / 2;
    let margin_ns = i64::try_from(margin.as_nanos()).unwrap_or(i64::MAX);
    let there_ns = window.to_ns.saturating_add(margin_ns);
    tokio::time::sleep(Duration::from_nanos(
        u64::try_from(there_ns - now_ns()).unwrap_or(0),
    ))
    .await;

    let end = Instant::now() + patience;
    let scraped = prometheus
        .scrape(window.from_ns, window.to_ns, margin_ns, end)
        .await;
    let mut samples = of(&scraped, &window);
    let step_ns = i64::try_from(source.step.as_nanos()).unwrap_or(i64::MAX);
    for (name, query) in source.queries {
        let asking = prometheus.range(&query, window.from_ns, window.to_ns, step_ns);
        let values = match timeout_at(end, asking).await {
            Ok(Ok(read)) => {
                let of =
                    |said: Vec<String>| said.into_iter().map(|said| format!("`{name}`: {said}"));
                samples.troubles.extend(of(read.doubts));
                samples.remarks.extend(of(read.warnings));
                Ok(read.series)
            }
            Ok(Err(error)) => Err(format!("`{name}`: {error}")),
            Err(_) => Err(format!("`{name}`: it was not answered within {patience:?}")),
        };
        samples.expressions.push((name, values));
    }
    Ok(samples)
}

/// What the samples say of the window.
fn of(scraped: &Scraped, window: &Window) -> Samples {
    let (from_ns, to_ns) = (window.from_ns, window.to_ns);
    let said = told(&scraped.series, from_ns, to_ns);
    let metrics: Vec<_> = said
        .metrics
        .into_iter()
        .filter(|row| touches(row, from_ns, to_ns))
        .collect();
    let usage = said.usage;
    let asked = METRICS
        .iter()
        .map(|metric| metric.name)
        .collect::<BTreeSet<_>>()
        .len() as u64;
    let mut samples = Samples {
        asked,
        ..Samples::default()
    };
    let open = scraped.failures.len() + scraped.unasked.len();
    samples.answered = asked.saturating_sub(open as u64);
    samples.troubles = by_reason(&scraped.failures);
    if let [first, ..] = scraped.unasked.as_slice() {
        samples.troubles.push(format!(
            "{} metrics were not answered in time, the first of them {first}; `aefm collect` asks again",
            scraped.unasked.len()
        ));
    }
    if scraped.series.is_empty() && open == 0 {
        samples.answered = 0;
        samples.troubles.push(
            "no series matches: are `pods` and `nodes` right, and is this the right Prometheus?"
                .to_owned(),
        );
    } else if !scraped.absent.is_empty() {
        samples
            .remarks
            .push(format!("it has no series of {}", few(&scraped.absent)));
    }
    let thin = usage
        .iter()
        .filter(|row| row.cpu_cores.is_none() && row.memory_max_bytes.is_some())
        .count();
    // What was not answered, or could not be read, says nothing about intervals.
    if thin > 0 && open == 0 {
        samples.troubles.push(format!(
            "{thin} containers have too few samples for their CPU: is `scrape` its interval?"
        ));
    }
    samples.troubles.extend(said.doubts);
    samples.troubles.extend(scraped.doubts.iter().cloned());
    samples.remarks.extend(said.remarks);
    samples.remarks.extend(scraped.warnings.iter().cloned());
    (samples.metrics, samples.usage) = (metrics, usage);
    samples
}

/// Each reason once, with how many metrics it is about.
fn by_reason(failures: &[(&str, String)]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, reason) in failures {
        match reasons.iter_mut().find(|(own, _)| own == reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((reason, vec![name])),
        }
    }
    let said = |(reason, names): (&str, Vec<&str>)| format!("{}: {reason}", few(&names));
    reasons.into_iter().map(said).collect()
}

/// Names of metrics, as many as a line takes.
fn few(names: &[&str]) -> String {
    const FEW: usize = 3;
    if names.len() <= FEW {
        names.join(", ")
    } else {
        format!("{} metrics (the first: {})", names.len(), names[0])
    }
}

/// Whether a row tells of the window: its interval reaches into it, or (a gauge) its instant lies within.
fn touches(row: &MetricRow, from_ns: i64, to_ns: i64) -> bool {
    let begin_ns = row.t_ns.saturating_sub(row.interval_ns.unwrap_or(0));
    row.t_ns > from_ns && begin_ns < to_ns && (row.interval_ns.is_some() || row.t_ns <= to_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aefm_workloads::labels::CaseLabels;

    fn window(from_s: i64, to_s: i64) -> Window {
        let labels = CaseLabels {
            run_id: "r".into(),
            case_id: "c001".into(),
            factors: Vec::new(),
        };
        let ns = 1_000_000_000;
        Window {
            labels,
            name: String::new(),
            trace_seed: 0,
            from_ns: from_s * ns,
            to_ns: to_s * ns,
        }
    }

    #[test]
    fn rows_that_reach_into_the_window_are_its_own() {
        let labels = [
            ("__name__", "container_cpu_usage_seconds_total"),
            ("pod", "geo-1"),
            ("container", "geo"),
        ];
        let labels = labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let samples = (0..=6)
            .map(|step| (step * 10_000_000_000, step as f64))
            .collect();
        let scraped = Scraped {
            series: vec![Series { labels, samples }],
            ..Scraped::default()
        };
        let found = of(&scraped, &window(15, 35));
        let at: Vec<_> = found
            .metrics
            .iter()
            .map(|row| row.t_ns / 1_000_000_000)
            .collect();
        assert_eq!(at, [20, 30, 40]);
        assert_eq!(
            (found.usage[0].cpu_cores, found.troubles.len()),
            (Some(0.1), 0)
        );
    }

    #[test]
    fn a_reason_is_told_once() {
        let page = "this is a page".to_owned();
        let failures: Vec<_> = METRICS
            .iter()
            .map(|metric| (metric.name, page.clone()))
            .chain([("up", "no".to_owned())])
            .collect();
        let said = by_reason(&failures);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].ends_with("): this is a page") && said[1] == "up: no",
            "{said:?}"
        );
    }

    #[test]
    fn doubts_of_answers_and_series_are_troubles() {
        let labels = [
            ("__name__", "container_cpu_usage_seconds_total"),
            ("image", "x"),
        ];
        let labels = labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let scraped = Scraped {
            series: vec![Series {
                labels,
                samples: vec![(1, 1.0)],
            }],
            doubts: vec!["a store is down".to_owned()],
            ..Scraped::default()
        };
        let found = of(&scraped, &window(0, 10));
        assert_eq!(found.troubles.len(), 2, "{:?}", found.troubles);
    }

    #[test]
    fn nothing_at_all_is_a_trouble() {
        let found = of(&Scraped::default(), &window(0, 10));
        assert_eq!(found.answered, 0);
        assert!(found.troubles[0].contains("no series matches"));
    }
}
