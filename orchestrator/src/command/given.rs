//! The experiment that a command works on: which file, put together with what it extends and what `--set` says, and read.

use super::{Exit, complain};
use crate::cli::Given;
use crate::compose::sources::Sources;
use crate::compose::{Start, World, Written, compose, emit};
use crate::experiment::fault::Faults;
use crate::experiment::file::{self, FileError};
use crate::experiment::{DEFAULT, Experiment};
use crate::handler::Handlers;
use crate::original::{self, Converted};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The variable that names a file where the command line does not; the original's.
const VARIABLE: &str = "AEFM_CONFIGS";
/// Names that are looked for in the working folder: ours, and the original's.
const NAMES: [&str; 2] = ["experiment.yaml", "aefm_configs.yaml"];

/// An experiment, and what it was made of.
pub(super) struct Loaded {
    /// What was asked for.
    pub experiment: Experiment,
    /// What it was read from.
    pub source: Written,
    /// What a file of the original's became.
    pub original: Option<Converted>,
}

/// Why there is no experiment.
pub(super) enum Unread {
    /// A file cannot be read, or what it names cannot.
    Reason(String),
    /// There are faults in it.
    Faults(Sources, Faults),
}

/// Which file it is, and why that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The file; none: the embedded default.
    pub path: Option<PathBuf>,
    why: &'static str,
    is_named: bool,
}

impl Choice {
    /// What a command works on.
    pub(super) fn of(given: &Given) -> Self {
        let variable = std::env::var_os(VARIABLE);
        choose(given.file.as_deref(), variable, &|path| path.is_file())
    }

    /// The name that faults have.
    pub(super) fn name(&self) -> String {
        let name = self.path.as_ref().map(|path| path.display().to_string());
        name.unwrap_or_else(|| "the default experiment".to_owned())
    }

    /// Says which file it is and why.
    pub(super) fn tell(&self) {
        complain(&format!("reads {}: {}", self.name(), self.why));
    }
}

/// The file of the command line, of the environment, or of the working folder, in that order.
fn choose(
    argument: Option<&Path>,
    variable: Option<OsString>,
    is_there: &dyn Fn(&Path) -> bool,
) -> Choice {
    let variable = variable.filter(|name| !name.is_empty());
    let here = || NAMES.map(Path::new).into_iter().find(|path| is_there(path));
    let (path, why) = if let Some(path) = argument {
        (Some(path.to_owned()), "the command line names it")
    } else if let Some(path) = variable {
        (Some(path.into()), "AEFM_CONFIGS names it")
    } else if let Some(path) = here() {
        (
            Some(path.to_owned()),
            "it is in this folder, and no other file was named",
        )
    } else {
        let why = "no file was named, and this folder has neither experiment.yaml nor aefm_configs.yaml; `aefm init` writes one";
        (None, why)
    };
    Choice {
        path,
        why,
        is_named: argument.is_some(),
    }
}

/// Reads what a command works on. Faults are shown, and say that nothing was started; a file that nobody named on the
/// command line is told.
pub(super) fn read(given: &Given, handlers: &Handlers) -> Result<Loaded, Exit> {
    let choice = Choice::of(given);
    if !choice.is_named {
        choice.tell();
    }
    let loaded = load(&choice, &given.set, handlers);
    if let Ok(Loaded {
        original: Some(converted),
        ..
    }) = &loaded
    {
        complain(&format!(
            "{} is a file of AEFM 0.2.0, and for platform {}; `aefm migrate` writes it in today's form. Its keys:",
            choice.name(),
            converted.platform
        ));
        drop(std::io::stderr().write_all(original::list(&converted.became).as_bytes()));
    }
    loaded.map_err(|unread| {
        match unread {
            Unread::Reason(reason) => complain(&reason),
            Unread::Faults(sources, faults) => {
                // Nobody reads: the exit code says it still.
                drop(std::io::stderr().write_all(sources.show(faults).as_bytes()));
            }
        }
        Exit::Usage
    })
}

/// Reads a file with all that belongs to it.
pub(super) fn load(
    choice: &Choice,
    sets: &[String],
    handlers: &Handlers,
) -> Result<Loaded, Unread> {
    let name = choice.name();
    let text = match &choice.path {
        None => DEFAULT.to_owned(),
        Some(path) => file::read(path).map_err(|error| unreadable(&name, choice, &error))?,
    };
    let world = World {
        read: &|path| Ok((std::fs::canonicalize(path)?, file::read(path)?)),
        variable: &|name| std::env::var(name),
    };
    let start = Start {
        name: &name,
        path: choice.path.as_deref(),
        text: &text,
    };
    let mut sources = Sources::default();
    let composed = match compose(&start, sets, &world, &mut sources) {
        Ok(composed) => composed,
        Err(faults) => return Err(Unread::Faults(sources, faults)),
    };
    let is_put_together = composed.is_put_together;
    let mut faults = Faults::default();
    let (root, original) = if original::is_one(&composed.root) {
        let converted = original::convert(composed.root, &mut faults);
        (converted.root.clone(), Some(converted))
    } else {
        (composed.root, None)
    };
    let read = if faults.is_empty() {
        Experiment::read_tree(&root, &|axis| handlers.acts_on(axis))
    } else {
        Err(faults)
    };
    let mut experiment = match read {
        Ok(experiment) => experiment,
        Err(faults) => return Err(Unread::Faults(sources, faults)),
    };
    let folder = choice.path.as_deref().and_then(Path::parent);
    experiment
        .read_written(folder.unwrap_or(Path::new("")))
        .map_err(|error| Unread::Reason(format!("failed to {error}; nothing was started")))?;
    let source = if is_put_together || original.is_some() {
        let names: Vec<_> = sources
            .all()
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        let head = format!("# What was run, put together from {}.\n", names.join(", "));
        Written {
            text: head + &emit::text(&root),
            parts: sources.all().to_vec(),
        }
    } else {
        Written {
            text,
            parts: Vec::new(),
        }
    };
    Ok(Loaded {
        experiment,
        source,
        original,
    })
}

fn unreadable(name: &str, choice: &Choice, error: &FileError) -> Unread {
    let hint = match error {
        FileError::Read(_) => "; `aefm init` writes an experiment file",
        _ => "",
    };
    let by = if choice.is_named || choice.path.is_none() {
        String::new()
    } else {
        format!(" ({})", choice.why)
    };
    Unread::Reason(format!("failed to read {name}{by}: {error}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_comes_before_the_environment_and_that_before_the_folder() {
        let all = |_: &Path| true;
        let only_the_originals = |path: &Path| path == Path::new("aefm_configs.yaml");
        let path =
            |argument: Option<&str>, variable: Option<&str>, is_there: &dyn Fn(&Path) -> bool| {
                let variable = variable.map(OsString::from);
                let chosen = choose(argument.map(Path::new), variable, is_there);
                chosen.path.map(|path| path.display().to_string())
            };
        assert_eq!(path(Some("a"), Some("b"), &all).as_deref(), Some("a"));
        assert_eq!(path(None, Some("b"), &all).as_deref(), Some("b"));
        assert_eq!(
            path(None, Some(""), &all).as_deref(),
            Some("experiment.yaml")
        );
        assert_eq!(
            path(None, None, &only_the_originals).as_deref(),
            Some("aefm_configs.yaml")
        );
        assert_eq!(path(None, None, &|_| false), None);
    }
}
