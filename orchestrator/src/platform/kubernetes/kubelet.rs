//! What the run's containers use, as the kubelets of their nodes tell it (`/metrics/cadvisor`, read through the API
//! server): no Prometheus is needed for that. A kubelet looks at its containers every 10 to 15 s by itself.

use super::cluster::Cluster;
use aefm_collector::proc::Observed;
use aefm_collector::prometheus::counters::METRICS;
use aefm_collector::prometheus::{Series, exposition, metric_rows};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// Between two looks: a kubelet has nothing new any sooner.
const LOOK: Duration = Duration::from_secs(5);

type Known = Arc<Mutex<BTreeMap<BTreeMap<String, String>, Vec<(i64, f64)>>>>;

/// Asks kubelets until it is stopped.
pub struct Kubelets {
    known: Known,
    _asking: JoinSet<()>,
}

impl Kubelets {
    /// Begins to ask the kubelets of these nodes for the containers of a namespace.
    pub(super) fn ask(cluster: &Arc<Cluster>, nodes: &[String], namespace: &str, interval: Duration) -> Self {
        let known = Known::default();
        let mut asking = JoinSet::new();
        for node in nodes {
            let (cluster, known) = (Arc::clone(cluster), Arc::clone(&known));
            let (node, namespace) = (node.clone(), namespace.to_owned());
            asking.spawn(async move {
                let mut looks = tokio::time::interval(interval.max(LOOK));
                loop {
                    looks.tick().await;
                    match cluster.text(&format!("/api/v1/nodes/{node}/proxy/metrics/cadvisor")).await {
                        Ok(text) => keep(&known, &text, &node, &namespace),
                        Err(error) => tracing::debug!("failed to {error}"),
                    }
                }
            });
        }
        Self { known, _asking: asking }
    }

    /// What was seen.
    #[must_use]
    pub fn stop(self) -> Observed {
        let known = std::mem::take(&mut *self.known.lock().unwrap_or_else(PoisonError::into_inner));
        let series: Vec<_> = known.into_iter().map(|(labels, samples)| Series { labels, samples }).collect();
        Observed { rows: metric_rows(&series), ..Observed::default() }
    }
}

/// Keeps samples of the namespace that are new: a kubelet tells the same one until it has another.
fn keep(known: &Known, text: &str, node: &str, namespace: &str) {
    let (samples, _) = exposition::parse(text);
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    for mut sample in samples {
        let of_use = sample.labels.get("__name__").is_some_and(|name| METRICS.iter().any(|metric| metric.name == name));
        let (true, Some(t_ns)) =
            (of_use && sample.labels.get("namespace").is_some_and(|own| own == namespace), sample.t_ns)
        else {
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

    #[test]
    fn the_same_sample_told_twice_counts_once_and_strangers_do_not() {
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
        let rows = Kubelets { known, _asking: JoinSet::new() }.stop().rows;
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].cpu_cores, rows[0].node.as_deref()), (Some(2.0), Some("n1")));
    }
}
