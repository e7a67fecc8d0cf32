//! Datasets in object stores: what a run leaves in its folder, put where a URL says.
//!
//! Tables are written to the folder first, so that nothing that is measured waits for a network. What is up already is
//! not sent again, so that an upload that was cut off goes on where it was. Who may write is said by the variables that
//! the stores' own tools read (`AWS_*`, `GOOGLE_*`, `AZURE_*`).

mod address;
mod connection;
mod files;
mod open;
mod send;
mod sent;

pub use address::{Address, AddressError, is_url};

use crate::http::Certificates;
use connection::Connection;
use files::Local;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use open::Environment;
use send::SendError;
use sent::Sent;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Files under way at a time: most tables of a case are small.
const PARALLEL: usize = 4;
/// These go up after all others, in this order: where the last one is, the dataset is whole.
const LAST: [&str; 2] = ["run.log", "run.json"];

/// Why a dataset is not where it should be.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What the variables say does not fit.
    #[error("open {to}: {reason}")]
    Open {
        /// The store.
        to: Address,
        /// What is wrong.
        reason: String,
    },
    /// The store refused, or cannot be reached.
    #[error("write {name} to {to}: {reason}")]
    Put {
        /// The store.
        to: Address,
        /// The object, below it.
        name: String,
        /// What it said.
        reason: String,
    },
    /// What is there already cannot be had.
    #[error("list what is in {to}: {reason}")]
    List {
        /// The store.
        to: Address,
        /// What it said.
        reason: String,
    },
    /// A file of the dataset cannot be read.
    #[error("read {}: {cause}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        #[source]
        cause: std::io::Error,
    },
}

/// How much of a dataset is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The tables that are complete: the run goes on.
    Tables,
    /// All of it: the run is over.
    Whole,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uploaded {
    /// Files sent.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there already.
    pub present: usize,
}

/// A store that can be written to.
#[derive(Clone, Debug)]
pub struct Store {
    address: Address,
    store: Arc<dyn ObjectStore>,
    /// What a failure ends with where nothing says who we are.
    hint: &'static str,
}

impl Store {
    /// The store at `address`, with what `environment` (variables and their values) says of it. Nothing is asked yet.
    ///
    /// # Errors
    /// The variables do not fit together, or the certificates to trust cannot be read.
    pub fn open(
        address: &Address,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, StoreError> {
        let environment: Environment = environment.into_iter().collect();
        let hint = open::hint(address, &environment);
        let wrong = |reason: String| StoreError::Open {
            to: address.clone(),
            reason,
        };
        let certificates = Certificates {
            ca: environment.get("SSL_CERT_FILE").map(PathBuf::from),
            client: None,
        };
        let connection =
            Connection::new(&certificates).map_err(|error| wrong(error.to_string()))?;
        let store = open::open(address, &environment, connection)
            .map_err(|error| wrong(told(&error) + hint))?;
        Ok(Self {
            address: address.clone(),
            store,
            hint,
        })
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Writes one small object.
    ///
    /// # Errors
    /// The store refuses, or cannot be reached.
    pub async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let put = self.store.put(&self.key(name)?, bytes.into()).await;
        put.map(drop).map_err(|error| self.refused(name, &error))
    }

    /// Sends the files of `folder` (hidden ones apart) to below `name`. What was sent before, and is there, is not sent
    /// again.
    ///
    /// # Errors
    /// The first: a file cannot be read, or the store fails. What was sent until then stays.
    pub async fn upload(
        &self,
        folder: &Path,
        name: &str,
        extent: Extent,
    ) -> Result<Uploaded, StoreError> {
        let files =
            files::below(folder).map_err(|(path, cause)| StoreError::Read { path, cause })?;
        let there = self.list(name).await?;
        let mut sent = Sent::read(folder, format!("{}/{name}", self.address));
        let (present, missing): (Vec<_>, Vec<_>) = files
            .into_iter()
            .filter(|file| extent == Extent::Whole || file.is_table())
            .partition(|file| {
                let object = there.get(&file.name);
                object
                    .is_some_and(|object| sent.is_there(file, object.size, object.e_tag.as_deref()))
            });
        let mut uploaded = Uploaded {
            present: present.len(),
            ..Uploaded::default()
        };
        let mut turns = vec![Vec::new(); LAST.len() + 1];
        for file in missing {
            turns[file.turn()].push(file);
        }
        for files in turns {
            self.send_all(files, name, &mut sent, &mut uploaded).await?;
        }
        Ok(uploaded)
    }

    /// Sends these in any order. After a failure none is begun any more, and those under way come to their end.
    async fn send_all(
        &self,
        files: Vec<Local>,
        below: &str,
        sent: &mut Sent,
        uploaded: &mut Uploaded,
    ) -> Result<(), StoreError> {
        let failed = AtomicBool::new(false);
        let files = files
            .into_iter()
            .take_while(|_| !failed.load(Ordering::Relaxed));
        let mut sending = futures_util::stream::iter(files)
            .map(|file| async move { (self.send(&file, below).await, file) })
            .buffer_unordered(PARALLEL);
        let mut first = Ok(());
        while let Some((result, file)) = sending.next().await {
            match result {
                Ok((version, e_tag)) => {
                    sent.note(&file.name, version, e_tag);
                    uploaded.files += 1;
                    uploaded.bytes += version.bytes;
                }
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    first = first.and(Err(error));
                }
            }
        }
        first
    }

    async fn send(
        &self,
        file: &Local,
        below: &str,
    ) -> Result<(files::Version, Option<String>), StoreError> {
        let name = format!("{below}/{}", file.name);
        send::send(&self.store, &file.path, &self.key(&name)?)
            .await
            .map_err(|error| match error {
                SendError::Read(cause) => StoreError::Read {
                    path: file.path.clone(),
                    cause,
                },
                SendError::Put(error) => self.refused(&name, &error),
            })
    }

    /// Objects by their names below `name`.
    async fn list(&self, name: &str) -> Result<HashMap<String, ObjectMeta>, StoreError> {
        let base = self.key(name)?;
        let below = format!("{base}/");
        let named = |object: ObjectMeta| {
            Some((
                object
                    .location
                    .as_ref()
                    .strip_prefix(below.as_str())?
                    .to_owned(),
                object,
            ))
        };
        let objects: Vec<_> =
            self.store
                .list(Some(&base))
                .try_collect()
                .await
                .map_err(|error| StoreError::List {
                    to: self.address.clone(),
                    reason: told(&error) + self.hint,
                })?;
        Ok(objects.into_iter().filter_map(named).collect())
    }

    fn key(&self, name: &str) -> Result<Key, StoreError> {
        let key = format!("{}/{name}", self.address.folder);
        Key::parse(key).map_err(|error| self.refused(name, &error.into()))
    }

    fn refused(&self, name: &str, error: &object_store::Error) -> StoreError {
        StoreError::Put {
            to: self.address.clone(),
            name: name.to_owned(),
            reason: told(error) + self.hint,
        }
    }
}

impl Local {
    fn is_table(&self) -> bool {
        self.name.ends_with(".parquet")
    }

    /// When it goes up, from 0.
    fn turn(&self) -> usize {
        LAST.iter()
            .position(|last| *last == self.name)
            .map_or(0, |at| at + 1)
    }
}

/// What a store said, without the page around it.
fn told(error: &object_store::Error) -> String {
    const MOST: usize = 400;
    let text = error.to_string();
    let between =
        |begin: &str, end: &str| Some(text.split_once(begin)?.1.split_once(end)?.0.trim());
    match (
        between("<Code>", "</Code>"),
        between("<Message>", "</Message>"),
    ) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => text.chars().take(MOST).collect(),
    }
}
