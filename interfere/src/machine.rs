//! What this machine has: cores, caches, memory and limits, read below a root that tests can put elsewhere.

pub mod caches;
pub mod cores;
pub mod groups;
pub mod memory;

use std::path::{Path, PathBuf};

/// The machine as this process may use it.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
    allowed: Vec<usize>,
}

/// Why something cannot be known about the machine.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A file of the kernel's cannot be read.
    #[error("read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not say what it should.
    #[error("find {what} in {path}")]
    Missing {
        /// What was looked for.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The kernel does not say which cores this process may use.
    #[error("ask which cores this process may use: {0}")]
    Affinity(nix::Error),
    /// A core was named that cannot be used.
    #[error("use core {core}: this process may use {allowed}")]
    Core {
        /// As named.
        core: usize,
        /// What there is, as a list.
        allowed: String,
    },
}

impl Machine {
    /// This machine.
    ///
    /// # Errors
    /// When the kernel does not say which cores may be used.
    pub fn here() -> Result<Self, MachineError> {
        let set = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0))
            .map_err(MachineError::Affinity)?;
        let allowed = (0..nix::sched::CpuSet::count())
            .filter(|core| set.is_set(*core).unwrap_or(false))
            .collect();
        Ok(Self {
            root: PathBuf::from("/"),
            allowed,
        })
    }

    /// A machine whose `/proc` and `/sys` are below `root`.
    #[must_use]
    pub fn at(root: &Path, allowed: Vec<usize>) -> Self {
        Self {
            root: root.to_owned(),
            allowed,
        }
    }

    /// Cores that this process may use, ascending.
    #[must_use]
    pub fn allowed(&self) -> &[usize] {
        &self.allowed
    }

    /// The cores to press on: those named (each once), or all that may be used.
    ///
    /// # Errors
    /// When one is named that does not exist or may not be used.
    pub fn cores(&self, named: &[usize]) -> Result<Vec<usize>, MachineError> {
        let mut cores = if named.is_empty() {
            self.allowed.clone()
        } else {
            named.to_vec()
        };
        cores.sort_unstable();
        cores.dedup();
        match cores.iter().find(|core| !self.allowed.contains(core)) {
            Some(core) => Err(MachineError::Core {
                core: *core,
                allowed: cores::format_list(&self.allowed),
            }),
            None => Ok(cores),
        }
    }

    /// The path of a kernel file, given from the root without a leading slash.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// The text of a kernel file.
    pub(crate) fn read(&self, file: &str) -> Result<String, MachineError> {
        let path = self.path(file);
        std::fs::read_to_string(&path).map_err(|source| MachineError::Read { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_cores_must_exist() {
        let machine = Machine::at(Path::new("/nowhere"), vec![0, 1, 4]);
        assert_eq!(machine.cores(&[]).unwrap(), [0, 1, 4]);
        assert_eq!(machine.cores(&[4, 0, 4]).unwrap(), [0, 4]);
        assert_eq!(
            machine.cores(&[2]).unwrap_err().to_string(),
            "use core 2: this process may use 0-1,4"
        );
    }

    #[test]
    fn this_machine_has_cores() {
        assert!(!Machine::here().unwrap().allowed().is_empty());
    }
}
