//! A container image of this program, made without a container engine: the program, the libraries it needs if it is
//! linked to any, and nothing else. Equal files become equal bytes.

pub mod archive;
pub mod elf;
pub mod layer;
pub mod libraries;
pub mod name;

use archive::Image;
use elf::ElfError;
use layer::Layer;
use libraries::{LibraryError, Search};
use name::Name;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The user that the image runs as unless a pod says otherwise: nobody that a node knows.
pub const USER: u32 = 65_532;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The program cannot be read.
    #[error("read {path}: {source}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is none that a container could run.
    #[error("use {path}: {source}", path = path.display())]
    Program {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: ElfError,
    },
    /// A library is not there.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The archive cannot be put together.
    #[error("put the image together: {0}")]
    Archive(#[from] std::io::Error),
}

/// The image of a program: `/bin/<its file name>` is its entry point.
///
/// # Errors
/// When the program or a library of it cannot be had.
pub fn of_program(program: &Path, name: Name, search: &Search) -> Result<Image, ImageError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| ImageError::Read {
            path: path.to_owned(),
            source,
        })
    };
    let unfit = |source| ImageError::Program {
        path: program.to_owned(),
        source,
    };
    let bytes = read(program)?;
    let facts = elf::read(&bytes).map_err(unfit)?;
    let architecture = facts.architecture().map_err(unfit)?;
    let libraries = libraries::needed(program, &facts, search)?;
    let entry = format!("/bin/{}", file_name(program));
    let mut layer = Layer::default();
    layer.folder("tmp", 0o1777);
    layer.file(&entry, bytes);
    let mut folders = BTreeSet::new();
    for path in libraries.files {
        folders.extend(path.parent().map(|folder| folder.display().to_string()));
        layer.file(&path.display().to_string(), read(&path)?);
    }
    if let Some(loader) = libraries.loader {
        layer.file(&loader.display().to_string(), read(&loader)?);
    }
    let mut environment = vec!["PATH=/bin".to_owned()];
    if !folders.is_empty() {
        // The image has no cache of the loader's, and another loader's own folders may differ.
        environment.push(format!(
            "LD_LIBRARY_PATH={}",
            folders.into_iter().collect::<Vec<_>>().join(":")
        ));
    }
    let config = json!({
        "Entrypoint": [entry],
        "Env": environment,
        "User": format!("{USER}:{USER}"),
        "WorkingDir": "/tmp",
        "Labels": {
            "org.opencontainers.image.title": "aefm",
            "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        },
    });
    Ok(Image {
        name,
        architecture,
        config,
        layer: layer.to_tar()?,
    })
}

/// The running program's file.
///
/// # Errors
/// When the system does not say.
pub fn running_program() -> Result<PathBuf, ImageError> {
    let path = std::env::current_exe();
    path.map_err(|source| ImageError::Read {
        path: "/proc/self/exe".into(),
        source,
    })
}

fn file_name(program: &Path) -> String {
    program
        .file_name()
        .map_or_else(|| "aefm".into(), |name| name.to_string_lossy().into_owned())
}
