//! `aefm-interfere calibrate`: measures this machine's peaks and keeps them.

use super::Failure;
use crate::calibration::{Calibration, CalibrationError};
use crate::guard;
use crate::machine::Machine;
use crate::machine::cores::parse_list;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(super) fn run(
    cores: Option<&str>,
    dir: Option<&Path>,
    file: Option<PathBuf>,
) -> Result<ExitCode, Failure> {
    if !guard::end_with_parent() {
        return Ok(ExitCode::FAILURE);
    }
    let machine = Machine::here().map_err(Failure::run)?;
    let cores = cores
        .map(parse_list)
        .transpose()
        .map_err(Failure::usage)?
        .unwrap_or_default();
    machine.cores(&cores).map_err(Failure::usage)?;
    let path = file
        .or_else(Calibration::place)
        .ok_or(CalibrationError::NoPlace)
        .map_err(Failure::usage)?;
    let said = |key: &str, peak: Option<f64>| match peak {
        Some(peak) => println!("{key:<36} {peak:>12.4e} a second"),
        None => println!("{key:<36} could not be measured"),
    };
    let mut measured = Calibration::measure(&machine, &cores, dir, said).map_err(Failure::run)?;
    // Peaks of other cores of this machine stay.
    match Calibration::load(&path, &machine) {
        Ok(Some(kept)) => {
            let fresh = std::mem::take(&mut measured.peaks);
            measured.peaks = kept.peaks.into_iter().chain(fresh).collect();
        }
        Ok(None) => {}
        Err(unusable) => eprintln!(
            "what was kept in {} is replaced: {unusable}",
            path.display()
        ),
    }
    measured.keep(&path).map_err(Failure::run)?;
    super::print(&format!("kept in {}\n", path.display()))
}
