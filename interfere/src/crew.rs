//! The threads of a stressor: started together, pinned, steered by one dial, metered one by one, gone when dropped.

use crate::clock;
use crate::hindrance::Hindrance;
use crate::limits::explained;
use crate::machine::cores::format_list;
use core_affinity::CoreId;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::sys::prctl;
use nix::unistd::{Pid, gettid};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Why a thread could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {
    /// The system gives no more threads.
    #[error("start a thread: {}", explained(.0))]
    Thread(std::io::Error),
    /// It does not say where a thread may run.
    #[error("ask where a thread may run: {0}")]
    Affinity(nix::Error),
    /// It does not let this one run there.
    #[error("pin a thread to core {core}: the system refuses it")]
    Pin {
        /// The core.
        core: usize,
    },
}

/// A counter that one thread writes and another reads, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Meter(AtomicU64);

#[derive(Debug, Default)]
struct Shared {
    dial: AtomicU64,
    stop: AtomicBool,
    failure: OnceLock<String>,
    /// What is in a worker's way, by its index. Touched only when that changes.
    hindrances: Mutex<BTreeMap<usize, Hindrance>>,
}

/// Where a worker was placed.
#[derive(Debug)]
struct Placed {
    thread: Pid,
    cores: CpuSet,
}

/// A worker's side of the crew.
#[derive(Clone, Debug)]
pub struct Shift {
    shared: Arc<Shared>,
    meter: Arc<Meter>,
    /// Which worker this is, from 0.
    pub index: usize,
    /// How many there are.
    pub workers: usize,
    /// The time grid that all workers share starts here (monotonic, ns).
    pub start_ns: u64,
}

impl Shift {
    /// Each worker's due, as [`Crew::turn`] set it.
    #[must_use]
    pub fn dial(&self) -> f64 {
        f64::from_bits(self.shared.dial.load(Ordering::Relaxed))
    }

    /// Blocks while nothing is asked, which costs no time at all. True: it did, and the time grid has moved on.
    pub fn wait_for_work(&self) -> bool {
        let idle = || self.dial() == 0.0 && !self.stopped();
        let waits = idle();
        while idle() {
            thread::park();
        }
        waits
    }

    /// Blocks that long, or until something else is asked.
    pub fn rest(&self, time: Duration) {
        let due = self.dial().to_bits();
        let until_ns = clock::mono_ns() + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        while self.dial().to_bits() == due && !self.stopped() {
            let left_ns = until_ns.saturating_sub(clock::mono_ns());
            if left_ns == 0 {
                return;
            }
            thread::park_timeout(Duration::from_nanos(left_ns));
        }
    }

    /// Time to go.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// Adds to what this worker has done.
    pub fn add(&self, amount: u64) {
        self.meter.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Sets what this worker holds, for quantities that also shrink.
    pub fn show(&self, amount: u64) {
        self.meter.0.store(amount, Ordering::Relaxed);
    }

    /// Says what is in this worker's way from now on, or that nothing is any more.
    pub fn hinder(&self, hindrance: Option<Hindrance>) {
        let mut all = self.shared.hindrances.lock();
        let all = all.as_mut().unwrap_or_else(|error| error.get_mut());
        match hindrance {
            Some(hindrance) => all.insert(self.index, hindrance),
            None => all.remove(&self.index),
        };
    }

    /// Says why this worker gives up; the first reason is kept.
    pub fn fail(&self, reason: String) {
        // A second failure is a consequence of the first.
        let _ = self.shared.failure.set(reason);
    }
}

/// Threads at work. Dropping it stops and joins them.
#[derive(Debug)]
pub struct Crew {
    shared: Arc<Shared>,
    meters: Vec<Arc<Meter>>,
    /// Each worker's place, once it has taken it.
    places: Vec<Arc<OnceLock<Placed>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Starts a thread a core, pinned to it (`None`: not pinned), with the dial at zero.
    ///
    /// # Errors
    /// When the system gives no more threads. A thread that cannot be pinned shows as [`Crew::failure`].
    pub fn hire<F>(cores: &[Option<usize>], body: F) -> Result<Self, CrewError>
    where
        F: Fn(&Shift) + Send + Sync + Clone + 'static,
    {
        let mut crew = Self {
            shared: Arc::default(),
            meters: Vec::new(),
            places: Vec::new(),
            threads: Vec::new(),
        };
        let start_ns = clock::mono_ns();
        for (index, core) in cores.iter().copied().enumerate() {
            let meter = Arc::new(Meter::default());
            let place = Arc::new(OnceLock::new());
            let taken = Arc::clone(&place);
            let shift = Shift {
                shared: Arc::clone(&crew.shared),
                meter: Arc::clone(&meter),
                index,
                workers: cores.len(),
                start_ns,
            };
            let body = body.clone();
            let thread = thread::Builder::new()
                .name(format!("stress-{index}"))
                .stack_size(256 << 10);
            let started = thread.spawn(move || match prepare(core) {
                Ok(placed) => {
                    taken.get_or_init(|| placed);
                    body(&shift);
                }
                Err(error) => shift.fail(error.to_string()),
            });
            crew.meters.push(meter);
            crew.places.push(place);
            crew.threads.push(started.map_err(CrewError::Thread)?);
        }
        Ok(crew)
    }

    /// Sets every worker's due.
    pub fn turn(&self, due: f64) {
        self.shared.dial.store(due.to_bits(), Ordering::Relaxed);
        self.wake();
    }

    /// Ends every worker's wait: each looks again at what is asked.
    fn wake(&self) {
        self.threads
            .iter()
            .for_each(|thread| thread.thread().unpark());
    }

    /// How many work.
    #[must_use]
    pub fn size(&self) -> usize {
        self.threads.len()
    }

    /// What all have done.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.meters
            .iter()
            .map(|meter| meter.0.load(Ordering::Relaxed))
            .sum()
    }

    /// Says where the first thread is that may no longer run where it was placed, and only there.
    #[must_use]
    pub fn moved(&self) -> Option<String> {
        self.places
            .iter()
            .filter_map(|place| place.get())
            .find_map(Placed::moved)
    }

    /// What is in some worker's way.
    #[must_use]
    pub fn hindrance(&self) -> Option<Hindrance> {
        let all = self.shared.hindrances.lock();
        let all = all.as_ref().unwrap_or_else(|error| error.get_ref());
        all.values().next().cloned()
    }

    /// Why one gave up.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.shared.failure.get().map(String::as_str)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.wake();
        for thread in self.threads.drain(..) {
            // A worker's panic has been printed; there is nothing left to undo.
            let _ = thread.join();
        }
    }
}

impl Placed {
    /// Where the thread may run now, if that is no longer where it was placed. One that has ended is nowhere.
    fn moved(&self) -> Option<String> {
        let now = sched_getaffinity(self.thread).ok()?;
        (now != self.cores).then(|| {
            format!(
                "a thread on {} may now run on {}",
                format_list(&listed(&self.cores)),
                format_list(&listed(&now))
            )
        })
    }
}

fn listed(set: &CpuSet) -> Vec<usize> {
    (0..CpuSet::count())
        .filter(|core| set.is_set(*core).unwrap_or(false))
        .collect()
}

/// Pins the calling thread and makes its sleeps end on time.
fn prepare(core: Option<usize>) -> Result<Placed, CrewError> {
    // The default slack of 50 us would be a part of every period.
    let _ = prctl::set_timerslack(1);
    if let Some(core) = core {
        pin(core)?;
    }
    let thread = gettid();
    let cores = sched_getaffinity(thread).map_err(CrewError::Affinity)?;
    Ok(Placed { thread, cores })
}

/// Pins the calling thread to a core.
pub(crate) fn pin(core: usize) -> Result<(), CrewError> {
    if core_affinity::set_for_current(CoreId { id: core }) {
        Ok(())
    } else {
        Err(CrewError::Pin { core })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aefm_workloads::interference::Why;

    #[test]
    fn a_crew_works_until_it_is_dropped() {
        let crew = Crew::hire(&[None, None], |shift| {
            while !shift.stopped() {
                shift.add(shift.dial() as u64);
                thread::yield_now();
            }
        })
        .unwrap();
        crew.turn(3.0);
        while crew.total() < 30 {
            thread::yield_now();
        }
        assert_eq!(crew.failure(), None);
        drop(crew);
    }

    #[test]
    fn nothing_asked_is_waited_out_and_a_rest_ends_with_a_new_request() {
        let crew = Crew::hire(&[None], |shift| {
            while !shift.stopped() {
                shift.wait_for_work();
                shift.add(1);
                shift.rest(Duration::from_secs(3600));
                shift.add(1);
            }
        })
        .unwrap();
        for stage in 1..=20_u32 {
            crew.turn(f64::from(stage % 2));
            while crew.total() < stage.into() {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn a_thread_that_somebody_moves_is_seen_until_it_is_moved_back() {
        let here = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let cores = listed(&here);
        let crew = Crew::hire(&[Some(cores[0])], |shift| {
            while !shift.stopped() {
                thread::park();
            }
        })
        .unwrap();
        let placed = loop {
            match crew.places[0].get() {
                Some(placed) => break placed,
                None => thread::yield_now(),
            }
        };
        assert_eq!(crew.moved(), None);
        // Everywhere is no longer only there, unless there is only one core.
        nix::sched::sched_setaffinity(placed.thread, &here).unwrap();
        if let [first, _, ..] = cores[..] {
            let said = crew.moved().unwrap();
            assert!(
                said.starts_with(&format!("a thread on {first} may now run on ")),
                "{said}"
            );
        }
        nix::sched::sched_setaffinity(placed.thread, &placed.cores).unwrap();
        assert_eq!(crew.moved(), None);
    }

    #[test]
    fn what_is_in_a_workers_way_is_told_until_it_is_gone() {
        let crew = Crew::hire(&[None], |shift| {
            shift.hinder(Some(Hindrance::plain(Why::Limited)));
            shift.wait_for_work();
            shift.hinder(None);
        })
        .unwrap();
        while crew.hindrance().is_none() {
            thread::yield_now();
        }
        crew.turn(1.0);
        while crew.hindrance().is_some() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_core_that_is_not_there_is_a_failure() {
        let crew = Crew::hire(&[Some(1023)], |_| {}).unwrap();
        while crew.failure().is_none() {
            thread::yield_now();
        }
        assert!(
            crew.failure()
                .unwrap()
                .starts_with("pin a thread to core 1023")
        );
    }
}
