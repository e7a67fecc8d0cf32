//! Which cores of this machine measure and which are measured.

use crate::experiment::Local;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;

/// How the cores are shared out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// Cores of `aefm`, its receiver and the load.
    pub instrument: Vec<usize>,
    /// Cores of services and stressors: the testbed node.
    pub testbed: Vec<usize>,
}

/// Why cores cannot be shared out as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// The file names a core that this process may not use.
    #[error(
        "place on core {core}: this machine lets aefm use cores {allowed:?} only; change `local` in the experiment file"
    )]
    NoSuchCore {
        /// The core.
        core: usize,
        /// The cores there are.
        allowed: Vec<usize>,
    },
    /// The system does not say which cores there are.
    #[error("ask which cores may be used: {0}")]
    Ask(nix::errno::Errno),
    /// There is no core at all.
    #[error("place anything: no core may be used")]
    NoCores,
}

impl Placement {
    /// Shares out the cores that this process may use. Without a wish the last core is the testbed and the first one,
    /// or two where there are four, the instrument: one testbed core keeps the default rates meaningful on any machine.
    ///
    /// # Errors
    /// When the wish names a core that may not be used.
    pub fn new(allowed: &[usize], wish: &Local) -> Result<Self, PlacementError> {
        let mut named = wish.instrument_cores.iter().chain(&wish.testbed_cores);
        if let Some(core) = named.find(|core| !allowed.contains(core)) {
            return Err(PlacementError::NoSuchCore {
                core: *core,
                allowed: allowed.to_vec(),
            });
        }
        if !wish.instrument_cores.is_empty() {
            return Ok(Self {
                instrument: wish.instrument_cores.clone(),
                testbed: wish.testbed_cores.clone(),
            });
        }
        let last = *allowed.last().ok_or(PlacementError::NoCores)?;
        let instruments = if allowed.len() >= 4 { 2 } else { 1 };
        Ok(Self {
            instrument: allowed[..instruments].to_vec(),
            testbed: vec![last],
        })
    }

    /// Whether some core both measures and is measured.
    #[must_use]
    pub fn shared(&self) -> bool {
        self.instrument
            .iter()
            .any(|core| self.testbed.contains(core))
    }
}

/// The cores that this process may use.
///
/// # Errors
/// When the system does not say.
pub fn allowed_cores() -> Result<Vec<usize>, PlacementError> {
    let set = sched_getaffinity(Pid::from_raw(0)).map_err(PlacementError::Ask)?;
    Ok((0..CpuSet::count())
        .filter(|core| set.is_set(*core) == Ok(true))
        .collect())
}

/// Keeps this thread, and those it starts from now on, on these cores.
///
/// # Errors
/// When the system refuses.
pub fn stay_on(cores: &[usize]) -> Result<(), nix::errno::Errno> {
    let mut set = CpuSet::new();
    cores.iter().try_for_each(|core| set.set(*core))?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(allowed: &[usize]) -> Placement {
        Placement::new(allowed, &Local::default()).expect("there are cores")
    }

    #[test]
    fn two_cores_are_shared_out_and_one_is_shared() {
        assert_eq!(
            place(&[0, 1]),
            Placement {
                instrument: vec![0],
                testbed: vec![1]
            }
        );
        assert!(place(&[3]).shared());
        assert!(matches!(
            Placement::new(&[], &Local::default()),
            Err(PlacementError::NoCores)
        ));
    }

    #[test]
    fn a_wish_is_obeyed_or_refused_with_the_cores_there_are() {
        let wish = Local {
            instrument_cores: vec![1],
            testbed_cores: vec![0, 2],
            ..Local::default()
        };
        assert_eq!(
            Placement::new(&[0, 1, 2], &wish)
                .expect("all there")
                .testbed,
            [0, 2]
        );
        let error = Placement::new(&[0, 1], &wish).expect_err("core 2 is missing");
        assert_eq!(
            error,
            PlacementError::NoSuchCore {
                core: 2,
                allowed: vec![0, 1]
            }
        );
    }

    proptest! {
        #[test]
        fn with_two_cores_or_more_the_instrument_is_not_measured(cores in prop::collection::btree_set(0_usize..64, 2..20)) {
            prop_assert!(!place(&cores.into_iter().collect::<Vec<_>>()).shared());
        }
    }
}
