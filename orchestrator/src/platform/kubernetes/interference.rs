//! One kind of interference on all testbed nodes.

use super::deploy::Site;
use super::pod::PodOptions;
use super::ring;
use super::stressor::Stressor;
use super::stressor_pod::{Placed, stressor_pod};
use super::watched::pod;
use crate::experiment::kubernetes::Limits;
use crate::platform::Held;
use aefm_workloads::interference::{InterferenceSample, InterferenceSpec, Kind};
use futures_util::future::{join_all, try_join_all};
use std::time::Duration;
use tokio::time::Instant;

/// Where the servers of network interference listen.
const NETWORK_PORT: u16 = 7345;
/// How long a server's pod may take to have an address.
const ADDRESS: Duration = Duration::from_secs(60);

/// What stressors of a run have in common.
#[derive(Clone, Debug)]
pub(super) struct Making {
    pub(super) options: PodOptions,
    pub(super) nodes: Vec<String>,
    pub(super) deadline: Duration,
    pub(super) limits: Limits,
    /// The secret of network interference.
    pub(super) token: String,
}

/// The stressors of one kind.
pub(super) struct Interference {
    /// Those that press, one a node.
    pressing: Vec<Stressor>,
    /// Those that only serve the pressing ones.
    serving: Vec<Stressor>,
}

impl Interference {
    /// Starts that kind on every node, pressing on nothing yet.
    pub(super) async fn start(
        site: &Site,
        making: &Making,
        spec: &InterferenceSpec,
    ) -> Result<Self, String> {
        if spec.kind == Kind::Network && making.nodes.len() > 1 {
            return Self::start_ring(site, making, spec).await;
        }
        let pressing = making
            .nodes
            .iter()
            .map(|node| start(site, making, node, "press", spec.clone()));
        Ok(Self {
            pressing: all(site, join_all(pressing).await).await?,
            serving: Vec::new(),
        })
    }

    /// Each node presses on the way to the next one; it starts when that one's server has an address.
    async fn start_ring(
        site: &Site,
        making: &Making,
        spec: &InterferenceSpec,
    ) -> Result<Self, String> {
        let links = ring::ring(&making.nodes).map_err(|error| error.to_string())?;
        let mut server = spec.clone();
        server.options.network.listen = Some(format!("0.0.0.0:{NETWORK_PORT}"));
        server.options.network.token = Some(making.token.clone());
        let serving = making
            .nodes
            .iter()
            .map(|node| start(site, making, node, "serve", server.clone()));
        let serving = all(site, join_all(serving).await).await?;
        let pressing = links.iter().map(|link| async {
            let server = serving
                .iter()
                .find(|server| server.node == link.to)
                .ok_or("find the server just started")?;
            server.speaks().await?;
            let mut client = spec.clone();
            client.options.network.target = Some(format!(
                "{}:{NETWORK_PORT}",
                address(site, &server.name).await?
            ));
            client.options.network.token = Some(making.token.clone());
            start(site, making, &link.from, "press", client).await
        });
        match all(site, join_all(pressing).await).await {
            Ok(pressing) => Ok(Self { pressing, serving }),
            Err(reason) => {
                Self {
                    pressing: Vec::new(),
                    serving,
                }
                .stop(site)
                .await;
                Err(reason)
            }
        }
    }

    /// Asks for an intensity on every node and waits until all hold it.
    pub(super) async fn hold(&mut self, site: &Site, intensity: f64) -> Result<Held, String> {
        let count = self.pressing.len();
        let held = try_join_all(
            self.pressing
                .iter_mut()
                .map(|stressor| stressor.hold(site, intensity)),
        )
        .await?;
        #[expect(clippy::cast_precision_loss, reason = "a number of nodes")]
        let achieved = held.iter().map(|held| held.achieved).sum::<f64>() / count.max(1) as f64;
        Ok(Held {
            achieved,
            reached: held.iter().all(|held| held.reached),
        })
    }

    /// Samples of a window of wall-clock time, with their nodes.
    pub(super) fn between(
        &self,
        from_ns: i64,
        to_ns: i64,
    ) -> impl Iterator<Item = (String, InterferenceSample)> {
        let of = move |stressor: &Stressor| {
            let node = stressor.node.clone();
            stressor
                .between(from_ns, to_ns)
                .into_iter()
                .map(move |sample| (node.clone(), sample))
        };
        self.pressing.iter().flat_map(of)
    }

    /// The nodes that it presses on.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &str> {
        self.pressing.iter().map(|stressor| stressor.node.as_str())
    }

    /// Names of all its pods.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.pressing
            .iter()
            .chain(&self.serving)
            .map(|stressor| stressor.name.as_str())
    }

    /// Removes all its pods.
    pub(super) async fn stop(self, site: &Site) {
        let stopped = join_all(
            self.pressing
                .into_iter()
                .chain(self.serving)
                .map(|stressor| stressor.stop(site)),
        )
        .await;
        for reason in stopped.into_iter().filter_map(Result::err) {
            tracing::error!("interference is left to its lease: failed to {reason}");
        }
    }
}

/// All of them, or none: where one could not be started, the others are removed.
async fn all(site: &Site, started: Vec<Result<Stressor, String>>) -> Result<Vec<Stressor>, String> {
    let (mut running, mut reasons) = (Vec::new(), Vec::new());
    for one in started {
        match one {
            Ok(stressor) => running.push(stressor),
            Err(reason) => reasons.push(reason),
        }
    }
    if reasons.is_empty() {
        return Ok(running);
    }
    Interference {
        pressing: running,
        serving: Vec::new(),
    }
    .stop(site)
    .await;
    Err(reasons.join("; "))
}

async fn start(
    site: &Site,
    making: &Making,
    node: &str,
    role: &str,
    spec: InterferenceSpec,
) -> Result<Stressor, String> {
    let placed = Placed {
        node,
        role,
        deadline: making.deadline,
        limits: &making.limits,
    };
    let pod = stressor_pod(&site.owner, &making.options, &spec, &placed)
        .map_err(|error| error.to_string())?;
    let kind = spec.kind;
    let failed = |reason: String| format!("start {} interference on {node}: {reason}", kind.name());
    Stressor::start(site, node, kind, pod).await.map_err(failed)
}

/// The address of a pod, once it runs.
async fn address(site: &Site, name: &str) -> Result<String, String> {
    let running = site.watched.until(Instant::now() + ADDRESS, |objects| {
        let pod = pod(objects, name)?;
        let running = pod["status"]["phase"] == "Running";
        pod["status"]["podIP"]
            .as_str()
            .filter(|_| running)
            .map(str::to_owned)
    });
    running
        .await
        .ok_or_else(|| format!("find the address of pod {name}: it does not run after {ADDRESS:?}"))
}
