//! The summary for people, in wrk2's layout: what parses its `N requests in`, `Requests/sec:` and percentile spectrum
//! goes on working.

use crate::plan::{Loop, Plan, Protocol};
use crate::record::Hist;
use crate::statistics::quantile;
use crate::summary::Summary;
use crate::tally::Second;
use aefm_workloads::load::{Outcome, Phase, Verdict};
use std::fmt::Write;

/// The first lines, printed before the run.
pub(crate) fn heading(plan: &Plan) -> String {
    let what = match &plan.load {
        Loop::Open(_) => match plan.rate_asked_hz() {
            Some(rate) => format!("open loop, {rate} requests per second"),
            None => "open loop".to_owned(),
        },
        Loop::Closed { .. } => "closed loop".to_owned(),
    };
    let streams = match plan.protocol {
        Protocol::Http1 => String::new(),
        Protocol::Http2 { streams } => format!(" of HTTP/2, {streams} requests each at most"),
    };
    format!(
        "Running {} test @ {}\n  {} threads and {} connections{streams}\n  {what}, seed {}\n",
        seconds(plan.duration_ns),
        crate::summary::url(plan),
        plan.workers(),
        plan.connections,
        plan.seed
    )
}

/// `30s`, `2m`, `1h`, as wrk prints it.
fn seconds(ns: u64) -> String {
    match ns / 1_000_000_000 {
        s if s > 0 && s % 3600 == 0 => format!("{}h", s / 3600),
        s if s > 0 && s % 60 == 0 => format!("{}m", s / 60),
        s if s > 0 => format!("{s}s"),
        _ => format!("{}ms", ns / 1_000_000),
    }
}

/// Answers per second, second by second: the `Req/Sec` row.
#[derive(Default)]
pub(crate) struct Pace(Vec<f64>);

/// Rows that the pace keeps: a day of seconds is enough for its mean and spread.
const PACE_MAX: usize = 86_400;

impl Pace {
    pub(crate) fn add(&mut self, second: &Second) {
        if second.phase == Phase::Measure && self.0.len() < PACE_MAX {
            self.0
                .push(answers(|outcome| second.bin.outcomes[outcome as usize]) as f64);
        }
    }

    /// The answers of each second.
    pub(crate) fn seconds(&self) -> impl Iterator<Item = f64> {
        self.0.iter().copied()
    }

    fn row(&self, threads: usize) -> [String; 4] {
        let values: Vec<f64> = self.0.iter().map(|count| count / threads as f64).collect();
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let stdev = (values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / n)
            .sqrt();
        let within = values
            .iter()
            .filter(|value| (*value - mean).abs() <= stdev)
            .count() as f64
            * 100.0
            / n;
        let max = values.iter().copied().fold(0.0, f64::max);
        [
            metric(mean),
            metric(stdev),
            metric(max),
            format!("{within:.2}%"),
        ]
    }
}

/// Requests that were answered, with whatever status.
fn answers(count: impl Fn(Outcome) -> u64) -> u64 {
    [Outcome::Ok, Outcome::Http4xx, Outcome::Http5xx]
        .into_iter()
        .map(count)
        .sum()
}

/// The whole text.
pub(crate) fn summary(summary: &Summary, pace: &Pace, spectrum: bool, uncorrected: bool) -> String {
    let mut out = String::new();
    let count = |outcome: Outcome| summary.outcomes[outcome.name()];
    let response = &summary.histograms.response;
    stats(&mut out, response, pace, summary.threads);
    if spectrum {
        distribution(&mut out, "Recorded Latency", response, &summary.lower_bound);
        detail(&mut out, response);
    } else {
        quantile_row(&mut out, summary);
    }
    if uncorrected {
        distribution(
            &mut out,
            "Uncorrected Latency (measured without taking delayed starts into account)",
            &summary.histograms.service,
            &[],
        );
        detail(&mut out, &summary.histograms.service);
    }
    let answered = answers(count);
    let duration_s = summary.duration_s.max(1e-9);
    line(
        &mut out,
        format_args!(
            "  {answered} requests in {:.2}s, {} read",
            summary.duration_s,
            binary(summary.bytes_received as f64)
        ),
    );
    let broken = [
        Outcome::Connect,
        Outcome::Reset,
        Outcome::Protocol,
        Outcome::Timeout,
    ]
    .map(count);
    if broken.iter().any(|&count| count > 0) {
        let [connect, reset, protocol, timeout] = broken;
        line(
            &mut out,
            format_args!(
                "  Socket errors: connect {connect}, read {}, write 0, timeout {timeout}",
                reset + protocol
            ),
        );
    }
    let refused = count(Outcome::Http4xx) + count(Outcome::Http5xx);
    if refused > 0 {
        line(
            &mut out,
            format_args!("  Non-2xx or 3xx responses: {refused}"),
        );
    }
    line(
        &mut out,
        format_args!("Requests/sec: {:>10.2}", answered as f64 / duration_s),
    );
    line(
        &mut out,
        format_args!(
            "Transfer/sec: {:>10}",
            binary(summary.bytes_received as f64 / duration_s)
        ),
    );
    accounts(&mut out, summary);
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes any text");
    out.push('\n');
}

fn stats(out: &mut String, response: &Hist, pace: &Pace, threads: usize) {
    line(
        out,
        format_args!("  Thread Stats   Avg      Stdev     Max   +/- Stdev"),
    );
    let (mean, stdev) = (response.mean(), response.stdev());
    let within = if response.is_empty() {
        0.0
    } else {
        let low = (mean - stdev).max(0.0) as u64;
        response.count_between(low, (mean + stdev) as u64) as f64 * 100.0 / response.len() as f64
    };
    let latency = [
        time(mean),
        time(stdev),
        time(response.max() as f64),
        format!("{within:.2}%"),
    ];
    for (name, [mean, stdev, max, within]) in [("Latency", latency), ("Req/Sec", pace.row(threads))]
    {
        line(
            out,
            format_args!("    {name:<7} {mean:>9} {stdev:>9} {max:>9} {within:>9}"),
        );
    }
}

/// Without `--latency`: the quantiles in one block, with their intervals.
fn quantile_row(out: &mut String, summary: &Summary) {
    line(out, format_args!("  Response time"));
    for (name, p) in crate::statistics::REPORTED {
        let Some(ns) = quantile(&summary.histograms.response, p) else {
            line(out, format_args!("    {name:<7} {:>9}", "-"));
            continue;
        };
        let open = if summary.lower_bound.contains(&name) {
            ">= "
        } else {
            ""
        };
        let interval = summary
            .response_time_ci95_us
            .get(name)
            .copied()
            .flatten()
            .map_or_else(String::new, |[low, high]| {
                format!(
                    "  (95 %: {} .. {})",
                    time(low * 1000.0),
                    time(high * 1000.0)
                )
            });
        let shown = format!("{open}{}", time(ns as f64));
        line(out, format_args!("    {name:<7} {shown:>9}{interval}"));
    }
}

fn distribution(out: &mut String, what: &str, hist: &Hist, lower_bound: &[&str]) {
    line(
        out,
        format_args!("  Latency Distribution (HdrHistogram - {what})"),
    );
    let names = [
        "p50", "p75", "p90", "p99", "p99.9", "p99.99", "p99.999", "max",
    ];
    for (name, p) in names
        .into_iter()
        .zip([0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 0.99999, 1.0])
    {
        let open = if lower_bound.contains(&name) {
            ">= "
        } else {
            ""
        };
        let value = if p < 1.0 {
            quantile(hist, p)
        } else {
            (!hist.is_empty()).then(|| hist.max())
        };
        let shown = value.map_or_else(|| "-".to_owned(), |ns| format!("{open}{}", time(ns as f64)));
        line(out, format_args!("{:>7.3}% {shown:>9}", p * 100.0));
    }
    out.push('\n');
}

fn detail(out: &mut String, hist: &Hist) {
    line(out, format_args!("  Detailed Percentile spectrum:"));
    line(
        out,
        format_args!(
            "{:>12} {:>12} {:>12} {:>12}\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        ),
    );
    let mut count = 0;
    for step in hist.iter_quantiles(5) {
        count += step.count_since_last_iteration();
        let (value, p) = (step.value_iterated_to() as f64 / 1e6, step.quantile());
        if p < 1.0 {
            line(
                out,
                format_args!(
                    "{value:>12.3} {p:>12.6} {count:>12} {:>12.2}",
                    1.0 / (1.0 - p)
                ),
            );
        } else {
            line(
                out,
                format_args!("{value:>12.3} {p:>12.6} {count:>12} {:>12}", "inf"),
            );
        }
    }
    let (mean, stdev) = (hist.mean() / 1e6, hist.stdev() / 1e6);
    line(
        out,
        format_args!("#[Mean    = {mean:>12.3}, StdDeviation   = {stdev:>12.3}]"),
    );
    let (max, total) = (hist.max() as f64 / 1e6, hist.len());
    line(
        out,
        format_args!("#[Max     = {max:>12.3}, Total count    = {total:>12}]"),
    );
    line(
        out,
        format_args!(
            "#[Buckets = {:>12}, SubBuckets     = {:>12}]",
            hist.buckets(),
            2048
        ),
    );
    line(
        out,
        format_args!("----------------------------------------------------------"),
    );
}

/// What wrk2 does not say: every request's end, and whether to believe it all.
fn accounts(out: &mut String, summary: &Summary) {
    let outcomes: Vec<String> = Outcome::ALL
        .iter()
        .map(|outcome| (outcome.name(), summary.outcomes[outcome.name()]))
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    line(
        out,
        format_args!(
            "Intended:     {:>10} = {}",
            summary.intended,
            outcomes.join(" + ")
        ),
    );
    let p99 = |quantiles: &aefm_workloads::load::Quantiles| {
        let show = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), |us| time(us * 1000.0));
        format!("p50 {}, p99 {}", show(quantiles.p50), show(quantiles.p99))
    };
    line(
        out,
        format_args!("Service time: {}", p99(&summary.service_time_us)),
    );
    if summary.rate_asked_hz.is_some() {
        line(
            out,
            format_args!("Send lag:     {}", p99(&summary.send_lag_us)),
        );
    }
    line(
        out,
        format_args!("Generator:    {}", p99(&summary.generator_time_us)),
    );
    for stall in &summary.stalls {
        line(
            out,
            format_args!(
                "Stall:        of the generator, at second {:.2} for {:.0} ms: {}",
                stall.second, stall.length_ms, stall.cause
            ),
        );
    }
    for (fault, count) in &summary.faults {
        line(
            out,
            format_args!("Fault:        {count} x failed to {fault}"),
        );
    }
    for note in &summary.notes {
        line(out, format_args!("Note:         {note}"));
    }
    for missed in &summary.slo_missed {
        line(out, format_args!("SLO missed:   {missed}"));
    }
    let verdict = if summary.verdict == Verdict::Valid {
        "valid"
    } else {
        "suspect"
    };
    line(out, format_args!("Verdict:      {verdict}"));
    for reason in &summary.reasons {
        line(out, format_args!("  - {reason}"));
    }
}

/// A time in wrk's units.
fn time(ns: f64) -> String {
    match ns / 1000.0 {
        us if us < 1000.0 => format!("{us:.2}us"),
        us if us < 1e6 => format!("{:.2}ms", us / 1e3),
        us if us < 60e6 => format!("{:.2}s", us / 1e6),
        us if us < 3600e6 => format!("{:.2}m", us / 60e6),
        us => format!("{:.2}h", us / 3600e6),
    }
}

fn scaled(value: f64, base: f64, units: &[&str]) -> String {
    let (mut value, mut unit) = (value, 0);
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    format!("{value:.2}{}", units[unit])
}

fn metric(value: f64) -> String {
    scaled(value, 1000.0, &["", "k", "M", "G"])
}

fn binary(bytes: f64) -> String {
    scaled(bytes, 1024.0, &["B", "KB", "MB", "GB", "TB"])
}
