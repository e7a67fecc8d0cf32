//! The tables `spans`, `traces`, `services` and `edges` of one case.

use super::analysis::Analysis;
use super::edges::Edges;
use super::group::group;
use super::services::Services;
use super::tree::Tree;
use crate::requests::{RequestFacts, RequestLog};
use crate::schema::{SPANS, TRACES};
use crate::sink::{Cell, SinkError, TableWriter};
use crate::span::Span;
use aefm_workloads::ids::{self, TraceId};
use aefm_workloads::labels::CaseLabels;
use aefm_workloads::load::Phase;
use foldhash::fast::RandomState;
use hdrhistogram::Histogram;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// What joins a case's traces to the load that caused them.
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// The load's trace seed.
    pub trace_seed: u64,
    /// The number of the first request of the measured phase; those below are warm-up.
    pub first_measured: u64,
    /// The case's requests.
    pub requests: RequestLog,
}

/// What was found in a case's traces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceReport {
    /// Spans in the tables.
    pub spans: u64,
    /// Copies of these that were left out.
    pub copies: u64,
    /// Traces.
    pub traces: u64,
    /// Of these, complete ones.
    pub complete: u64,
    /// Spans whose parent is missing.
    pub orphans: u64,
    /// Spans by service.
    pub by_service: BTreeMap<String, u64>,
    /// Self times (ns) by service, of what `services` counts.
    pub self_times: BTreeMap<String, Histogram<u64>>,
    /// How the traces cover the requests; all zero without a [`Join`].
    pub coverage: Coverage,
}

/// How traces cover the requests of the measured phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Requests that were answered.
    pub done: u64,
    /// Of these, how many have a trace.
    pub traced: u64,
    /// Of these, how many have a complete one.
    pub complete: u64,
}

/// Writes the four tables of a case, and says what was found. `services` and `edges` count the measured phase (without
/// a `join`: everything).
///
/// # Errors
/// A table could not be written; those that were finished before stay.
pub fn write_trace_tables(
    dir: &Path,
    labels: &CaseLabels,
    spans: Vec<Span>,
    join: Option<&Join>,
) -> Result<TraceReport, SinkError> {
    let (traces, copies) = group(spans);
    let mut tables = TraceTables::create(dir, labels)?;
    for trace in traces {
        tables.add(&trace, join)?;
    }
    let mut report = tables.finish(dir, labels, join)?;
    report.copies += copies;
    Ok(report)
}

/// The four tables in the making.
pub struct TraceTables {
    spans: TableWriter,
    traces: TableWriter,
    services: Services,
    edges: Edges,
    report: TraceReport,
    traced: HashSet<u64>,
}

/// The load's side of a trace.
#[derive(Clone, Copy, Default)]
struct Cause {
    request: Option<u64>,
    phase: Option<Phase>,
    facts: Option<RequestFacts>,
}

impl Join {
    fn cause(&self, trace_id: TraceId) -> Cause {
        let Some(request) = ids::request_of(self.trace_seed, trace_id) else {
            return Cause::default();
        };
        let phase = if request < self.first_measured {
            Phase::WarmUp
        } else {
            Phase::Measure
        };
        Cause {
            request: Some(request),
            phase: Some(phase),
            facts: self.requests.get(request),
        }
    }
}

impl TraceTables {
    /// Opens `spans` and `traces`.
    ///
    /// # Errors
    /// A file could not be made.
    pub fn create(dir: &Path, labels: &CaseLabels) -> Result<Self, SinkError> {
        Ok(Self {
            spans: TableWriter::create_shared(dir, &SPANS, labels)?,
            traces: TableWriter::create(dir, &TRACES, labels)?,
            services: Services::default(),
            edges: Edges::default(),
            report: TraceReport::default(),
            traced: HashSet::new(),
        })
    }

    /// Adds one whole trace, as [`group`] gives it.
    ///
    /// # Errors
    /// A row could not be written.
    pub fn add(&mut self, spans: &[Span], join: Option<&Join>) -> Result<(), SinkError> {
        let Some(first) = spans.first() else {
            return Ok(());
        };
        let cause = join.map_or_else(Cause::default, |join| join.cause(first.trace_id));
        let client = join
            .zip(cause.request)
            .map(|(join, request)| ids::span_id(join.trace_seed, request));
        let is_measured = join.is_none() || cause.phase == Some(Phase::Measure);
        Analysis::of(spans, client).map_or(Ok(()), |analysis| {
            self.push(spans, &analysis, &cause, is_measured)
        })
    }

    /// Adds one whole trace, analysed, of which no load is known.
    pub(crate) fn add_analysed(
        &mut self,
        spans: &[Span],
        analysis: &Analysis,
    ) -> Result<(), SinkError> {
        self.push(spans, analysis, &Cause::default(), true)
    }

    fn push(
        &mut self,
        spans: &[Span],
        analysis: &Analysis,
        cause: &Cause,
        is_measured: bool,
    ) -> Result<(), SinkError> {
        for ((span, own), critical) in spans
            .iter()
            .zip(&analysis.self_ns)
            .zip(&analysis.critical_ns)
        {
            self.services
                .add(span, is_measured.then_some((*own, *critical)));
        }
        if is_measured {
            self.edges.add(spans, &analysis.tree);
        }
        for (node, span) in spans.iter().enumerate() {
            push_span(&mut self.spans, span, cause, analysis, node)?;
        }
        self.add_trace(spans, &analysis.tree, analysis.root, cause)
    }

    fn add_trace(
        &mut self,
        spans: &[Span],
        tree: &Tree,
        root: u32,
        cause: &Cause,
    ) -> Result<(), SinkError> {
        let root = &spans[root as usize];
        let services = spans
            .iter()
            .map(|span| &*span.origin.service)
            .collect::<HashSet<_, RandomState>>()
            .len();
        let orphans = tree.flags.iter().filter(|flags| flags.orphan).count() as u64;
        let complete = tree.complete();
        let report = &mut self.report;
        report.spans += spans.len() as u64;
        report.traces += 1;
        report.complete += u64::from(complete);
        report.orphans += orphans;
        if cause.phase == Some(Phase::Measure)
            && let Some((request, _)) = cause
                .request
                .zip(cause.facts.and_then(|facts| facts.response_ns))
            && self.traced.insert(request)
        {
            report.coverage.traced += 1;
            report.coverage.complete += u64::from(complete);
        }
        self.traces.push(&[
            Cell::Trace(root.trace_id),
            request_cell(cause.request),
            cause.phase.map(Phase::name).into(),
            Cell::Text(&root.origin.service),
            Cell::Text(&root.operation),
            Cell::Int(root.start_ns),
            Cell::Int(root.duration_ns),
            Cell::from(spans.len() as u64),
            Cell::from(services as u64),
            Cell::from(spans.iter().filter(|span| span.error).count() as u64),
            Cell::from(tree.roots.len() as u64),
            Cell::from(orphans),
            Cell::Flag(complete),
            cause.facts.and_then(|facts| facts.response_ns).into(),
            cause.facts.map(|facts| facts.outcome.name()).into(),
        ])
    }

    /// Finishes all four tables. `dir` and `labels` are those that they were opened with.
    ///
    /// # Errors
    /// A table could not be written; those that were finished before stay.
    pub fn finish(
        self,
        dir: &Path,
        labels: &CaseLabels,
        join: Option<&Join>,
    ) -> Result<TraceReport, SinkError> {
        self.spans.finish()?;
        self.traces.finish()?;
        let mut report = self.report;
        report.by_service = self.services.seen();
        report.self_times = self.services.self_times();
        self.services.write(dir, labels)?;
        self.edges.write(dir, labels)?;
        if let Some(join) = join {
            let done = |(_, facts): &(u64, RequestFacts)| {
                facts.phase == Phase::Measure && facts.response_ns.is_some()
            };
            report.coverage.done = join.requests.iter().filter(done).count() as u64;
        }
        Ok(report)
    }
}

/// A number that does not fit was never the load's (a stranger made up the trace id).
fn request_cell(request: Option<u64>) -> Cell<'static> {
    request
        .and_then(|request| i64::try_from(request).ok())
        .into()
}

fn push_span(
    writer: &mut TableWriter,
    span: &Span,
    cause: &Cause,
    analysis: &Analysis,
    node: usize,
) -> Result<(), SinkError> {
    let flags = analysis.tree.flags[node];
    let words = flags.words();
    let extra = span.extra.as_deref();
    writer.push(&[
        Cell::Trace(span.trace_id),
        Cell::Span(span.span_id),
        span.parent.map_or(Cell::Null, Cell::Span),
        request_cell(cause.request),
        cause.phase.map(Phase::name).into(),
        Cell::Text(&span.origin.service),
        Cell::Text(&span.operation),
        span.kind.map(|kind| kind.name()).into(),
        span.origin.pod.as_deref().into(),
        span.origin.node.as_deref().into(),
        Cell::Int(span.start_ns),
        Cell::Int(analysis.tree.starts[node]),
        Cell::Int(span.duration_ns),
        Cell::Int(analysis.self_ns[node]),
        Cell::Int(analysis.critical_ns[node]),
        Cell::Flag(span.error),
        span.http_status.map(i64::from).into(),
        Cell::Flag(flags.orphan),
        words.as_deref().into(),
        span.attributes.as_deref().into(),
        extra
            .and_then(|extra| extra.status_message.as_deref())
            .into(),
        extra.and_then(|extra| extra.events.as_deref()).into(),
        extra.and_then(|extra| extra.links.as_deref()).into(),
    ])
}

#[cfg(test)]
mod tests;
