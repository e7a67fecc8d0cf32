//! `aefm upload`, and the end of a run whose dataset goes into a store.

use super::{Exit, complain};
use crate::cli::UploadArgs;
use crate::signals::Signals;
use crate::upload::{Ahead, Upload, open};
use aefm_collector::store::Address;
use serde::Deserialize;
use std::io::{self, Write};

/// What of `run.json` says where the dataset belongs.
#[derive(Deserialize)]
struct RunFile {
    run_id: String,
    experiment: ExperimentFile,
}

#[derive(Deserialize)]
struct ExperimentFile {
    name: String,
    data: String,
}

pub(super) fn run(args: &UploadArgs) -> Exit {
    let opened = destination(args).and_then(|(address, place)| {
        let store = open(&address).map_err(|error| format!("failed to {error}"))?;
        Ok(Upload {
            store,
            folder: args.run.clone(),
            place,
        })
    });
    let upload = match opened {
        Ok(upload) => upload,
        Err(reason) => {
            complain(&reason);
            return Exit::Usage;
        }
    };
    let failed = |error: io::Error| {
        complain(&format!("failed to start: {error}"));
        Exit::Failed
    };
    match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(async {
            match Signals::listen() {
                Ok(mut signals) => finish(&upload, None, &mut signals).await,
                Err(error) => failed(error),
            }
        }),
        Err(error) => failed(error),
    }
}

/// The store that a run's dataset goes to, and its place there.
fn destination(args: &UploadArgs) -> Result<(Address, String), String> {
    let path = args.run.join("run.json");
    let no_run = |error: &dyn std::fmt::Display| {
        format!(
            "failed to read {}: {error}; name a run's folder, data/<experiment>/<run>",
            path.display()
        )
    };
    let text = std::fs::read(&path).map_err(|error| no_run(&error))?;
    let RunFile { run_id, experiment } =
        serde_json::from_slice(&text).map_err(|error| no_run(&error))?;
    if crate::neighbours::running().contains(&run_id) {
        return Err(format!("failed to upload: run {run_id} is under way"));
    }
    let own = || {
        Address::parse(&experiment.data).map_err(|_| {
            format!(
                "failed to upload: the run's `data` is the folder {}; add --to URL",
                experiment.data
            )
        })
    };
    let address = args.to.clone().map_or_else(own, Ok)?;
    Ok((address, format!("{}/{run_id}", experiment.name)))
}

/// Sends what is not there yet, unless a signal comes first.
pub(super) async fn finish(upload: &Upload, ahead: Option<Ahead>, signals: &mut Signals) -> Exit {
    let (to, place, folder) = (
        upload.store.address(),
        &upload.place,
        upload.folder.display(),
    );
    let sending = async {
        if let Some(ahead) = ahead {
            ahead.end().await;
        }
        upload.whole().await
    };
    let (what, exit) = tokio::select! {
        sent = sending => match sent {
            Ok(sent) => {
                // Nobody reads: the dataset is up all the same.
                drop(writeln!(
                    io::stdout(),
                    "uploaded: {to}/{place} ({} files sent now, {} bytes; {} were there)",
                    sent.files, sent.bytes, sent.present
                ));
                return Exit::Ok;
            }
            Err(error) => (format!("failed to {error}"), Exit::Incomplete),
        },
        signal = signals.next() => (format!("{signal} ended the upload"), Exit::Interrupted),
    };
    complain(&format!(
        "{what}; the dataset is whole in {folder}, and `aefm upload {folder}` sends the rest"
    ));
    exit
}
