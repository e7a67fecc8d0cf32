//! Starts services as processes of their own and ends them, whatever becomes of the test.

use aefm_workloads::graph::ServiceGraph;
use aefm_workloads::testbed::{STATS_PATH, ServiceReady, ServiceSpec, TestbedStats};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const ARGS: &str = "AEFM_TESTBED_ARGS";

/// Long enough for any machine; a test that waits so long fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Becomes the service, or the initialisation of data, that the environment names, if it does.
#[expect(
    clippy::disallowed_methods,
    reason = "this process is the service's main"
)]
pub(crate) fn become_service() {
    let Ok(args) = std::env::var(ARGS) else {
        return;
    };
    let words = || args.split_whitespace().map(Into::into);
    let code = match args.split_whitespace().next() {
        Some("init-data") => aefm_testbed::init_data::cli::run(words()),
        _ => aefm_testbed::cli::run(std::iter::once("aefm-testbed".into()).chain(words())),
    };
    // An exit code cannot be asked for its number, so it is found among those that are documented.
    let number = (0..=2).find(|&number| {
        format!("{:?}", std::process::ExitCode::from(number)) == format!("{code:?}")
    });
    std::process::exit(number.map_or(99, i32::from));
}

/// A running service.
pub(crate) struct Service {
    pub(crate) ready: ServiceReady,
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
}

/// Starts this executable as a service with these arguments.
pub(crate) fn spawn(args: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "service_process", "--nocapture"])
        .env(ARGS, args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

impl Service {
    /// Starts a service and waits for its address.
    pub(crate) fn start(spec: &ServiceSpec) -> Self {
        let mut child = spawn(&format!("{} --app {} --spec -", spec.service, spec.app));
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{}", serde_json::to_string(spec).unwrap()).unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let ready = loop {
            let mut line = String::new();
            if out.read_line(&mut line).unwrap() == 0 {
                let mut complaint = String::new();
                child
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut complaint)
                    .unwrap();
                panic!("{} did not start: {complaint}", spec.service);
            }
            // The test harness of the child speaks first, in the same line.
            if let Some(start) = line.find('{') {
                break serde_json::from_str(&line[start..]).unwrap();
            }
        };
        Self {
            ready,
            child,
            stdin: Some(stdin),
        }
    }

    pub(crate) fn stats(&self) -> TestbedStats {
        serde_json::from_str(&crate::client::get(&self.ready.address, STATS_PATH).body).unwrap()
    }

    pub(crate) fn terminate(&self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of a process.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let mut status = None;
    until("the process ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// Waits until a condition holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// All services of an application.
pub(crate) struct Application {
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) entry: String,
}

impl Application {
    /// Starts every service of a graph, children first.
    pub(crate) fn start(graph: &ServiceGraph, otlp: Option<&str>) -> Self {
        let mut services: BTreeMap<String, Service> = BTreeMap::new();
        for name in graph.services_in_start_order() {
            let spec = ServiceSpec {
                graph: Some(graph.clone()),
                peers: services
                    .iter()
                    .map(|(name, service)| (name.clone(), service.ready.address.clone()))
                    .collect(),
                otlp: otlp.map(str::to_owned),
                seed: 42,
                node: Some("node-1".to_owned()),
                ..ServiceSpec::new(graph.app(), name)
            };
            services.insert(name.to_owned(), Service::start(&spec));
        }
        Self {
            services,
            entry: graph.entry().to_owned(),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.services[&self.entry].ready.address
    }

    /// Spans ended under a prefix, by service; those that have none are left out.
    pub(crate) fn spans_of_prefix(&self, prefix: u64) -> BTreeMap<String, u64> {
        let key = format!("{prefix:016x}");
        let counted = |service: &Service| service.stats().by_prefix.get(&key).copied();
        self.services
            .iter()
            .filter_map(|(name, service)| Some((name.clone(), counted(service)?)))
            .collect()
    }
}
