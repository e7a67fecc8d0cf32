//! The log: everything at debug in the run's `run.log`, with time, case and event; what the user asked for on the
//! terminal.

use crate::cli::Level;
use crate::ui::Ui;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, fmt};

/// Begins to log into `<dir>/run.log` and to the terminal, for the rest of the process.
///
/// # Errors
/// When the file cannot be opened, or a log was begun before.
pub(crate) fn begin(dir: &Path, level: Level, ui: &Ui) -> io::Result<()> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("run.log"))?;
    let terminal = match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let to_file = fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .with_span_events(FmtSpan::NONE)
        .with_writer(Mutex::new(file))
        // What an HTTP client says of its connections helps nobody, and an upload would write it into the log that it sends.
        .with_filter(
            Targets::new()
                .with_default(LevelFilter::DEBUG)
                .with_target("hyper_util", LevelFilter::INFO),
        );
    // The cluster's client tells of every attempt that fails; what comes of them is told by whoever asked.
    let to_terminal = fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_writer(AboveBar(ui.clone()))
        .with_filter(
            Targets::new()
                .with_default(terminal)
                .with_target("kube_client", LevelFilter::OFF),
        );
    let subscriber = tracing_subscriber::registry()
        .with(to_file)
        .with(to_terminal);
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)
}

/// Writes whole lines above the progress bar.
struct AboveBar(Ui);

impl<'a> MakeWriter<'a> for AboveBar {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            ui: self.0.clone(),
            text: Vec::new(),
        }
    }
}

struct Line {
    ui: Ui,
    text: Vec<u8>,
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.ui.say(String::from_utf8_lossy(&self.text).trim_end());
    }
}
