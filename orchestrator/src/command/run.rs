//! `aefm run`

use super::given::{Choice, Loaded, read};
use super::upload::finish;
use super::{Exit, complain};
use crate::cli::RunArgs;
use crate::compose::Written;
use crate::driver::drive;
use crate::experiment::environment::Renewal;
use crate::experiment::{Experiment, PlatformKind};
use crate::handler::Handlers;
use crate::lifecycle::Ending;
use crate::platform::kubernetes::sources::Findings;
use crate::platform::kubernetes::{Survey, application};
use crate::platform::local::placement::{self, Placement};
use crate::run::{BeginError, Ground, Run};
use crate::signals::Signals;
use crate::ui::{Ui, results};
use crate::upload::{Upload, reach};
use aefm_collector::store::{Address, Store};
use std::io::{self, Write};
use std::time::Duration;

/// How often the time left is drawn.
const TICK: Duration = Duration::from_millis(500);

pub(super) fn run(args: &RunArgs, handlers: Handlers) -> Exit {
    if args.given.file.is_some() {
        Choice::of(&args.given).tell();
    }
    let Loaded {
        mut experiment,
        source,
        ..
    } = match read(&args.given, &handlers) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    if let Some(data) = &args.data {
        experiment.data.clone_from(data);
    }
    if args.restart {
        experiment.environment.at_start = Renewal::Restart;
    }
    let seed = args.seed.or(experiment.seed).unwrap_or_else(drawn_seed);
    let placement = match placement::allowed_cores()
        .and_then(|allowed| Placement::new(&allowed, &experiment.local))
    {
        Ok(placement) => placement,
        Err(error) => {
            complain(&format!("failed to {error}"));
            return Exit::Usage;
        }
    };
    // Before any thread is there, so that all of them stay off the testbed's cores.
    if let Err(error) = placement::stay_on(&placement.instrument) {
        complain(&format!(
            "failed to stay on cores {:?}: {error}",
            placement.instrument
        ));
        return Exit::Failed;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(go(experiment, source, placement, seed, args, handlers)),
        Err(error) => {
            complain(&format!("failed to start: {error}"));
            Exit::Failed
        }
    }
}

async fn go(
    experiment: Experiment,
    source: Written,
    placement: Placement,
    seed: u64,
    args: &RunArgs,
    handlers: Handlers,
) -> Exit {
    let failed = |error: &dyn std::fmt::Display| {
        complain(&format!("failed to {error}"));
        Exit::Failed
    };
    // From here on Ctrl-C ends the run in order.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return failed(&format!("listen for signals: {error}")),
    };
    // Faults of what is to be deployed are told before a cluster is asked, and before there is a folder.
    if experiment.platform == PlatformKind::Kubernetes
        && let Err(error) = application::planned(&experiment, &[], &[])
    {
        failed(&error);
        return Exit::Usage;
    }
    let mut table = handlers.into_table(&experiment);
    let ui = Ui::new();
    let survey = match experiment.platform {
        PlatformKind::Local => None,
        PlatformKind::Kubernetes => match Survey::make(&experiment.kubernetes).await {
            Ok(survey) => Some(survey),
            Err(error) => return failed(&error),
        },
    };
    if let Some(survey) = &survey
        && let Err(error) = Findings::look(&survey.cluster, &experiment).await
    {
        failed(&error);
        return if error.is_fault() {
            Exit::Usage
        } else {
            Exit::Failed
        };
    }
    let store = match experiment.data.store() {
        None => None,
        Some(address) => match reached(address, &experiment.name, &mut signals).await {
            Ok(store) => Some(store),
            Err(exit) => return exit,
        },
    };
    let ground = Ground { placement, survey };
    let mut run = match Run::begin(experiment, source, ground, seed, args.log_level, ui.clone()) {
        Ok(run) => run,
        Err(error) => {
            failed(&error);
            return if matches!(error, BeginError::Plan(_)) {
                Exit::Usage
            } else {
                Exit::Failed
            };
        }
    };
    let ticking = ui.clone();
    let ticker = tokio::spawn(async move {
        loop {
            tokio::time::sleep(TICK).await;
            ticking.tick();
        }
    });
    let upload = store.map(|store| Upload {
        store,
        folder: run.dataset().to_owned(),
        place: run.place(),
    });
    let is_between = run.experiment().collect.pending == 0;
    let ahead = upload
        .as_ref()
        .filter(|_| !is_between)
        .map(|upload| upload.ahead(run.case_written(), ui.clone()));
    let ending = drive(&mut run, &mut table, &mut signals).await;
    ticker.abort();
    let closed = run.close(ending);
    ui.finish();
    show(&run);
    if let Err(error) = closed {
        return failed(&error);
    }
    let exit = exit(&run, ending);
    let Some(upload) = upload else { return exit };
    // Also what an interrupted run has measured; one more signal ends this, too.
    complain(&format!(
        "uploads to {} (Ctrl-C ends it, the dataset stays)",
        upload.store.address()
    ));
    let sent = finish(&upload, ahead, &mut signals).await;
    if exit == Exit::Ok { sent } else { exit }
}

/// The store that the dataset goes to; before hours of load it is known whether it takes any.
async fn reached(
    address: &Address,
    experiment: &str,
    signals: &mut Signals,
) -> Result<Store, Exit> {
    tokio::select! {
        reached = reach(address, experiment) => reached.map_err(|error| {
            complain(&format!("failed to {error}; nothing was started"));
            Exit::Failed
        }),
        _ = signals.next() => Err(Exit::Interrupted),
    }
}

/// Results and the dataset's path go to standard output; what is wrong with them stands below the table, on standard
/// error.
fn show(run: &Run) {
    let table = results::table(run.reports());
    // Nobody reads: the dataset is there all the same.
    let (mut out, mut err) = (io::stdout(), io::stderr());
    drop(writeln!(out, "{table}\n").and_then(|()| out.flush()));
    drop(write!(err, "{}", results::remarks(run.reports())));
    drop(writeln!(out, "dataset: {}", run.dataset().display()));
}

fn exit(run: &Run, ending: Ending) -> Exit {
    match ending {
        Ending::Interrupted => Exit::Interrupted,
        Ending::Failed if run.reports().iter().all(|report| report.intended == 0) => Exit::Failed,
        Ending::Complete if run.all_ok() => Exit::Ok,
        Ending::Failed | Ending::Complete => Exit::Incomplete,
    }
}

/// A seed nobody chose. It is recorded, so that the run can be had again.
fn drawn_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's hash keys are drawn from the operating system. Kept below 2^53, for JSON readers that
    // know numbers as floats.
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
        >> 11
}
