//! `aefm image`

use super::{Exit, complain};
use crate::cli::{ImageCommand, ImageTarArgs};
use crate::image::libraries::Search;
use crate::image::{self, ImageError};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

pub(super) fn run(command: &ImageCommand) -> Exit {
    match command {
        ImageCommand::Tar(args) => tar(args),
    }
}

fn tar(args: &ImageTarArgs) -> Exit {
    let name = match args.name.parse() {
        Ok(name) => name,
        Err(error) => {
            complain(&format!("failed to use --name: {error}"));
            return Exit::Usage;
        }
    };
    if args.out.is_none() && io::stdout().is_terminal() {
        complain(
            "an image is nothing for a terminal: name a file with --out FILE, or a reader: `| docker load`",
        );
        return Exit::Usage;
    }
    let made = args.binary.clone().map_or_else(image::running_program, Ok);
    let image =
        match made.and_then(|program| image::of_program(&program, name, &Search::of_system())) {
            Ok(image) => image,
            Err(error) => {
                complain(&format!("failed to {error}"));
                return if matches!(error, ImageError::Archive(_)) {
                    Exit::Failed
                } else {
                    Exit::Usage
                };
            }
        };
    let written = match &args.out {
        Some(path) => {
            write_file(path, &image).map_err(|error| format!("write {}: {error}", path.display()))
        }
        None => image
            .write(BufWriter::new(io::stdout().lock()))
            .map_err(|error| format!("write the image: {error}")),
    };
    match (written, &args.out) {
        (Ok(()), Some(path)) => {
            // Nobody reads: the file is there all the same.
            drop(writeln!(
                io::stdout(),
                "wrote {} of {}; `docker load -i`, `podman load -i` or, on a node, `ctr -n k8s.io images import` takes it",
                image.name,
                path.display()
            ));
            Exit::Ok
        }
        (Ok(()), None) => Exit::Ok,
        (Err(reason), _) => {
            complain(&format!("failed to {reason}"));
            Exit::Failed
        }
    }
}

/// Writes beside the file first: half an image is none.
fn write_file(path: &Path, image: &image::archive::Image) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let written = File::create(&beside)
        .and_then(|file| image.write(BufWriter::new(file)))
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // What was written is of no use; that it stays is the lesser trouble.
        drop(std::fs::remove_file(&beside));
    }
    written
}
