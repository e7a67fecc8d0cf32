//! The libraries of a program, found where the system's loader finds them: folders that the program names itself,
//! `LD_LIBRARY_PATH`, those of `/etc/ld.so.conf`, and the usual ones. Nothing is run for that.

use super::elf::{self, Facts};
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// Folders that loaders know without being told.
const USUAL: [&str; 5] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"];
/// Files that include each other deeper than this do so for ever.
const DEPTH: usize = 8;

/// A library that is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("find {name}, which {by} is linked to: it is in none of {searched}; set LD_LIBRARY_PATH, or take a static program", by = by.display())]
pub struct LibraryError {
    name: String,
    by: PathBuf,
    searched: String,
}

/// What a program is linked to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Libraries {
    /// Its loader.
    pub loader: Option<PathBuf>,
    /// Libraries, those that libraries need included.
    pub files: BTreeSet<PathBuf>,
}

/// Where libraries are looked for when the program itself does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// In this order.
    pub folders: Vec<PathBuf>,
}

impl Search {
    /// As the loader of this system does it.
    #[must_use]
    pub fn of_system() -> Self {
        let given = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let mut folders: Vec<_> = std::env::split_paths(&given)
            .filter(|folder| !folder.as_os_str().is_empty())
            .collect();
        configured(Path::new("/etc/ld.so.conf"), DEPTH, &mut folders);
        folders.extend(USUAL.map(PathBuf::from));
        Self { folders }
    }
}

/// The folders that a configuration of the loader names; `include` takes a pattern with a `*` in its last part.
fn configured(file: &Path, depth: usize, folders: &mut Vec<PathBuf>) {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    for line in text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
    {
        match line
            .strip_prefix("include")
            .filter(|rest| rest.starts_with(char::is_whitespace))
        {
            Some(pattern) if depth > 0 => {
                let pattern = file.parent().unwrap_or(Path::new("/")).join(pattern.trim());
                included(&pattern)
                    .iter()
                    .for_each(|file| configured(file, depth - 1, folders));
            }
            Some(_) => {}
            None if line.starts_with('/') => folders.push(line.into()),
            None => {}
        }
    }
}

fn included(pattern: &Path) -> Vec<PathBuf> {
    let last = pattern
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let Some((begin, end)) = last.split_once('*') else {
        return vec![pattern.to_owned()];
    };
    let entries = pattern
        .parent()
        .map(std::fs::read_dir)
        .into_iter()
        .flatten()
        .flatten()
        .flatten();
    let fits = |path: &PathBuf| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        name.len() >= begin.len() + end.len() && name.starts_with(begin) && name.ends_with(end)
    };
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(fits).collect();
    files.sort();
    files
}

/// Finds all libraries of a program.
///
/// # Errors
/// When one is nowhere.
pub fn needed(program: &Path, facts: &Facts, search: &Search) -> Result<Libraries, LibraryError> {
    let loader = facts.loader.as_ref().map(PathBuf::from);
    let mut libraries = Libraries {
        loader: loader.clone(),
        files: BTreeSet::new(),
    };
    let mut known: BTreeSet<String> = loader.iter().filter_map(|path| name_of(path)).collect();
    let mut waiting = VecDeque::from([(program.to_owned(), facts.clone())]);
    while let Some((by, own)) = waiting.pop_front() {
        let folders: Vec<_> = folders(&by, &own)
            .chain(folders(program, facts))
            .chain(search.folders.clone())
            .collect();
        // The loader lies beside the libraries that it was built with.
        let beside = loader
            .as_ref()
            .and_then(|loader| Some(loader.canonicalize().ok()?.parent()?.to_owned()));
        let folders: Vec<_> = folders.into_iter().chain(beside).collect();
        for name in &own.needed {
            if !known.insert(name.clone()) {
                continue;
            }
            let (path, found) =
                find(name, facts.machine, &folders).ok_or_else(|| LibraryError {
                    name: name.clone(),
                    by: by.clone(),
                    searched: folders
                        .iter()
                        .map(|folder| folder.display().to_string())
                        .collect::<Vec<_>>()
                        .join(", "),
                })?;
            libraries.files.insert(path.clone());
            waiting.push_back((path, found));
        }
    }
    Ok(libraries)
}

/// Folders that a program or library names itself.
fn folders(of: &Path, facts: &Facts) -> impl Iterator<Item = PathBuf> {
    let origin = of.parent().unwrap_or(Path::new("/")).display().to_string();
    let folders = facts.folders.clone().into_iter();
    folders.map(move |folder| {
        folder
            .replace("${ORIGIN}", &origin)
            .replace("$ORIGIN", &origin)
            .into()
    })
}

/// The first library of that name that is for this machine: a folder may hold those of another one.
fn find(name: &str, machine: u16, folders: &[PathBuf]) -> Option<(PathBuf, Facts)> {
    folders.iter().find_map(|folder| {
        let path = folder.join(name);
        let facts = elf::read(&std::fs::read(&path).ok()?).ok()?;
        (facts.machine == machine).then_some((path, facts))
    })
}

fn name_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_configuration_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("conf.d")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write(
            "ld.so.conf",
            "/first # here\ninclude conf.d/*.conf\ninclude ld.so.conf\n\n/last\n",
        );
        write("conf.d/b.conf", "/of/b\n");
        write("conf.d/a.conf", "# none\n/of/a\n");
        write("conf.d/c.off", "/of/c\n");
        let mut folders = Vec::new();
        configured(&dir.path().join("ld.so.conf"), 1, &mut folders);
        let begin = ["/first", "/of/a", "/of/b", "/first", "/last", "/last"].map(PathBuf::from);
        assert_eq!(folders, begin, "an endless inclusion ends");
    }

    #[test]
    fn libraries_of_libraries_come_along_and_one_that_is_nowhere_is_told() {
        let program = Path::new("/proc/self/exe");
        let facts = elf::read(&std::fs::read(program).unwrap()).unwrap();
        let found = needed(program, &facts, &Search::of_system()).unwrap();
        assert_eq!(
            found.files.len(),
            found
                .files
                .iter()
                .map(|path| path.file_name())
                .collect::<BTreeSet<_>>()
                .len()
        );
        let names: BTreeSet<_> = found
            .files
            .iter()
            .filter_map(|path| name_of(path))
            .collect();
        let loader = found.loader.as_ref().and_then(|path| name_of(path));
        for path in &found.files {
            let facts = elf::read(&std::fs::read(path).unwrap()).unwrap();
            assert!(
                facts
                    .needed
                    .iter()
                    .all(|name| names.contains(name) || Some(name) == loader.as_ref())
            );
        }
        let lacking = Facts {
            needed: vec!["libnone.so.1".into()],
            ..facts
        };
        let said = needed(
            program,
            &lacking,
            &Search {
                folders: vec!["/none".into()],
            },
        )
        .unwrap_err()
        .to_string();
        assert!(
            said.contains("libnone.so.1, which /proc/self/exe is linked to")
                && said.contains("/none"),
            "{said}"
        );
    }

    #[test]
    fn a_library_beside_its_program_is_found_there() {
        let facts = Facts {
            folders: vec!["$ORIGIN/../lib".into(), "${ORIGIN}".into()],
            ..Facts::default()
        };
        let found: Vec<_> = folders(Path::new("/opt/x/bin/p"), &facts).collect();
        assert_eq!(
            found,
            ["/opt/x/bin/../lib", "/opt/x/bin"].map(PathBuf::from)
        );
    }
}
