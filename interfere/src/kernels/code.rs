//! Code made for its size: chains of jumps from line to line, so that running through them fills the instruction cache
//! and does nothing else.
//!
//! Each line is gone through several times, entered at another place each time. Cores keep decoded instructions by where
//! they were entered: with one place a line, all of them would be kept there, and the cache itself not be looked at.

#![expect(unsafe_code, reason = "mapping, writing and calling machine code")]

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

const LINE_BYTES: usize = 64;
/// Places of a line where it is entered, that far apart.
const PLACES: usize = 4;
const PLACE_BYTES: usize = LINE_BYTES / PLACES;

/// Whether code can be made for this architecture.
pub const SUPPORTED: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// Code that can be run from any of its lines to its end.
#[derive(Debug)]
pub struct Chain {
    start: NonNull<c_void>,
    lines: usize,
}

// SAFETY: the code belongs to the chain alone, is never written again, and is not tied to a thread.
unsafe impl Send for Chain {}

impl Chain {
    /// Code of that many bytes (rounded up to a line).
    ///
    /// # Errors
    /// When the system gives no memory, or forbids to make it executable.
    pub fn new(bytes: usize) -> nix::Result<Self> {
        let lines = bytes.div_ceil(LINE_BYTES).max(1);
        let length = NonZeroUsize::new(lines * LINE_BYTES).ok_or(nix::Error::EINVAL)?;
        let write = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let start = unsafe { mmap_anonymous(None, length, write, MapFlags::MAP_PRIVATE)? };
        let chain = Self { start, lines };
        // SAFETY: mapped above, writable, of that length, and known to nobody else.
        let code =
            unsafe { std::slice::from_raw_parts_mut(start.as_ptr().cast::<u8>(), length.get()) };
        for (index, line) in code.chunks_exact_mut(LINE_BYTES).enumerate() {
            let instruction = if index + 1 < lines {
                jump_to_next_line()
            } else {
                give_back()
            };
            for place in line.chunks_exact_mut(PLACE_BYTES) {
                place[..instruction.len()].copy_from_slice(instruction);
            }
        }
        // SAFETY: the range is the mapping; from here on nothing writes to it.
        unsafe {
            mprotect(
                start,
                length.get(),
                ProtFlags::PROT_READ | ProtFlags::PROT_EXEC,
            )?;
        };
        make_visible(code);
        Ok(chain)
    }

    /// Runs through its last `bytes` bytes (in whole lines), once for each place of a line.
    pub fn run(&self, bytes: usize) {
        let lines = (bytes / LINE_BYTES).clamp(1, self.lines);
        for place in 0..PLACES {
            // SAFETY: a place in a line within the mapping.
            let entry = unsafe {
                self.start
                    .as_ptr()
                    .byte_add((self.lines - lines) * LINE_BYTES + place * PLACE_BYTES)
            };
            // SAFETY: every place of a line is a jump to that of the next, in the last line a return; no register or
            // memory is touched, which is a function without arguments to the C convention.
            unsafe { std::mem::transmute::<*mut c_void, extern "C" fn()>(entry)() }
        }
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing runs in it any more.
        let _ = unsafe { munmap(self.start, self.lines * LINE_BYTES) };
    }
}

/// `jmp +62`, which ends two bytes later, or `b +64`.
fn jump_to_next_line() -> &'static [u8] {
    if cfg!(target_arch = "aarch64") {
        &[0x10, 0x00, 0x00, 0x14]
    } else {
        &[0xeb, 0x3e]
    }
}

/// `ret`.
fn give_back() -> &'static [u8] {
    if cfg!(target_arch = "aarch64") {
        &[0xc0, 0x03, 0x5f, 0xd6]
    } else {
        &[0xc3]
    }
}

/// Where instruction caches do not follow stores, makes them.
fn make_visible(code: &[u8]) {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: cleans and invalidates lines of memory that is mapped; changes no data.
    unsafe {
        for line in code.chunks(4) {
            std::arch::asm!("dc cvau, {0}", "ic ivau, {0}", in(reg) line.as_ptr(), options(nostack));
        }
        std::arch::asm!("dsb ish", "isb", options(nostack));
    }
    std::hint::black_box(code);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::thread_cpu_ns;

    #[test]
    fn a_chain_can_be_entered_anywhere_and_comes_back() {
        if !SUPPORTED {
            return;
        }
        let chain = Chain::new(32 << 10).unwrap();
        for bytes in [0, 64, 1000, 32 << 10, 1 << 30] {
            chain.run(bytes);
        }
    }

    #[test]
    fn more_lines_take_longer() {
        if !SUPPORTED {
            return;
        }
        let chain = Chain::new(32 << 10).unwrap();
        let time = |bytes| {
            // The least of many: what others take from this thread is not the code's.
            let mut least = u64::MAX;
            for _ in 0..50 {
                let start = thread_cpu_ns();
                (0..200).for_each(|_| chain.run(bytes));
                least = least.min(thread_cpu_ns() - start);
            }
            least
        };
        assert!(time(32 << 10) > 2 * time(64));
    }
}
