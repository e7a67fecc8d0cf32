//! What of a dataset was sent where: a hidden file beside it, a line an object. It compares this machine's times with
//! this machine's only, so that no store's clock decides what is sent again.

use super::files::{Local, Version};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const FILE: &str = ".uploaded.jsonl";

/// An object that was written.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// URL of the place.
    to: String,
    /// Its name there, and below the folder.
    name: String,
    bytes: u64,
    changed_ns: u64,
    /// What the store calls this version of it.
    e_tag: Option<String>,
}

/// What was sent to one place.
#[derive(Debug)]
pub(super) struct Sent {
    path: PathBuf,
    to: String,
    lines: HashMap<String, Line>,
}

impl Sent {
    /// What the dataset in `folder` remembers of the place `to`. What cannot be read counts as never sent.
    pub(super) fn read(folder: &Path, to: String) -> Self {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let lines = lines
            .filter(|line| line.to == to)
            .map(|line| (line.name.clone(), line))
            .collect();
        Self { path, to, lines }
    }

    /// Whether the store, which has an object of this tag and size under the file's name, has this very file.
    pub(super) fn is_there(&self, file: &Local, bytes: u64, e_tag: Option<&str>) -> bool {
        self.lines.get(&file.name).is_some_and(|line| {
            let version = Version {
                bytes: line.bytes,
                changed_ns: line.changed_ns,
            };
            version == file.version
                && bytes == line.bytes
                && plain(e_tag) == plain(line.e_tag.as_deref())
        })
    }

    /// Remembers an object. On a full disk it is forgotten, and sent once more another time.
    pub(super) fn note(&mut self, name: &str, version: Version, e_tag: Option<String>) {
        let Version { bytes, changed_ns } = version;
        let line = Line {
            to: self.to.clone(),
            name: name.to_owned(),
            bytes,
            changed_ns,
            e_tag,
        };
        if let Err(error) = append(&self.path, &line) {
            tracing::debug!("cannot write down that {name} was sent: {error}");
        }
        self.lines.insert(name.to_owned(), line);
    }
}

/// Tags come with quotes in a head, and in some stores' lists without.
fn plain(e_tag: Option<&str>) -> Option<&str> {
    e_tag.map(|tag| tag.trim_matches('"'))
}

fn append(path: &Path, line: &Line) -> io::Result<()> {
    // A line that a crash cut off is ended first: it is then one that cannot be read, and not a part of this one.
    let mut text = serde_json::to_vec(line)?;
    text.insert(0, b'\n');
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?
        .write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: u64, changed_ns: u64) -> Local {
        Local {
            path: name.into(),
            name: name.to_owned(),
            version: Version { bytes, changed_ns },
        }
    }

    #[test]
    fn only_the_very_file_that_was_sent_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let read = |to: &str| Sent::read(dir.path(), to.to_owned());
        let one = file("a", 3, 7);
        let mut sent = read("s3://b/e/r");
        assert!(!sent.is_there(&one, 3, None));
        sent.note("a", one.version, Some("\"x\"".to_owned()));
        for sent in [sent, read("s3://b/e/r")] {
            assert!(
                sent.is_there(&one, 3, Some("x")),
                "a store's list may have no quotes"
            );
            assert!(!sent.is_there(&one, 3, Some("y")), "somebody else's object");
            assert!(!sent.is_there(&one, 2, Some("x")), "half an object");
            assert!(
                !sent.is_there(&file("a", 3, 8), 3, Some("x")),
                "written again since"
            );
            assert!(!sent.is_there(&file("b", 3, 7), 3, Some("x")));
        }
        assert!(!read("s3://other/e/r").is_there(&one, 3, Some("x")));
    }

    #[test]
    fn a_line_that_was_cut_off_is_lost_alone() {
        let dir = tempfile::tempdir().unwrap();
        let read = || Sent::read(dir.path(), "s3://b".to_owned());
        let version = Version {
            bytes: 1,
            changed_ns: 1,
        };
        read().note("a", version, None);
        let text = fs::read(dir.path().join(FILE)).unwrap();
        fs::write(dir.path().join(FILE), &text[..text.len() - 3]).unwrap();
        read().note("b", version, None);
        assert!(!read().is_there(&file("a", 1, 1), 1, None));
        assert!(read().is_there(&file("b", 1, 1), 1, None));
    }
}
