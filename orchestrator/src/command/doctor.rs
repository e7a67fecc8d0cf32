//! `aefm doctor`

use super::given::read;
use super::{Exit, complain};
use crate::cli::{DoctorArgs, Place};
use crate::doctor::cluster::{self, facts as cluster_facts};
use crate::doctor::local::{self, facts as local_facts};
use crate::doctor::{self, Demand, Finding, Level};
use crate::experiment::{Experiment, PlatformKind};
use crate::handler::Handlers;
use crate::platform::kubernetes::cluster::Cluster;
use crate::platform::local::placement::{self, Placement};
use std::io::{self, Write};
use std::sync::Arc;

/// What is checked where no file says what is to run: the emulated application on a cluster.
const ON_A_CLUSTER: &str = "platform: kubernetes\naxes: {rate: [60, 120], cpu: [0, 30, 60], round: [1, 2]}\n\
    load: {arrival: poisson, connections: 32, duration: 30s}\n";

pub(super) fn run(args: &DoctorArgs, handlers: &Handlers) -> Exit {
    let experiment = match (&args.given.file, args.platform) {
        (None, Some(Place::Kubernetes)) => {
            Experiment::read(ON_A_CLUSTER, &|_| false).map_err(|_| Exit::Failed)
        }
        _ => read(&args.given, handlers).map(|loaded| loaded.experiment),
    };
    let mut experiment = match experiment {
        Ok(experiment) => experiment,
        Err(exit) => return exit,
    };
    let wanted = args.platform.map(|place| match place {
        Place::Local => PlatformKind::Local,
        Place::Kubernetes => PlatformKind::Kubernetes,
    });
    if wanted.is_some_and(|wanted| wanted != experiment.platform) {
        complain(
            "the file is for another platform than --platform says; leave the flag out, or change `platform` in the file",
        );
        return Exit::Usage;
    }
    if args.context.is_some() {
        experiment.kubernetes.context.clone_from(&args.context);
    }
    let findings = match experiment.platform {
        PlatformKind::Local => this_machine(&experiment),
        PlatformKind::Kubernetes => a_cluster(&experiment, args.try_images),
    };
    let findings = match findings {
        Ok(findings) => findings,
        Err(reason) => {
            complain(&format!("failed to {reason}"));
            return Exit::Failed;
        }
    };
    let shown = if args.json {
        // Rows are texts: nothing about them can fail.
        serde_json::to_string_pretty(&findings).unwrap_or_default() + "\n"
    } else {
        doctor::show(&findings)
    };
    // Nobody reads: the exit code says it still.
    drop(io::stdout().write_all(shown.as_bytes()));
    if doctor::worst(&findings) == Level::Fail {
        Exit::Failed
    } else {
        Exit::Ok
    }
}

fn this_machine(experiment: &Experiment) -> Result<Vec<Finding>, String> {
    let allowed = placement::allowed_cores().map_err(|error| error.to_string())?;
    let placement = Placement::new(&allowed, &experiment.local).map_err(|error| error.to_string());
    let cores = placement
        .as_ref()
        .map_or(1, |placement| placement.testbed.len());
    let demand = Demand::of(experiment, cores)?;
    Ok(local::check(
        &local_facts::gather(experiment, allowed),
        &demand,
        &placement,
    ))
}

fn a_cluster(experiment: &Experiment, try_images: bool) -> Result<Vec<Finding>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| format!("start: {error}"))?
        .block_on(async {
            let cluster = match Cluster::connect(experiment.kubernetes.context.as_deref()).await {
                Ok(cluster) => Arc::new(cluster),
                Err(error) => return Ok(vec![cluster::unreachable(&format!("failed to {error}"))]),
            };
            let mut facts = match cluster_facts::gather(&cluster, experiment).await {
                Ok(facts) => facts,
                Err(error) => return Ok(vec![cluster::unreachable(&format!("failed to {error}"))]),
            };
            if try_images {
                facts.pulled = cluster_facts::try_images(&cluster, &facts).await;
            }
            let demand = Demand::of(experiment, facts.cores);
            Ok(cluster::check(&facts, &demand))
        })
}
