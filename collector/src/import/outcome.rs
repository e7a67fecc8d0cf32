//! What an import is of, and what came of it.

use super::SpillError;
use crate::sink::SinkError;
use crate::trace::TraceReport;
use std::fmt;
use std::path::PathBuf;

/// What kind of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Jaeger: answers of `/api/traces` as its page and API save them, single traces, spans of its Elasticsearch index.
    Jaeger,
    /// OTLP: `TracesData` as JSON or protobuf, as the collector's file exporter writes it (each message after its length, four
    /// bytes, big-endian, packed or not), Tempo's answers, and what the console exporters of SDKs print as JSON.
    Otlp,
    /// Zipkin's JSON, version 2.
    Zipkin,
}

impl Kind {
    /// What it is called on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jaeger => "jaeger",
            Self::Otlp => "otlp",
            Self::Zipkin => "zipkin",
        }
    }

    /// What it is, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Jaeger => "Jaeger's JSON",
            Self::Otlp => "OTLP",
            Self::Zipkin => "Zipkin's JSON",
        }
    }
}

/// Something that a file had and the tables do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The file.
    pub path: PathBuf,
    /// At which byte of it; where it is packed, of what it holds.
    pub at: u64,
    /// Why.
    pub reason: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, at, reason) = (self.path.display(), self.at, &self.reason);
        write!(f, "{path} at byte {at}: {reason}")
    }
}

/// Why files could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error("read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        cause: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("read traces from {} at byte {at}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: u64,
        /// What is wrong there.
        reason: String,
    },
    /// There is not one span in the files.
    #[error("find any spans: {0}")]
    Nothing(String),
    /// The tables are there already.
    #[error(
        "import into {}: it has the case {case} already; name another folder or another --case, or give --force to write over it",
        dir.display()
    )]
    There {
        /// The dataset.
        dir: PathBuf,
        /// The case.
        case: String,
    },
    /// The folder is a run's.
    #[error(
        "import into {}: it is a run's folder, whose tables were measured; name a folder of its own with --out",
        .0.display()
    )]
    Run(PathBuf),
    /// Spans could not wait on disk.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// A table could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// What was imported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// The traces.
    pub report: TraceReport,
    /// Spans without valid ids or times, left out.
    pub invalid: u64,
    /// Parts of the files that could not be read.
    pub left_out: u64,
    /// The first of these.
    pub first_left_out: Vec<LeftOut>,
    /// Documents of metrics or logs, which have no spans in them.
    pub other_signals: u64,
    /// Bytes of spans that had to wait on disk.
    pub spilled_bytes: u64,
}

impl Imported {
    /// What is missing of what the files had, in words; nothing if nothing is.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.left_out > 0 {
            let shown: Vec<_> = self.first_left_out.iter().map(LeftOut::to_string).collect();
            let more = self.left_out - shown.len() as u64;
            let more = if more > 0 {
                format!("; and {more} more")
            } else {
                String::new()
            };
            let parts = if self.left_out == 1 {
                "1 part of the files was left out".to_owned()
            } else {
                format!("{} parts of the files were left out", self.left_out)
            };
            doubts.push(format!("{parts}: {}{more}", shown.join("; ")));
        }
        if self.invalid > 0 {
            let spans = if self.invalid == 1 { "span" } else { "spans" };
            doubts.push(format!(
                "{} {spans} without valid ids or times left out",
                self.invalid
            ));
        }
        doubts
    }

    pub(super) fn add(&mut self, left_out: Vec<LeftOut>) {
        self.left_out += left_out.len() as u64;
        let room = LEFT_OUT_SHOWN.saturating_sub(self.first_left_out.len());
        self.first_left_out.extend(left_out.into_iter().take(room));
    }
}

/// So many parts that were left out are named; all are counted.
const LEFT_OUT_SHOWN: usize = 5;
