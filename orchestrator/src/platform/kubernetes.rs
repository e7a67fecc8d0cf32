//! The `kubernetes` platform: the application, the load and the stressors are pods of a cluster, which is all the
//! machinery there is. One root object owns them; see [`root`].

pub mod anchor;
pub mod application;
pub mod cluster;
pub mod content;
mod deploy;
pub mod difference;
pub mod emulated;
mod entrance;
mod environment;
pub mod explain;
mod forward;
pub mod found;
mod interference;
mod kubeconfig;
pub mod kubelet;
pub mod leftovers;
mod load;
pub mod load_job;
mod logs;
pub mod manifests;
mod merge;
mod neighbours;
mod opening;
pub mod order;
mod origin;
pub mod ownership;
pub mod pod;
pub mod provenance;
mod proxy;
pub mod rbac;
pub mod ready;
mod receiver;
pub mod render;
pub mod review;
pub mod rights;
mod ring;
pub mod root;
pub mod secret;
pub mod service_proxy;
pub mod snapshot;
pub mod sources;
mod stressor;
pub mod stressor_pod;
mod survey;
pub mod trial;
mod trouble;
mod tunnel;
pub mod watched;

pub use opening::OpenError;
pub use survey::{Survey, SurveyError, tell_open};

use super::{CensusTaker, Endpoints, Held, LoadRun, Observer, Platform, PlatformError};
use crate::experiment::environment::Renewal;
use crate::experiment::kubernetes::LoadFrom;
use crate::experiment::{Experiment, pressure::Pressure};
use crate::lifecycle::Scope;
use crate::platform::Census;
use crate::platform::local::{load as local_load, spawn::Spawner};
use crate::receive::{CensusAnswer, CensusQuestion};
use aefm_workloads::interference::{InterferenceSample, InterferenceSpec, Kind};
use aefm_workloads::load::LoadSpec;
use async_trait::async_trait;
use deploy::Site;
use entrance::Way;
use forward::Forward;
use futures_util::FutureExt;
use interference::{Interference, Making};
use kubelet::Meter;
use pod::PodOptions;
use provenance::Made;
use serde_json::Value;
use sources::Sources;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use trouble::Baseline;
use tunnel::Tunnel;
use watched::has_ended;

/// Pods of a cluster. Fields end in the order in which they are written: ways into the cluster first.
pub struct Kubernetes {
    experiment: Experiment,
    survey: Survey,
    site: Site,
    options: PodOptions,
    seed: u64,
    /// The receiver's address within the cluster.
    receiver: String,
    /// The receiver's address for us.
    way: String,
    _tunnel: Tunnel,
    _forward: Forward,
    /// What leads to the application, where that is a process of ours.
    entrance: Option<Forward>,
    /// The way to the application's own Jaeger, where it has one.
    jaeger: Option<Way>,
    /// Prometheus and Jaeger that were in the cluster before.
    sources: Sources,
    /// Where requests go; nothing while the application is not up.
    url: String,
    /// The Service and port that they go to.
    entry: (Value, u16),
    application: Vec<Made>,
    baseline: Baseline,
    /// Services that tell how many spans they have, and where.
    services: Vec<(String, String)>,
    /// What kubelets tell of containers.
    meter: Meter,
    /// Warnings of other runs on the same nodes.
    others: Vec<String>,
    making: Making,
    interference: BTreeMap<Kind, Interference>,
    pressures: BTreeMap<Kind, Pressure>,
    spawner: Spawner,
    loads: u32,
    deployments: u32,
}

impl Kubernetes {
    /// A stressor of that kind, pressing on nothing yet.
    fn interference_spec(&self, kind: Kind) -> InterferenceSpec {
        let mut spec = InterferenceSpec::new(kind, 0.0);
        if let Some(pressure) = self.pressures.get(&kind) {
            pressure.unit.clone_into(&mut spec.unit);
            spec.options = pressure.options.clone();
        }
        spec.seed = self.seed;
        spec
    }

    /// Ends when the application, a stressor, or the receiver breaks.
    async fn trouble(&self) -> PlatformError {
        let stressors: Vec<(Kind, String)> = self
            .interference
            .iter()
            .flat_map(|(kind, interference)| {
                interference.names().map(|name| (*kind, name.to_owned()))
            })
            .collect();
        let mut state = self.site.watched.now();
        let mut found = None;
        let watching = state.wait_for(|objects| {
            let ended =
                |(_, name): &&(Kind, String)| watched::pod(objects, name).is_none_or(has_ended);
            found = if let Some(broken) = self.baseline.broken(objects) {
                Some((Scope::Environment, broken))
            } else {
                stressors.iter().find(ended).map(|(kind, name)| {
                    let what = format!("a stressor of {} ended", kind.name());
                    (
                        Scope::Case,
                        trouble::Broken {
                            what,
                            pod: watched::pod(objects, name).cloned(),
                        },
                    )
                })
            };
            found.is_some()
        });
        drop(watching.await);
        let Some((scope, broken)) = found else {
            return std::future::pending().await;
        };
        let about = match &broken.pod {
            Some(pod) => format!(": {}", self.site.explain(pod).await),
            None => String::new(),
        };
        let whole = if scope == Scope::Environment {
            "the application"
        } else {
            "interference"
        };
        PlatformError::new(
            scope,
            format!("keep {whole} up under load: {}{about}", broken.what),
        )
    }
}

#[async_trait]
impl Platform for Kubernetes {
    async fn bring_up(&mut self, renewal: Renewal) -> Result<String, PlatformError> {
        let failed = |error: &dyn std::fmt::Display| {
            PlatformError::new(Scope::Environment, error.to_string())
        };
        let whole = !self.url.is_empty()
            && self
                .baseline
                .broken(&self.site.watched.now().borrow())
                .is_none();
        match (renewal, whole) {
            (Renewal::Keep, true) => {}
            (Renewal::Auto | Renewal::Reload, true) => {
                self.reload().await.map_err(|error| failed(&error))?;
            }
            _ => self
                .restart()
                .await
                .map_err(|error| PlatformError::new(error.scope(), error.to_string()))?,
        }
        if self.experiment.environment.init_data {
            self.initialise().await.map_err(|reason| failed(&reason))?;
        }
        Ok(self.url.clone())
    }

    fn observe(&self, interval: Duration, _: Option<usize>) -> Result<Observer, String> {
        let namespace = &self.site.namespace;
        Ok(Observer::Kubelets(self.meter.begin(namespace, interval)))
    }

    fn endpoints(&self) -> Endpoints {
        let own = self.jaeger.as_ref().map(|way| way.url.clone());
        Endpoints {
            // One that the experiment names comes before the application's own.
            jaeger: self.sources.jaeger().or(own),
            prometheus: self.sources.prometheus(),
            pods: Some(format!("namespace=\"{}\"", self.site.namespace)),
        }
    }

    fn census(&self) -> CensusTaker {
        let (way, services) = (self.way.clone(), Arc::new(self.services.clone()));
        Arc::new(move |prefix| {
            let (way, services) = (way.clone(), Arc::clone(&services));
            async move {
                let question = CensusQuestion {
                    prefix,
                    services: services.to_vec(),
                };
                let answer: Result<CensusAnswer, _> =
                    crate::http::post_json(&way, "/census", &question).await;
                answer.unwrap_or_else(|reason| {
                    let silent = |(service, _): &(String, String)| Census {
                        service: service.clone(),
                        ended: Err(reason.clone()),
                        pending: 0,
                        dropped: 0,
                    };
                    services.iter().map(silent).collect()
                })
            }
            .boxed()
        })
    }

    async fn set_interference(
        &mut self,
        kind: Kind,
        intensity: f64,
    ) -> Result<Held, PlatformError> {
        let fault = |reason: String| PlatformError::new(Scope::Case, reason);
        let now = self.site.watched.now().borrow().clone();
        let lives = |name: &str| watched::pod(&now, name).is_some_and(|pod| !has_ended(pod));
        if let Some(broken) = self.interference.remove(&kind) {
            if broken.names().all(lives) {
                self.interference.insert(kind, broken);
            } else {
                broken.stop(&self.site).await;
            }
        }
        if !self.interference.contains_key(&kind) {
            let fresh =
                Interference::start(&self.site, &self.making, &self.interference_spec(kind)).await;
            self.interference.insert(kind, fresh.map_err(fault)?);
        }
        let interference = self
            .interference
            .get_mut(&kind)
            .ok_or_else(|| fault("find the stressors just started".to_owned()))?;
        interference
            .hold(&self.site, intensity)
            .await
            .map_err(fault)
    }

    fn stressors(&self) -> Vec<(Kind, String)> {
        let of = |(kind, interference): (&Kind, &Interference)| {
            let nodes = interference.nodes().map(|node| (*kind, node.to_owned()));
            nodes.collect::<Vec<_>>()
        };
        self.interference.iter().flat_map(of).collect()
    }

    async fn run_load(&mut self, spec: &LoadSpec, done: &(dyn Fn(u32) + Send + Sync)) -> LoadRun {
        match self.experiment.kubernetes.load {
            LoadFrom::Outside => local_load::run(&self.spawner, spec, done, self.trouble()).await,
            LoadFrom::Inside(pods) => {
                self.loads += 1;
                let name = format!("aefm-load-{}-{}", self.site.owner.id(), self.loads);
                load::run(self, spec, pods, &name, done).await
            }
        }
    }

    fn interference_between(&self, from_ns: i64, to_ns: i64) -> Vec<(String, InterferenceSample)> {
        self.interference
            .values()
            .flat_map(|interference| interference.between(from_ns, to_ns))
            .collect()
    }

    async fn clear_interference(&mut self) {
        for interference in std::mem::take(&mut self.interference).into_values() {
            interference.stop(&self.site).await;
        }
    }

    async fn tear_down(&mut self) {
        self.clear_interference().await;
        if let Err(error) = self.remove_application().await {
            tracing::error!("failed to {error}");
        }
        self.close().await;
    }

    fn describe(&self) -> Value {
        let mut described = self.survey.describe();
        described["namespace"] = self.site.namespace.clone().into();
        described["root"] = root::name(&self.site.owner).into();
        described["sources"] = self.sources.describe();
        described
    }

    fn warnings(&self) -> Vec<String> {
        let lacking = self.meter.lacking().cloned();
        let mut warnings: Vec<String> = lacking.into_iter().chain(self.others.clone()).collect();
        let inside = matches!(self.experiment.kubernetes.load, LoadFrom::Inside(_));
        if inside && self.survey.shared() {
            let node = self.survey.load.join(", ");
            warnings.push(format!(
                "load and components under test share {node}: interference delays the load generator, too"
            ));
        }
        if self.survey.testbed.len() < 2 && self.pressures.contains_key(&Kind::Network) {
            warnings
                .push("network interference on a single node talks to itself and never reaches the network".to_owned());
        }
        warnings
    }
}
