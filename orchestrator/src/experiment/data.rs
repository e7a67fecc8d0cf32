//! Where datasets go: a folder, or an object store by way of a folder.

use aefm_collector::store::{Address, is_url};
use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};

/// The folder that datasets are written to; those for a store are kept in it, too.
const FOLDER: &str = "data";

/// Where datasets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// To this folder.
    Folder(PathBuf),
    /// To a store; written to the folder `data` first.
    Store(Address),
}

impl Default for Data {
    fn default() -> Self {
        Self::Folder(FOLDER.into())
    }
}

impl Data {
    /// Reads a folder or a URL.
    ///
    /// # Errors
    /// It is a URL, and of no store.
    pub fn read(text: &str) -> Result<Self, String> {
        if !is_url(text) {
            return Ok(Self::Folder(text.into()));
        }
        Address::parse(text)
            .map(Self::Store)
            .map_err(|error| error.to_string())
    }

    /// The folder that the dataset is written to.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder,
            Self::Store(_) => Path::new(FOLDER),
        }
    }

    /// The store, if it is one.
    #[must_use]
    pub const fn store(&self) -> Option<&Address> {
        match self {
            Self::Folder(_) => None,
            Self::Store(address) => Some(address),
        }
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Folder(folder) => folder.serialize(serializer),
            Self::Store(address) => serializer.collect_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_stores_are_told_apart_and_written_as_they_were_read() {
        for (text, folder) in [
            ("runs/a", "runs/a"),
            ("s3://bucket/x", "data"),
            ("az://c", "data"),
        ] {
            let data = Data::read(text).expect("it is one");
            assert_eq!(
                (data.folder(), data.store().is_some()),
                (Path::new(folder), folder != text)
            );
            assert_eq!(serde_json::to_value(&data).expect("it is text"), text);
        }
        for wrong in ["http://x/y", "s3:/x", "s3:x"] {
            assert!(
                Data::read(wrong)
                    .expect_err("no store")
                    .contains("s3://BUCKET/FOLDER"),
                "{wrong}"
            );
        }
    }
}
