//! The spec on standard input, and the watch over the rest of it: its end tells that the parent is gone.

use aefm_workloads::testbed::ServiceSpec;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::thread;
use tokio::sync::oneshot;

/// The longest spec that is read.
const MAX_SPEC: u64 = 4 << 20;

/// Why there is no spec.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecError {
    #[error("read the spec from {from}: {source}")]
    Read {
        from: String,
        source: std::io::Error,
    },
    #[error("read the spec from {from}: nothing came before its end")]
    Empty { from: String },
    #[error("read the spec from {from}: {source}")]
    Json {
        from: String,
        source: serde_json::Error,
    },
}

/// Reads a spec that is given itself, or from a file, or the first line of standard input for `-`.
pub(crate) fn read(given: &str) -> Result<ServiceSpec, SpecError> {
    let itself = given.starts_with('{');
    let from = if itself { "the arguments" } else { given }.to_owned();
    let unreadable = |source| SpecError::Read {
        from: from.clone(),
        source,
    };
    let text = match given {
        _ if itself => given.to_owned(),
        "-" => line(std::io::stdin().lock()).map_err(unreadable)?,
        path => {
            let mut text = String::new();
            File::open(path)
                .and_then(|file| file.take(MAX_SPEC).read_to_string(&mut text))
                .map_err(unreadable)?;
            text
        }
    };
    if text.trim().is_empty() {
        return Err(SpecError::Empty { from });
    }
    serde_json::from_str(&text).map_err(|source| SpecError::Json { from, source })
}

fn line(input: impl BufRead) -> std::io::Result<String> {
    let mut text = String::new();
    input.take(MAX_SPEC).read_line(&mut text)?;
    Ok(text)
}

/// Ends when standard input does. A thread of its own reads it: tokio's reader would keep the runtime from ending.
pub(crate) fn end_of_input() -> std::io::Result<oneshot::Receiver<()>> {
    let (gone, told) = oneshot::channel();
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut input = BufReader::new(std::io::stdin());
            while input.fill_buf().is_ok_and(|bytes| !bytes.is_empty()) {
                let length = input.buffer().len();
                input.consume(length);
            }
            // Nobody to tell: the service has ended by itself.
            let _ = gone.send(());
        })?;
    Ok(told)
}
