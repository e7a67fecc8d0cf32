//! Anonymous memory straight from the kernel: aligned to huge pages, touched when first used, given back on drop.

#![expect(unsafe_code, reason = "mapping memory and looking at it as words")]

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

/// A huge page on every architecture that matters here.
pub const HUGE_PAGE_BYTES: usize = 2 << 20;
/// A page.
pub const PAGE_BYTES: usize = 4096;

/// Which pages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Huge ones, where the kernel gives them.
    Huge,
    /// Small ones, also where the kernel would give huge ones unasked.
    Small,
}

/// A piece of memory of its own.
#[derive(Debug)]
pub struct Mapping {
    whole: NonNull<c_void>,
    whole_bytes: usize,
    start: NonNull<u64>,
    bytes: usize,
    huge: bool,
}

// SAFETY: the memory belongs to the mapping alone and is not tied to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `bytes` (rounded up to a page), aligned to a huge page.
    ///
    /// # Errors
    /// When the system gives no memory.
    pub fn new(bytes: usize, pages: Pages) -> nix::Result<Self> {
        let bytes = bytes.max(PAGE_BYTES).next_multiple_of(PAGE_BYTES);
        let whole_bytes = bytes + HUGE_PAGE_BYTES;
        let length = NonZeroUsize::new(whole_bytes).ok_or(nix::Error::EINVAL)?;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let whole = unsafe {
            mmap_anonymous(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                flags,
            )?
        };
        let offset = whole.as_ptr().align_offset(HUGE_PAGE_BYTES);
        // SAFETY: the offset is less than the huge page that the mapping is longer than asked.
        let start = unsafe { whole.byte_add(offset) };
        let advice = if pages == Pages::Huge {
            MmapAdvise::MADV_HUGEPAGE
        } else {
            MmapAdvise::MADV_NOHUGEPAGE
        };
        // SAFETY: the range lies within the mapping, and the advice does not change what is in it.
        let advised = unsafe { madvise(start, bytes, advice) };
        let huge = pages == Pages::Huge && advised.is_ok();
        Ok(Self {
            whole,
            whole_bytes,
            start: start.cast(),
            bytes,
            huge,
        })
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the kernel took the advice to use huge pages.
    #[must_use]
    pub fn huge(&self) -> bool {
        self.huge
    }

    /// Its memory as words.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        // SAFETY: mapped, aligned, initialised to zero by the kernel, and borrowed as long as `self` is.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes / 8) }
    }

    /// Its memory as words to write.
    #[must_use]
    pub fn words_mut(&mut self) -> &mut [u64] {
        // SAFETY: as above, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes / 8) }
    }

    /// Its memory as bytes to write.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; any byte is valid.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.bytes) }
    }

    /// Makes every page resident with a word of its own, so that none is shared or compressed away.
    pub fn touch(&mut self, salt: u64) {
        for (page, words) in self.words_mut().chunks_mut(PAGE_BYTES / 8).enumerate() {
            words[0] = (page as u64 ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the whole mapping is ours, and nothing borrows it any more. It cannot fail with the range it was made
        // with.
        let _ = unsafe { munmap(self.whole, self.whole_bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_zero_and_writable() {
        let mut mapping = Mapping::new(3 << 20, Pages::Huge).unwrap();
        assert_eq!(mapping.words().as_ptr().align_offset(HUGE_PAGE_BYTES), 0);
        assert!(mapping.words().iter().all(|word| *word == 0));
        mapping.touch(7);
        assert_eq!(
            mapping.words().iter().filter(|word| **word != 0).count(),
            (3 << 20) / PAGE_BYTES
        );
        assert_eq!(mapping.bytes_mut().len(), 3 << 20);
    }
}
