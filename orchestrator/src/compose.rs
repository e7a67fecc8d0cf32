//! What stands in front of the reader of experiment files: a file that extends another one, keys set on the command line,
//! and variables of the environment become one tree. Every value in it knows where it was written, so that whatever the
//! reader says of it names that file and line. Pure but for the two questions of [`World`].

pub mod emit;
mod extends;
pub(crate) mod merge;
mod set;
pub mod sources;
mod variables;

use crate::experiment::fault::Faults;
use crate::experiment::file::FileError;
use crate::experiment::node::{Located, Node};
use sources::{Source, Sources};
use std::env::VarError;
use std::path::{Path, PathBuf};

/// A file: the one path that it has, however it was named, and its text.
pub type Opened = (PathBuf, String);

/// What composing asks of the world.
pub struct World<'a> {
    /// Opens a file.
    pub read: &'a dyn Fn(&Path) -> Result<Opened, FileError>,
    /// A variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Result<String, VarError>,
}

/// The file that everything begins with.
pub struct Start<'a> {
    /// What it is called in faults.
    pub name: &'a str,
    /// Its path; none where it is no file.
    pub path: Option<&'a Path>,
    /// Its text.
    pub text: &'a str,
}

/// What an experiment was read from, as `run.json` keeps it.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// One text that says everything, whatever the environment and the command line are.
    pub text: String,
    /// The texts that it was put together from; empty where it is the text of the one file.
    pub parts: Vec<Source>,
}

/// One tree out of all that was given.
#[derive(Debug)]
pub struct Composed {
    /// The tree; places are those of [`Sources`].
    pub root: Located,
    /// Whether it is anything but the text of the one file, read.
    pub is_put_together: bool,
}

/// Puts together a file, those that it extends, and what `sets` (`KEY=VALUE`) change. Afterwards `sources` knows all texts,
/// faults or not.
///
/// # Errors
/// All faults that can be told before anybody knows what the keys mean.
pub fn compose(
    start: &Start<'_>,
    sets: &[String],
    world: &World<'_>,
    sources: &mut Sources,
) -> Result<Composed, Faults> {
    let mut faults = Faults::default();
    let mut root = extends::read(start, world, sources, &mut faults);
    for set in sets {
        let layer = set::read(set, root.as_ref(), sources, &mut faults);
        root = root
            .zip(layer)
            .map(|(root, layer)| merge::over(root, layer));
    }
    let Some(mut root) = root.filter(|_| faults.is_empty()) else {
        return Err(faults);
    };
    let expanded = variables::expand(&mut root, world.variable, &mut faults);
    if let Node::Map(entries) = &root.node
        && let Some((key, _)) = entries.iter().find(|(key, _)| key.name == extends::KEY)
    {
        faults.add(
            key.place,
            "`extends` stands in a file, and cannot be set: name that file in its place",
        );
    }
    if faults.is_empty() {
        Ok(Composed {
            root,
            is_put_together: expanded || sources.all().len() > 1,
        })
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests;
