//! What the run's containers use, as the kubelets of their nodes tell it (`/metrics/cadvisor`, read through the API
//! server): no Prometheus is needed for that. A kubelet looks at its containers every 10 to 15 s by itself.

use super::cluster::Cluster;
use aefm_collector::clock::now_ns;
use aefm_collector::proc::{Gone, Observed};
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
    /// Why a node's kubelet did not answer when it was last asked.
    silent: Arc<Mutex<BTreeMap<String, String>>>,
    _asking: JoinSet<()>,
}

impl Kubelets {
    /// Begins to ask the kubelets of these nodes for the containers of a namespace.
    pub(super) fn ask(
        cluster: &Arc<Cluster>,
        nodes: &[String],
        namespace: &str,
        interval: Duration,
    ) -> Self {
        let (known, silent) = (Known::default(), Arc::<Mutex<BTreeMap<_, _>>>::default());
        let mut asking = JoinSet::new();
        for node in nodes {
            let (cluster, known, silent) =
                (Arc::clone(cluster), Arc::clone(&known), Arc::clone(&silent));
            let (node, namespace) = (node.clone(), namespace.to_owned());
            asking.spawn(async move {
                let mut looks = tokio::time::interval(interval.max(LOOK));
                loop {
                    looks.tick().await;
                    let answer = cluster
                        .text(&format!("/api/v1/nodes/{node}/proxy/metrics/cadvisor"))
                        .await;
                    let mut silent = silent.lock().unwrap_or_else(PoisonError::into_inner);
                    match answer {
                        Ok(text) => {
                            silent.remove(&node);
                            keep(&known, &text, &node, &namespace);
                        }
                        Err(error) => _ = silent.insert(node.clone(), error.to_string()),
                    }
                }
            });
        }
        Self {
            known,
            silent,
            _asking: asking,
        }
    }

    /// What was seen.
    ///
    /// # Errors
    /// When nothing was, since a kubelet does not answer: why.
    pub fn stop(self) -> Result<Observed, String> {
        let silent =
            std::mem::take(&mut *self.silent.lock().unwrap_or_else(PoisonError::into_inner));
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
        Ok(Observed {
            rows,
            gone,
            ..Observed::default()
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
        let rows = Kubelets {
            known,
            silent: Arc::default(),
            _asking: JoinSet::new(),
        }
        .stop()
        .unwrap()
        .rows;
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].cpu_cores, rows[0].node.as_deref()),
            (Some(2.0), Some("n1"))
        );
    }
}
