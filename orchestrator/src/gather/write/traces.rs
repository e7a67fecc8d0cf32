//! The tables of traces: spans from wherever they came, joined to the requests that caused them.

use super::super::remote::{Answer, Traces};
use super::super::settle::Settled;
use super::Writing;
use crate::report::{CaseReport, Status};
use crate::shortfall;
use aefm_collector::records::QualityRow;
use aefm_collector::requests::RequestLog;
use aefm_collector::span::Span;
use aefm_collector::trace::{Join, TraceReport, write_trace_tables};
use aefm_workloads::load::{Phase, TraceContext};
use std::sync::Arc;

/// Share of the measured phase's answered requests that must have a complete trace.
const COVERAGE: f64 = 0.999;

impl Writing<'_> {
    /// `requests` is none where no request was sent.
    pub(in crate::gather) fn traces(
        &mut self,
        requests: Option<Result<Arc<RequestLog>, String>>,
        settled: Settled,
        trace: TraceContext,
        report: &mut CaseReport,
    ) {
        let received = settled.spans.len() as u64;
        tracing::debug!(
            "{received} spans after {:?}, {:?} expected",
            settled.waited,
            settled.expected
        );
        if !settled.silent.is_empty() {
            self.note(
                "traces",
                Status::Degraded,
                format!(
                    "services do not say how many spans they ended: {}",
                    settled.silent.join("; ")
                ),
            );
        }
        if let Some(reason) = &settled.cut_short {
            self.note("traces", Status::Degraded, reason);
        }
        if let Some(answer) = &settled.jaeger {
            self.jaeger(answer);
        }
        self.found(shortfall::receiver(&settled.losses, settled.expected));
        let join = requests.and_then(|requests| self.join(requests, trace));
        let Some(written) = self.trace_tables(settled.spans, join.as_ref()) else {
            return;
        };
        report.self_times.clone_from(&written.self_times);
        let cause = match (settled.refused, settled.dropped) {
            (0, 0) => "they did not come in time".to_owned(),
            (refused, dropped) => {
                format!(
                    "the receiver refused {refused} for want of room, services gave up {dropped}"
                )
            }
        };
        match settled.expected {
            Some(expected) => {
                self.count("traces", expected, written.spans, |missing| {
                    format!("{missing} spans are missing: {cause}")
                });
            }
            None if written.spans == 0 && settled.is_awaited => self.note(
                "traces",
                Status::Degraded,
                settled.advice.clone().unwrap_or_else(|| {
                    "no span of this case came to `collect.listen`: does the application export there?"
                        .to_owned()
                }),
            ),
            None => self.quality.push(QualityRow {
                source: "traces".to_owned(),
                expected: None,
                received: Some(written.spans),
                missing: None,
                status: Status::Ok,
                reason: Some(settled.advice.clone().unwrap_or_else(|| {
                    "the application does not say how many spans it ended".to_owned()
                })),
            }),
        }
        if join.is_some() {
            self.coverage(&written, settled.advice.as_deref());
        }
    }

    /// Writes `spans`, `traces`, `services` and `edges`.
    pub(in crate::gather) fn trace_tables(
        &mut self,
        spans: Vec<Span>,
        join: Option<&Join>,
    ) -> Option<TraceReport> {
        write_trace_tables(self.dir(), &self.case.labels, spans, join)
            .map_err(|error| self.note("traces", Status::Failed, format!("failed to {error}")))
            .ok()
    }

    /// What joins traces to the requests of the case, as the load process wrote them; without it spans stay unjoined.
    pub(in crate::gather) fn join(
        &mut self,
        requests: Result<Arc<RequestLog>, String>,
        trace: TraceContext,
    ) -> Option<Join> {
        if trace == TraceContext::None {
            self.quality.push(QualityRow {
                source: "coverage".to_owned(),
                expected: None,
                received: None,
                missing: None,
                status: Status::Ok,
                reason: Some(
                    "the application takes up no trace header: traces go by time, and no request is joined to its own"
                        .to_owned(),
                ),
            });
            return None;
        }
        let requests = match requests {
            Ok(requests) => requests,
            Err(reason) => {
                self.note("requests", Status::Failed, format!("failed to {reason}"));
                return None;
            }
        };
        let first_measured = requests
            .iter()
            .filter(|(_, facts)| facts.phase == Phase::Measure)
            .map(|(request, _)| request)
            .min();
        Some(Join {
            trace_seed: self.case.trace_seed,
            first_measured: first_measured.unwrap_or(u64::MAX),
            requests: Arc::unwrap_or_clone(requests),
        })
    }

    pub(in crate::gather) fn jaeger(&mut self, answer: &Answer<Traces>) {
        let traces = match answer {
            Ok(traces) => traces,
            Err(reason) => {
                self.quality
                    .push(QualityRow::failed("jaeger", format!("failed to {reason}")));
                return self.note("jaeger", Status::Degraded, format!("failed to {reason}"));
            }
        };
        let foreign = (traces.foreign > 0).then(|| {
            format!(
                "{} traces of the time are not this load's and are left out",
                traces.foreign
            )
        });
        let told = traces.troubles.iter().chain(&traces.remarks).cloned();
        let reasons: Vec<String> = told.chain(foreign).collect();
        let (expected, missing) = (traces.expected, traces.missing);
        if !traces.troubles.is_empty() || missing > 0 {
            let missing = (missing > 0)
                .then(|| format!("{missing} traces of answered requests are not there"));
            let reason = missing
                .into_iter()
                .chain(reasons)
                .collect::<Vec<_>>()
                .join("; ");
            self.note("jaeger", Status::Degraded, reason.clone());
            return self.quality.push(QualityRow {
                status: Status::Degraded,
                reason: Some(reason),
                ..counted(expected, traces.missing)
            });
        }
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        self.quality.push(QualityRow {
            reason,
            ..counted(expected, missing)
        });
    }

    pub(in crate::gather) fn coverage(&mut self, traces: &TraceReport, advice: Option<&str>) {
        let (done, complete) = (traces.coverage.done, traces.coverage.complete);
        #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
        let enough = complete as f64 >= done as f64 * COVERAGE;
        let reason = format!(
            "{} of {done} answered requests have no complete trace",
            done.saturating_sub(complete)
        );
        let reason = advice.map_or(reason.clone(), |advice| format!("{reason}: {advice}"));
        self.quality.push(QualityRow {
            source: "coverage".to_owned(),
            expected: Some(done),
            received: Some(complete),
            missing: Some(done.saturating_sub(complete)),
            status: if enough { Status::Ok } else { Status::Degraded },
            reason: (done > complete).then(|| reason.clone()),
        });
        if !enough {
            self.note("coverage", Status::Degraded, reason);
        }
    }
}

fn counted(expected: u64, missing: u64) -> QualityRow {
    let known = (expected > 0).then_some(expected);
    QualityRow {
        source: "jaeger".to_owned(),
        expected: known,
        received: known.map(|expected| expected.saturating_sub(missing)),
        missing: known.map(|_| missing),
        status: Status::Ok,
        reason: None,
    }
}
