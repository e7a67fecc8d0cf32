//! Files of a run: the HdrHistogram log and the `load` table. What goes wrong here never disturbs the load; it is said
//! at the end.

use super::records;
use crate::options::Options;
use crate::record::Hist;
use crate::tally::Second;
use aefm_collector::records::LoadWriter;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Open files.
pub(crate) struct Files {
    hdr: Option<HdrLog>,
    load: Option<LoadWriter>,
    shard: u32,
    errors: Vec<String>,
}

impl Files {
    /// Opens what was asked for.
    ///
    /// # Errors
    /// A file cannot be made: better to know before the run than after it.
    pub(crate) fn new(options: &Options) -> Result<Self, String> {
        let hdr = options.hdr.as_deref().map(HdrLog::create).transpose()?;
        let load = options
            .parquet
            .as_ref()
            .map(|(dir, labels)| LoadWriter::create(dir, labels));
        Ok(Self {
            hdr,
            load: load.transpose().map_err(|error| error.to_string())?,
            shard: u32::try_from(options.plan.share.index).unwrap_or(u32::MAX),
            errors: Vec::new(),
        })
    }

    /// Time zero is fixed, ns since the epoch.
    pub(crate) fn start(&mut self, start_ns: i64) {
        if let Some(hdr) = &mut self.hdr
            && let Err(error) = hdr.heading(start_ns)
        {
            self.errors.push(error);
            self.hdr = None;
        }
    }

    pub(crate) fn second(&mut self, second: &Second) {
        if let Some(hdr) = &mut self.hdr
            && let Err(error) = hdr.interval(second)
        {
            self.errors.push(error);
            self.hdr = None;
        }
        if let Some(load) = &mut self.load
            && let Err(error) = load.push(&records::second(second, self.shard))
        {
            self.errors.push(error.to_string());
            self.load = None;
        }
    }

    /// Completes the files, and says what went wrong.
    pub(crate) fn finish(mut self) -> Vec<String> {
        if let Some(Err(error)) = self.hdr.map(HdrLog::finish) {
            self.errors.push(error);
        }
        if let Some(Err(error)) = self.load.map(LoadWriter::finish) {
            self.errors.push(error.to_string());
        }
        self.errors
    }
}

/// HdrHistogram's interval log, version 1.3: values in ns, the maximum column in ms as its tools expect of such logs.
/// The warm-up is tagged, so that tools can leave it out.
struct HdrLog {
    output: BufWriter<File>,
    path: String,
}

impl HdrLog {
    fn create(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        match File::create(path) {
            Ok(file) => Ok(Self {
                output: BufWriter::new(file),
                path: name,
            }),
            Err(error) => Err(format!("write {name}: {error}")),
        }
    }

    fn said(&self, result: io::Result<()>) -> Result<(), String> {
        result.map_err(|error| format!("write {}: {error}", self.path))
    }

    fn heading(&mut self, start_ns: i64) -> Result<(), String> {
        let start_s = start_ns as f64 / 1e9;
        let written = write!(
            self.output,
            "#[Histogram log format version 1.3]\n#[StartTime: {start_s:.3} (seconds since epoch)]\n\
             \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
        );
        self.said(written)
    }

    fn interval(&mut self, second: &Second) -> Result<(), String> {
        let tag = if second.phase == aefm_workloads::load::Phase::WarmUp {
            "Tag=warm-up,"
        } else {
            ""
        };
        let hist = &second.bin.response;
        let written = deflated(hist).and_then(|encoded| {
            let (at_s, max_ms) = (second.second as f64, hist.max() as f64 / 1e6);
            writeln!(self.output, "{tag}{at_s:.3},1.000,{max_ms:.3},{encoded}")
        });
        self.said(written)
    }

    fn finish(mut self) -> Result<(), String> {
        let flushed = self.output.flush();
        self.said(flushed)
    }
}

fn deflated(hist: &Hist) -> io::Result<String> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(hist, &mut bytes)
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(BASE64_STANDARD.encode(bytes))
}
