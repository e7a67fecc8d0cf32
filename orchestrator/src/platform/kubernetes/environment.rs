//! The application in the cluster: brought up from nothing, reloaded, given its initial data, taken away.

use super::application;
use super::cluster::name_of;
use super::deploy::{DeployError, pods_of};
use super::emulated::{self, Emulation};
use super::entrance::{self, Way};
use super::opening::OpenError;
use super::ownership::PURPOSE_LABEL;
use super::pod::PORT;
use super::provenance::Made;
use super::trouble::Baseline;
use super::watched::{Objects, pods};
use super::{Kubernetes, root};
use crate::experiment::kubernetes::{Entrance, LoadFrom, Source};
use crate::platform::local::data;
use aefm_workloads::catalogue::Application;
use aefm_workloads::graph::ServiceGraph;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The label value of the application's purpose.
const PURPOSE: &str = "application";
/// The port that Jaeger answers queries on, unless it is told otherwise.
const JAEGER_QUERY: u16 = 16_686;
/// The annotation whose change makes a workload start its pods anew.
const RELOADED: &str = "aefm.io/reloaded";

impl Kubernetes {
    /// Brings the application up from nothing.
    pub(super) async fn restart(&mut self) -> Result<(), OpenError> {
        self.regain_ground().await?;
        self.remove_application().await?;
        self.deployments += 1;
        match self.experiment.kubernetes.deploy {
            Source::Emulated => self.deploy_emulated().await?,
            Source::Catalogue | Source::Folder(_) => self.deploy_objects().await?,
        }
        self.enter().await
    }

    /// Starts the components under test anew; stores keep their data. Emulated services are all started anew, since their
    /// addresses are new then.
    pub(super) async fn reload(&mut self) -> Result<(), OpenError> {
        if self.experiment.kubernetes.deploy == Source::Emulated {
            return self.restart().await;
        }
        self.deployments += 1;
        let (testbed, infra) = (&self.survey.testbed, &self.survey.infra);
        let objects = application::objects(
            &self.experiment.app,
            &self.experiment.kubernetes,
            testbed,
            infra,
        )?;
        let kinds = ["Deployment", "StatefulSet", "DaemonSet"];
        let anew = json!({ RELOADED: self.deployments.to_string() });
        let fields = json!({ "spec": { "template": { "metadata": { "annotations": anew } } } });
        let mut reloaded = Vec::new();
        for made in &mut self.application {
            let object = made.object();
            let same = |other: &Value| {
                other["kind"] == object["kind"] && name_of(other) == name_of(object)
            };
            if kinds.iter().any(|kind| object["kind"] == *kind)
                && objects.under_test.iter().any(same)
            {
                *made = self.site.cluster.amend(made, fields.clone()).await?;
                reloaded.push(made.clone());
            }
        }
        let patience = self.experiment.kubernetes.ready;
        self.site
            .wait_ready("the components under test", &reloaded, patience)
            .await?;
        self.enter().await
    }

    /// Gives the application its initial data, where it has any and they are missing.
    pub(super) async fn initialise(&self) -> Result<(), String> {
        let app = &self.experiment.app;
        if Application::by_name(app)
            .map_err(|error| error.to_string())?
            .data
            .is_none()
        {
            return Ok(());
        }
        let (service, port) = &self.entry;
        let way = entrance::from_outside(
            &self.site,
            &Entrance::PortForward,
            service,
            *port,
            Duration::ZERO,
        )
        .await;
        let way = way.map_err(|error| error.to_string())?;
        data::initialise(&self.spawner, app, &[], &way.url).await
    }

    /// Takes the application away and waits until it is gone.
    pub(super) async fn remove_application(&mut self) -> Result<(), DeployError> {
        self.entrance = None;
        self.jaeger = None;
        self.url.clear();
        self.baseline = Baseline::default();
        self.services.clear();
        self.site.remove(&self.application).await?;
        self.application.clear();
        Ok(())
    }

    /// Finds the way to the application that is up now, and remembers how it is.
    async fn enter(&mut self) -> Result<(), OpenError> {
        let kubernetes = &self.experiment.kubernetes;
        let (service, port) = &self.entry;
        let way = match (kubernetes.load, self.address_of_entry()) {
            (LoadFrom::Inside(_), Some(address)) => Way {
                url: format!("http://{address}"),
                forward: None,
            },
            (LoadFrom::Inside(_), None) => Way {
                url: entrance::from_inside(service, *port),
                forward: None,
            },
            (LoadFrom::Outside, _) => {
                entrance::from_outside(
                    &self.site,
                    &kubernetes.entrance,
                    service,
                    *port,
                    kubernetes.ready,
                )
                .await?
            }
        };
        (self.url, self.entrance) = (way.url, way.forward);
        if !self.experiment.is_emulated() {
            self.jaeger = self.find_jaeger().await;
            self.find_another_jaeger().await;
        }
        let now = self.site.watched.now().borrow().clone();
        let own = self
            .application
            .iter()
            .flat_map(|made| pods_of(&now, made.object()));
        self.baseline = Baseline::of(own.chain(root::pod(&now)));
        Ok(())
    }

    /// Where emulated services send their spans: where they are gathered from.
    fn otlp(&self) -> String {
        let told = self
            .experiment
            .collect
            .jaeger
            .as_ref()
            .and_then(|jaeger| jaeger.otlp.clone());
        let told = told.or_else(|| self.sources.otlp().cloned());
        told.unwrap_or_else(|| format!("http://{}", self.receiver))
    }

    /// The way to the Jaeger that came with the application, if one did.
    async fn find_jaeger(&self) -> Option<Way> {
        let known = Application::by_name(&self.experiment.app)
            .ok()
            .map(|application| application.traces.store.query_port);
        let port = known.unwrap_or(JAEGER_QUERY);
        let serves = |object: &&Value| {
            let ports = object["spec"]["ports"].as_array();
            object["kind"] == "Service"
                && ports
                    .into_iter()
                    .flatten()
                    .any(|there| there["port"] == port)
        };
        let service = self.application.iter().map(Made::object).find(serves)?;
        let way = entrance::from_outside(
            &self.site,
            &Entrance::PortForward,
            service,
            port,
            Duration::ZERO,
        )
        .await;
        way.inspect_err(|error| tracing::warn!("failed to {error}"))
            .ok()
    }

    /// Where the application brought no Jaeger along and none is named, one of the cluster's may have its traces.
    async fn find_another_jaeger(&mut self) {
        let named = self
            .experiment
            .collect
            .jaeger
            .as_ref()
            .is_none_or(|jaeger| jaeger.url.is_some());
        if named || self.jaeger.is_some() || self.sources.jaeger().is_some() {
            return;
        }
        if let Err(error) = self
            .sources
            .find_jaeger(&self.survey.cluster, &self.site.namespace)
            .await
        {
            tracing::warn!("failed to {error}");
        }
    }

    /// The pod's own address, where the entry is an emulated service.
    fn address_of_entry(&self) -> Option<&String> {
        let name = self.entry.0["metadata"]["name"].as_str()?;
        self.services
            .iter()
            .find(|(service, _)| service == name)
            .map(|(_, address)| address)
    }

    /// Brings the emulated services up, each when those that it calls have addresses.
    async fn deploy_emulated(&mut self) -> Result<(), OpenError> {
        let kubernetes = &self.experiment.kubernetes;
        let graph = ServiceGraph::of_app(&self.experiment.app)?;
        let emulation = Emulation {
            options: self.options.clone(),
            app: self.experiment.app.clone(),
            limits: kubernetes.limits.clone(),
            nodes: self.survey.testbed.clone(),
            otlp: self.otlp(),
            seed: self.seed,
            entry: (graph.entry().to_owned(), entrance::service_type(kubernetes)),
        };
        let mut addresses: BTreeMap<String, String> = BTreeMap::new();
        for step in emulated::steps(&graph) {
            let mut objects = Vec::new();
            for service in &step {
                let peers = graph.children(service).into_iter();
                let peers = peers
                    .filter_map(|child| Some((child.to_owned(), addresses.get(child)?.clone())));
                objects.extend(emulated::objects(&emulation, service, peers.collect())?);
            }
            let known = self.application.len();
            self.site
                .make(objects, PURPOSE, &mut self.application)
                .await?;
            self.site
                .wait_ready(
                    &format!("services {}", step.join(", ")),
                    &self.application[known..],
                    kubernetes.ready,
                )
                .await?;
            for service in step {
                // That it is ready and where it is may come one after the other.
                let deadline = Instant::now() + ADDRESS;
                let found = |objects: &Objects| address_of(objects, &service);
                let address = self.site.watched.until(deadline, found).await;
                let address = address.ok_or_else(|| OpenError::NoAddress(service.clone()))?;
                addresses.insert(service, format!("{address}:{PORT}"));
            }
        }
        self.entry = (self.service(graph.entry())?, PORT);
        self.services = addresses.into_iter().collect();
        Ok(())
    }

    /// Brings the catalogue's application or the user's own up: infrastructure first.
    async fn deploy_objects(&mut self) -> Result<(), OpenError> {
        let kubernetes = &self.experiment.kubernetes;
        let (testbed, infra) = (&self.survey.testbed, &self.survey.infra);
        let mut objects = application::objects(&self.experiment.app, kubernetes, testbed, infra)?;
        let time = format!("{}-{}", self.site.owner.id(), self.deployments);
        application::renew_volumes(&mut objects.infra, &time);
        application::renew_volumes(&mut objects.under_test, &time);
        for (what, part) in [
            ("the infrastructure", objects.infra),
            ("the components under test", objects.under_test),
        ] {
            let known = self.application.len();
            self.site.make(part, PURPOSE, &mut self.application).await?;
            self.site
                .wait_ready(what, &self.application[known..], kubernetes.ready)
                .await?;
        }
        let (name, port) = match &kubernetes.entry {
            Some(entry) => entry.clone(),
            None => {
                let entry = Application::by_name(&self.experiment.app)?.entry;
                (entry.component, entry.port)
            }
        };
        self.entry = (self.service(&name)?, port);
        Ok(())
    }

    /// The Service of that name, among what was deployed.
    fn service(&self, name: &str) -> Result<Value, OpenError> {
        let called =
            |object: &&Value| object["kind"] == "Service" && object["metadata"]["name"] == name;
        self.application
            .iter()
            .map(Made::object)
            .find(called)
            .cloned()
            .ok_or_else(|| OpenError::NoEntry(name.to_owned()))
    }
}

/// How long the address of a service that is ready is waited for.
const ADDRESS: Duration = Duration::from_secs(30);

/// The address of a service's pod. One that was evicted may still be there, without any.
fn address_of(objects: &Objects, service: &str) -> Option<String> {
    let own = |pod: &&Value| {
        let labels = &pod["metadata"]["labels"];
        labels["app.kubernetes.io/name"] == service && labels[PURPOSE_LABEL] == PURPOSE
    };
    let alive = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    let runs = |pod: &&Value| alive(pod) && pod["status"]["phase"] != "Failed";
    let mut addresses = pods(objects)
        .filter(own)
        .filter(runs)
        .filter_map(|pod| pod["status"]["podIP"].as_str());
    addresses.next().map(str::to_owned)
}
