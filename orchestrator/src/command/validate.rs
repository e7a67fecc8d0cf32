//! `aefm validate`: all that is wrong with an experiment, and nothing else.

use super::given::{Choice, Loaded, Unread, load};
use super::{Exit, complain};
use crate::cli::ValidateArgs;
use crate::experiment::PlatformKind;
use crate::handler::Handlers;
use crate::platform::kubernetes::application;
use serde_json::{Value, json};
use std::io::{self, Write};

pub(super) fn run(args: &ValidateArgs, handlers: &Handlers) -> Exit {
    let choice = Choice::of(&args.given);
    if args.given.file.is_none() && !args.json {
        choice.tell();
    }
    let checked = load(&choice, &args.given.set, handlers).and_then(planned);
    let exit = if checked.is_ok() {
        Exit::Ok
    } else {
        Exit::Usage
    };
    if args.json {
        // Texts and numbers: nothing about them can fail.
        let told = serde_json::to_string_pretty(&told(&choice.name(), checked));
        drop(writeln!(io::stdout(), "{}", told.unwrap_or_default()));
        return exit;
    }
    match checked {
        Ok(loaded) => drop(writeln!(
            io::stdout(),
            "{} has no fault: {}",
            choice.name(),
            summary(&loaded)
        )),
        Err(Unread::Reason(reason)) => complain(&reason),
        // Nobody reads: the exit code says it still.
        Err(Unread::Faults(sources, faults)) => {
            drop(io::stderr().write_all(sources.show(faults).as_bytes()));
        }
    }
    exit
}

/// What is to be deployed is checked, too, as far as that needs no cluster.
fn planned(loaded: Loaded) -> Result<Loaded, Unread> {
    if loaded.experiment.platform == PlatformKind::Kubernetes {
        application::planned(&loaded.experiment, &[], &[])
            .map_err(|error| Unread::Reason(format!("failed to {error}; nothing was started")))?;
    }
    Ok(loaded)
}

fn cases(loaded: &Loaded) -> usize {
    let axes = &loaded.experiment.axes;
    axes.iter().map(|axis| axis.values.len()).product()
}

fn summary(loaded: &Loaded) -> String {
    let platform = match loaded.experiment.platform {
        PlatformKind::Local => "this machine",
        PlatformKind::Kubernetes => "a cluster",
    };
    let cases = cases(loaded);
    let noun = if cases == 1 { "case" } else { "cases" };
    format!("{cases} {noun} of {} on {platform}", loaded.experiment.app)
}

fn told(name: &str, checked: Result<Loaded, Unread>) -> Value {
    match checked {
        Ok(loaded) => json!({
            "file": name, "valid": true, "cases": cases(&loaded), "faults": [],
        }),
        Err(Unread::Reason(reason)) => json!({
            "file": name, "valid": false,
            "faults": [{ "file": name, "line": null, "column": null, "message": reason }],
        }),
        Err(Unread::Faults(sources, faults)) => json!({
            "file": name, "valid": false, "faults": sources.tell(faults),
        }),
    }
}
