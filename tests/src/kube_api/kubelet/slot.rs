//! The place of one container in its pod: started when it may, started again when it must, asked whether it is ready.

use super::super::cluster::Cluster;
use super::super::store::{number, text};
use super::status::{State, View};
use super::{Container, Image, probe, start};
use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The first pause before a container is started again; it doubles, up to the second.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Where a pod is.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) folder: PathBuf,
    pub(super) address: String,
}

/// A container, from before its first start on.
pub(super) struct Slot {
    spec: Value,
    pub(super) view: View,
    pub(super) container: Option<Arc<Container>>,
    /// Of a container that only pretends: what it is told.
    told: Option<mpsc::UnboundedReceiver<Signal>>,
    /// The reason of its end, if a test has made it.
    pub(super) fate: Option<&'static str>,
    /// An event that is still to be told.
    pub(super) warning: Option<(&'static str, String)>,
    not_before: Instant,
    next_probe: Option<Instant>,
    failed_probes: i64,
}

impl Slot {
    pub(super) fn new(spec: &Value) -> Self {
        let text = |field: &str| text(spec, field).to_owned();
        let state = State::Waiting("ContainerCreating", String::new());
        let view = View {
            name: text("/name"),
            image: text("/image"),
            state,
            last: None,
            restarts: 0,
            ready: false,
        };
        let not_before = Instant::now();
        Self {
            spec: spec.clone(),
            view,
            container: None,
            told: None,
            fate: None,
            warning: None,
            not_before,
            next_probe: None,
            failed_probes: 0,
        }
    }

    /// Notices its end, and what the restart policy makes of it.
    pub(super) fn look(&mut self, policy: &str) {
        if let (Some(container), Some(told)) = (&self.container, &mut self.told)
            && container.code().is_none()
            && let Ok(signal) = told.try_recv()
        {
            container.end(128 + signal as i32);
        }
        let (State::Running(begun), Some(code)) = (
            &self.view.state,
            self.container.as_ref().and_then(|one| one.code()),
        ) else {
            return;
        };
        let reason = self
            .fate
            .take()
            .unwrap_or(if code == 0 { "Completed" } else { "Error" });
        let ended = State::Ended {
            code,
            reason,
            begun: *begun,
            ended: Timestamp::now(),
        };
        self.view.ready = false;
        self.next_probe = None;
        if policy == "Always" || (policy == "OnFailure" && code != 0) {
            let pause = PAUSE
                .saturating_mul(2_u32.saturating_pow(self.view.restarts))
                .min(PAUSE_MAX);
            self.not_before = Instant::now() + pause;
            self.view.last = Some(ended);
            let message = format!(
                "back-off {}ms restarting failed container={}",
                pause.as_millis(),
                self.view.name
            );
            self.warning = Some((
                "BackOff",
                format!("Back-off restarting failed container {}", self.view.name),
            ));
            self.view.state = State::Waiting("CrashLoopBackOff", message);
        } else {
            self.view.state = ended;
        }
    }

    /// Starts it if it is not, and asks whether it is ready if it runs.
    pub(super) async fn advance(
        &mut self,
        cluster: &Cluster,
        pod: &Value,
        uid: &str,
        setting: &Setting,
    ) {
        match self.view.state {
            State::Waiting(..) if Instant::now() >= self.not_before => {
                self.start(cluster, pod, uid, setting);
            }
            State::Running(_) => self.probe(&setting.address).await,
            _ => {}
        }
    }

    fn start(&mut self, cluster: &Cluster, pod: &Value, uid: &str, setting: &Setting) {
        let made = match cluster.kubelet.image(&self.view.image) {
            Image::Missing => Err(self.missing()),
            Image::Pretend => Ok(self.pretend(None)),
            Image::Ends(code) => Ok(self.pretend(Some(code))),
            Image::Program(program) => cluster
                .read(|store| {
                    let Setting { folder, address } = setting;
                    start::start(
                        store,
                        pod,
                        &self.spec,
                        &program,
                        folder,
                        address,
                        cluster.kubelet.port(),
                    )
                })
                .map_err(|error| ("CreateContainerConfigError", error))
                .and_then(|start| {
                    Container::started(&start).map_err(|error| ("RunContainerError", error))
                }),
        };
        match made {
            Ok(container) => {
                cluster
                    .kubelet
                    .set_container(uid, &self.view.name, container.clone());
                self.view.restarts += u32::from(self.view.last.is_some());
                self.view.state = State::Running(Timestamp::now());
                self.container = Some(container);
                self.failed_probes = 0;
                let delay = number(&self.spec, "/readinessProbe/initialDelaySeconds").unwrap_or(0);
                self.next_probe =
                    Some(Instant::now() + Duration::from_secs(u64::try_from(delay).unwrap_or(0)));
            }
            Err((reason, message)) => {
                self.not_before = Instant::now() + PAUSE;
                self.warning = Some(("Failed", format!("Error: {reason}: {message}")));
                self.view.state = State::Waiting(reason, message);
            }
        }
    }

    fn pretend(&mut self, code: Option<i32>) -> Arc<Container> {
        let (container, told) = Container::pretended(code);
        self.told = Some(told);
        Arc::new(container)
    }

    fn missing(&self) -> (&'static str, String) {
        let image = &self.view.image;
        if text(&self.spec, "/imagePullPolicy") == "Never" {
            return (
                "ErrImageNeverPull",
                format!("Container image \"{image}\" is not present with pull policy of Never"),
            );
        }
        (
            "ImagePullBackOff",
            format!("Back-off pulling image \"{image}\": not found"),
        )
    }

    async fn probe(&mut self, address: &str) {
        if self.next_probe.is_none_or(|at| Instant::now() < at) {
            return;
        }
        let period = number(&self.spec, "/readinessProbe/periodSeconds").unwrap_or(10);
        self.next_probe =
            Some(Instant::now() + Duration::from_secs(u64::try_from(period).unwrap_or(10)));
        // A container that only pretends has no port to ask.
        if self.told.is_some() || probe::passes(&self.spec, address).await {
            self.view.ready = true;
            self.failed_probes = 0;
        } else {
            self.failed_probes += 1;
            if self.failed_probes
                >= number(&self.spec, "/readinessProbe/failureThreshold").unwrap_or(3)
            {
                self.view.ready = false;
            }
        }
    }
}
