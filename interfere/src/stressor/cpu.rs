//! `cpu`: a share of the named cores' time, by a pinned thread each that works and sleeps under a [`Duty`] account.
//!
//! What was used is what CLOCK_THREAD_CPUTIME_ID says, so time that others took from the thread is not counted, and is
//! made up for as far as the account allows. The intensity reached is CPU time over wall time.

mod class;
mod partition;

use super::{Ask, Descriptor, StartError, Stressor};
use crate::clock;
use crate::crew::{Crew, Shift};
use crate::duty::Duty;
use crate::hindrance::Hindrance;
use crate::holding::Tolerance;
use crate::kernels::Burn;
use crate::machine::cores::format_list;
use crate::monitor::Reached;
use aefm_workloads::interference::{CpuClass, Kind, Why};
use class::Secured;
use partition::Partition;

pub(crate) use partition::keep;

/// One period: long enough that a wake-up costs nothing, short enough that ten make a smooth 100 ms.
const PERIOD_NS: u64 = 10_000_000;
/// CPU time that one round of work may take before the clock is read again.
const ROUND_NS: u64 = 20_000;
/// How often a thread looks whether it still has the class that secures its share.
const LOOK_NS: u64 = 400_000_000;

struct Cpu {
    // Ended before its cores are given back.
    crew: Crew,
    partition: Option<Partition>,
    seen_ns: u64,
    seen_at_ns: u64,
}

impl Stressor for Cpu {
    fn set(&mut self, intensity: f64) {
        self.crew.turn(intensity / 100.0);
    }

    #[expect(clippy::cast_precision_loss, reason = "windows are far below 2^52 ns")]
    fn reached(&mut self, now_ns: u64) -> Reached {
        let used_ns = self.crew.total();
        let wall_ns = now_ns.saturating_sub(self.seen_at_ns).max(1) * self.crew.size() as u64;
        let achieved = 100.0 * (used_ns - self.seen_ns) as f64 / wall_ns as f64;
        (self.seen_ns, self.seen_at_ns) = (used_ns, now_ns);
        Reached {
            hindrance: self.crew.hindrance(),
            ..Reached::of(achieved)
        }
    }

    fn crew(&self) -> Option<&Crew> {
        Some(&self.crew)
    }

    fn failure(&self) -> Option<String> {
        let unkept = || self.partition.as_ref().and_then(Partition::failure);
        self.crew.failure().or_else(unkept).map(str::to_owned)
    }
}

fn start(ask: &Ask<'_>) -> Result<Box<dyn Stressor>, StartError> {
    let burn = Burn::new(ask.spec.options.work);
    let class = ask.spec.options.class;
    let (partition, cores) = placement(ask, class)?;
    let crew = Crew::hire(&cores, move |shift| work(shift, burn, class))?;
    Ok(Box::new(Cpu {
        crew,
        partition,
        seen_ns: 0,
        seen_at_ns: clock::mono_ns(),
    }))
}

/// Where the threads go. The kernel reserves only for threads that may run on all of their domain's cores: those that are
/// named are made one.
fn placement(
    ask: &Ask<'_>,
    class: CpuClass,
) -> Result<(Option<Partition>, Vec<Option<usize>>), StartError> {
    if class != CpuClass::Reserved {
        return Ok((None, ask.cores.iter().copied().map(Some).collect()));
    }
    let unpinned = vec![None; ask.cores.len()];
    if ask.cores == ask.machine.allowed() {
        return Ok((None, unpinned));
    }
    let partition = Partition::make(ask.machine, &ask.cores).map_err(|reason| StartError::Unsupported {
        kind: "cpu",
        reason: format!(
            "the kernel reserves no share for pinned threads, and the cores {} cannot be made a domain of their own, \
             because {reason}; name no cores, or take class weight",
            format_list(&ask.cores)
        ),
    })?;
    Ok((Some(partition), unpinned))
}

/// Secures a new share; the class that it has then, none when the kernel cannot.
fn secured(shift: &Shift, class: CpuClass, share: f64) -> Option<CpuClass> {
    match class::secure(class, share, PERIOD_NS) {
        Secured::Yes => return Some(class),
        Secured::Fair(reason) if shift.index == 0 => {
            eprintln!("cpu: failed to {reason}: going on as class fair");
        }
        Secured::Fair(_) => {}
        Secured::Refused(reason) => {
            shift.fail(reason);
            return None;
        }
    }
    Some(CpuClass::Fair)
}

/// Says when somebody has changed the class that secures this worker's share.
fn look(shift: &Shift, class: CpuClass, share: f64) {
    let taken = (!class::is_kept(class, share)).then(|| {
        let detail = "a thread no longer has the scheduling class that secured its share";
        Hindrance::new(Why::Taken, detail)
    });
    shift.hinder(taken);
}

/// A worker's life: in every period as much CPU time as its account grants, then sleep.
#[expect(
    clippy::cast_precision_loss,
    reason = "periods and their CPU times are far below 2^52 ns"
)]
fn work(shift: &Shift, mut burn: Burn, class: CpuClass) {
    burn.tune(ROUND_NS, clock::thread_cpu_ns);
    // Periods of different cores are staggered, so that the node's load is smooth, too.
    let mut edge_ns = shift.start_ns + PERIOD_NS * shift.index as u64 / shift.workers as u64;
    let mut duty = Duty::new(1_000.0);
    let born_ns = clock::thread_cpu_ns();
    let mut booked_ns = born_ns;
    let mut share = 0.0;
    let mut secured_as = CpuClass::Fair;
    let mut looked_ns = edge_ns;
    clock::sleep_until(edge_ns);
    while !shift.stopped() {
        if share != shift.dial() {
            share = shift.dial();
            duty = Duty::new(1_000.0);
            match secured(shift, class, share) {
                Some(class) => secured_as = class,
                None => return,
            }
        }
        if shift.wait_for_work() {
            edge_ns += clock::mono_ns().saturating_sub(edge_ns) / PERIOD_NS * PERIOD_NS;
            continue;
        }
        if edge_ns.saturating_sub(looked_ns) >= LOOK_NS {
            looked_ns = edge_ns;
            look(shift, secured_as, share);
        }
        let quota = share * PERIOD_NS as f64;
        let grant_ns = duty.grant(quota).min(PERIOD_NS as f64);
        let until_ns = booked_ns + grant_ns as u64;
        spend(shift, &burn, (born_ns, until_ns), edge_ns + PERIOD_NS);
        let periods = (clock::mono_ns().saturating_sub(edge_ns) / PERIOD_NS).max(1);
        edge_ns += periods * PERIOD_NS;
        clock::sleep_until(edge_ns);
        // What the sleep itself cost belongs to the period, too.
        let used_ns = clock::thread_cpu_ns();
        duty.settle(quota, periods, (used_ns - booked_ns) as f64);
        shift.show(used_ns - born_ns);
        booked_ns = used_ns;
    }
}

/// Burns until the thread's CPU clock shows `until_ns`, or the period is over: what could not be had in it is the
/// account's matter. Shows its use as it goes, so that a reader in mid-period sees what is.
fn spend(shift: &Shift, burn: &Burn, (born_ns, until_ns): (u64, u64), end_ns: u64) {
    loop {
        let used_ns = clock::thread_cpu_ns();
        shift.show(used_ns - born_ns);
        if used_ns >= until_ns || shift.stopped() || clock::mono_ns() >= end_ns {
            return;
        }
        burn.round();
    }
}

/// Held within one point, as long as there is anything asked.
fn tolerance(unit: aefm_workloads::quantity::Unit, _: f64) -> Tolerance {
    Tolerance::of(Kind::Cpu, unit)
}

/// See the module.
pub(super) static CPU: Descriptor = Descriptor {
    kind: Kind::Cpu,
    about: "percent of the named cores' time: integer, float or SIMD work under a duty controller",
    tolerance,
    has_peak: false,
    support: |_| Ok(()),
    start,
};
