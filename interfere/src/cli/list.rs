//! `aefm-interfere list`: which kinds this machine supports, and why not.

use super::Failure;
use crate::machine::Machine;
use crate::stressor::DESCRIPTORS;
use std::process::ExitCode;

pub(super) fn run(json: bool) -> Result<ExitCode, Failure> {
    let machine = Machine::here().map_err(Failure::run)?;
    let mut text = String::new();
    for descriptor in DESCRIPTORS {
        let support = (descriptor.support)(&machine);
        let units: Vec<_> = descriptor
            .kind
            .units()
            .iter()
            .map(|unit| unit.name())
            .collect();
        let line = if json {
            let row = serde_json::json!({
                "kind": descriptor.kind, "units": units, "supported": support.is_ok(), "reason": support.as_ref().err(),
                "about": descriptor.about,
            });
            row.to_string()
        } else {
            let verdict = support.map_or_else(
                |reason| format!("not here: {reason}"),
                |()| "supported".to_owned(),
            );
            format!(
                "{:<13} {:<34} {verdict}\n              {}",
                descriptor.kind.name(),
                units.join(", "),
                descriptor.about
            )
        };
        text.push_str(&line);
        text.push('\n');
    }
    super::print(&text)
}
