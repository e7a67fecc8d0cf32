//! From what was asked to what will be done: every spec is checked here before anything starts.

use crate::machine::{Machine, MachineError};
use crate::session::check_intensity;
use crate::stressor::{Ask, descriptor};
use aefm_workloads::interference::{InterferenceSpec, Kind};
use aefm_workloads::quantity::Unit;

/// No stressor runs longer than this without being started again.
pub const LONGEST_MS: u64 = 24 * 3_600_000;
/// Reports closer together than this would disturb what they report on.
const SHORTEST_REPORT_MS: u64 = 20;

/// Why a spec makes no sense, or not here.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// Not a spec.
    #[error("understand the spec: {0}")]
    Json(#[from] serde_json::Error),
    /// The kind has no such unit.
    #[error("press on {kind} in {unit:?}: its units are {units}", kind = kind.name())]
    Unit {
        /// The kind.
        kind: Kind,
        /// The unit asked for.
        unit: String,
        /// Those there are.
        units: String,
    },
    /// Intensity out of range.
    #[error("{0}")]
    Intensity(String),
    /// No time to run, or too much.
    #[error("run for {0} ms: give 1 ms to 24 h")]
    Deadline(u64),
    /// Reports too close together or not at all.
    #[error("report every {0} ms: give {SHORTEST_REPORT_MS} ms to an hour")]
    Report(u64),
    /// A lease of no time.
    #[error("hold a lease of {0} ms: give 100 ms or more")]
    Lease(u64),
    /// Cores that are not there.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// This machine lacks something for that kind.
    #[error("press on {kind}: {reason}", kind = kind.name())]
    Unsupported {
        /// The kind.
        kind: Kind,
        /// What it lacks.
        reason: String,
    },
    /// An option that the kind needs, or that contradicts another.
    #[error("press on {kind}: {reason}", kind = kind.name())]
    Option {
        /// The kind.
        kind: Kind,
        /// What is wrong, with the way out.
        reason: String,
    },
}

/// Checks a spec against itself and this machine.
///
/// # Errors
/// The first thing that is wrong.
pub fn check<'a>(spec: &'a InterferenceSpec, machine: &'a Machine) -> Result<Ask<'a>, SpecError> {
    let unit = Unit::from_name(&spec.unit)
        .filter(|unit| spec.kind.units().contains(unit))
        .ok_or_else(|| {
            let units: Vec<_> = spec.kind.units().iter().map(|unit| unit.name()).collect();
            SpecError::Unit {
                kind: spec.kind,
                unit: spec.unit.clone(),
                units: units.join(", "),
            }
        })?;
    check_intensity(spec.intensity, unit).map_err(SpecError::Intensity)?;
    if !(1..=LONGEST_MS).contains(&spec.deadline_ms) {
        return Err(SpecError::Deadline(spec.deadline_ms));
    }
    if !(SHORTEST_REPORT_MS..=3_600_000).contains(&spec.report_ms) {
        return Err(SpecError::Report(spec.report_ms));
    }
    if let Some(lease_ms) = spec
        .lease_ms
        .filter(|lease_ms| !(100..=LONGEST_MS).contains(lease_ms))
    {
        return Err(SpecError::Lease(lease_ms));
    }
    check_options(spec)?;
    let cores = machine.cores(&spec.cores)?;
    let unsupported = |reason| SpecError::Unsupported {
        kind: spec.kind,
        reason,
    };
    let descriptor =
        descriptor(spec.kind).ok_or_else(|| unsupported("not in this version".to_owned()))?;
    (descriptor.support)(machine).map_err(unsupported)?;
    Ok(Ask {
        spec,
        unit,
        cores,
        machine,
        descriptor,
        calibration: None,
    })
}

/// What only one kind needs.
fn check_options(spec: &InterferenceSpec) -> Result<(), SpecError> {
    let wrong = |reason: &str| {
        Err(SpecError::Option {
            kind: spec.kind,
            reason: reason.to_owned(),
        })
    };
    let options = &spec.options;
    let network = &options.network;
    if spec.kind == Kind::Disk && options.dir.is_none() {
        return wrong("name the folder whose file system is to be pressed on (--dir)");
    }
    if spec.kind == Kind::Network {
        if network.listen.is_some() && network.target.is_some() {
            return wrong(
                "be a server or a client, not both (without either, both run on loopback)",
            );
        }
        let named = network.listen.is_some() || network.target.is_some();
        if named && network.token.as_deref().is_none_or(|token| token.len() < 8) {
            return wrong(
                "give a token of at least 8 characters that both sides share (--token-file or AEFM_TOKEN)",
            );
        }
    }
    if options
        .peak_per_s
        .is_some_and(|peak| !(peak.is_finite() && peak > 0.0))
    {
        return wrong("a peak must be a positive number");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn refusal(change: impl FnOnce(&mut InterferenceSpec)) -> String {
        let machine = Machine::at(Path::new("/nowhere"), vec![0, 1]);
        let mut spec = InterferenceSpec::new(Kind::Cpu, 30.0);
        change(&mut spec);
        check(&spec, &machine)
            .map(|ask| ask.cores)
            .expect_err("a fault")
            .to_string()
    }

    #[test]
    fn each_fault_is_named_with_a_way_out() {
        assert_eq!(
            refusal(|spec| spec.unit = "GB/s".to_owned()),
            "press on cpu in \"GB/s\": its units are percent"
        );
        assert_eq!(
            refusal(|spec| spec.intensity = 130.0),
            "press with 130 %: there is no more than 100 %"
        );
        assert_eq!(
            refusal(|spec| spec.cores = vec![7]),
            "use core 7: this process may use 0-1"
        );
        assert_eq!(
            refusal(|spec| spec.deadline_ms = 0),
            "run for 0 ms: give 1 ms to 24 h"
        );
        assert_eq!(
            refusal(|spec| spec.report_ms = 1),
            "report every 1 ms: give 20 ms to an hour"
        );
        assert_eq!(
            refusal(|spec| spec.lease_ms = Some(1)),
            "hold a lease of 1 ms: give 100 ms or more"
        );
        assert!(refusal(|spec| spec.kind = Kind::Disk).contains("--dir"));
        assert!(
            refusal(|spec| {
                spec.kind = Kind::Network;
                spec.options.network.listen = Some("127.0.0.1:0".to_owned());
            })
            .contains("token")
        );
    }

    #[test]
    fn a_sound_spec_passes() {
        let machine = Machine::at(Path::new("/nowhere"), vec![0, 1]);
        assert_eq!(
            check(&InterferenceSpec::new(Kind::Cpu, 0.0), &machine)
                .unwrap()
                .cores,
            [0, 1]
        );
    }
}
