//! The tables of the dataset, column by column.

use super::{Column, ColumnType, Table};
use std::borrow::Cow;

const fn column(name: &'static str, kind: ColumnType, doc: &'static str) -> Column {
    Column {
        name: Cow::Borrowed(name),
        kind,
        required: false,
        unique: false,
        doc: Cow::Borrowed(doc),
    }
}

const fn int(name: &'static str, doc: &'static str) -> Column {
    column(name, ColumnType::Int, doc)
}

const fn float(name: &'static str, doc: &'static str) -> Column {
    column(name, ColumnType::Float, doc)
}

const fn text(name: &'static str, doc: &'static str) -> Column {
    column(name, ColumnType::Text, doc)
}

const fn flag(name: &'static str, doc: &'static str) -> Column {
    column(name, ColumnType::Flag, doc)
}

const fn bytes(name: &'static str, doc: &'static str) -> Column {
    column(name, ColumnType::Bytes, doc)
}

impl Column {
    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }
}

macro_rules! tables {
    ($($(#[$meta:meta])* $constant:ident = $name:literal, $row:literal: [$($column:expr),* $(,)?];)*) => {
        $($(#[$meta])* pub const $constant: Table = Table {
            name: Cow::Borrowed($name),
            row: Cow::Borrowed($row),
            columns: Cow::Borrowed(const { &[$($column),*] }),
        };)*
        /// All tables, in the order in which they are documented.
        pub const TABLES: &[Table] = &[$($constant),*];
    };
}

tables! {
    /// One row a test case.
    CASES = "cases", "one test case": [
        text("name", "The case's name, such as `round=1|rate=20|cpu=60`.").required(),
        int("start_ns", "When the case began to be set up."),
        int("load_start_ns", "Time zero of the load's schedule, warm-up included."),
        int("measure_start_ns", "When the measured phase began."),
        int("end_ns", "When the case was over."),
        text("status", "Whether the data are there: ok, degraded, failed or skipped.").required(),
        text("reason", "Why the status is not ok, or the verdict not valid."),
        int("attempt", "Which attempt this is, from 1."),
        int("seed", "Seed of the schedule and of the requests, its 64 bits as a signed number."),
        text("verdict", "Whether the load may be believed: valid or suspect; null where there was none."),
    ];
    /// One row a second of intended times.
    LOAD = "load", "one second of intended times of one shard and phase": [
        int("shard", "The load process, from 0.").required(),
        text("phase", "warm-up or measure.").required(),
        int("second", "Whole seconds since time zero of the schedule, of the intended times.").required(),
        int("intended", "Requests that the schedule has in this second: ok + errors + unfinished + unsent.").required(),
        int("sent", "Of these, how many were sent.").required(),
        int("ok", "Of these, how many were answered with a status below 400.").required(),
        int("errors", "Of these, how many failed in any way: the sum of the six columns that follow.").required(),
        int("http_4xx", "Answered with 4xx.").required(),
        int("http_5xx", "Answered with 5xx, or with a status that is none (below 100, above 599).").required(),
        int("connect", "A connect was tried for it, and failed.").required(),
        int("reset", "The connection ended before the answer did.").required(),
        int("timeout", "No answer within the time-out.").required(),
        int("protocol", "The answer was not HTTP, or the server flooded the connection; the load summary's `faults` say how.").required(),
        int("unfinished", "Sent, and unanswered at the end of the run.").required(),
        int("unsent", "Not sent by the end of the run: it could not be tried until then.").required(),
        int("bytes", "Bytes of answers received.").required(),
        int("response_p50_ns", "Response time (done - intended), median."),
        int("response_p90_ns", "Response time, 90 %."),
        int("response_p95_ns", "Response time, 95 %."),
        int("response_p99_ns", "Response time, 99 %."),
        int("response_p999_ns", "Response time, 99.9 %."),
        int("response_max_ns", "Response time, largest."),
        int("service_p50_ns", "Service time (done - sent), median."),
        int("service_p90_ns", "Service time, 90 %."),
        int("service_p95_ns", "Service time, 95 %."),
        int("service_p99_ns", "Service time, 99 %."),
        int("service_p999_ns", "Service time, 99.9 %."),
        int("lag_p50_ns", "Send lag, median: sent minus the later of intended and a connection being free, had the generator never been late."),
        int("lag_p90_ns", "Send lag, 90 %."),
        int("lag_p95_ns", "Send lag, 95 %."),
        int("lag_p99_ns", "Send lag, 99 %."),
        int("lag_p999_ns", "Send lag, 99.9 %."),
        int("generator_p50_ns", "What the load generator added to the response time, median."),
        int("generator_p90_ns", "What the load generator added, 90 %."),
        int("generator_p95_ns", "What the load generator added, 95 %."),
        int("generator_p99_ns", "What the load generator added, 99 %."),
        int("generator_p999_ns", "What the load generator added, 99.9 %."),
        bytes("hdr", "Response times as a serialized HdrHistogram (V2, values in ns); add these, never average quantiles.")
            .required().unique(),
    ];
    /// One row a request.
    REQUESTS = "requests", "one intended request": [
        int("request", "Its number in the schedule, from 0, warm-up included.").required().unique(),
        text("phase", "warm-up or measure.").required(),
        int("intended_ns", "When the schedule wanted it sent.").required().unique(),
        int("sent_ns", "When it was sent; null if it was not.").unique(),
        int("first_byte_ns", "When the answer's first byte came; null if none did.").unique(),
        int("done_ns", "When the answer was complete; null if it never was.").unique(),
        text("outcome", "Its one end: ok, http_4xx, http_5xx, connect, reset, timeout, protocol, unfinished, unsent.")
            .required(),
        int("status", "HTTP status of the answer."),
        text("trace_id", "Trace id that it carried, 32 hex digits; null without trace context.").unique(),
        int("wait_ns", "Of its response time, what it waited for a connection that the server kept busy. This and the two columns that follow add up to done - intended.").required(),
        int("server_ns", "Of its response time, what the wire and the server took.").required(),
        int("generator_ns", "Of its response time, what the load generator added: sent late, read late, or owed by an earlier request on the connection.").required(),
    ];
    /// One row a span.
    SPANS = "spans", "one span": [
        text("trace_id", "Trace id, 32 hex digits.").required(),
        text("span_id", "Span id, 16 hex digits.").required().unique(),
        text("parent_span_id", "Parent's span id; null for a span that has none, or only follows others (`links`).").unique(),
        int("request", "The load's request it belongs to; null where the trace is not the load's."),
        text("phase", "Phase of that request: warm-up or measure."),
        text("service", "Service (`service.name`).").required(),
        text("operation", "Operation: the span's name.").required(),
        text("kind", "server, client, internal, producer, consumer; null where it was not said."),
        text("pod", "Pod or instance (with Jaeger's clients their `host.name`, which is the pod's); null where it was not said."),
        text("node", "Node (host); null where it was not said."),
        int("start_ns", "Start, as the service's clock said.").required().unique(),
        int("adjusted_start_ns", "Start as its caller's clock would have told it: start_ns, but for calls to another host that lie \
            outside of their caller, which are moved into it with all below them.").required().unique(),
        int("duration_ns", "Duration, never negative.").required().unique(),
        int("self_ns", "Duration without the union of its children, each clipped to this span, on its caller's clock (adjusted_start_ns).").required().unique(),
        int("critical_ns", "Time for which this span itself was on its trace's critical path; 0 off the path.").required(),
        flag("error", "The span says that it failed.").required(),
        int("http_status", "HTTP status, where the span has one."),
        flag("orphan", "It names a parent that is missing: not in the trace, nor the client, nor outside of all that was traced (as of the only root where the client is not known).").required(),
        text("flags", "What is odd about it, in words: shared-id, cycle, outlives-parent, outside-parent, negative-duration, unfinished; null where nothing is."),
        text("attributes", "The span's attributes, a JSON object."),
        text("status_message", "What the span's status says in words."),
        text("events", "Its events (logs), a JSON array."),
        text("links", "Its links to other spans, a JSON array; Jaeger's references but for the parent are among them, with `attributes.opentracing.ref_type`."),
    ];
    /// One row a trace.
    TRACES = "traces", "one trace": [
        text("trace_id", "Trace id, 32 hex digits.").required().unique(),
        int("request", "The load's request; null where the trace is not the load's.").unique(),
        text("phase", "Phase of that request."),
        text("root_service", "Service of the root: the earliest span without a parent in the trace."),
        text("root_operation", "Operation of the root."),
        int("start_ns", "Start of the root.").required().unique(),
        int("duration_ns", "Duration of the root.").required().unique(),
        int("spans", "Spans.").required(),
        int("services", "Distinct services.").required(),
        int("errors", "Spans that failed.").required(),
        int("roots", "Spans without a parent in the trace that follow none of its spans; more than one is odd.").required(),
        int("orphans", "Spans whose parent is missing.").required(),
        flag("complete", "Exactly one root and no missing parent.").required(),
        int("response_time_ns", "The client's own response time for this request; null where it was not done.").unique(),
        text("outcome", "The client's outcome for this request."),
    ];
    /// One row a service and pod.
    SERVICES = "services", "one service and pod, over the measured phase": [
        text("service", "Service.").required(),
        text("pod", "Pod or instance; null where spans do not say."),
        int("spans", "Spans.").required(),
        int("errors", "Spans that failed.").required(),
        int("self_p50_ns", "Self time, median."),
        int("self_p90_ns", "Self time, 90 %."),
        int("self_p95_ns", "Self time, 95 %."),
        int("self_p99_ns", "Self time, 99 %."),
        int("self_max_ns", "Self time, largest."),
        float("self_mean_ns", "Self time, mean."),
        int("total_p50_ns", "Duration, median."),
        int("total_p90_ns", "Duration, 90 %."),
        int("total_p95_ns", "Duration, 95 %."),
        int("total_p99_ns", "Duration, 99 %."),
        int("total_max_ns", "Duration, largest."),
        float("critical_share", "Its part of the time on all critical paths, 0 to 1."),
    ];
    /// One row a caller and callee.
    EDGES = "edges", "one caller and callee, over the measured phase": [
        text("caller", "Service that calls.").required(),
        text("callee", "Service that is called.").required(),
        int("calls", "Calls: child spans of the callee under parent spans of the caller.").required(),
        int("errors", "Calls whose span failed.").required(),
        int("p50_ns", "Duration of the callee's span, median."),
        int("p90_ns", "Duration, 90 %."),
        int("p95_ns", "Duration, 95 %."),
        int("p99_ns", "Duration, 99 %."),
        int("max_ns", "Duration, largest."),
        float("parallelism", "Mean number of the caller's calls and steps in progress while this call was; 1 is sequential."),
    ];
    /// One row a subject and sample.
    METRICS = "metrics", "one container, pod, process or node at one sample": [
        text("source", "Who measured: sampler (this machine's /proc and cgroups), prometheus or kubelet.").required(),
        text("scope", "container, pod, process or node.").required(),
        text("subject", "Which: a pod's name, a process's service or a node's name.").required(),
        text("node", "The node it is on."),
        int("t_ns", "End of the interval that the rates are over.").required(),
        int("interval_ns", "Length of that interval."),
        float("cpu_cores", "CPU used over the interval, in cores."),
        float("cpu_throttled", "Time throttled by its CPU limit, in seconds a second; null without a limit's counters."),
        int("memory_bytes", "Memory in use at its end: resident set of a process, working set of a cgroup (usage less inactive file pages, which are looked up every three seconds), used of a node."),
        float("network_rx_bytes", "Bytes received per second; null where it has no network of its own."),
        float("network_tx_bytes", "Bytes sent per second; null likewise."),
        float("disk_read_bytes", "Bytes read from disk per second."),
        float("disk_write_bytes", "Bytes written to disk per second."),
        float("pressure_cpu", "Share of the interval in which some task waited for CPU (PSI), 0 to 1; null without PSI."),
        float("pressure_memory", "Share in which some task waited for memory."),
        float("pressure_io", "Share in which some task waited for I/O."),
    ];
    /// One row a container.
    USAGE = "usage", "one container over the whole case, from Prometheus or the kubelet": [
        text("namespace", "The namespace.").required(),
        text("pod", "The pod.").required(),
        text("container", "The container.").required(),
        text("node", "Node, where samples say."),
        float("cpu_cores", "Mean CPU, in cores, interpolated to the case's window."),
        float("cpu_max_cores", "Highest CPU between two samples, in cores."),
        float("cpu_limit_cores", "CPU limit; null without one."),
        float("cpu_percent", "cpu_max_cores in percent of the limit: AEFM 0.2.0's cpu_usage."),
        int("memory_max_bytes", "Highest working set."),
        int("memory_limit_bytes", "Memory limit; null without one."),
        float("memory_percent", "memory_max_bytes in percent of the limit: AEFM 0.2.0's mem_usage."),
        int("samples", "Samples of its CPU counter in the window.").required(),
        int("max_gap_ns", "Longest time without a sample in the window.").required(),
    ];
    /// One row a stressor and sample.
    INTERFERENCE = "interference", "one stressor's sample on one node": [
        text("node", "The node it presses on.").required(),
        text("kind", "Kind of interference.").required(),
        int("t_ns", "End of the sample.").required(),
        float("requested", "Intensity asked for, in unit.").required(),
        float("achieved", "Intensity reached since the last sample, in unit.").required(),
        text("unit", "percent (of the named cores or of the measured peak), bytes, GB/s, bit/s, iops.").required(),
        flag("saturated", "The machine had no room for what was asked.").required(),
        flag("held", "The controller had settled at the request.").required(),
        float("bytes_per_s", "The physical quantity behind a share, where there is one."),
    ];
    /// One row a source.
    QUALITY = "quality", "one source's delivery for one case": [
        text("source", "The source: load, requests, answers, traces, receiver, metrics, sampler, interference...").required(),
        int("expected", "How many it should have delivered, where that is known."),
        int("received", "How many it delivered."),
        int("missing", "How many are missing, where that is known."),
        text("status", "ok, degraded or failed.").required(),
        text("reason", "Why it is not ok, or what else is worth knowing."),
    ];
}

/// A table of the user's own, called `user_<name>`, of these columns (none of them required).
#[must_use]
pub fn user_table(name: &str, columns: &[(String, ColumnType)]) -> Table {
    let own = |(name, kind): &(String, ColumnType)| Column {
        name: Cow::Owned(name.clone()),
        kind: *kind,
        required: false,
        unique: false,
        doc: Cow::Borrowed("The user's."),
    };
    Table {
        name: Cow::Owned(format!("user_{name}")),
        row: Cow::Borrowed("the user's"),
        columns: columns.iter().map(own).collect(),
    }
}
