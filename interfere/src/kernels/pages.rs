//! Many pages over little memory: the same few physical pages mapped again and again, so that going over them needs a
//! translation each and hardly any cache.

#![expect(unsafe_code, reason = "mapping memory at addresses of our own choice")]

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use nix::unistd::ftruncate;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use crate::mapping::PAGE_BYTES;

/// Physical pages behind a field: with one line of each in use, 64 lines a page, they fit into any first-level cache.
const PHYSICAL_PAGES: usize = 64;

/// A field of pages.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<c_void>,
    pages: usize,
    at: usize,
}

// SAFETY: the memory belongs to the field alone and is not tied to a thread.
unsafe impl Send for Pages {}

impl Pages {
    /// A field of that many pages (rounded up to what is mapped at once).
    ///
    /// # Errors
    /// When the system gives no memory or no more mappings.
    pub fn new(pages: usize) -> nix::Result<Self> {
        let pages = pages.next_multiple_of(PHYSICAL_PAGES);
        let piece = NonZeroUsize::new(PHYSICAL_PAGES * PAGE_BYTES).ok_or(nix::Error::EINVAL)?;
        let whole = NonZeroUsize::new(pages * PAGE_BYTES).ok_or(nix::Error::EINVAL)?;
        let file = memfd_create(c"pages", MFdFlags::MFD_CLOEXEC)?;
        ftruncate(
            &file,
            i64::try_from(piece.get()).map_err(|_| nix::Error::EINVAL)?,
        )?;
        // SAFETY: reserves addresses of the kernel's choice.
        let start =
            unsafe { mmap_anonymous(None, whole, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)? };
        let field = Self {
            start,
            pages,
            at: 0,
        };
        for offset in (0..whole.get()).step_by(piece.get()) {
            let read_write = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
            let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
            // SAFETY: replaces a part of the reservation above, which nothing uses yet.
            unsafe {
                mmap(
                    NonZeroUsize::new(start.as_ptr() as usize + offset),
                    piece,
                    read_write,
                    flags,
                    &file,
                    0,
                )?
            };
        }
        Ok(field)
    }

    /// Loads one word of each of `count` pages, far apart from each other, going on where the last call ended.
    pub fn walk(&mut self, count: u64) {
        let mut sum = 0_u64;
        for _ in 0..count {
            // A stride without a common factor with the number of pages reaches each of them before any again.
            self.at = (self.at + 97 * PHYSICAL_PAGES + 1) % self.pages;
            let line = self.at % PHYSICAL_PAGES * 64;
            // SAFETY: within the field, aligned, mapped and readable; only this thread uses it.
            sum = sum.wrapping_add(unsafe {
                self.start
                    .as_ptr()
                    .byte_add(self.at * PAGE_BYTES + line)
                    .cast::<u64>()
                    .read_volatile()
            });
        }
        std::hint::black_box(sum);
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the range is the reservation with all that was mapped over it, and nothing borrows it any more.
        let _ = unsafe { munmap(self.start, self.pages * PAGE_BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_goes_over_all_pages() {
        let mut pages = Pages::new(4096).unwrap();
        let mut seen = vec![false; pages.pages];
        for _ in 0..pages.pages {
            pages.walk(1);
            seen[pages.at] = true;
        }
        assert!(seen.iter().all(|seen| *seen));
    }
}
