//! `aefm testbed SERVICE --app NAME --spec -`: one emulated service as one process.

use crate::service::{self, Emulated, ServiceError};
use crate::spec::{self, SpecError};
use aefm_workloads::testbed::{ServiceReady, ServiceSpec};
use clap::Parser;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::{Pid, gethostname};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// One service of an emulated microservice application.
///
/// It prints one line of JSON with its address once it listens, tells its counts at GET /_aefm/stats, and ends on
/// SIGTERM, or when its standard input ends if the spec came from there.
///
/// Exit codes: 0 stopped as asked, 1 could not run (such as a port that is taken), 2 a wrong argument or spec.
#[derive(Debug, Parser)]
#[command(name = "aefm testbed", version)]
struct Args {
    /// The service, such as `geo`
    service: String,
    /// Its application, such as `hotel-reservation`
    #[arg(long, value_name = "NAME")]
    app: String,
    /// The rest as JSON: itself, a file, or `-` for the first line of standard input; without it, defaults
    #[arg(long, value_name = "JSON|FILE|-")]
    spec: Option<String>,
}

/// Why a service did not run.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(
        "run `{asked}` of `{app}` by a spec for `{service}` of `{spec_app}`: let both name the same service"
    )]
    Other {
        asked: String,
        app: String,
        service: String,
        spec_app: String,
    },
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("run on cores {cores:?}: {reason}")]
    Cores { cores: Vec<usize>, reason: String },
    #[error(
        "listen on {address}: {source}; name another address in `listen`, or port 0 for any that is free"
    )]
    Listen {
        address: String,
        source: std::io::Error,
    },
    #[error("start the service: {0}")]
    Start(std::io::Error),
    #[error("tell the address on standard output: {0}")]
    Tell(std::io::Error),
}

impl RunError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Spec(_) | Self::Other { .. } | Self::Service(_) | Self::Cores { .. } => 2,
            Self::Listen { .. } | Self::Start(_) | Self::Tell(_) => 1,
        }
    }
}

/// Runs the service that the arguments name (`args[0]` is the program's name) until it is told to stop.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors; a closed terminal is no reason to fail.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run_service(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(
                std::io::stderr(),
                "aefm testbed {}: failed to {error}",
                args.service
            );
            ExitCode::from(error.exit_code())
        }
    }
}

fn run_service(args: &Args) -> Result<(), RunError> {
    let spec = match &args.spec {
        Some(from) => spec::read(from)?,
        None => ServiceSpec::new(&args.app, &args.service),
    };
    if spec.service != args.service || spec.app != args.app {
        let (asked, app) = (args.service.clone(), args.app.clone());
        return Err(RunError::Other {
            asked,
            app,
            service: spec.service,
            spec_app: spec.app,
        });
    }
    pin(&spec.cores)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Start)?;
    let parent = match args.spec.as_deref() {
        Some("-") => Some(spec::end_of_input().map_err(RunError::Start)?),
        _ => None,
    };
    runtime.block_on(listen(spec, parent))
}

async fn listen(spec: ServiceSpec, parent: Option<oneshot::Receiver<()>>) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Start)?;
    let address = spec.listen.clone();
    let (emulated, exporter) = Emulated::new(spec, host())?;
    let refused = |source| RunError::Listen {
        address: address.clone(),
        source,
    };
    let listener = TcpListener::bind(&address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?.to_string();
    tell(&ServiceReady {
        ready: true,
        service: emulated.name.clone(),
        address,
        pid: std::process::id(),
    })?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let orphaned = async {
        match parent {
            Some(end) => drop(end.await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = service::serve(emulated, exporter, listener, stop) => {}
        // Nobody is left who would read spans: end at once.
        () = orphaned => {}
    }
    Ok(())
}

fn pin(cores: &[usize]) -> Result<(), RunError> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    cores
        .iter()
        .try_for_each(|&core| set.set(core))
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(|errno| RunError::Cores {
            cores: cores.to_vec(),
            reason: errno.desc().to_owned(),
        })
}

fn host() -> String {
    gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".to_owned())
}

fn tell(ready: &ServiceReady) -> Result<(), RunError> {
    let line = serde_json::to_string(ready).map_err(|error| RunError::Tell(error.into()))?;
    let mut out = std::io::stdout();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(RunError::Tell)
}
