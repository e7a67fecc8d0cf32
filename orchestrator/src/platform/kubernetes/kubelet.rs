//! What the run's containers use, as the kubelets of their nodes tell it (cAdvisor's figures): no Prometheus is needed for
//! that. A kubelet looks at its containers every 10 to 15 s by itself.
//!
//! The run's root asks them with an account that may read figures (`nodes/metrics`) and nothing else. Through the API server
//! the same figures take `nodes/proxy`, by which commands can be run in every pod of a node: only who says so in the
//! experiment file uses that.

use super::cluster::{Cluster, ClusterError};
use super::deploy::Site;
use super::root::METRICS_ACCOUNT;
use crate::experiment::kubernetes::Metrics;
use crate::http;
use crate::platform::Seen;
use crate::receive::kubelets::PORT;
use aefm_collector::clock::now_ns;
use aefm_collector::proc::{Gone, Observed};
use aefm_collector::prometheus::counters::METRICS;
use aefm_collector::prometheus::{Series, exposition, metric_rows};
use bytes::Bytes;
use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// Between two looks: a kubelet has nothing new any sooner.
const LOOK: Duration = Duration::from_secs(5);
/// How long the last look of a case may take.
const LAST_LOOK: Duration = Duration::from_secs(5);
/// What a kubelet says of one namespace.
const MOST: usize = 32 << 20;

type Known = Arc<Mutex<BTreeMap<BTreeMap<String, String>, Vec<(i64, f64)>>>>;
/// Why a node's kubelet did not answer when it was last asked.
type Silent = Arc<Mutex<BTreeMap<String, String>>>;

/// Through whom kubelets are asked.
#[derive(Clone)]
pub(super) enum Way {
    /// The run's root, at this address of ours.
    Root(String),
    /// The API server.
    ApiServer(Arc<Cluster>),
}

impl Way {
    async fn figures(&self, node: &str) -> Result<String, String> {
        match self {
            Self::Root(address) => {
                let path = format!("/kubelet/{node}");
                let request = http::request(Method::GET, address, &path, Bytes::new())?;
                let answer = http::send(address, request, MOST).await?;
                Ok(String::from_utf8_lossy(&answer).into_owned())
            }
            Self::ApiServer(cluster) => {
                let path = format!("/api/v1/nodes/{node}/proxy/metrics/cadvisor");
                cluster.text(&path).await.map_err(|error| error.to_string())
            }
        }
    }
}

/// What a run has of its kubelets.
#[derive(Clone, Default)]
pub(super) struct Meter {
    /// Through whom they are asked; none: not at all.
    way: Option<Way>,
    /// The nodes whose kubelets answer.
    nodes: Vec<String>,
    /// What there is no figure of, and why; in one sentence.
    lacking: Option<String>,
}

/// The kubelets that the root is to ask, by node: none where it has no account for that, with the reason.
///
/// # Errors
/// Why there is none.
pub(super) async fn asked_by_root(
    site: &Site,
    metrics: Metrics,
    nodes: &[Value],
) -> Result<BTreeMap<String, String>, String> {
    match metrics {
        Metrics::Auto => {}
        Metrics::NodesProxy => return Ok(BTreeMap::new()),
        Metrics::None => return Err("`kubernetes.metrics` is none".to_owned()),
    }
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": METRICS_ACCOUNT, "namespace": site.namespace } });
    let way_out = "`aefm get-file rbac` writes it with the one right that it needs";
    match site.cluster.get(&account).await {
        Ok(Some(_)) => {}
        Ok(None) => {
            return Err(format!(
                "namespace {} has no ServiceAccount {METRICS_ACCOUNT}; {way_out}",
                site.namespace
            ));
        }
        Err(ClusterError::Refused {
            code: Some(403 | 404),
            reason,
            ..
        }) => {
            return Err(format!(
                "whether there is a ServiceAccount {METRICS_ACCOUNT} is not known ({reason}); {way_out}"
            ));
        }
        Err(error) => return Err(format!("failed to {error}")),
    }
    let found: BTreeMap<_, _> = nodes.iter().filter_map(address).collect();
    if found.is_empty() {
        Err("the addresses of the testbed's nodes are not known".to_owned())
    } else {
        Ok(found)
    }
}

/// A node's name and where its kubelet listens.
fn address(node: &Value) -> Option<(String, String)> {
    let addresses = node["status"]["addresses"].as_array()?;
    let internal = addresses
        .iter()
        .find(|address| address["type"] == "InternalIP")?["address"]
        .as_str()?;
    let host = if internal.contains(':') {
        format!("[{internal}]")
    } else {
        internal.to_owned()
    };
    let port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
        .as_u64()
        .filter(|port| *port > 0)
        .unwrap_or(PORT.into());
    Some((super::cluster::name_of(node), format!("{host}:{port}")))
}

impl Meter {
    /// No figures, and why.
    pub(super) fn none(reason: &str) -> Self {
        Self {
            lacking: Some(format!("no figures of containers: {reason}")),
            ..Self::default()
        }
    }

    /// Asks each node's kubelet once: those that do not answer now are left out, and named.
    pub(super) async fn try_all(way: Way, nodes: &[String]) -> Self {
        let tried = join_all(nodes.iter().map(|node| way.figures(node))).await;
        let (mut answering, mut silent) = (Vec::new(), Vec::new());
        for (node, answer) in nodes.iter().zip(tried) {
            match answer {
                Ok(_) => answering.push(node.clone()),
                Err(reason) => silent.push((node.clone(), reason)),
            }
        }
        let Some((_, reason)) = silent.first() else {
            return Self {
                way: Some(way),
                nodes: answering,
                lacking: None,
            };
        };
        if answering.is_empty() {
            return Self::none(&format!("failed to {reason}"));
        }
        let names: Vec<_> = silent.iter().map(|(node, _)| node.as_str()).collect();
        let lacking = format!(
            "no figures of containers on {}: failed to {reason}",
            names.join(", ")
        );
        Self {
            way: Some(way),
            nodes: answering,
            lacking: Some(lacking),
        }
    }

    /// What there is no figure of, and why.
    pub(super) const fn lacking(&self) -> Option<&String> {
        self.lacking.as_ref()
    }

    /// Begins to ask for the containers of a namespace.
    pub(super) fn begin(&self, namespace: &str, interval: Duration) -> Kubelets {
        let mut kubelets = Kubelets {
            way: self.way.clone(),
            nodes: self.nodes.clone(),
            namespace: namespace.to_owned(),
            known: Known::default(),
            silent: Silent::default(),
            lacking: self.lacking.clone(),
            asking: JoinSet::new(),
        };
        for node in &self.nodes {
            let looker = kubelets.looker(node);
            kubelets.asking.spawn(async move {
                let Some(looker) = looker else { return };
                let mut looks = tokio::time::interval(interval.max(LOOK));
                loop {
                    looks.tick().await;
                    looker.look().await;
                }
            });
        }
        kubelets
    }
}

/// Asks kubelets until it is stopped.
pub struct Kubelets {
    way: Option<Way>,
    nodes: Vec<String>,
    namespace: String,
    known: Known,
    silent: Silent,
    lacking: Option<String>,
    asking: JoinSet<()>,
}

/// Asks one kubelet.
struct Looker {
    way: Way,
    node: String,
    namespace: String,
    known: Known,
    silent: Silent,
}

impl Looker {
    async fn look(&self) {
        let answer = self.way.figures(&self.node).await;
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(text) => {
                silent.remove(&self.node);
                keep(&self.known, &text, &self.node, &self.namespace);
            }
            Err(reason) => _ = silent.insert(self.node.clone(), reason),
        }
    }
}

impl Kubelets {
    fn looker(&self, node: &str) -> Option<Looker> {
        Some(Looker {
            way: self.way.clone()?,
            node: node.to_owned(),
            namespace: self.namespace.clone(),
            known: Arc::clone(&self.known),
            silent: Arc::clone(&self.silent),
        })
    }

    /// What was seen, after a last look.
    ///
    /// # Errors
    /// When nothing was, since a kubelet does not answer: why.
    pub async fn stop(mut self) -> Result<Seen, String> {
        self.asking.shutdown().await;
        let lookers: Vec<_> = self
            .nodes
            .iter()
            .filter_map(|node| self.looker(node))
            .collect();
        let last = join_all(lookers.iter().map(Looker::look));
        let in_time = tokio::time::timeout(LAST_LOOK, last).await.is_ok();
        drop(lookers);
        let mut silent =
            std::mem::take(&mut *self.silent.lock().unwrap_or_else(PoisonError::into_inner));
        if !in_time {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            for node in self
                .nodes
                .iter()
                .filter(|node| !known.keys().any(|labels| labels.get("node") == Some(*node)))
            {
                silent
                    .entry(node.clone())
                    .or_insert_with(|| format!("hear of it within {LAST_LOOK:?}"));
            }
        }
        let known = std::mem::take(&mut *self.known.lock().unwrap_or_else(PoisonError::into_inner));
        let series: Vec<_> = known
            .into_iter()
            .map(|(labels, samples)| Series { labels, samples })
            .collect();
        let rows = metric_rows(&series);
        let mut told = silent
            .into_iter()
            .map(|(node, why)| format!("the kubelet of {node} (failed to {why})"));
        if rows.is_empty()
            && let Some(first) = told.next()
        {
            return Err(format!("no answer of {first}"));
        }
        let gone = told
            .map(|subject| Gone {
                subject,
                t_ns: now_ns(),
            })
            .collect();
        Ok(Seen {
            observed: Observed {
                rows,
                gone,
                ..Observed::default()
            },
            series: Some(series),
            lacking: self.lacking,
        })
    }
}

/// Keeps samples of the namespace that are new: a kubelet tells the same one until it has another.
fn keep(known: &Known, text: &str, node: &str, namespace: &str) {
    let (samples, _) = exposition::parse(text);
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    for mut sample in samples {
        let of_use = sample
            .labels
            .get("__name__")
            .is_some_and(|name| METRICS.iter().any(|metric| metric.name == name));
        let (true, Some(t_ns)) = (
            of_use
                && sample
                    .labels
                    .get("namespace")
                    .is_some_and(|own| own == namespace),
            sample.t_ns,
        ) else {
            continue;
        };
        sample.labels.insert("node".to_owned(), node.to_owned());
        let samples = known.entry(sample.labels).or_default();
        if samples.last().is_none_or(|(last_ns, _)| *last_ns < t_ns) {
            samples.push((t_ns, sample.value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_sample_told_twice_counts_once_and_strangers_do_not() {
        let known = Known::default();
        let line = |pod: &str, namespace: &str, value: f64, t_ms: u64| {
            format!(
                "container_cpu_usage_seconds_total{{container=\"c\",cpu=\"total\",namespace=\"{namespace}\",pod=\"{pod}\"}} {value} {t_ms}\n"
            )
        };
        for text in [
            line("a", "mine", 1.0, 1000),
            line("a", "mine", 1.0, 1000),
            line("a", "mine", 3.0, 2000),
            line("b", "theirs", 9.0, 2000),
        ] {
            keep(&known, &text, "n1", "mine");
        }
        let kubelets = Kubelets {
            known,
            ..Meter::default().begin("mine", LOOK)
        };
        let seen = kubelets.stop().await.unwrap();
        let rows = seen.observed.rows;
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].cpu_cores, rows[0].node.as_deref()),
            (Some(2.0), Some("n1"))
        );
    }

    #[test]
    fn a_kubelet_is_where_its_node_says() {
        let node = |ip: &str, port: u64| {
            json!({ "metadata": { "name": "n" }, "status": {
                "addresses": [{ "type": "Hostname", "address": "n" }, { "type": "InternalIP", "address": ip }],
                "daemonEndpoints": { "kubeletEndpoint": { "Port": port } } } })
        };
        let at = |node: &Value| address(node).map(|(_, address)| address);
        assert_eq!(at(&node("10.0.0.1", 10_255)).unwrap(), "10.0.0.1:10255");
        assert_eq!(at(&node("fd00::1", 0)).unwrap(), "[fd00::1]:10250");
        assert_eq!(at(&json!({ "metadata": { "name": "n" } })), None);
    }
}
