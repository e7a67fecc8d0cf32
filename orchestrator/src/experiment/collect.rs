//! The `collect` section: what is gathered beside what AEFM itself measures, and how.

mod place;

pub use place::ServiceName;

use super::access::{self, Access};
use super::fault::Faults;
use super::node::Node;
use super::section::{Section, bytes, count, duration, text, texts};
use super::tables::{self, UserTable};
use super::{Experiment, PlatformKind, address};
use serde::Serialize;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

/// `prometheus: cluster` is short for a section that leaves it to the platform to find it.
const CLUSTER: &str = "cluster";

/// Emulated services send what they have ten times a second.
const OWN_FLUSH: Duration = Duration::from_secs(1);
/// OpenTelemetry's SDKs send what they have every 5 s unless they are told otherwise, Jaeger's clients every second.
const FLUSH: Duration = Duration::from_secs(6);
/// How long late spans are awaited that are not ours: for several flushes out of a Jaeger, and for one where they come to
/// the receiver, which cannot tell what is missing.
const SETTLE: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(10)];
/// A Prometheus has so long to answer all questions about a case.
const ANSWERS: Duration = Duration::from_secs(60);

/// What is gathered, and how.
#[derive(Clone, Debug, Serialize)]
pub struct Collect {
    /// Time between samples of metrics.
    pub interval: Duration,
    /// How many finished cases may be in collection while the next ones run; 0: each is collected before the next one.
    pub pending: u64,
    /// How long late spans are awaited.
    pub settle: Duration,
    /// Services send their spans at least so often: nothing new for longer means that no span is on its way.
    pub flush: Duration,
    /// Bytes of spans that the receiver holds for cases not yet written; beyond, it refuses.
    pub trace_memory: u64,
    /// Where the receiver listens for spans; without it the system chooses a port.
    pub listen: Option<SocketAddr>,
    /// A Jaeger whose traces are gathered.
    pub jaeger: Option<JaegerSource>,
    /// A Prometheus whose samples are gathered.
    pub prometheus: Option<PrometheusSource>,
    /// Tables of the user's own.
    pub tables: Vec<UserTable>,
}

/// A Jaeger.
#[derive(Clone, Debug, Default, Serialize)]
pub struct JaegerSource {
    /// Its HTTP query side; without it the platform knows one.
    pub url: Option<String>,
    /// The Service of the cluster that it is behind; without it and a URL, the platform looks for it.
    pub cluster: Option<ServiceName>,
    /// Host and port of its gRPC query side, if it may be asked.
    pub grpc: Option<String>,
    /// Where emulated services send their spans, in place of AEFM's own receiver.
    pub otlp: Option<String>,
    /// Services that are searched; empty: the application's entrance, which every trace of the load has a span of.
    pub services: Vec<String>,
    /// Who we are to it.
    pub access: Access,
}

/// A Prometheus.
#[derive(Clone, Debug, Serialize)]
pub struct PrometheusSource {
    /// Its address; without it the platform knows one.
    pub url: Option<String>,
    /// The Service of the cluster that it is behind; without it and a URL, the platform looks for it.
    pub cluster: Option<ServiceName>,
    /// How often it scrapes: so long after a case its last samples are awaited.
    pub scrape: Duration,
    /// What series of pods and containers must match, between PromQL's braces.
    pub pods: Option<String>,
    /// What series of nodes must match.
    pub nodes: Option<String>,
    /// The user's own expressions by column.
    pub queries: Vec<(String, String)>,
    /// Time between their values.
    pub step: Duration,
    /// Who we are to it.
    pub access: Access,
}

impl Default for Collect {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            pending: 2,
            settle: Duration::from_secs(5),
            flush: OWN_FLUSH,
            trace_memory: 256 << 20,
            listen: None,
            jaeger: None,
            prometheus: None,
            tables: Vec::new(),
        }
    }
}

impl Collect {
    /// How long a Prometheus has to answer all questions about a case, once its samples are there.
    #[must_use]
    pub fn answers(&self) -> Duration {
        self.settle.max(ANSWERS)
    }

    /// How long the collection of one case may take at most, whatever its sources do: each has its own time.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let tables = self
            .tables
            .iter()
            .map(|table| table.timeout)
            .max()
            .unwrap_or_default();
        let scrape = self
            .prometheus
            .as_ref()
            .map_or(Duration::ZERO, |prometheus| {
                prometheus.scrape * 2 + self.answers()
            });
        (self.settle * 2).max(tables).max(scrape)
    }
}

impl Experiment {
    /// Reads the `collect` of another file, for a run of this experiment; nothing else of that file is looked at.
    ///
    /// # Errors
    /// All its faults at once.
    pub fn read_collect(&self, text: &str) -> Result<Collect, Faults> {
        let (root, faults) = (super::node::parse(text)?, RefCell::new(Faults::default()));
        let top = Section::new("", &root, &faults);
        if top.get("collect").is_none() {
            top.fault(
                top.place(),
                "`collect` is missing: it says what is asked, as in an experiment file",
            );
        }
        let mut collect = read(&top, self.platform, self.is_emulated());
        if self.application.is_none() && !self.is_emulated() && collect.jaeger.is_none() {
            collect.jaeger = Some(JaegerSource::default());
        }
        let faults = faults.into_inner();
        if faults.is_empty() {
            Ok(collect)
        } else {
            Err(faults)
        }
    }
}

/// Reads `collect`: the word `between`, or a map. An application that is not ours sends its spans where, and when, it
/// pleases.
pub(super) fn read(top: &Section<'_>, platform: PlatformKind, is_ours: bool) -> Collect {
    let mut collect = Collect::default();
    if !is_ours {
        (collect.flush, collect.settle) = (FLUSH, SETTLE[0]);
    }
    if top
        .get("collect")
        .is_some_and(|located| matches!(located.node, Node::Text(_)))
    {
        collect.pending = top.read("collect", collect.pending, between);
        return collect;
    }
    let Some(section) = top.section("collect") else {
        return collect;
    };
    collect.interval = section.read(
        "interval",
        collect.interval,
        duration(Duration::from_millis(100)),
    );
    collect.pending = section.read("pending", collect.pending, |node| {
        count(1)(node).or_else(|_| between(node))
    });
    collect.flush = section.read("flush", collect.flush, duration(Duration::from_millis(100)));
    if !is_ours && section.get("listen").is_some() && section.get("jaeger").is_none() {
        collect.settle = SETTLE[1];
    }
    collect.settle = section.read(
        "settle",
        collect.settle.max(collect.flush * 2),
        duration(Duration::from_millis(500)),
    );
    collect.trace_memory = section.read("trace_memory", collect.trace_memory, bytes);
    collect.listen = section.read("listen", None, |node| address(node).map(Some));
    collect.jaeger = section
        .section_or("jaeger", CLUSTER)
        .map(|section| jaeger(section, platform, is_ours));
    collect.prometheus = section
        .section_or("prometheus", CLUSTER)
        .map(|section| prometheus(section, platform));
    collect.tables = tables::read(&section);
    section.finish();
    collect
}

fn between(node: &Node) -> Result<u64, String> {
    match node {
        Node::Text(word) if word == "between" => Ok(0),
        other => Err(format!(
            "`between` or a whole number of at least 1 is wanted, not {other}"
        )),
    }
}

fn jaeger(section: Section<'_>, platform: PlatformKind, is_ours: bool) -> JaegerSource {
    if let Some(otlp) = section.get("otlp").filter(|_| !is_ours) {
        section.fault(otlp.place, "`otlp` tells emulated services where to send their spans: an `application` that runs already was told before");
    }
    let (url, cluster) = place::read(&section, platform);
    let source = JaegerSource {
        url,
        cluster,
        grpc: section.read("grpc", None, |node| text(node).map(Some)),
        otlp: section.read("otlp", None, |node| access::url(node).map(Some)),
        services: section.read("services", Vec::new(), texts),
        access: access::read(&section),
    };
    place::check_access(&section, source.url.as_ref(), &source.access, platform);
    section.finish();
    source
}

fn prometheus(section: Section<'_>, platform: PlatformKind) -> PrometheusSource {
    let selector = |node: &Node| text(node).map(Some);
    let (url, cluster) = place::read(&section, platform);
    let source = PrometheusSource {
        url,
        cluster,
        scrape: section.read(
            "scrape",
            Duration::from_secs(15),
            duration(Duration::from_millis(100)),
        ),
        pods: section.read("pods", None, selector),
        nodes: section.read("nodes", None, selector),
        queries: queries(&section),
        step: section.read(
            "step",
            Duration::from_secs(1),
            duration(Duration::from_millis(1)),
        ),
        access: access::read(&section),
    };
    place::check_access(&section, source.url.as_ref(), &source.access, platform);
    section.finish();
    source
}

fn queries(section: &Section<'_>) -> Vec<(String, String)> {
    let Some(queries) = section.section("queries") else {
        return Vec::new();
    };
    let query = |(key, value): &(super::node::Key, super::node::Located)| {
        let name = tables::plain_name(&key.name)
            .map_err(|reason| queries.fault(key.place, reason))
            .ok();
        let query = text(&value.node)
            .map_err(|reason| queries.fault(value.place, reason))
            .ok();
        let taken = ["t_ns", "labels"].contains(&key.name.as_str());
        if taken {
            queries.fault(
                key.place,
                format!("`{}` is a column of table `user_promql` already", key.name),
            );
        }
        name.zip(query).filter(|_| !taken)
    };
    queries.entries().iter().filter_map(query).collect()
}

#[cfg(test)]
mod tests;
