//! Probes: how much of each resource is left to somebody else on a core. Each takes a fraction of a second, measures
//! what its kind presses on and (but for `cpu`) counts only CPU time that it really had.

mod chase;
mod turns;

use crate::clock;
use crate::crew::pin;
use crate::kernels::code::Chain;
use crate::kernels::pages::Pages as Field;
use crate::kernels::{Burn, Vectors, stream};
use crate::machine::Machine;
use crate::mapping::{Mapping, Pages};
use crate::stressor::nameless;
use aefm_workloads::interference::{CpuWork, Kind};
use chase::Chase;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
pub use turns::{Turns, turns};

/// How long a probe measures.
const SPAN_NS: u64 = 400_000_000;
/// Pauses between touches, in which whoever presses may press: longer than the kinds' own periods.
const SHORT_PAUSE_NS: u64 = 1_200_000;
const PAUSE_NS: u64 = 2_500_000;
const LONG_PAUSE_NS: u64 = 12_000_000;

/// What a probe found: more is slower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The cost of one unit of work.
    pub cost: f64,
    /// Of what.
    pub unit: &'static str,
}

/// Does this work on that core, in a thread of its own: whoever asks stays where it may run, and so do its children.
fn on_core<T: Send>(core: usize, work: impl FnOnce() -> Option<T> + Send) -> Option<T> {
    let pinned = || {
        pin(core).ok()?;
        // A probe that oversleeps measures less often, and nothing else.
        let _ = nix::sys::prctl::set_timerslack(1);
        work()
    };
    std::thread::scope(|scope| {
        scope
            .spawn(pinned)
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Measures what is left of a kind's resource on a core; of a disk, in that folder. None: this machine cannot say.
#[must_use]
pub fn measure(kind: Kind, core: usize, dir: Option<&Path>, machine: &Machine) -> Option<Reading> {
    on_core(core, || probe(kind, core, dir, machine))
}

fn probe(kind: Kind, core: usize, dir: Option<&Path>, machine: &Machine) -> Option<Reading> {
    let (cost, unit) = match kind {
        Kind::Cpu => (cpu(), "wall time of a CPU second"),
        Kind::MemBandwidth => (bandwidth()?, "CPU ns per KiB to memory"),
        Kind::MemCapacity => (
            machine
                .memory()
                .ok()
                .map(|memory| 1e12 / memory.available_bytes as f64)?,
            "1/TB available",
        ),
        Kind::Network => (loopback().ok()?, "CPU ns per KiB through loopback"),
        Kind::Llc => (
            touch(
                Chase::new(machine.last_cache(core)?.bytes / 4)?,
                LONG_PAUSE_NS,
            ),
            "CPU ns per load",
        ),
        Kind::L2 => (
            touch(
                Chase::new(machine.data_cache(core, 2)?.bytes / 2)?,
                PAUSE_NS,
            ),
            "CPU ns per load",
        ),
        Kind::L1d => (
            touch(
                Chase::new(machine.data_cache(core, 1)?.bytes / 2)?,
                SHORT_PAUSE_NS,
            ),
            "CPU ns per load",
        ),
        Kind::L1i => (
            instructions(machine.instruction_cache(core)?.bytes / 2)?,
            "CPU ns per line of code",
        ),
        Kind::Tlb => (translations()?, "CPU ns per page"),
        Kind::Ctx => (switches(machine)?, "switches a second on the node"),
        Kind::Disk => (written(dir?).ok()?, "ns per KiB written"),
    };
    Some(Reading { cost, unit })
}

/// Wall time over CPU time of steady work: 1 on a core of one's own.
fn cpu() -> f64 {
    let mut burn = Burn::new(CpuWork::Integer);
    burn.tune(20_000, clock::thread_cpu_ns);
    let (wall, cpu) = (clock::mono_ns(), clock::thread_cpu_ns());
    while clock::mono_ns() - wall < SPAN_NS {
        burn.round();
    }
    (clock::mono_ns() - wall) as f64 / (clock::thread_cpu_ns() - cpu).max(1) as f64
}

/// Stores past the caches: memory takes fewer of them than it gives loads, so that one core's others feel them.
fn bandwidth() -> Option<f64> {
    let mut memory = Mapping::new(128 << 20, Pages::Huge).ok()?;
    memory.touch(1);
    let vectors = Vectors::detect();
    let (wall, cpu) = (clock::mono_ns(), clock::thread_cpu_ns());
    let (mut kib, pieces) = (0, memory.words().len() / 8192);
    while clock::mono_ns() - wall < SPAN_NS {
        let at = kib / 64 % pieces * 8192;
        stream::write_past(vectors, &mut memory.words_mut()[at..at + 8192], 1);
        kib += 64;
    }
    Some((clock::thread_cpu_ns() - cpu) as f64 / kib as f64)
}

/// Blocks written past the page cache, one after the other.
fn written(dir: &Path) -> std::io::Result<f64> {
    const FILE_BYTES: u64 = 8 << 20;
    const BLOCK_BYTES: usize = 64 << 10;
    let file = nameless(dir, FILE_BYTES).map_err(std::io::Error::other)?;
    let mut memory = Mapping::new(BLOCK_BYTES, Pages::Small)?;
    memory.touch(1);
    let start = clock::mono_ns();
    let mut at = 0;
    while clock::mono_ns() - start < SPAN_NS {
        file.write_all_at(memory.bytes_mut(), at % FILE_BYTES)?;
        at += BLOCK_BYTES as u64;
    }
    Ok((clock::mono_ns() - start) as f64 / (at >> 10) as f64)
}

/// CPU time of both ends of a connection over loopback.
fn loopback() -> std::io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    let mut bytes = vec![1_u8; 16 << 10];
    let (wall, cpu) = (clock::mono_ns(), clock::thread_cpu_ns());
    let mut kib = 0;
    while clock::mono_ns() - wall < SPAN_NS {
        near.write_all(&bytes)?;
        far.read_exact(&mut bytes)?;
        kib += 16;
    }
    Ok((clock::thread_cpu_ns() - cpu) as f64 / f64::from(kib))
}

/// Cost of one pass after a pause: the lower quartile, since what others do to a cache now and then is not what is
/// asked, while whoever presses does it in every pause.
fn paused(pause_ns: u64, units: usize, mut pass: impl FnMut()) -> f64 {
    let start = clock::mono_ns();
    let mut costs = Vec::new();
    let mut burn = Burn::new(CpuWork::Integer);
    burn.tune(5_000, clock::thread_cpu_ns);
    pass();
    while clock::mono_ns() - start < SPAN_NS {
        let until = clock::mono_ns() + pause_ns;
        // Registers are kept busy rather than sleeping: a core that halts loses its caches to whatever wakes it, on a
        // virtual machine to the host.
        while clock::mono_ns() < until {
            burn.round();
        }
        let cpu = clock::thread_cpu_ns();
        pass();
        costs.push(clock::thread_cpu_ns() - cpu);
    }
    costs.sort_unstable();
    costs[costs.len() / 4] as f64 / units as f64
}

fn touch(mut chase: Chase, pause_ns: u64) -> f64 {
    let loads = chase.lines().min(32_768);
    paused(pause_ns, loads, || chase.walk(loads))
}

fn instructions(bytes: usize) -> Option<f64> {
    let chain = Chain::new(bytes).ok()?;
    Some(paused(SHORT_PAUSE_NS, bytes / 64, || chain.run(bytes)))
}

fn translations() -> Option<f64> {
    const PAGES: usize = 1024;
    let mut field = Field::new(PAGES).ok()?;
    Some(paused(PAUSE_NS, PAGES, || field.walk(PAGES as u64)))
}

/// Context switches a second of the node, as the kernel counts them.
fn switches(machine: &Machine) -> Option<f64> {
    let count = || -> Option<u64> {
        let text = machine.read("proc/stat").ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix("ctxt ")?.trim().parse().ok())
    };
    let (before, start) = (count()?, clock::mono_ns());
    clock::sleep_until(start + SPAN_NS);
    let switches = count()? - before;
    Some(switches as f64 * 1e9 / (clock::mono_ns() - start) as f64)
}
