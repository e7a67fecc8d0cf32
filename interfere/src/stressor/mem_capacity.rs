//! `mem_capacity`: memory that is really resident, and stays so by being touched now and then.
//!
//! It is taken in blocks, each after a look at what may still be taken, and given back block by block when the node or
//! the control group runs short, or tasks wait for memory. What was reached is what is resident by the kernel's count.

use super::{Ask, Descriptor, StartError, Stressor};
use crate::clock;
use crate::crew::{Crew, Shift};
use crate::guard;
use crate::hindrance::Hindrance;
use crate::holding::Tolerance;
use crate::limits::explained;
use crate::machine::Machine;
use crate::mapping::{Mapping, PAGE_BYTES, Pages};
use crate::monitor::Reached;
use aefm_workloads::interference::{Kind, Why};
use aefm_workloads::quantity::Unit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Memory is taken and given back in pieces of this size.
const BLOCK_BYTES: u64 = 32 << 20;
/// How often a worker with nothing to take looks at what the node has left. Each look reads a few files of the kernel's.
const LOOK: Duration = Duration::from_millis(200);
/// Pages that all workers together touch again in a look's time: some 0.3 % of a core.
const TOUCHES: u64 = 4_000;
/// Above this share of time in which tasks wait for memory, memory is given back.
const PRESSURE_PERCENT: f64 = 20.0;
/// Without growth for so long it no longer counts as filling.
const STALLED_NS: u64 = 500_000_000;
/// More workers do not fill memory faster.
const MOST_WORKERS: usize = 8;

struct MemCapacity {
    crew: Crew,
    machine: Machine,
    limited: Arc<AtomicBool>,
    bytes_per_unit: f64,
    due_bytes: f64,
    most_bytes: u64,
    grown_ns: u64,
}

impl Stressor for MemCapacity {
    #[expect(clippy::cast_precision_loss, reason = "a crew is small")]
    fn set(&mut self, intensity: f64) {
        self.due_bytes = intensity * self.bytes_per_unit;
        (self.most_bytes, self.grown_ns) = (0, clock::mono_ns());
        self.crew.turn(self.due_bytes / self.crew.size() as f64);
    }

    #[expect(clippy::cast_precision_loss, reason = "memories are below 2^52 bytes")]
    fn reached(&mut self, now_ns: u64) -> Reached {
        let taken = self.crew.total();
        // Swapped out or merged pages are not resident, whatever was taken.
        let bytes = self
            .machine
            .resident_bytes()
            .map_or(taken, |resident| taken.min(resident));
        if bytes > self.most_bytes {
            (self.most_bytes, self.grown_ns) = (bytes, now_ns);
        }
        // It fills as long as it grows; once it may not, a miss is saturation.
        let growing = now_ns.saturating_sub(self.grown_ns) < STALLED_NS
            && !self.limited.load(Ordering::Relaxed);
        let filling = growing && (bytes as f64) < self.due_bytes * 0.999;
        let filling = filling.then(|| Hindrance::plain(Why::Filling));
        Reached {
            hindrance: self.crew.hindrance().or(filling),
            ..Reached::of(bytes as f64 / self.bytes_per_unit)
        }
    }

    fn crew(&self) -> Option<&Crew> {
        Some(&self.crew)
    }

    fn failure(&self) -> Option<String> {
        self.crew.failure().map(str::to_owned)
    }
}

#[expect(clippy::cast_precision_loss, reason = "memories are below 2^52 bytes")]
fn start(ask: &Ask<'_>) -> Result<Box<dyn Stressor>, StartError> {
    let reserve_bytes = match ask.spec.options.reserve_bytes {
        Some(bytes) => bytes,
        None => ask.machine.default_reserve_bytes()?,
    };
    let room_bytes = ask.machine.room_bytes(reserve_bytes)?;
    guard::die_first();
    let limited = Arc::new(AtomicBool::new(false));
    let cores: Vec<_> = ask
        .cores
        .iter()
        .copied()
        .map(Some)
        .take(MOST_WORKERS)
        .collect();
    let holder = Holder {
        machine: ask.machine.clone(),
        reserve_bytes,
        limited: Arc::clone(&limited),
        workers: cores.len() as u64,
    };
    let crew = Crew::hire(&cores, move |shift| holder.hold(shift))?;
    let bytes_per_unit = if ask.unit == Unit::Percent {
        (room_bytes as f64 / 100.0).max(1.0)
    } else {
        1.0
    };
    Ok(Box::new(MemCapacity {
        crew,
        machine: ask.machine.clone(),
        limited,
        bytes_per_unit,
        due_bytes: 0.0,
        most_bytes: 0,
        grown_ns: 0,
    }))
}

/// What a worker has to know.
#[derive(Clone)]
struct Holder {
    machine: Machine,
    reserve_bytes: u64,
    limited: Arc<AtomicBool>,
    workers: u64,
}

/// What to do next with the memory that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Take that many bytes.
    Take(u64),
    /// Give back that many blocks, because less is asked.
    Drop(usize),
    /// Give back that many blocks, because the node needs them.
    Yield(usize),
    /// Nothing to take because there is no room.
    Short,
    /// As asked.
    Rest,
}

/// Decides it. Pure: `headroom` is what may still be taken (negative: too much is taken), `pressed` that tasks wait.
fn next_step(
    due: u64,
    held: u64,
    blocks: usize,
    headroom: i64,
    pressed: bool,
    workers: u64,
) -> Step {
    let (share, block) = (
        headroom / workers.max(1).cast_signed(),
        BLOCK_BYTES.cast_signed(),
    );
    if headroom < 0 || (pressed && blocks > 0) {
        let missing = usize::try_from((-share).max(1).cast_unsigned().div_ceil(BLOCK_BYTES))
            .unwrap_or(usize::MAX);
        return if blocks == 0 {
            Step::Short
        } else {
            Step::Yield(missing.min(blocks))
        };
    }
    if held > due {
        // The last block may be smaller than what is too much: then it is taken again at its size.
        let excess = usize::try_from((held - due).div_ceil(BLOCK_BYTES)).unwrap_or(usize::MAX);
        return Step::Drop(excess.min(blocks));
    }
    let wanted = (due - held).min(BLOCK_BYTES) / PAGE_BYTES as u64 * PAGE_BYTES as u64;
    match wanted {
        0 => Step::Rest,
        // What others take at the same time has to fit, too.
        _ if pressed || share < wanted.cast_signed().min(block) => Step::Short,
        _ => Step::Take(wanted),
    }
}

impl Holder {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a due is a positive number of bytes"
    )]
    fn hold(&self, shift: &Shift) {
        let mut blocks: Vec<Mapping> = Vec::new();
        let mut cursor = Cursor::default();
        let mut refused = None;
        let mut told = None;
        while !shift.stopped() {
            let held = blocks.iter().map(|block| block.bytes() as u64).sum();
            shift.show(held);
            if held == 0 {
                shift.wait_for_work();
            }
            let headroom = self.machine.headroom_bytes(self.reserve_bytes).unwrap_or(0);
            let pressed = self
                .machine
                .memory_pressure()
                .is_some_and(|pressure| pressure > PRESSURE_PERCENT);
            let step = next_step(
                shift.dial() as u64,
                held,
                blocks.len(),
                headroom,
                pressed,
                self.workers,
            );
            let step = match step {
                // What was refused is tried again after a look's time, not at once.
                Step::Take(_) if refused.is_some() => Step::Short,
                step => step,
            };
            let is_short = matches!(step, Step::Short | Step::Yield(_));
            self.limited.store(is_short, Ordering::Relaxed);
            match step {
                Step::Take(bytes) => match take(bytes, blocks.len() as u64) {
                    Ok(block) => blocks.push(block),
                    Err(reason) => {
                        refused = Some(reason);
                        continue;
                    }
                },
                Step::Drop(count) | Step::Yield(count) => blocks.truncate(blocks.len() - count),
                Step::Short | Step::Rest => {}
            }
            // Who is short says by what; who has what was asked, or gets more, is no longer.
            let limit = if is_short {
                self.limit(refused.take())
            } else {
                None
            };
            if limit != told {
                told.clone_from(&limit);
                shift.hinder(limit.map(|limit| Hindrance::new(Why::Limited, limit)));
            }
            if matches!(step, Step::Short | Step::Rest) {
                cursor.touch(&blocks, TOUCHES / self.workers.max(1));
                shift.rest(LOOK);
            }
        }
    }

    /// What other than the machine's own memory leaves no more to be taken.
    fn limit(&self, refused: Option<String>) -> Option<String> {
        let group = || {
            let group = self.machine.tightest_group(self.reserve_bytes)?;
            Some(format!("by the memory limit of control group {group}"))
        };
        refused.or_else(group)
    }
}

fn take(bytes: u64, salt: u64) -> Result<Mapping, String> {
    let bytes = usize::try_from(bytes)
        .map_err(|_| format!("take {bytes} bytes: more than there are addresses"))?;
    let mut block = Mapping::new(bytes, Pages::Huge).map_err(|error| {
        format!(
            "the system refuses {} MiB more: {}",
            bytes >> 20,
            explained(&error.into())
        )
    })?;
    block.touch(salt);
    Ok(block)
}

/// Goes over what is held, page by page, again and again.
#[derive(Debug, Default)]
struct Cursor {
    block: usize,
    page: usize,
}

impl Cursor {
    fn touch(&mut self, blocks: &[Mapping], pages: u64) {
        let mut sum = 0_u64;
        for _ in 0..pages {
            let Some(block) = blocks.get(self.block) else {
                (self.block, self.page) = (0, 0);
                break;
            };
            match block.words().get(self.page * PAGE_BYTES / 8) {
                Some(word) => {
                    sum = sum.wrapping_add(*word);
                    self.page += 1;
                }
                None => (self.block, self.page) = (self.block + 1, 0),
            }
        }
        std::hint::black_box(sum);
    }
}

/// A percent of the request, but no finer than a few pages a worker.
fn tolerance(unit: Unit, _: f64) -> Tolerance {
    Tolerance::of(Kind::MemCapacity, unit)
}

/// See the module.
pub(super) static MEM_CAPACITY: Descriptor = Descriptor {
    kind: Kind::MemCapacity,
    about: "memory really resident: percent of what may be taken, or bytes",
    tolerance,
    has_peak: false,
    support: |machine| {
        machine
            .memory()
            .map(|_| ())
            .map_err(|error| error.to_string())
    },
    start,
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn memory_is_taken_block_by_block_as_far_as_there_is_room() {
        let step = |due, held, headroom| next_step(due, held, 3, headroom, false, 2);
        assert_eq!(step(100 * MIB, 0, 1 << 40), Step::Take(BLOCK_BYTES));
        assert_eq!(step(100 * MIB, 96 * MIB, 1 << 40), Step::Take(4 * MIB));
        assert_eq!(step(100 * MIB, 100 * MIB, 1 << 40), Step::Rest);
        assert_eq!(step(100 * MIB, 0, 10 << 20), Step::Short);
        assert_eq!(step(10 * MIB, 96 * MIB, 1 << 40), Step::Drop(3));
    }

    #[test]
    fn a_node_in_need_gets_it_back() {
        // Two workers owe 1 GiB: sixteen blocks each.
        assert_eq!(
            next_step(1 << 40, 1 << 40, 100, -(1 << 30), false, 2),
            Step::Yield(16)
        );
        assert_eq!(
            next_step(1 << 40, 96 << 20, 3, -(1 << 30), false, 2),
            Step::Yield(3)
        );
        assert_eq!(next_step(1 << 40, 0, 0, -1, false, 2), Step::Short);
        assert_eq!(
            next_step(1 << 40, 96 << 20, 3, 1 << 40, true, 2),
            Step::Yield(1)
        );
        assert_eq!(next_step(1 << 40, 0, 0, 1 << 40, true, 2), Step::Short);
    }

    proptest! {
        /// With workers that decide at the same time on the same view, what all take fits into what there is.
        #[test]
        fn all_workers_together_fit(due in 0..1u64 << 40, headroom in -(1i64 << 35)..1 << 35, workers in 1..64u64) {
            if let Step::Take(bytes) = next_step(due, 0, 0, headroom, false, workers) {
                prop_assert!(bytes.checked_mul(workers).unwrap().cast_signed() <= headroom);
                prop_assert!(bytes <= due);
            }
        }
    }

    #[test]
    fn touching_goes_round() {
        let blocks = [take(1 << 20, 0).unwrap(), take(1 << 20, 1).unwrap()];
        let mut cursor = Cursor::default();
        cursor.touch(&blocks, 300);
        assert_eq!(cursor.block, 1);
        cursor.touch(&blocks, 300);
        cursor.touch(&blocks, 1);
        assert_eq!(cursor.block, 0);
    }
}
