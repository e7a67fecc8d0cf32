//! Files of the kernel's that are read again and again, kept open: to open one costs more than to read it.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// How many files may still be kept open.
#[derive(Debug)]
pub(super) struct Room(u64);

/// One such file. Once what it tells of is gone it has nothing to say, even if another takes its path.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    // None: there was no room for it.
    file: Option<File>,
}

/// Enough for some hundreds of cgroups; the usual soft limit is not.
const OPEN_FILES: u64 = 8192;

impl Room {
    /// Half of what this process may open, which is raised where it is low: the other half is everybody else's.
    pub(super) fn make() -> Self {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((0, 0));
        let wanted = hard.min(OPEN_FILES);
        let is_raised = wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok();
        Self(if is_raised { wanted } else { soft } / 2)
    }
}

impl Kept {
    /// None where the kernel has no such file.
    pub(super) fn open(path: PathBuf, room: &mut Room) -> Option<Self> {
        match File::open(&path) {
            Ok(file) if room.0 > 0 => {
                room.0 -= 1;
                Some(Self {
                    path,
                    file: Some(file),
                })
            }
            Err(error)
                if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) =>
            {
                None
            }
            // Opened for each reading.
            Ok(_) | Err(_) => Some(Self { path, file: None }),
        }
    }

    /// What it says now; none if that cannot be read, or is no text.
    pub(super) fn read<'text>(&self, buffer: &'text mut Vec<u8>) -> Option<&'text str> {
        // Read from its beginning, such a file is made anew, and as a whole: less than there is room for is all of it.
        self.fill(buffer, |read, room| read < room)
    }

    /// As [`Kept::read`], of a file that comes a few lines at a time.
    pub(super) fn read_lines<'text>(&self, buffer: &'text mut Vec<u8>) -> Option<&'text str> {
        self.fill(buffer, |_, _| false)
    }

    /// Reads until nothing comes, or what came is enough.
    fn fill<'text>(
        &self,
        buffer: &'text mut Vec<u8>,
        is_enough: impl Fn(usize, usize) -> bool,
    ) -> Option<&'text str> {
        let opened = if self.file.is_none() {
            Some(File::open(&self.path).ok()?)
        } else {
            None
        };
        let file = self.file.as_ref().or(opened.as_ref())?;
        buffer.resize(buffer.capacity().max(4096), 0);
        let mut end = 0;
        loop {
            if end == buffer.len() {
                buffer.resize(2 * end, 0);
            }
            let room = buffer.len() - end;
            match file.read_at(&mut buffer[end..], end as u64) {
                Ok(0) => break,
                Ok(count) => {
                    end += count;
                    if is_enough(count, room) {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        std::str::from_utf8(&buffer[..end]).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_there_now_with_room_and_without() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memory.stat");
        for rooms in [1, 0] {
            std::fs::write(&path, "anon 1\n").unwrap();
            let mut room = Room(rooms);
            let kept = Kept::open(path.clone(), &mut room).unwrap();
            assert_eq!((room.0, kept.file.is_some()), (0, rooms == 1));
            let mut buffer = Vec::new();
            assert_eq!(kept.read(&mut buffer), Some("anon 1\n"));
            // Longer than the buffer, then shorter than what was there before.
            let long = "file 77\n".repeat(2_000);
            std::fs::write(&path, &long).unwrap();
            assert_eq!(kept.read(&mut buffer), Some(long.as_str()));
            assert_eq!(kept.read_lines(&mut buffer), Some(long.as_str()));
            std::fs::write(&path, "").unwrap();
            assert_eq!(kept.read(&mut buffer), Some(""));
        }
    }

    /// The kernel gives out a file of many lines some at a time, whatever the room.
    #[test]
    fn files_of_many_lines_are_read_to_their_end() {
        let kept = Kept::open("/proc/self/smaps".into(), &mut Room(1)).unwrap();
        let mut buffer = vec![0; 1 << 20];
        let mappings = |text: &str| {
            text.lines()
                .filter(|line| line.starts_with("Size:"))
                .count()
        };
        let (some, all) = (
            mappings(kept.read(&mut buffer).unwrap()),
            mappings(kept.read_lines(&mut buffer).unwrap()),
        );
        let plain = mappings(&std::fs::read_to_string("/proc/self/smaps").unwrap());
        // Others of this process's threads map and unmap meanwhile.
        assert!(
            some < all && all.abs_diff(plain) < 10,
            "{some} and {all} of {plain}"
        );
    }

    #[test]
    fn what_is_not_there_is_none_and_does_not_take_room() {
        let dir = tempfile::tempdir().unwrap();
        let mut room = Room(3);
        assert!(Kept::open(dir.path().join("io.stat"), &mut room).is_none());
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(Kept::open(dir.path().join("file/io.stat"), &mut room).is_none());
        assert_eq!(room.0, 3);
    }
}
