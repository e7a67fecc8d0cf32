//! `mem_bandwidth`: bytes moved between memory and the named cores, at a held rate.
//!
//! Each worker goes over a buffer of its own that is larger than the last-level cache, in pieces that are short enough
//! to notice a new request at once. What counts is what the program loads or stores: a plain store's own load of the
//! line (write allocate) is not counted, and a copy counts both ways.

use super::{Ask, Descriptor, StartError, Stressor, two_percent};
use crate::crew::Shift;
use crate::guard;
use crate::kernels::{Vectors, stream};
use crate::limits::explained;
use crate::mapping::{HUGE_PAGE_BYTES, Mapping, Pages};
use crate::paced::{Pace, Paced, Scale, Work};
use aefm_workloads::interference::{Access, Kind};
use std::sync::Arc;

/// Bytes in one piece: some 10 us.
const PIECE_BYTES: usize = 256 << 10;
/// Buffers are so many times the last-level cache.
const TIMES_LAST_CACHE: usize = 4;
/// Where the machine does not say how large its last-level cache is.
const ASSUMED_CACHE_BYTES: usize = 64 << 20;
/// No buffer is smaller: less would fit into caches that a virtual machine does not tell of.
const LEAST_BYTES: usize = 64 << 20;

fn start(ask: &Ask<'_>) -> Result<Box<dyn Stressor>, StartError> {
    let reserve = match ask.spec.options.reserve_bytes {
        Some(bytes) => bytes,
        None => ask.machine.default_reserve_bytes()?,
    };
    let room = ask.machine.room_bytes(reserve)?;
    let bytes = buffer_bytes(ask);
    let needed = (bytes * ask.cores.len()) as u64;
    if needed > room {
        let reason = format!(
            "its buffers need {} MiB and {} MiB may be taken: name fewer cores, or a smaller reserve",
            needed >> 20,
            room >> 20
        );
        return Err(StartError::Unsupported {
            kind: "mem_bandwidth",
            reason,
        });
    }
    guard::die_first();
    let access = ask.spec.options.access.unwrap_or(Access::Read);
    let seed = ask.spec.seed;
    let pace = Pace {
        period_ns: 5_000_000,
        quantum: PIECE_BYTES as u64,
        grain: PIECE_BYTES as f64 / 4.0,
        carry: 2.0,
        make: Arc::new(move |shift| walker(shift, bytes, access, seed)),
    };
    let cores: Vec<_> = ask.cores.iter().copied().map(Some).collect();
    let scale = Scale::of(ask.unit, ask.peak(access_name(access)));
    Ok(Box::new(Paced::start(&cores, pace, scale, Some(1.0))?))
}

/// A worker's buffer: four times the last-level cache, of which many workers on one cache need no more than a part.
fn buffer_bytes(ask: &Ask<'_>) -> usize {
    let last = ask
        .cores
        .first()
        .and_then(|core| ask.machine.last_cache(*core));
    let (cache, sharing) = last.map_or((ASSUMED_CACHE_BYTES, 1), |cache| {
        (
            cache.bytes,
            ask.cores
                .iter()
                .filter(|core| cache.shared.contains(core))
                .count()
                .max(1),
        )
    });
    // Up to four workers have the whole of it each; together they then have sixteen times the cache.
    let bytes = (TIMES_LAST_CACHE * cache * 4 / sharing.max(4)).max(LEAST_BYTES);
    bytes.next_multiple_of(HUGE_PAGE_BYTES)
}

/// The work of one worker.
fn walker(shift: &Shift, bytes: usize, access: Access, seed: u64) -> Result<Work, String> {
    let vectors = Vectors::detect();
    let mut memory = Mapping::new(bytes, Pages::Huge)
        .map_err(|error| format!("map {bytes} bytes: {}", explained(&error.into())))?;
    if !memory.huge() && shift.index == 0 {
        eprintln!("mem_bandwidth: no huge pages here, small ones are used: expect a lower peak");
    }
    memory.touch(seed);
    let half = bytes / 16;
    let (mut at, mut state) = (0, seed ^ shift.index as u64 ^ 1);
    Ok(Box::new(move |shift: &Shift, amount: u64| {
        let wanted = usize::try_from(amount)
            .unwrap_or(PIECE_BYTES)
            .clamp(PIECE_BYTES / 4, PIECE_BYTES);
        let words = wanted / 64 * stream::LINE_WORDS;
        let limit = if access == Access::Copy {
            half
        } else {
            bytes / 8
        };
        if at + words > limit {
            at = 0;
        }
        let memory = memory.words_mut();
        match access {
            Access::Read => stream::read(vectors, &memory[at..at + words]),
            Access::Write => stream::write(vectors, &mut memory[at..at + words], amount),
            Access::NonTemporal => stream::write_past(vectors, &mut memory[at..at + words], amount),
            Access::Copy => {
                let (to, from) = memory.split_at_mut(half);
                stream::copy(
                    vectors,
                    &mut to[at..at + words / 2 / 8 * 8],
                    &from[at..at + words / 2 / 8 * 8],
                );
            }
            Access::Random => stream::random(memory, words / stream::LINE_WORDS, &mut state),
        }
        at += if access == Access::Copy {
            words / 2 / 8 * 8
        } else {
            words
        };
        let moved = (words * 8) as u64;
        shift.add(moved);
        Ok(moved)
    }))
}

/// The name under which a calibration keeps this access's peak.
#[must_use]
pub(crate) fn access_name(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
        Access::NonTemporal => "non_temporal",
        Access::Copy => "copy",
        Access::Random => "random",
    }
}

/// See the module.
pub(super) static MEM_BANDWIDTH: Descriptor = Descriptor {
    kind: Kind::MemBandwidth,
    about: "bytes a second between memory and the named cores: read, write, non-temporal, copy or random",
    tolerance: two_percent,
    has_peak: true,
    support: |machine| {
        machine
            .memory()
            .map(|_| ())
            .map_err(|error| error.to_string())
    },
    start,
};
