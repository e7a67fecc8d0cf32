//! `aefm init`

use super::{Exit, complain};
use crate::cli::InitArgs;
use crate::experiment::DEFAULT;
use std::fs::{File, OpenOptions, create_dir_all};
use std::io::{self, Write};
use std::path::Path;

const NAME: &str = "experiment.yaml";

pub(super) fn run(args: &InitArgs) -> Exit {
    let path = args.folder.as_ref().unwrap_or(&args.dir).join(NAME);
    match write(&path, DEFAULT.as_bytes(), args.force) {
        Ok(()) => {
            drop(writeln!(
                io::stdout(),
                "wrote {0}; run it with `aefm run {0}`",
                path.display()
            ));
            Exit::Ok
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            complain(&format!(
                "{} exists; choose another folder, or write over it with --force",
                path.display()
            ));
            Exit::Usage
        }
        Err(error) => {
            complain(&format!("failed to write {}: {error}", path.display()));
            Exit::Failed
        }
    }
}

/// Writes a file that is not there yet, or that may be written over; its folder is made when missing.
pub(super) fn write(path: &Path, bytes: &[u8], force: bool) -> io::Result<()> {
    create_dir_all(path.parent().unwrap_or(Path::new(""))).map_err(not_a_folder)?;
    let mut file = if force {
        File::create(path)?
    } else {
        OpenOptions::new().write(true).create_new(true).open(path)?
    };
    file.write_all(bytes)
}

/// A file where a folder is wanted must not read as "experiment.yaml exists".
fn not_a_folder(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::AlreadyExists {
        io::Error::from(io::ErrorKind::NotADirectory)
    } else {
        error
    }
}
