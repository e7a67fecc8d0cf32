//! The files of a dataset on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Local {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its name below the folder, with `/`.
    pub(super) name: String,
    /// What tells it from what had its name before.
    pub(super) version: Version,
}

/// What tells a file from what had its name before: files of a dataset appear by rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// Its size.
    pub(super) bytes: u64,
    /// When it was last written, ns since the epoch.
    pub(super) changed_ns: u64,
}

impl Version {
    pub(super) fn of(facts: &fs::Metadata) -> io::Result<Self> {
        let since = facts
            .modified()?
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Self {
            bytes: facts.len(),
            changed_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
        })
    }
}

/// All files below `folder`, by name; those in the making and hidden ones are not of the dataset.
pub(super) fn below(folder: &Path) -> Result<Vec<Local>, (PathBuf, io::Error)> {
    let mut files = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((dir, prefix)) = open.pop() {
        let at = |cause| (dir.clone(), cause);
        for entry in fs::read_dir(&dir).map_err(at)? {
            let path = entry.map_err(at)?.path();
            let own = path.file_name().unwrap_or_default().to_string_lossy();
            if own.starts_with('.') || own.ends_with(".tmp") {
                continue;
            }
            let name = format!("{prefix}{own}");
            let facts =
                fs::metadata(&path).and_then(|facts| Ok((facts.is_dir(), Version::of(&facts)?)));
            match facts.map_err(|cause| (path.clone(), cause))? {
                (true, _) => open.push((path, name + "/")),
                (false, version) => files.push(Local {
                    path,
                    name,
                    version,
                }),
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_their_way_and_unfinished_ones_left_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("spans/case=c001")).unwrap();
        fs::create_dir(dir.path().join(".spill-1")).unwrap();
        let files = [
            "run.json",
            ".reserve",
            "spans/case=c001/part-0.parquet",
            "spans/case=c001/.x.tmp",
            ".spill-1/0",
        ];
        for name in files.into_iter().chain(["run.json.tmp"]) {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let files = below(dir.path()).unwrap();
        let names: Vec<_> = files
            .iter()
            .map(|file| (file.name.as_str(), file.version.bytes))
            .collect();
        assert_eq!(
            names,
            [("run.json", 8), ("spans/case=c001/part-0.parquet", 30)]
        );
        assert_eq!(
            below(&dir.path().join("none")).unwrap_err().0,
            dir.path().join("none")
        );
    }
}
