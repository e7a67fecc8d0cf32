//! A file of an export, buffered, which gets its name when it is complete.

use super::ExportError;
use crate::sink::PartFile;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where an export goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) folder: &'a Path,
    /// What is there may be written over.
    pub(super) replaces: bool,
}

impl Target<'_> {
    /// A file of this name in the folder.
    ///
    /// # Errors
    /// It is there already, or cannot be made.
    pub(super) fn file(&self, name: impl AsRef<Path>) -> Result<OutFile, ExportError> {
        let path = self.folder.join(name);
        if !self.replaces && path.exists() {
            return Err(ExportError::There(path));
        }
        OutFile::create(&path)
    }
}

/// The file.
pub(super) struct OutFile {
    path: PathBuf,
    writer: BufWriter<PartFile>,
}

impl OutFile {
    fn create(path: &Path) -> Result<Self, ExportError> {
        let file = PartFile::create(path).map_err(|cause| ExportError::Write {
            path: path.to_owned(),
            cause,
        })?;
        Ok(Self {
            path: path.to_owned(),
            writer: BufWriter::with_capacity(1 << 18, file),
        })
    }

    pub(super) fn write(&mut self, text: &str) -> Result<(), ExportError> {
        self.writer
            .write_all(text.as_bytes())
            .map_err(|cause| ExportError::Write {
                path: self.path.clone(),
                cause,
            })
    }

    /// A line of CSV.
    pub(super) fn record<'a>(
        &mut self,
        fields: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), ExportError> {
        let mut line = String::new();
        for (place, field) in fields.into_iter().enumerate() {
            if place > 0 {
                line.push(',');
            }
            push_field(&mut line, field);
        }
        line.push('\n');
        self.write(&line)
    }

    /// Gives the file its name.
    pub(super) fn finish(self) -> Result<(), ExportError> {
        let path = self.path;
        let file = self
            .writer
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error);
        file.and_then(PartFile::publish)
            .map(drop)
            .map_err(|cause| ExportError::Write { path, cause })
    }
}

/// A field of CSV, quoted where it has to be.
pub(super) fn push_field(line: &mut String, field: &str) {
    if field.contains([',', '"', '\n', '\r']) {
        line.push('"');
        line.push_str(&field.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(field);
    }
}
