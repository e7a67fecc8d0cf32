//! `aefm plan`

use super::given::read;
use super::{Exit, complain};
use crate::cli::PlanArgs;
use crate::experiment::{Experiment, PlatformKind};
use crate::handler::Handlers;
use crate::plan::Plan;
use crate::plan::size;
use crate::platform::kubernetes::sources::Findings;
use crate::platform::kubernetes::{Survey, application, difference};
use crate::platform::local::placement::{self, Placement};
use aefm_workloads::matrix::Shuffle;
use aefm_workloads::unit::say_duration;
use std::io::{self, Write};

/// What is shown beside the cases, and how many cores a testbed node has.
struct Ground {
    cores: usize,
    shown: String,
}

pub(super) fn run(args: &PlanArgs, handlers: &Handlers) -> Exit {
    let experiment = match read(&args.given, handlers) {
        Ok(loaded) => loaded.experiment,
        Err(exit) => return exit,
    };
    let fixed = args.seed.or(experiment.seed);
    let ground = match (experiment.platform, args.offline) {
        (PlatformKind::Local, _) => local(&experiment),
        (PlatformKind::Kubernetes, true) => offline(&experiment),
        (PlatformKind::Kubernetes, false) => online(&experiment),
    };
    let planned = ground.and_then(|ground| {
        let plan = Plan::new(&experiment, "plan", fixed.unwrap_or(0), ground.cores);
        Ok((plan.map_err(fault)?, ground.shown))
    });
    let (plan, mut shown) = match planned {
        Ok(planned) => planned,
        Err((exit, reason)) => {
            complain(&format!("failed to {reason}"));
            return exit;
        }
    };
    for case in &plan.cases {
        shown += &format!("{}  {}\n", case.id, case.name);
    }
    let least = experiment.load.min_ok;
    if least > 0.0 {
        shown += &format!(
            "a case with less than {} % of its requests answered ok is degraded, one with none failed (load.min_ok)\n",
            least * 100.0
        );
    }
    shown += &totals(&experiment, &plan);
    if experiment.shuffle != Shuffle::None && fixed.is_none() {
        shown += "no seed is given: the run draws one and records it, and the order will differ from this one (seed 0)\n";
    }
    // Nobody reads: nothing to do about it.
    drop(io::stdout().write_all(shown.as_bytes()));
    Exit::Ok
}

/// What it all comes to.
fn totals(experiment: &Experiment, plan: &Plan) -> String {
    let size = size::of(experiment, plan);
    let each = say_duration(experiment.load.warmup + experiment.load.duration);
    let cases = plan.cases.len();
    let noun = if cases == 1 { "case" } else { "cases" };
    let spans = size.spans.map_or_else(
        || ", and its spans beside, whose number only the application knows".to_owned(),
        |spans| format!(" ({spans:.1} spans a request)"),
    );
    format!(
        "{cases} {noun} of {each} of load each\nabout {} requests to be sent, {} of them measured\nabout {} rows and {} on disk{spans}\nabout {} in all\n",
        size::about(size.sent),
        size::about(size.measured),
        size::about(size.rows),
        size::about_bytes(size.bytes),
        say_duration(plan.estimate)
    )
}

/// Why there is no plan, and how that ends: as `aefm run` ends for the same reason.
type Stop = (Exit, String);

/// The experiment's own fault.
const fn fault(reason: String) -> Stop {
    (Exit::Usage, reason)
}

/// The place's, which may be another one tomorrow.
const fn failure(reason: String) -> Stop {
    (Exit::Failed, reason)
}

fn local(experiment: &Experiment) -> Result<Ground, Stop> {
    let allowed = placement::allowed_cores().map_err(|error| fault(error.to_string()))?;
    let placement =
        Placement::new(&allowed, &experiment.local).map_err(|error| fault(error.to_string()))?;
    Ok(Ground {
        cores: placement.testbed.len(),
        shown: String::new(),
    })
}

/// A node that has room for whatever is asked, where nobody knows how large they are.
const ANY_CORES: usize = 1 << 20;

/// Without a cluster nobody knows how many cores a node has, of which the original's pods are shares: they stay pods.
fn offline(experiment: &Experiment) -> Result<Ground, Stop> {
    let pods: Vec<_> = experiment
        .interference
        .iter()
        .filter(|(_, pressure)| pressure.pods.is_some())
        .map(|(kind, _)| kind.name())
        .collect();
    let mut note = String::new();
    if !pods.is_empty() {
        note = format!(
            "{} in pods on each node: what they come to is known when the cluster says how many cores a node has\n",
            pods.join(", ")
        );
    }
    let objects =
        application::planned(experiment, &[], &[]).map_err(|error| fault(error.to_string()))?;
    let show = |shown: String, object| shown + &difference::show(object, &difference::Change::New);
    Ok(Ground {
        cores: ANY_CORES,
        shown: objects.iter().fold(String::new(), show) + &note,
    })
}

/// Asks the cluster what would change.
fn online(experiment: &Experiment) -> Result<Ground, Stop> {
    // Faults of the file's own are told before a cluster is asked.
    application::planned(experiment, &[], &[]).map_err(|error| fault(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| failure(format!("start: {error}")))?
        .block_on(async {
            let survey = Survey::make(&experiment.kubernetes)
                .await
                .map_err(|error| failure(error.to_string()))?;
            let objects = application::planned(experiment, &survey.testbed, &survey.infra)
                .map_err(|error| fault(error.to_string()))?;
            let findings = Findings::look(&survey.cluster, experiment).await;
            let findings = findings.map_err(|error| {
                if error.is_fault() {
                    fault(error.to_string())
                } else {
                    failure(error.to_string())
                }
            })?;
            let mut shown: String = findings.lines().map(|line| line + "\n").collect();
            for object in &objects {
                let change = difference::of(&survey.cluster, object)
                    .await
                    .map_err(|error| failure(error.to_string()))?;
                shown += &difference::show(object, &change);
            }
            Ok(Ground {
                cores: survey.cores,
                shown,
            })
        })
}
