//! The `local` platform: the application, the load and the stressors are child processes, started from this executable.

mod child;
pub(super) mod data;
mod external;
pub(super) mod load;
pub mod placement;
mod services;
pub(super) mod spawn;
mod stressor;

pub(crate) use spawn::die_with_thread;

use super::{CensusTaker, Held, LoadRun, Observer, Platform, PlatformError, reach};
use crate::experiment::Experiment;
use crate::experiment::application::ExternalApplication;
use crate::experiment::environment::Renewal;
use crate::experiment::pressure::Pressure;
use crate::lifecycle::Scope;
use aefm_collector::proc::{Sampler, SamplerOptions};
use aefm_workloads::interference::{InterferenceSample, InterferenceSpec, Kind};
use aefm_workloads::load::LoadSpec;
use async_trait::async_trait;
use placement::Placement;
use services::Services;
use spawn::Spawner;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use stressor::Stressor;

/// How long a child may take to end itself before it is made to.
const PATIENCE: Duration = Duration::from_millis(500);

/// No stressor takes a longer one.
const MAX_DEADLINE_MS: u64 = 24 * 3600 * 1000;

/// Processes on this machine, which is the one testbed node.
pub struct Local {
    app: String,
    /// One that runs already and is left as it is.
    application: Option<ExternalApplication>,
    node: String,
    seed: u64,
    /// What the stressors take for the end of the world, should nobody stop them.
    deadline: Duration,
    otlp: String,
    entrance: Option<SocketAddr>,
    init_data: bool,
    placement: Placement,
    interference: BTreeMap<Kind, Pressure>,
    spawner: Spawner,
    services: Services,
    stressors: BTreeMap<Kind, Stressor>,
}

impl Local {
    /// A platform on which nothing runs yet. `otlp` is the URL that services send their spans to.
    ///
    /// # Errors
    /// When the spawner thread cannot be started.
    pub fn new(
        experiment: &Experiment,
        placement: Placement,
        seed: u64,
        deadline: Duration,
        otlp: String,
    ) -> std::io::Result<Self> {
        Ok(Self {
            app: experiment.app.clone(),
            application: experiment.application.clone(),
            node: node_name(),
            seed,
            deadline,
            otlp,
            entrance: experiment.local.entrance,
            init_data: experiment.environment.init_data,
            placement,
            interference: experiment.interference.clone(),
            spawner: Spawner::start()?,
            services: Services::default(),
            stressors: BTreeMap::new(),
        })
    }

    /// A stressor of that kind on the testbed's cores, pressing on nothing yet.
    fn interference_spec(&self, kind: Kind) -> InterferenceSpec {
        let mut spec = InterferenceSpec::new(kind, 0.0);
        if let Some(pressure) = self.interference.get(&kind) {
            pressure.unit.clone_into(&mut spec.unit);
            spec.options = pressure.options.clone();
        }
        spec.cores.clone_from(&self.placement.testbed);
        spec.deadline_ms = u64::try_from(self.deadline.as_millis())
            .unwrap_or(u64::MAX)
            .min(MAX_DEADLINE_MS);
        spec.seed = self.seed;
        spec
    }

    /// Starts the services anew, or leaves them as they are; returns their entrance.
    async fn serve(&mut self, renewal: Renewal) -> Result<String, String> {
        if renewal != Renewal::Keep || !self.services.all_run() {
            std::mem::take(&mut self.services).stop(PATIENCE).await;
            self.services = Services::start(self).await?;
        }
        Ok(self.services.entrance())
    }

    /// Where a service listens: the system chooses a port, but for an entrance that the user fixed.
    fn listen(&self, is_entry: bool) -> String {
        let fixed = self.entrance.filter(|_| is_entry);
        fixed.map_or_else(|| "127.0.0.1:0".to_owned(), |address| address.to_string())
    }
}

#[async_trait]
impl Platform for Local {
    /// The emulated services keep their data in memory: a reload empties them as a restart does.
    async fn bring_up(&mut self, renewal: Renewal) -> Result<String, PlatformError> {
        let fault = |reason| PlatformError::new(Scope::Environment, reason);
        let entrance = match &self.application {
            Some(application) => reach::answers(&application.url).await.map_err(fault)?,
            None => self.serve(renewal).await.map_err(fault)?,
        };
        if self.init_data {
            data::initialise(
                &self.spawner,
                &self.app,
                &self.placement.instrument,
                &entrance,
            )
            .await
            .map_err(fault)?;
        }
        Ok(entrance)
    }

    fn observe(&self, interval: Duration, core: Option<usize>) -> Result<Observer, String> {
        let subjects = match &self.application {
            Some(application) => external::processes(&application.processes),
            None => self.services.subjects(),
        };
        let options = SamplerOptions {
            interval,
            ..SamplerOptions::new(&self.node, &subjects, core)
        };
        Sampler::start(options)
            .map(Observer::Machine)
            .map_err(|error| error.to_string())
    }

    fn census(&self) -> CensusTaker {
        self.services.census()
    }

    async fn set_interference(
        &mut self,
        kind: Kind,
        intensity: f64,
    ) -> Result<Held, PlatformError> {
        let fault = |reason: String| PlatformError::new(Scope::Case, reason);
        let gone = self.stressors.get(&kind).is_none_or(Stressor::ended);
        if gone {
            self.stressors.remove(&kind);
            let fresh = Stressor::start(&self.spawner, self.interference_spec(kind))
                .await
                .map_err(fault)?;
            self.stressors.insert(kind, fresh);
        }
        let stressor = self
            .stressors
            .get_mut(&kind)
            .ok_or_else(|| fault("find the stressor just started".to_owned()))?;
        stressor.set(intensity).await.map_err(fault)
    }

    fn stressors(&self) -> Vec<(Kind, String)> {
        self.stressors
            .keys()
            .map(|kind| (*kind, self.node.clone()))
            .collect()
    }

    async fn run_load(&mut self, spec: &LoadSpec, done: &(dyn Fn(u32) + Send + Sync)) -> LoadRun {
        let mut spec = spec.clone();
        spec.cores = self.placement.instrument.clone();
        // One worker can send more than the testbed can take, and a core stays free for the receiver where there is one.
        spec.cores.truncate(1);
        load::run(&self.spawner, &spec, done, load::trouble(self)).await
    }

    fn interference_between(&self, from_ns: i64, to_ns: i64) -> Vec<(String, InterferenceSample)> {
        let samples = self
            .stressors
            .values()
            .flat_map(|stressor| stressor.between(from_ns, to_ns));
        samples.map(|sample| (self.node.clone(), sample)).collect()
    }

    async fn clear_interference(&mut self) {
        for stressor in std::mem::take(&mut self.stressors).into_values() {
            stressor.stop(PATIENCE).await;
        }
    }

    async fn tear_down(&mut self) {
        self.clear_interference().await;
        std::mem::take(&mut self.services).stop(PATIENCE).await;
    }

    fn describe(&self) -> serde_json::Value {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map(|(_, model)| model.trim());
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        serde_json::json!({
            "node": self.node,
            "cpu_model": model,
            "kernel": kernel.trim(),
            "placement": self.placement,
        })
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.placement.shared() {
            let shared =
                "instrument and testbed share a core: interference delays the load generator, too";
            warnings.push(shared.to_owned());
        }
        if let Some(application) = &self.application {
            warnings.extend(external::absent(&application.processes));
        }
        warnings
    }
}

fn node_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".to_owned())
}
