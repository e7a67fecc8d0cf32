//! A file that gets its name only when it is complete.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Written under a hidden name; removed when dropped unless [`PartFile::publish`] succeeded.
pub(crate) struct PartFile {
    file: File,
    hidden: PathBuf,
    path: PathBuf,
    published: bool,
}

impl PartFile {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let folder = path
            .parent()
            .ok_or_else(|| io::Error::other("a table file has a folder"))?;
        fs::create_dir_all(folder)?;
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".tmp");
        let hidden = folder.join(name);
        Ok(Self {
            file: File::create(&hidden)?,
            hidden,
            path: path.to_owned(),
            published: false,
        })
    }

    /// Syncs, renames and syncs the folder; says how many bytes the file has.
    pub(crate) fn publish(mut self) -> io::Result<u64> {
        self.file.sync_all()?;
        let bytes = self.file.metadata()?.len();
        fs::rename(&self.hidden, &self.path)?;
        self.published = true;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(bytes)
    }
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.published {
            // Best effort: the hidden name tells readers to ignore it should this fail.
            let _ = fs::remove_file(&self.hidden);
            // The case's folder goes, too, if this file was all that it was made for.
            if let Some(folder) = self.path.parent() {
                let _ = fs::remove_dir(folder);
            }
        }
    }
}
