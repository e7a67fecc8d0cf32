//! Files of the kernel's that are read again and again, kept open: to open one costs more than to read it.

use nix::sys::resource::{Resource, getrlimit};
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

impl Room {
    /// Half of what this process may open: the other half is everybody else's.
    pub(super) fn of_this_process() -> Self {
        Self(getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft / 2))
    }
}

impl Kept {
    /// None where the kernel has no such file.
    pub(super) fn open(path: PathBuf, room: &mut Room) -> Option<Self> {
        match File::open(&path) {
            Ok(file) if room.0 > 0 => {
                room.0 -= 1;
                Some(Self { path, file: Some(file) })
            }
            Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => None,
            // Opened for each reading.
            Ok(_) | Err(_) => Some(Self { path, file: None }),
        }
    }

    /// What it says now; none if that cannot be read, or is no text.
    pub(super) fn read<'text>(&self, buffer: &'text mut Vec<u8>) -> Option<&'text str> {
        let opened = if self.file.is_none() { Some(File::open(&self.path).ok()?) } else { None };
        let file = self.file.as_ref().or(opened.as_ref())?;
        buffer.resize(buffer.capacity().max(4096), 0);
        let mut end = 0;
        // Read from its beginning, such a file is made anew, and as a whole: less than there is room for is all of it.
        while end == 0 || end == buffer.len() {
            buffer.resize(buffer.len().max(2 * end), 0);
            match file.read_at(&mut buffer[end..], end as u64) {
                Ok(0) => break,
                Ok(count) => end += count,
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
            std::fs::write(&path, "").unwrap();
            assert_eq!(kept.read(&mut buffer), Some(""));
        }
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
