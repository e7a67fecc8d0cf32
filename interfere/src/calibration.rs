//! Peaks of this machine, measured once and kept: percent then means the same in every run.
//!
//! They are kept with the machine's fingerprint, in one file of the user's, and are looked up by kind, variant and
//! cores. On another machine (or after a change of this one) they do not count.

use crate::clock;
use crate::machine::Machine;
use crate::machine::cores::format_list;
use crate::options::{self, SpecError};
use crate::stressor::StartError;
use aefm_workloads::interference::{Access, InterferenceSpec, Kind, StressOptions};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// A peak takes no longer than that to measure; where it does, there is none.
const PATIENCE_NS: u64 = 4 * clock::SECOND_NS;

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The machine that it is true of.
    pub machine: Fingerprint,
    /// When, ns since the epoch.
    pub wall_ns: i64,
    /// Base units a second (bytes, bits, operations) by `kind/variant/cores`.
    pub peaks: BTreeMap<String, f64>,
}

/// What makes a machine the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// The processor's name.
    pub processor: String,
    /// Its cores.
    pub cores: usize,
    /// Memory in GiB, rounded: the kernel's own share moves it a little.
    pub memory_gib: u64,
    /// Size of the last-level cache.
    pub last_cache_bytes: usize,
}

/// Why nothing could be calibrated or kept.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// A spec of our own is refused (cores that are not there).
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A stressor does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No folder to keep it in.
    #[error("find a place for the calibration: set HOME, XDG_STATE_HOME or AEFM_CALIBRATION")]
    NoPlace,
    /// It cannot be written.
    #[error("keep the calibration in {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Why what is kept cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The file.
    #[error("{0}")]
    Unreadable(io::Error),
    /// Its content.
    #[error("{0}")]
    Broken(serde_json::Error),
    /// The machine that it is true of.
    #[error("it is of another machine, of {theirs}; this one is of {ours}")]
    Foreign {
        /// As it says.
        theirs: Box<Fingerprint>,
        /// As it is here.
        ours: Box<Fingerprint>,
    },
    /// A peak that none can be.
    #[error("its peak of {0} is {1}")]
    Absurd(String, f64),
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            processor,
            cores,
            memory_gib,
            last_cache_bytes,
        } = self;
        let cache_mib = last_cache_bytes >> 20;
        write!(
            f,
            "{processor}, {cores} cores, {memory_gib} GiB, a last cache of {cache_mib} MiB"
        )
    }
}

impl Fingerprint {
    /// This machine's.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let info = machine.read("proc/cpuinfo").unwrap_or_default();
        let name = |line: &str| {
            Some(
                line.strip_prefix("model name")?
                    .split_once(':')?
                    .1
                    .trim()
                    .to_owned(),
            )
        };
        let gib = 1_u64 << 30;
        Self {
            processor: info
                .lines()
                .find_map(name)
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: info
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            memory_gib: machine
                .memory()
                .map_or(0, |memory| (memory.total_bytes + gib / 2) / gib),
            last_cache_bytes: machine.last_cache(0).map_or(0, |cache| cache.bytes),
        }
    }
}

impl Calibration {
    /// The file where it is kept: `AEFM_CALIBRATION`, or `aefm/calibration.json` in the user's folder for state.
    #[must_use]
    pub fn place() -> Option<PathBuf> {
        let named = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        named("AEFM_CALIBRATION").or_else(|| {
            let state =
                named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")))?;
            Some(state.join("aefm/calibration.json"))
        })
    }

    /// What is kept in a file; nothing where there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read, is no calibration, or is of another machine (or of this one before it changed).
    pub fn load(path: &Path, machine: &Machine) -> Result<Option<Self>, Unusable> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Unusable::Unreadable(error)),
        };
        let kept: Self = serde_json::from_str(&text).map_err(Unusable::Broken)?;
        let here = Fingerprint::of(machine);
        if kept.machine != here {
            let (theirs, ours) = (Box::new(kept.machine), Box::new(here));
            return Err(Unusable::Foreign { theirs, ours });
        }
        match kept
            .peaks
            .iter()
            .find(|(_, peak)| !(peak.is_finite() && **peak > 0.0))
        {
            Some((key, peak)) => Err(Unusable::Absurd(key.clone(), *peak)),
            None => Ok(Some(kept)),
        }
    }

    /// What is kept where this user's calibration is. What cannot be used is said, and is as good as none.
    #[must_use]
    pub fn here(machine: &Machine) -> Option<Self> {
        let path = Self::place()?;
        Self::load(&path, machine).unwrap_or_else(|unusable| {
            eprintln!(
                "the calibration {} is not used, and peaks are measured anew: {unusable} (`aefm-interfere calibrate` writes it again)",
                path.display()
            );
            None
        })
    }

    /// Keeps it in a file, which appears complete or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, path: &Path) -> Result<(), CalibrationError> {
        let failed = |source| CalibrationError::Write {
            path: path.to_owned(),
            source,
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.into()))?;
        let beside = path.with_extension(format!("{}.tmp", std::process::id()));
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, path))
            .map_err(failed)
    }

    /// A peak.
    #[must_use]
    pub fn peak(&self, kind: Kind, variant: &str, cores: &[usize]) -> Option<f64> {
        self.peaks.get(&key(kind, variant, cores)).copied()
    }

    /// Measures every peak that percent is of, one after the other, and says each as it is found.
    ///
    /// # Errors
    /// When the cores are not there or a stressor does not start.
    pub fn measure(
        machine: &Machine,
        cores: &[usize],
        dir: Option<&Path>,
        mut said: impl FnMut(&str, Option<f64>),
    ) -> Result<Self, CalibrationError> {
        let mut calibration = Self {
            machine: Fingerprint::of(machine),
            wall_ns: clock::wall_ns(),
            ..Self::default()
        };
        for (kind, variant, options) in targets(dir) {
            let spec = InterferenceSpec {
                cores: cores.to_vec(),
                options,
                ..InterferenceSpec::new(kind, 100.0)
            };
            let key = key(
                kind,
                variant,
                &machine.cores(cores).map_err(SpecError::from)?,
            );
            let peak = measure_one(&spec, machine)?;
            said(&key, peak);
            calibration.peaks.extend(peak.map(|peak| (key, peak)));
        }
        Ok(calibration)
    }
}

fn key(kind: Kind, variant: &str, cores: &[usize]) -> String {
    format!("{}/{variant}/{}", kind.name(), format_list(cores))
}

/// What is measured.
fn targets(dir: Option<&Path>) -> Vec<(Kind, &'static str, StressOptions)> {
    let memory = [
        ("read", Access::Read),
        ("write", Access::Write),
        ("non_temporal", Access::NonTemporal),
        ("copy", Access::Copy),
        ("random", Access::Random),
    ];
    let memory = memory.map(|(variant, access)| {
        (
            Kind::MemBandwidth,
            variant,
            StressOptions {
                access: Some(access),
                ..StressOptions::default()
            },
        )
    });
    let mut targets: Vec<_> = memory.into();
    targets.push((Kind::Tlb, "walk", StressOptions::default()));
    targets.push((Kind::Ctx, "switch", StressOptions::default()));
    targets.push((Kind::Network, "tcp", StressOptions::default()));
    targets.extend(dir.map(|dir| {
        (
            Kind::Disk,
            "write",
            StressOptions {
                dir: Some(dir.to_owned()),
                ..StressOptions::default()
            },
        )
    }));
    targets
}

fn measure_one(
    spec: &InterferenceSpec,
    machine: &Machine,
) -> Result<Option<f64>, CalibrationError> {
    let ask = options::check(spec, machine)?;
    let mut stressor = (ask.descriptor.start)(&ask)?;
    stressor.set(100.0);
    let start_ns = clock::mono_ns();
    while clock::mono_ns() - start_ns < PATIENCE_NS && stressor.failure().is_none() {
        clock::sleep_until(clock::mono_ns() + 100_000_000);
        stressor.reached(clock::mono_ns());
        if let Some(peak) = stressor.peak_per_s() {
            return Ok(Some(peak));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(root: &Path, processor: &str) -> Machine {
        std::fs::create_dir_all(root.join("proc")).unwrap();
        std::fs::write(
            root.join("proc/cpuinfo"),
            format!("processor\t: 0\nmodel name\t: {processor}\n"),
        )
        .unwrap();
        std::fs::write(
            root.join("proc/meminfo"),
            "MemTotal: 16300000 kB\nMemAvailable: 9 kB\n",
        )
        .unwrap();
        Machine::at(root, vec![0])
    }

    #[test]
    fn a_calibration_is_kept_for_this_machine_only() {
        let root = tempfile::tempdir().unwrap();
        let this = machine(root.path(), "A");
        let peaks = [(key(Kind::Tlb, "walk", &[0, 1]), 5e8)].into();
        let measured = Calibration {
            machine: Fingerprint::of(&this),
            wall_ns: 1,
            peaks,
        };
        let path = root.path().join("state/aefm/calibration.json");
        measured.keep(&path).unwrap();
        let kept = Calibration::load(&path, &this).unwrap().unwrap();
        assert_eq!(kept, measured);
        assert_eq!(kept.peak(Kind::Tlb, "walk", &[0, 1]), Some(5e8));
        assert_eq!(kept.peak(Kind::Tlb, "walk", &[0]), None);
        assert_eq!(kept.machine.memory_gib, 16);
        let refused =
            |machine: &Machine| Calibration::load(&path, machine).unwrap_err().to_string();
        let foreign = refused(&machine(root.path(), "B"));
        assert!(
            foreign.contains("of another machine, of A, 1 cores"),
            "{foreign}"
        );
        assert!(
            foreign.contains("this one is of B, 1 cores, 16 GiB"),
            "{foreign}"
        );
        let this = machine(root.path(), "A");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("500000000.0", "-1")).unwrap();
        assert_eq!(refused(&this), "its peak of tlb/walk/0-1 is -1");
        std::fs::write(&path, "{").unwrap();
        assert!(refused(&this).contains("EOF"), "{}", refused(&this));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(Calibration::load(&path, &this).unwrap(), None);
    }
}
