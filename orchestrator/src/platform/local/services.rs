//! The application's services as processes of this machine.

use super::Local;
use super::child::{Child, Exit};
use super::spawn::Program;
use crate::platform::{CensusTaker, census};
use aefm_workloads::graph::ServiceGraph;
use aefm_workloads::testbed::{ServiceReady, ServiceSpec};
use futures_util::FutureExt;
use futures_util::future::{join_all, select_all};
use std::sync::Arc;
use std::time::Duration;

/// How long a service may take until it listens.
const READY_DEADLINE: Duration = Duration::from_secs(10);

/// The services that run, children first.
#[derive(Debug, Default)]
pub(super) struct Services {
    entry: String,
    running: Vec<(Child, ServiceReady)>,
}

impl Services {
    /// Starts all services of the application, each when those it calls listen.
    pub(super) async fn start(local: &Local) -> Result<Self, String> {
        let graph = ServiceGraph::of_app(&local.app).map_err(|error| error.to_string())?;
        let mut services = Self {
            entry: graph.entry().to_owned(),
            running: Vec::new(),
        };
        for service in graph.services_in_start_order() {
            let peers = graph
                .children(service)
                .into_iter()
                .filter_map(|child| Some((child.to_owned(), services.address(child)?.to_owned())));
            let spec = ServiceSpec {
                peers: peers.collect(),
                otlp: Some(local.otlp.clone()),
                seed: local.seed,
                cores: local.placement.testbed.clone(),
                node: Some(local.node.clone()),
                listen: local.listen(service == graph.entry()),
                ..ServiceSpec::new(&local.app, service)
            };
            let started = start_one(local, &spec).await?;
            services.running.push(started);
        }
        Ok(services)
    }

    fn address(&self, service: &str) -> Option<&str> {
        self.running
            .iter()
            .find(|(_, ready)| ready.service == service)
            .map(|(_, ready)| ready.address.as_str())
    }

    /// Whether there are services, and none has ended.
    pub(super) fn all_run(&self) -> bool {
        !self.running.is_empty()
            && self
                .running
                .iter()
                .all(|(child, _)| child.exit().ended().is_none())
    }

    /// Where requests go.
    pub(super) fn entrance(&self) -> String {
        format!("http://{}", self.address(&self.entry).unwrap_or_default())
    }

    /// Service and process id of each.
    pub(super) fn subjects(&self) -> Vec<(String, u32)> {
        self.running
            .iter()
            .map(|(_, ready)| (ready.service.clone(), ready.pid))
            .collect()
    }

    /// Waits until some service ends (for ever, when none runs) and says which and how.
    pub(super) async fn first_end(&self) -> String {
        let mut exits: Vec<Exit> = self.running.iter().map(|(child, _)| child.exit()).collect();
        if exits.is_empty() {
            return std::future::pending().await;
        }
        let (_, at, _) = select_all(exits.iter_mut().map(|exit| exit.wait().boxed())).await;
        format!("service {}", self.running[at].0.obituary())
    }

    pub(super) fn census(&self) -> CensusTaker {
        let addresses: Arc<Vec<(String, String)>> = Arc::new(
            self.running
                .iter()
                .map(|(_, ready)| (ready.service.clone(), ready.address.clone()))
                .collect(),
        );
        Arc::new(move |prefix| {
            let addresses = Arc::clone(&addresses);
            async move {
                join_all(
                    addresses
                        .iter()
                        .map(|(service, address)| census::ask(service, address, prefix)),
                )
                .await
            }
            .boxed()
        })
    }

    /// Ends all services, those that call first, and waits until they are gone.
    pub(super) async fn stop(self, patience: Duration) {
        join_all(
            self.running
                .into_iter()
                .map(|(child, _)| child.stop(patience)),
        )
        .await;
    }
}

async fn start_one(local: &Local, spec: &ServiceSpec) -> Result<(Child, ServiceReady), String> {
    let failed = |reason: String| format!("start service {}: {reason}", spec.service);
    let args = ["testbed", &spec.service, "--app", &spec.app, "--spec", "-"]
        .map(str::to_owned)
        .to_vec();
    let program = Program {
        name: spec.service.clone(),
        args,
        cores: local.placement.testbed.clone(),
    };
    let mut child = local
        .spawner
        .spawn(program)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let line = serde_json::to_string(spec).map_err(|error| failed(error.to_string()))?;
    child
        .tell(&line)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let mut lines = child
        .lines()
        .ok_or_else(|| failed("its output is taken".to_owned()))?;
    let first = tokio::time::timeout(READY_DEADLINE, lines.next_line()).await;
    match first {
        Ok(Ok(Some(line))) => {
            let ready = serde_json::from_str(&line)
                .map_err(|error| failed(format!("it said `{line}`: {error}")))?;
            Ok((child, ready))
        }
        Ok(_) => {
            child.exit().wait().await;
            Err(failed(child.obituary()))
        }
        Err(_) => Err(failed(format!(
            "it did not listen within {READY_DEADLINE:?}"
        ))),
    }
}
