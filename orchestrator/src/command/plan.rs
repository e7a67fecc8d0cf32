//! `aefm plan`

use super::{Exit, complain, read};
use crate::cli::PlanArgs;
use crate::handler::Handlers;
use crate::plan::Plan;
use crate::platform::local::placement::{self, Placement};
use aefm_workloads::unit::show_duration;
use std::io::{self, Write};

pub(super) fn run(args: &PlanArgs, handlers: &Handlers) -> Exit {
    let (experiment, _) = match read(args.file.as_deref(), handlers) {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let fixed = args.seed.or(experiment.seed);
    let placed = placement::allowed_cores().and_then(|allowed| Placement::new(&allowed, &experiment.local));
    let plan = placed
        .map_err(|error| error.to_string())
        .and_then(|placement| Plan::new(&experiment, "plan", fixed.unwrap_or(0), placement.testbed.len()));
    let plan = match plan {
        Ok(plan) => plan,
        Err(reason) => {
            complain(&format!("failed to {reason}"));
            return Exit::Usage;
        }
    };
    let mut shown = String::new();
    for case in &plan.cases {
        shown += &format!("{}  {}\n", case.id, case.name);
    }
    let each = show_duration(experiment.load.warmup + experiment.load.duration);
    let requests: f64 = plan.cases.iter().map(|case| case.rate_hz * experiment.load.duration.as_secs_f64()).sum();
    shown += &format!(
        "{} cases of {each} load each, about {requests:.0} measured requests, about {} in all\n",
        plan.cases.len(),
        show_duration(plan.estimate)
    );
    if experiment.shuffle && fixed.is_none() {
        shown +=
            "no seed is given: the run draws one and records it, and the order will differ from this one (seed 0)\n";
    }
    // Nobody reads: nothing to do about it.
    drop(io::stdout().write_all(shown.as_bytes()));
    Exit::Ok
}
