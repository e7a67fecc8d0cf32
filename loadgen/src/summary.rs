//! The whole run in short: what `--json` prints, and the text and the `--spec` summary are made of.

use crate::plan::Plan;
use crate::record::Hist;
use crate::run::{Finished, Throttling};
use crate::statistics::{Bound, REPORTED, bounded, quantiles};
use crate::verdict::{Evidence, judge};
use aefm_workloads::load::Stall;
use aefm_workloads::load::{LoadSummary, Outcome, Quantiles, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

/// A run in short. Field names carry their units; the JSON Schema is `docs/load-summary.schema.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The program's version.
    pub version: &'static str,
    /// Where requests went.
    pub url: String,
    /// Requests of the measured phase.
    pub intended: u64,
    /// Of these, requests sent.
    pub sent: u64,
    /// How they ended: every outcome by its name; they add up to `intended`.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Answers by status code.
    pub status: BTreeMap<String, u64>,
    /// Rate asked for; null in the closed loop.
    pub rate_asked_hz: Option<f64>,
    /// Rate of sends achieved.
    pub rate_sent_hz: f64,
    /// Length of the measured phase.
    pub duration_s: f64,
    /// Bytes of answers received.
    pub bytes_received: u64,
    /// Done minus intended: ok, and requests given up as lower bounds.
    pub response_time_us: Quantiles,
    /// Done minus sent: ok.
    pub service_time_us: Quantiles,
    /// Sent minus the moment at which it would have been sent by a generator that is never late.
    pub send_lag_us: Quantiles,
    /// What the generator added to response times: sent late, read late, or owed by earlier requests.
    pub generator_time_us: Quantiles,
    /// When the generator did not do its work for 20 ms and more, whether it mattered or not.
    pub stalls: Vec<Stall>,
    /// Intended until a connection was free, for requests that had to wait for one, without the generator's part.
    pub wait_us: Quantiles,
    /// Sent until the first byte of the answer.
    pub first_byte_us: Quantiles,
    /// Connects, whole run.
    pub connect_us: Quantiles,
    /// TLS handshakes, whole run.
    pub tls_us: Quantiles,
    /// Response times of errors that ended by themselves, by outcome.
    pub error_time_us: BTreeMap<&'static str, Quantiles>,
    /// 95 % confidence intervals of `response_time_us`'s quantiles: lower and upper end; null where there are none.
    pub response_time_ci95_us: BTreeMap<&'static str, Option<[f64; 2]>>,
    /// Quantiles of the response time that are lower bounds.
    pub lower_bound: Vec<&'static str>,
    /// Whether the numbers may be believed.
    pub verdict: Verdict,
    /// Why not.
    pub reasons: Vec<String>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// What went wrong on connections, and how often.
    pub faults: BTreeMap<String, u64>,
    /// Connections opened again after having served.
    pub reconnects: u64,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
    /// Requests under way on one connection at most.
    pub streams: u32,
    /// Worker threads.
    pub threads: usize,
    /// Connections asked for.
    pub connections: usize,
    /// The busiest worker's share of a core.
    pub cpu_share: f64,
    /// Seed of schedule and contents.
    pub seed: u64,
    /// SHA-256 over the intended offsets (ns, little-endian u64), warm-up included; null in the closed loop.
    pub schedule_sha256: Option<String>,
    /// Objectives that were missed, where some were given.
    pub slo_missed: Vec<String>,
    /// Ended early.
    pub interrupted: bool,
    /// Requests of the whole schedule, warm-up included: for whoever compares them with the records.
    #[serde(skip)]
    pub scheduled: u64,
    /// Requests that are not in the `requests` table, where one was asked for.
    pub requests_not_logged: u64,
    /// Why that table is not there or not whole.
    pub requests_error: Option<String>,
    /// Length of the measured phase in ns, and the histograms behind the quantiles: for the text.
    #[serde(skip)]
    pub histograms: Histograms,
}

/// Share of a core from which on a worker is as good as always busy.
const CPU_SHARE_FULL: f64 = 0.95;

/// What the text prints spectra of.
#[derive(Clone, Debug)]
pub struct Histograms {
    /// Response times.
    pub response: Hist,
    /// Service times.
    pub service: Hist,
}

impl Summary {
    /// Sums a run up.
    #[must_use]
    pub fn new(plan: &Plan, mut finished: Finished) -> Self {
        let schedule_sha256 = finished.tally.fingerprint();
        let (verdict, reasons) = judged(plan, &finished);
        let tally = &finished.tally;
        let (measured, totals) = (&tally.measured, &tally.totals);
        let (lower_bound, ci95) = bounds(&finished);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            url: url(plan),
            intended: finished.intended(),
            sent: measured.sent,
            outcomes: Outcome::ALL
                .iter()
                .map(|&outcome| (outcome.name(), tally.count(outcome)))
                .collect(),
            status: totals
                .status
                .iter()
                .map(|(status, count)| (status.to_string(), *count))
                .collect(),
            rate_asked_hz: plan.rate_asked_hz(),
            rate_sent_hz: finished.rate_sent_hz(),
            duration_s: finished.measured_ns as f64 / 1e9,
            bytes_received: measured.bytes,
            response_time_us: quantiles(&measured.response),
            service_time_us: quantiles(&measured.service),
            send_lag_us: quantiles(&measured.lag),
            generator_time_us: quantiles(&measured.generator),
            stalls: finished
                .stalls
                .sorted()
                .iter()
                .map(crate::stall::Stall::to_record)
                .collect(),
            wait_us: quantiles(&totals.wait),
            first_byte_us: quantiles(&totals.first_byte),
            connect_us: quantiles(&totals.connect),
            tls_us: quantiles(&totals.tls),
            error_time_us: totals
                .errors
                .iter()
                .map(|(outcome, hist)| (outcome.name(), quantiles(hist)))
                .collect(),
            response_time_ci95_us: ci95,
            lower_bound,
            verdict,
            reasons,
            notes: notes(plan, &finished),
            faults: totals.faults.clone(),
            reconnects: totals.reconnects,
            protocol: plan.protocol.name(),
            streams: plan.protocol.streams(),
            threads: plan.workers(),
            connections: plan.connections,
            cpu_share: cpu_share(&finished),
            seed: plan.seed,
            schedule_sha256,
            slo_missed: Vec::new(),
            interrupted: finished.interrupted,
            scheduled: scheduled(plan, finished.stopped_ns),
            requests_not_logged: finished.log.left_out,
            requests_error: finished.log.error.clone(),
            histograms: Histograms {
                response: measured.response.clone(),
                service: measured.service.clone(),
            },
        }
    }

    /// The part that the contract between programs has.
    #[must_use]
    pub fn to_record(&self) -> LoadSummary {
        let counts = Outcome::ALL
            .iter()
            .map(|&outcome| (outcome, self.outcomes[outcome.name()]));
        LoadSummary {
            scheduled: self.scheduled,
            intended: self.intended,
            outcomes: counts.filter(|(_, count)| *count > 0).collect(),
            rate_sent_hz: self.rate_sent_hz,
            response_time_us: self.response_time_us.clone(),
            service_time_us: self.service_time_us.clone(),
            send_lag_us: self.send_lag_us.clone(),
            generator_time_us: self.generator_time_us.clone(),
            stalls: self.stalls.clone(),
            verdict: self.verdict,
            reasons: self.reasons.clone(),
            schedule_sha256: self.schedule_sha256.clone().unwrap_or_default(),
            requests_not_logged: self.requests_not_logged,
            requests_error: self.requests_error.clone(),
            interrupted: self.interrupted,
        }
    }

    /// Requests that ended with a success.
    #[must_use]
    pub fn ok(&self) -> u64 {
        self.outcomes[Outcome::Ok.name()]
    }
}

/// Requests that the schedule has until a script stopped it; none in the closed loop, which has no schedule.
fn scheduled(plan: &Plan, stopped_ns: Option<u64>) -> u64 {
    let until_ns = stopped_ns.unwrap_or(u64::MAX);
    let times = plan.schedule().map(crate::schedule::Schedule::times);
    let before = |request: &crate::schedule::Intended| request.offset_ns < until_ns;
    times.map_or(0, |times| times.take_while(before).count() as u64)
}

/// The URL, put together again.
pub(crate) fn url(plan: &Plan) -> String {
    let target = &plan.target;
    match &target.unix {
        Some(path) => format!("unix:{}:{}", path.display(), target.path),
        None => {
            format!(
                "{}://{}{}",
                if target.tls { "https" } else { "http" },
                target.authority,
                target.path
            )
        }
    }
}

fn cpu_share(finished: &Finished) -> f64 {
    let totals = &finished.tally.totals;
    if totals.wall_ns == 0 {
        0.0
    } else {
        (totals.cpu_ns as f64 / totals.wall_ns as f64).min(1.0)
    }
}

fn judged(plan: &Plan, finished: &Finished) -> (Verdict, Vec<String>) {
    let stalls = finished.stalls.sorted();
    let tally = &finished.tally;
    let faults_with = |code: i32| {
        let text = std::io::Error::from_raw_os_error(code).to_string();
        tally
            .totals
            .faults
            .iter()
            .filter(|(fault, _)| fault.contains(&text))
            .map(|(_, count)| count)
            .sum()
    };
    judge(&Evidence {
        rate_asked_hz: plan.rate_asked_hz(),
        intended: finished.intended(),
        sent: tally.measured.sent,
        unsent: tally.count(Outcome::Unsent),
        connections: plan.connections as u64,
        open_most: tally.totals.open_most,
        faults: &tally.totals.faults,
        response: &tally.measured.response,
        unhindered: &tally.measured.unhindered,
        stalls: &stalls,
        generator_ns: &tally.generator_ns,
        out_of_ports: faults_with(libc::EADDRNOTAVAIL),
        out_of_files: faults_with(libc::EMFILE) + faults_with(libc::ENFILE),
        unaccounted: tally.unaccounted,
        interrupted: finished.interrupted,
    })
}

/// What is worth knowing and makes nothing doubtful by itself.
fn notes(plan: &Plan, finished: &Finished) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    notes.extend(
        finished
            .tally
            .batches
            .trend()
            .map(|trend| trend.to_string()),
    );
    let Throttling { periods, held_ns } = finished.throttling;
    if periods > 0 {
        notes.push(format!(
            "the CPU quota of its cgroup held the generator back {:.1} ms in {periods} periods",
            held_ns as f64 / 1e6
        ));
    }
    let share = cpu_share(finished);
    if plan.schedule().is_some() && share > CPU_SHARE_FULL && !plan.spin {
        notes.push(format!(
            "the generator's busiest worker used {:.0} % of a core: more threads (-t) share the work",
            share * 100.0
        ));
    }
    if finished.stalls.beyond() > 0 {
        notes.push(format!(
            "{} more stalls are not listed",
            finished.stalls.beyond()
        ));
    }
    notes
}

type Intervals = BTreeMap<&'static str, Option<[f64; 2]>>;

/// Which quantiles are lower bounds, and the intervals of all.
fn bounds(finished: &Finished) -> (Vec<&'static str>, Intervals) {
    let tally = &finished.tally;
    let all = &tally.measured.response;
    let mut lower = Vec::new();
    let mut intervals = Intervals::new();
    for (name, p) in REPORTED {
        let bound = bounded(all, &tally.totals.censored, p);
        if matches!(bound, Some(Bound::AtLeast(_))) {
            lower.push(name);
        }
        let interval = bound.and_then(|bound| tally.batches.interval(p, bound.ns()));
        intervals.insert(
            name,
            interval.map(|(low, high)| [low as f64 / 1000.0, high as f64 / 1000.0]),
        );
    }
    // The largest is one if it is a request that was given up.
    let censored = &tally.totals.censored;
    if !censored.is_empty() && censored.max() >= all.max() {
        lower.push("max");
    }
    (lower, intervals)
}
