//! `disk`: direct input and output in a folder that the user names, at a held rate of bytes or operations.
//!
//! The file has no name (O_TMPFILE): whatever ends the process, nothing is left. It is opened past the page cache
//! (O_DIRECT), and written once before it is read, since what was never written is never read from a disk.

use super::{Ask, Descriptor, StartError, Stressor, two_percent};
use crate::clock;
use crate::crew::Shift;
use crate::limits::explained;
use crate::mapping::{Mapping, Pages};
use crate::paced::{Pace, Paced, Scale, Work};
use aefm_workloads::draw::{Stream, draw};
use aefm_workloads::interference::{Access, Kind};
use aefm_workloads::quantity::Unit;
use nix::fcntl::{FallocateFlags, OFlag, fallocate, open};
use nix::sys::stat::Mode;
use nix::sys::statvfs::statvfs;
use rand::RngExt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Operations in flight: one a worker.
const WORKERS: usize = 4;
pub(crate) const DEFAULT_FILE_BYTES: u64 = 256 << 20;
/// The folder's file system keeps at least this much, and as much again as the file takes.
const LEAST_LEFT_BYTES: u64 = 64 << 20;
/// Direct input and output need blocks of this multiple on every disk.
const ALIGN_BYTES: u64 = 4096;

/// What each worker does.
#[derive(Clone, Copy, Debug)]
struct Plan {
    access: Access,
    block_bytes: u64,
    blocks: u64,
    /// Units are operations rather than bytes.
    operations: bool,
    seed: u64,
}

fn start(ask: &Ask<'_>) -> Result<Box<dyn Stressor>, StartError> {
    let options = &ask.spec.options;
    let unsupported = |reason: String| StartError::Unsupported {
        kind: "disk",
        reason,
    };
    let dir = options
        .dir
        .as_deref()
        .ok_or_else(|| unsupported("name a folder (--dir)".to_owned()))?;
    let operations = ask.unit == Unit::Iops;
    let block_bytes = options.block_bytes.unwrap_or_else(|| default_block(ask));
    if block_bytes == 0 || !block_bytes.is_multiple_of(ALIGN_BYTES) {
        return Err(unsupported(format!(
            "blocks of {block_bytes} bytes: give a multiple of {ALIGN_BYTES}"
        )));
    }
    let file_bytes = options.file_bytes.unwrap_or(DEFAULT_FILE_BYTES) / block_bytes * block_bytes;
    if file_bytes < block_bytes * WORKERS as u64 {
        return Err(unsupported(format!(
            "a file of {file_bytes} bytes: give at least {WORKERS} blocks"
        )));
    }
    let file = Arc::new(nameless(dir, file_bytes)?);
    let default = if operations {
        Access::Random
    } else {
        Access::Write
    };
    let access = options.access.unwrap_or(default);
    let plan = Plan {
        access,
        block_bytes,
        blocks: file_bytes / block_bytes,
        operations,
        seed: ask.spec.seed,
    };
    if reads(access) {
        fill(&file, plan)?;
    }
    let pace = Pace {
        period_ns: 5_000_000,
        quantum: if operations { 1 } else { block_bytes },
        grain: if operations { 1.0 } else { block_bytes as f64 },
        carry: 4.0,
        make: Arc::new(move |shift| worker(shift, Arc::clone(&file), plan)),
    };
    let cores: Vec<_> = (0..WORKERS)
        .map(|index| Some(ask.cores[index % ask.cores.len()]))
        .collect();
    let bytes_per_base = if operations { block_bytes as f64 } else { 1.0 };
    let scale = Scale::of(ask.unit, ask.peak("write"));
    Ok(Box::new(Paced::start(
        &cores,
        pace,
        scale,
        Some(bytes_per_base),
    )?))
}

/// Under a byte rate as large a block as still lets every worker do one in about 10 ms, so that short windows are even.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded below"
)]
fn default_block(ask: &Ask<'_>) -> u64 {
    match ask.unit.base() {
        _ if ask.unit == Unit::Iops => 4 << 10,
        Some(base) => {
            let wanted = ask.spec.intensity * base / WORKERS as f64 / 100.0;
            (wanted.clamp(1.0, f64::from(1 << 20)) as u64)
                .next_power_of_two()
                .clamp(16 << 10, 1 << 20)
        }
        None => 1 << 20,
    }
}

fn reads(access: Access) -> bool {
    matches!(access, Access::Read | Access::Random | Access::Copy)
}

/// A file without a name in that folder, of that size, past the page cache.
pub(crate) fn nameless(dir: &Path, bytes: u64) -> Result<File, StartError> {
    let shown = dir.display();
    let room = statvfs(dir)
        .map_err(|error| StartError::system(format!("ask what room {shown} has"), error))?;
    #[expect(
        clippy::useless_conversion,
        reason = "these are 32 bit wide on some platforms"
    )]
    let left = u64::from(room.blocks_available()) * u64::from(room.fragment_size());
    if left < 2 * bytes + LEAST_LEFT_BYTES {
        let reason = format!(
            "{shown} has {} MiB left, and a file of {} MiB needs twice that and 64 MiB: give a smaller one (--file-size)",
            left >> 20,
            bytes >> 20
        );
        return Err(StartError::Unsupported {
            kind: "disk",
            reason,
        });
    }
    let flags = OFlag::O_TMPFILE | OFlag::O_DIRECT | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let file = open(dir, flags, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|error| {
        let action = format!(
            "open a nameless file for direct input and output in {shown} (name a folder on a disk)"
        );
        StartError::system(action, error)
    })?;
    let length = i64::try_from(bytes).unwrap_or(i64::MAX);
    fallocate(&file, FallocateFlags::empty(), 0, length)
        .map_err(|error| StartError::system(format!("reserve {bytes} bytes in {shown}"), error))?;
    Ok(file.into())
}

/// Writes every block once.
fn fill(file: &File, plan: Plan) -> Result<(), StartError> {
    let failed =
        |error: std::io::Error| StartError::system("write the file that is to be read", error);
    let piece_bytes = (plan.block_bytes * plan.blocks).min(1 << 20);
    let mut memory = buffer(piece_bytes).map_err(|error| failed(error.into()))?;
    memory.touch(plan.seed);
    let mut at = 0;
    while at < plan.block_bytes * plan.blocks {
        let length = piece_bytes.min(plan.block_bytes * plan.blocks - at);
        let bytes = &memory.bytes_mut()[..usize::try_from(length).unwrap_or(0)];
        file.write_all_at(bytes, at).map_err(failed)?;
        at += length;
    }
    Ok(())
}

fn buffer(bytes: u64) -> nix::Result<Mapping> {
    Mapping::new(
        usize::try_from(bytes).map_err(|_| nix::Error::ENOMEM)?,
        Pages::Small,
    )
}

fn worker(shift: &Shift, file: Arc<File>, plan: Plan) -> Result<Work, String> {
    let mut memory = buffer(plan.block_bytes)
        .map_err(|error| format!("map a block: {}", explained(&error.into())))?;
    memory.touch(plan.seed ^ clock::mono_ns());
    let block_bytes =
        usize::try_from(plan.block_bytes).map_err(|_| "map a block of that size".to_owned())?;
    let mut rng = draw(plan.seed, Stream::Intensity, shift.index as u64);
    // Workers go through the file in turns, so that it is one sequence.
    let mut block = shift.index as u64;
    Ok(Box::new(move |shift: &Shift, _| {
        block = if plan.access == Access::Random {
            rng.random_range(0..plan.blocks)
        } else {
            (block + WORKERS as u64) % plan.blocks
        };
        let at = block * plan.block_bytes;
        let bytes = &mut memory.bytes_mut()[..block_bytes];
        let done = if reads(plan.access) {
            file.read_exact_at(bytes, at)
        } else {
            file.write_all_at(bytes, at)
        };
        done.map_err(|error| format!("press on the disk: {}", explained(&error)))?;
        let used = if plan.operations { 1 } else { plan.block_bytes };
        shift.add(used);
        Ok(used)
    }))
}

/// See the module.
pub(super) static DISK: Descriptor = Descriptor {
    kind: Kind::Disk,
    about: "direct input and output in a folder: MB/s or iops, or percent of the measured peak",
    tolerance: two_percent,
    has_peak: true,
    support: |_| Ok(()),
    start,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_room_is_refused() {
        let refused = nameless(Path::new("/"), 1 << 60).unwrap_err().to_string();
        assert!(refused.contains("--file-size"), "{refused}");
        assert!(
            nameless(Path::new("/nowhere"), 1 << 20)
                .unwrap_err()
                .to_string()
                .contains("/nowhere")
        );
    }
}
