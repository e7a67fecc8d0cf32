//! How much a plan sends and leaves: requests, rows, bytes on disk. Pure; an estimate, from what runs on one machine left.

use super::Plan;
use crate::experiment::Experiment;
use aefm_workloads::graph::ServiceGraph;
use aefm_workloads::mix::{Request, Workload};

/// So many requests are drawn of a workload to see what it calls.
const DRAWN: u64 = 1000;
/// Bytes of a row on disk, compressed: of a request, of a span, of a trace, of all others. Measured with the default
/// experiment.
const REQUEST_BYTES: f64 = 37.0;
const SPAN_BYTES: f64 = 38.0;
const TRACE_BYTES: f64 = 27.0;
const OTHER_BYTES: f64 = 40.0;
/// What a case has whatever is in it: a footer a table, lines of the journal and the log.
const CASE_BYTES: f64 = 75e3;

/// What a plan sends and leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Size {
    /// Requests to be sent, the warm-up's too.
    pub sent: f64,
    /// Requests of measured phases.
    pub measured: f64,
    /// Rows of all tables.
    pub rows: f64,
    /// Bytes of the dataset.
    pub bytes: f64,
    /// Spans of a request, where it is known.
    pub spans: Option<f64>,
}

/// The size of a planned run.
pub(crate) fn of(experiment: &Experiment, plan: &Plan) -> Size {
    let load = &experiment.load;
    let measured_s = load.duration.as_secs_f64();
    let all_s = measured_s + load.warmup.as_secs_f64();
    let rates: f64 = plan.cases.iter().map(|case| case.rate_hz).sum();
    #[expect(clippy::cast_precision_loss, reason = "a number of cases")]
    let cases = plan.cases.len() as f64;
    let spans = spans_of_a_request(experiment);
    let (sent, measured) = (rates * all_s, rates * measured_s);
    let traced = spans.unwrap_or(0.0) * sent;
    #[expect(clippy::cast_precision_loss, reason = "a number of services or kinds")]
    let each_second = {
        let samples = all_s / experiment.collect.interval.as_secs_f64().max(1e-3);
        let kinds = experiment.interference.len() as f64;
        // A subject each for the services, our own processes and the node.
        let subjects = services(experiment) as f64 + 4.0;
        all_s * (1.0 + kinds) + samples * subjects
    };
    let others = cases * each_second;
    let traces = if spans.is_some() { sent } else { 0.0 };
    Size {
        sent,
        measured,
        rows: sent + traced + traces + others,
        bytes: sent * REQUEST_BYTES
            + traced * SPAN_BYTES
            + traces * TRACE_BYTES
            + others * OTHER_BYTES
            + cases * CASE_BYTES,
        spans,
    }
}

fn services(experiment: &Experiment) -> usize {
    let graph = ServiceGraph::of_app(&experiment.app).ok();
    graph.map_or(0, |graph| graph.services().len())
}

/// Spans of a request in the mean, where services and workload are ours.
fn spans_of_a_request(experiment: &Experiment) -> Option<f64> {
    if !experiment.is_emulated() {
        return None;
    }
    let workload = Workload::by_name(&experiment.native_workload()?)?;
    let graph = ServiceGraph::of_app(&experiment.app).ok()?;
    let entry = graph.service(graph.entry())?;
    let mut request = Request::default();
    let mut spans = 0;
    for number in 0..DRAWN {
        workload.fill(0, number, &mut request);
        let path = request.target.split('?').next().unwrap_or_default();
        let operation = entry.operations.iter().find(|operation| {
            operation
                .route
                .as_ref()
                .is_some_and(|route| route.method == request.method && route.path == path)
        })?;
        spans += graph
            .spans_of(graph.entry(), &operation.name)
            .values()
            .sum::<u64>();
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousand spans")]
    Some(spans as f64 / DRAWN as f64)
}

/// A number that nobody counts on to the last digit: `1 900`, `2.4 million`.
pub(crate) fn about(number: f64) -> String {
    match number {
        n if n >= 1e9 => format!("{:.1} billion", n / 1e9),
        n if n >= 1e6 => format!("{:.1} million", n / 1e6),
        n if n >= 1e4 => format!("{:.0} 000", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// Bytes: `1.3 MB`.
pub(crate) fn about_bytes(bytes: f64) -> String {
    match bytes {
        b if b >= 1e12 => format!("{:.1} TB", b / 1e12),
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.0} kB", (b / 1e3).ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Size {
        let experiment = Experiment::read(text, &|_| false).expect("it is right");
        let plan = Plan::new(&experiment, "plan", 0, 1).expect("there is room");
        of(&experiment, &plan)
    }

    #[test]
    fn requests_are_counted_with_the_warm_up_and_spans_by_the_graph() {
        let load = "load: {duration: 9s, warmup: 1s}\n";
        let one = size(&format!(
            "workload: login\naxes: {{rate: [20, 40]}}\n{load}"
        ));
        assert_eq!((one.sent, one.measured), (600.0, 540.0));
        // The entrance and the service of users.
        assert_eq!(one.spans, Some(2.0));
        assert!(one.rows > 600.0 * 4.0 && one.bytes > one.rows * 10.0);
        let more = size(&format!(
            "workload: search\naxes: {{rate: [20, 40]}}\n{load}"
        ));
        assert!(more.spans > one.spans && more.rows > one.rows);
    }

    #[test]
    fn what_is_not_ours_has_spans_that_nobody_knows() {
        let text = "app: x\napplication: {url: \"http://127.0.0.1:1\"}\naxes: {rate: [20]}\n";
        assert_eq!(size(text).spans, None);
    }

    #[test]
    fn numbers_are_as_exact_as_an_estimate_is() {
        assert_eq!(about(1234.4), "1234");
        assert_eq!(about(12_345.0), "12 000");
        assert_eq!(about(2_430_000.0), "2.4 million");
        assert_eq!(about_bytes(1.0), "1 kB");
        assert_eq!(about_bytes(13_400_000.0), "13.4 MB");
    }
}
