//! The run's folder: where it is, `run.json`, and a little room kept for the day the disk is full.

use crate::compose::sources::Source;
use crate::experiment::Experiment;
use crate::plan::Plan;
use serde::Serialize;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes kept free for the rows that say that there was no room.
const RESERVE_BYTES: usize = 1 << 20;

/// The folder of one run: `<data>/<experiment>/<run>/`.
#[derive(Debug)]
pub(crate) struct RunFolder {
    dir: PathBuf,
    reserve_held: AtomicBool,
}

/// Why the folder cannot be had or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// It cannot be made.
    #[error(
        "make the run's folder {path}: {source}; choose another one with `data:` in the file or `--data DIR`"
    )]
    Create {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file in it cannot be written.
    #[error("write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What `run.json` says: enough to know what was run, on what, and whether it may be believed.
#[derive(Debug, Serialize)]
pub(crate) struct RunFile<'a> {
    /// Version of this file's layout.
    pub schema_version: u32,
    /// The run, a ULID.
    pub run_id: &'a str,
    /// AEFM's version.
    pub aefm_version: &'static str,
    /// Version of the tables' schemas.
    pub dataset_schema_version: u32,
    /// `running`, `complete`, `interrupted` or `failed`.
    pub state: &'a str,
    /// When it began, ns since the epoch.
    pub start_ns: i64,
    /// When it ended.
    pub end_ns: Option<i64>,
    /// The experiment, as checked.
    pub experiment: &'a Experiment,
    /// The experiment file: as written, or what was put together from several texts.
    pub source: &'a str,
    /// The texts that it was put together from, if it was.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub parts: &'a [Source],
    /// The plan.
    pub plan: &'a Plan,
    /// The machine and how its cores are shared out.
    pub machine: &'a serde_json::Value,
    /// How many cases ended how.
    pub cases: std::collections::BTreeMap<String, usize>,
    /// Whatever makes the run doubtful, in sentences.
    pub warnings: &'a [String],
}

impl RunFolder {
    /// Makes the folder; an existing one is never used again, since run ids are unique.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn create(data: &Path, experiment: &str, run_id: &str) -> Result<Self, FolderError> {
        let dir = data.join(experiment).join(run_id);
        fs::create_dir_all(&dir).map_err(|source| FolderError::Create {
            path: dir.clone(),
            source,
        })?;
        let folder = Self {
            dir,
            reserve_held: AtomicBool::new(true),
        };
        let path = folder.reserve_path();
        fs::write(&path, vec![0x5a; RESERVE_BYTES])
            .map_err(|source| FolderError::Create { path, source })?;
        Ok(folder)
    }

    /// The folder of a run that is over. Nothing is kept in reserve until it is needed.
    pub(crate) fn open(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            reserve_held: AtomicBool::new(false),
        }
    }

    /// Its path.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Gives the kept room free; true the first time, when trying again makes sense.
    pub(crate) fn release_reserve(&self) -> bool {
        self.reserve_held.swap(false, Ordering::SeqCst)
            && fs::remove_file(self.reserve_path()).is_ok()
    }

    /// Whether there is room for tables: the kept room is there, or can be had again.
    #[must_use]
    pub(crate) fn has_room(&self) -> bool {
        if self.reserve_held.load(Ordering::SeqCst) {
            return true;
        }
        let regained = fs::write(self.reserve_path(), vec![0x5a; RESERVE_BYTES]).is_ok();
        if regained {
            self.reserve_held.store(true, Ordering::SeqCst);
        } else {
            drop(fs::remove_file(self.reserve_path()));
        }
        regained
    }

    /// Removes what writers that were killed left under their hidden names.
    pub(crate) fn sweep(&self) {
        let tables = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        for case in tables
            .filter_map(|table| fs::read_dir(table.path()).ok())
            .flatten()
            .flatten()
        {
            for file in fs::read_dir(case.path()).into_iter().flatten().flatten() {
                let name = file.file_name();
                let name = name.to_string_lossy();
                if name.starts_with('.') && name.ends_with(".tmp") {
                    drop(fs::remove_file(file.path()));
                }
            }
            // Only where nothing is left in it.
            drop(fs::remove_dir(case.path()));
        }
    }

    /// Writes `run.json` whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written even with the kept room.
    pub(crate) fn write_run_file(&self, file: &impl Serialize) -> Result<(), FolderError> {
        let path = self.dir.join("run.json");
        let text = serde_json::to_vec_pretty(file).map_err(io::Error::other);
        let write = |text: &[u8]| replace(&path, text);
        text.and_then(|text| {
            write(&text).or_else(|error| {
                if self.release_reserve() {
                    write(&text)
                } else {
                    Err(error)
                }
            })
        })
        .map_err(|source| FolderError::Write {
            path: path.clone(),
            source,
        })
    }

    fn reserve_path(&self) -> PathBuf {
        self.dir.join(".reserve")
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        self.release_reserve();
    }
}

/// Replaces a file by rename.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("json.tmp");
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written {
        drop(fs::remove_file(&temporary));
        return Err(error);
    }
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_given_once_and_leaves_nothing_behind() {
        let data = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::create(data.path(), "e", "r").expect("it can be made");
        assert_eq!(
            fs::metadata(folder.reserve_path())
                .expect("it is there")
                .len(),
            RESERVE_BYTES as u64
        );
        assert!(folder.release_reserve());
        assert!(!folder.release_reserve());
        drop(RunFolder::create(data.path(), "e", "s").expect("it can be made"));
        assert_eq!(
            fs::read_dir(data.path().join("e/s"))
                .expect("it is there")
                .count(),
            0
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_what_to_do() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = RunFolder::create(file.path(), "e", "r").expect_err("a file is no folder");
        assert!(error.to_string().contains("--data"), "{error}");
    }
}
