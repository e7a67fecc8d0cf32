//! The testbed's contract: the spec that an emulated service obeys, the line that it prints when it listens, and the
//! counts that it tells.

use crate::graph::ServiceGraph;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where every service of the testbed tells its [`TestbedStats`], by GET.
pub const STATS_PATH: &str = "/_aefm/stats";

/// Where a service that keeps data tells how much, by GET.
pub const DATA_PATH: &str = "/_aefm/data";

/// How much a service keeps, by [`crate::graph::Kept::name`].
pub type DataCounts = BTreeMap<String, u64>;

/// How many trace-id prefixes [`TestbedStats::by_prefix`] keeps: the last ones seen.
pub const PREFIXES_KEPT: usize = 64;

/// One service to run: one JSON line on its standard input, which then stays open. Its end tells that the parent is
/// gone, and the service ends, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// The application, by its name in the catalogue.
    pub app: String,
    /// A service graph to use in place of the one that comes with AEFM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<ServiceGraph>,
    /// Which of its services.
    pub service: String,
    /// Address and port to listen on; port 0 lets the system choose.
    #[serde(default = "any_port")]
    pub listen: String,
    /// Where the services that this one calls listen: `host:port` by service.
    #[serde(default)]
    pub peers: BTreeMap<String, String>,
    /// Where spans go by OTLP/HTTP protobuf: a base URL (`/v1/traces` is added) or a whole one; null: nowhere.
    #[serde(default)]
    pub otlp: Option<String>,
    /// Seed of the service's own draws.
    #[serde(default)]
    pub seed: u64,
    /// Cores to run on; empty: any.
    #[serde(default)]
    pub cores: Vec<usize>,
    /// The node's name, for the spans' resource; without one, the machine's.
    #[serde(default)]
    pub node: Option<String>,
    /// The pod's name, for the spans' resource; without one, `<service>-0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
}

fn any_port() -> String {
    "127.0.0.1:0".to_owned()
}

impl ServiceSpec {
    /// A spec with nothing said but what must be said.
    #[must_use]
    pub fn new(app: &str, service: &str) -> Self {
        Self {
            app: app.to_owned(),
            graph: None,
            service: service.to_owned(),
            listen: any_port(),
            peers: BTreeMap::new(),
            otlp: None,
            seed: 0,
            cores: Vec::new(),
            node: None,
            pod: None,
        }
    }
}

/// The first line of a service's standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReady {
    /// Always true: it listens.
    pub ready: bool,
    /// The service.
    pub service: String,
    /// Where it listens, `127.0.0.1:34567`.
    pub address: String,
    /// Its process.
    pub pid: u32,
}

/// What a service has done since it started. Where spans go to a receiver, `spans_ended` = exported + dropped + those
/// still on their way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestbedStats {
    /// The service.
    pub service: String,
    /// Requests taken, good and bad; those for these counts left out.
    pub requests: u64,
    /// Of these, answered with 500 or above.
    pub errors: u64,
    /// Spans ended (a request that is not sampled has none).
    pub spans_ended: u64,
    /// Spans that the receiver took.
    pub spans_exported: u64,
    /// Spans given up: the queue was full or the receiver refused them.
    pub spans_dropped: u64,
    /// Export attempts that failed, retried ones included.
    pub exports_failed: u64,
    /// Spans ended by trace-id prefix ([`crate::ids::TraceId::prefix`] as 16 hex digits), the last [`PREFIXES_KEPT`] of them.
    pub by_prefix: BTreeMap<String, u64>,
}
