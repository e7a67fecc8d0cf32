//! A run's dataset on its way into an object store: tables that are written go up while the next case is measured, and
//! what is missing at the end then. A store that fails keeps nothing waiting and takes nothing away.

use crate::gather::in_background;
use crate::ui::Ui;
use aefm_collector::store::{Address, Extent, Store, StoreError, Uploaded};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// Opens a store with what this process's variables say of it.
///
/// # Errors
/// They do not fit together.
pub(crate) fn open(address: &Address) -> Result<Store, StoreError> {
    // What is not text is no variable of a store's.
    let environment = std::env::vars_os()
        .filter_map(|(key, value)| key.into_string().ok().zip(value.into_string().ok()));
    Store::open(address, environment)
}

/// Opens a store that is known to take what is written to it.
///
/// # Errors
/// It cannot be opened, or takes nothing.
pub(crate) async fn reach(address: &Address, experiment: &str) -> Result<Store, StoreError> {
    let text = b"aefm writes this before a run, to know that it may
";
    open(address)?
        .put(&format!("{experiment}/.aefm"), text.to_vec())
        .await?;
    // Another client: connections of the first one belong to this thread, and uploads have a thread of their own.
    open(address)
}

/// A dataset and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) store: Store,
    /// The run's folder.
    pub(crate) folder: PathBuf,
    /// Its place in the store.
    pub(crate) place: String,
}

impl Upload {
    /// Sends all that is not there yet.
    ///
    /// # Errors
    /// What went wrong first.
    pub(crate) async fn whole(&self) -> Result<Uploaded, StoreError> {
        self.store
            .upload(&self.folder, &self.place, Extent::Whole)
            .await
    }

    /// Begins to send what is complete each time that `written` is told, at the lowest priority.
    pub(crate) fn ahead(&self, written: Arc<Notify>, ui: Ui) -> Ahead {
        let (over, mut is_over) = oneshot::channel::<()>();
        let upload = self.clone();
        let work = Box::pin(async move {
            let mut is_failing = false;
            loop {
                tokio::select! {
                    biased;
                    _ = &mut is_over => return,
                    () = written.notified() => {}
                }
                let sent = upload
                    .store
                    .upload(&upload.folder, &upload.place, Extent::Tables)
                    .await;
                let was_failing = std::mem::replace(&mut is_failing, sent.is_err());
                match sent {
                    Ok(Uploaded { files, bytes, .. }) => {
                        tracing::debug!("{files} files uploaded, {bytes} bytes");
                    }
                    Err(error) => {
                        tracing::warn!("failed to {error}");
                        if !was_failing {
                            ui.say(&format!("failed to {error}; it is tried again after each case, and at the end"));
                        }
                    }
                }
            }
        });
        Ahead {
            over,
            work: tokio::spawn(async { drop(in_background(work).await) }),
        }
    }
}

/// An upload beside a run.
pub(crate) struct Ahead {
    over: oneshot::Sender<()>,
    work: JoinHandle<()>,
}

impl Ahead {
    /// Waits until what is under way is up, or has failed. Whatever it is, the upload of the whole says so again.
    pub(crate) async fn end(self) {
        drop(self.over);
        drop(self.work.await);
    }
}
