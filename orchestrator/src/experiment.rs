//! The experiment: what a user writes, checked whole before anything starts.

pub mod access;
pub mod application;
pub mod axes;
pub mod collect;
pub mod data;
pub mod environment;
pub mod fault;
pub mod file;
mod keys;
pub mod kubernetes;
pub mod node;
pub mod pressure;
mod request;
mod section;
pub mod tables;
mod written;

use aefm_workloads::catalogue::{Application, names};
use aefm_workloads::graph::ServiceGraph;
use aefm_workloads::interference::Kind;
use aefm_workloads::load::{Arrival, TraceContext, Written};
use aefm_workloads::matrix::{Axis, Shuffle};
use aefm_workloads::mix::Workload;
use application::ExternalApplication;
use collect::{Collect, JaegerSource};
use data::Data;
use environment::Environment;
use fault::{Faults, Place, way_out};
use kubernetes::{Kubernetes, Source};
use pressure::Pressure;
use section::Section;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The experiment that runs when no file is named, as its commented source.
pub const DEFAULT: &str = include_str!("experiment/default.yaml");

/// Platforms an experiment may run on.
const PLATFORMS: &[(&str, PlatformKind)] = &[
    ("local", PlatformKind::Local),
    ("kubernetes", PlatformKind::Kubernetes),
];
const ARRIVALS: &[(&str, Arrival)] = &[
    ("constant", Arrival::Constant),
    ("poisson", Arrival::Poisson),
];
const SHUFFLES: &[(&str, Shuffle)] = &[
    ("blocks", Shuffle::Blocks),
    ("full", Shuffle::Full),
    ("none", Shuffle::None),
];

/// A checked experiment. It can only come out of [`Experiment::read`].
#[derive(Clone, Debug, Serialize)]
pub struct Experiment {
    /// Its name: the folder of its runs.
    pub name: String,
    /// Where it runs.
    pub platform: PlatformKind,
    /// The application: its name in the catalogue, or any other one for an application that is named in `application`.
    pub app: String,
    /// Where it runs already, if nothing is to be brought up.
    pub application: Option<ExternalApplication>,
    /// What is sent: the name of a native workload, `script:PATH` or `scenario:PATH` for one of the user's own, and for
    /// requests of the file itself, or none at all, what they are: `GET /`.
    pub workload: String,
    /// The requests of the file itself; a script or scenario once [`Experiment::read_written`] has read it.
    pub written: Option<Written>,
    /// Seed of everything drawn; drawn itself when absent.
    pub seed: Option<u64>,
    /// In which order the cases run.
    pub shuffle: Shuffle,
    /// Axes, innermost first.
    #[serde(skip)]
    pub axes: Vec<Axis>,
    /// How each kind of interference that is an axis is made.
    pub interference: BTreeMap<Kind, Pressure>,
    /// What becomes of the application when the run begins and when an axis changes.
    pub environment: Environment,
    /// The load of each case.
    pub load: Load,
    /// What is gathered, and how.
    pub collect: Collect,
    /// Cores of this machine (platform `local`).
    pub local: Local,
    /// The cluster (platform `kubernetes`).
    pub kubernetes: Kubernetes,
    /// Where datasets go.
    pub data: Data,
}

/// Where an experiment runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlatformKind {
    /// Processes on this machine.
    Local,
    /// Pods of a cluster.
    Kubernetes,
}

/// The load of each case; its rate is an axis.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    /// Arrival process.
    pub arrival: Arrival,
    /// Connections held open.
    pub connections: u32,
    /// Warm-up before each measured phase.
    pub warmup: Duration,
    /// Measured phase.
    pub duration: Duration,
    /// When a request is given up.
    pub timeout: Duration,
    /// How long answers are awaited after the last intended time.
    pub grace: Duration,
    /// The share of the measured phase's requests that must be answered ok, 0 to 1; at 0 whatever comes is fine.
    pub min_ok: f64,
}

/// How this machine's cores are shared out. Empty lists: chosen by the platform.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Local {
    /// Cores of `aefm`, its receiver and the load.
    pub instrument_cores: Vec<usize>,
    /// Cores of the services and stressors: the testbed node.
    pub testbed_cores: Vec<usize>,
    /// Where the application is entered, `127.0.0.1:5000`; without it the system chooses a port.
    pub entrance: Option<SocketAddr>,
}

impl Experiment {
    /// The trace context that requests carry.
    #[must_use]
    pub fn trace_context(&self) -> TraceContext {
        match &self.application {
            Some(application) => application.trace,
            None if self.is_emulated() => TraceContext::W3c,
            None => Application::by_name(&self.app)
                .map_or(TraceContext::W3c, |known| known.traces.header.context()),
        }
    }

    /// The service by which traces of the load are found, where they must be searched for.
    #[must_use]
    pub fn entry_service(&self) -> Option<String> {
        if self.is_emulated() {
            // An emulated application is entered where its graph says.
            return ServiceGraph::of_app(&self.app)
                .ok()
                .map(|graph| graph.entry().to_owned());
        }
        Application::by_name(&self.app)
            .ok()
            .map(|application| application.traces.entry_service)
    }

    /// The native workload that is sent, if it is one.
    #[must_use]
    pub fn native_workload(&self) -> Option<String> {
        Workload::by_name(&self.workload)
            .filter(|_| self.written.is_none())
            .map(|workload| workload.name.to_owned())
    }

    /// Whether its services are those that AEFM emulates.
    #[must_use]
    pub fn is_emulated(&self) -> bool {
        is_emulated(self.platform, self.application.is_some(), &self.kubernetes)
    }

    /// Reads and checks a whole experiment file. `handled` tells which custom axes a handler acts on.
    ///
    /// # Errors
    /// All faults of the file at once.
    pub fn read(text: &str, handled: &dyn Fn(&str) -> bool) -> Result<Self, Faults> {
        Self::read_tree(&node::parse(text)?, handled)
    }

    /// As [`Experiment::read`], of a tree that was put together before.
    ///
    /// # Errors
    /// All its faults at once.
    pub fn read_tree(root: &node::Located, handled: &dyn Fn(&str) -> bool) -> Result<Self, Faults> {
        let faults = RefCell::new(Faults::default());
        if root.node == node::Node::Null {
            let mut faults = faults.into_inner();
            let message = "the file says nothing: `aefm init` writes one to start from";
            faults.add(Place { line: 1, column: 1 }, message);
            return Err(faults);
        }
        let top = Section::new("", root, &faults);
        let experiment = Self::from_section(&top, handled);
        top.finish();
        let faults = faults.into_inner();
        if faults.is_empty() {
            Ok(experiment)
        } else {
            Err(faults)
        }
    }

    /// Reads the script or scenario that the workload names, if it is one, and finds the folders of what is deployed;
    /// relative paths start from `folder`.
    ///
    /// # Errors
    /// It cannot be read, or is no scenario; says where.
    pub fn read_written(&mut self, folder: &Path) -> Result<(), String> {
        if self.written.is_none() {
            self.written = written::read(&self.workload, folder)?;
        }
        if let Source::Folder(manifests) = &mut self.kubernetes.deploy {
            *manifests = folder.join(&manifests);
        }
        if let Some(configs) = &mut self.kubernetes.nginx_configs {
            *configs = folder.join(&configs);
        }
        Ok(())
    }

    fn from_section(top: &Section<'_>, handled: &dyn Fn(&str) -> bool) -> Self {
        let axes = axes::read(top, handled);
        let platform = top.read("platform", PlatformKind::Local, section::one_of(PLATFORMS));
        let typed = top.read("app", None, |node| application::name(node).map(Some));
        let application = application::read(top, typed.as_deref(), platform);
        let app = application::label(top, typed, application.as_ref());
        let sent = sent(top, &app, application.as_ref());
        let is_ours = application.is_none();
        let kubernetes = kubernetes::read(top);
        let is_emulated = is_emulated(platform, !is_ours, &kubernetes);
        let mut collect = collect::read(top, platform, is_emulated);
        if is_ours && !is_emulated && collect.jaeger.is_none() {
            // The real applications come with one, which the platform finds.
            collect.jaeger = Some(JaegerSource::default());
        }
        let environment = environment::read(top, &axes, is_ours);
        if !is_ours {
            application::check(top, &environment);
        }
        Self {
            interference: pressure::read(top, &axes),
            name: top.read("experiment", "experiment".to_owned(), folder_name),
            platform,
            application,
            workload: sent.0,
            written: sent.1,
            seed: top.read("seed", None, |node| section::count(0)(node).map(Some)),
            shuffle: top.read("shuffle", Shuffle::default(), shuffle),
            environment,
            axes,
            load: load(top),
            collect,
            local: local(top),
            kubernetes,
            data: top.read("data", Data::default(), |node| {
                Data::read(&section::text(node)?)
            }),
            app,
        }
    }
}

fn is_emulated(platform: PlatformKind, external: bool, kubernetes: &Kubernetes) -> bool {
    !external
        && (platform == PlatformKind::Local || kubernetes.deploy == kubernetes::Source::Emulated)
}

/// `true` and `false` are what files said before there was a choice.
fn shuffle(node: &node::Node) -> Result<Shuffle, String> {
    match node {
        node::Node::Bool(true) => Ok(Shuffle::Blocks),
        node::Node::Bool(false) => Ok(Shuffle::None),
        other => section::one_of(SHUFFLES)(other),
    }
}

fn folder_name(node: &node::Node) -> Result<String, String> {
    let name = section::text(node)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.chars().all(plain) && !name.starts_with('.') {
        Ok(name)
    } else {
        Err(format!(
            "`{name}` becomes a folder: use letters, digits, `-`, `_` and `.`, not beginning with `.`"
        ))
    }
}

/// What is sent: its label, and the requests of the file itself if there are any.
fn sent(
    top: &Section<'_>,
    app: &str,
    application: Option<&ExternalApplication>,
) -> (String, Option<Written>) {
    let own = top.get("request").is_some();
    if let (true, Some(located)) = (own, top.get("workload")) {
        top.fault(
            located.place,
            "`workload` and `request` both say what is sent: write one of them",
        );
    }
    if own {
        let requests = request::read(top);
        return requests.map_or_else(Default::default, |requests| {
            (requests.label, Some(requests.written))
        });
    }
    let unnamed = match application {
        Some(application) if !application::is_known(app) => application.get(),
        _ => format!("{app}/mixed"),
    };
    let name = top.read("workload", unnamed, |node| {
        workload(app, &section::text(node)?)
    });
    (name, None)
}

/// The name of a workload: one of the application's own, unless nothing is known of the application.
fn workload(app: &str, name: &str) -> Result<String, String> {
    // The original's names for its scripts are those of native workloads, as scripts, too.
    let name = match name.strip_prefix("script:").and_then(names::workload) {
        Some(native) => native,
        None => name,
    };
    if written::named(name).is_some() {
        return Ok(name.to_owned());
    }
    let full = if name.contains('/') {
        name.to_owned()
    } else {
        format!("{app}/{name}")
    };
    match Workload::by_name(&full) {
        Some(known) if known.app() == app || !application::is_known(app) => {
            Ok(known.name.to_owned())
        }
        Some(_) => Err(format!(
            "workload `{full}` is not one of application `{app}`"
        )),
        None => Err(format!(
            "unknown workload `{name}`{}",
            way_out(&full, Workload::ALL.iter().map(|known| known.name))
        )),
    }
}

fn load(top: &Section<'_>) -> Load {
    let mut load = Load {
        arrival: Arrival::Constant,
        connections: 16,
        warmup: Duration::from_secs(1),
        duration: Duration::from_secs(10),
        timeout: Duration::from_secs(2),
        grace: Duration::ZERO,
        min_ok: 0.5,
    };
    let Some(section) = top.section("load") else {
        return load;
    };
    load.arrival = section.read("arrival", load.arrival, section::one_of(ARRIVALS));
    let connections = section.read(
        "connections",
        u64::from(load.connections),
        section::count(1),
    );
    load.connections = u32::try_from(connections).unwrap_or(u32::MAX);
    load.warmup = section.read("warmup", load.warmup, section::duration(Duration::ZERO));
    load.duration = section.read(
        "duration",
        load.duration,
        section::duration(Duration::from_secs(1)),
    );
    load.timeout = section.read(
        "timeout",
        load.timeout,
        section::duration(Duration::from_millis(1)),
    );
    load.grace = section.read("grace", load.grace, section::duration(Duration::ZERO));
    load.min_ok = section.read("min_ok", load.min_ok, section::share);
    section.finish();
    load
}

fn local(top: &Section<'_>) -> Local {
    let mut local = Local::default();
    let Some(section) = top.section("local") else {
        return local;
    };
    local.instrument_cores = section.read("instrument_cores", Vec::new(), cores);
    local.testbed_cores = section.read("testbed_cores", Vec::new(), cores);
    local.entrance = section.read("entrance", None, |node| address(node).map(Some));
    if local.instrument_cores.is_empty() != local.testbed_cores.is_empty() {
        section.fault(
            section.place(),
            "`local` names the cores of one side only: name both, or neither",
        );
    }
    section.finish();
    local
}

fn address(node: &node::Node) -> Result<SocketAddr, String> {
    let typed = section::text(node)?;
    let wrong =
        || format!("`{typed}` is not an address and port of this machine, such as 127.0.0.1:5000");
    typed
        .parse()
        .ok()
        .filter(|address: &SocketAddr| address.ip().is_loopback())
        .ok_or_else(wrong)
}

fn cores(node: &node::Node) -> Result<Vec<usize>, String> {
    let node::Node::List(items) = node else {
        return Err(format!(
            "a list of cores such as [0, 1] is wanted, not {node}"
        ));
    };
    if items.is_empty() {
        return Err("at least one core is wanted".to_owned());
    }
    let core = |item: &node::Located| {
        section::count(0)(&item.node)
            .and_then(|core| usize::try_from(core).map_err(|error| error.to_string()))
    };
    items.iter().map(core).collect()
}

#[cfg(test)]
mod tests;
