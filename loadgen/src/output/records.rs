//! `--spec`'s output: one JSON record a line, flushed as it is written.

use crate::record::Hist;
use crate::tally::Second;
use aefm_workloads::load::{LoadRecord, LoadSecond, Outcome};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use std::io::{self, Write};

/// Writes one record.
///
/// # Errors
/// The output is gone.
pub(crate) fn write(output: &mut impl Write, record: &LoadRecord) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}

/// A histogram in HdrHistogram's V2 encoding, base64.
pub(crate) fn encode(hist: &Hist) -> String {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail, and the histogram's size is far below the format's limit.
    if V2Serializer::new().serialize(hist, &mut bytes).is_err() {
        bytes.clear();
    }
    BASE64_STANDARD.encode(bytes)
}

/// A second as a record.
pub(crate) fn second(second: &Second, shard: u32) -> LoadSecond {
    let bin = &second.bin;
    let counts = Outcome::ALL
        .iter()
        .map(|&outcome| (outcome, bin.outcomes[outcome as usize]));
    LoadSecond {
        shard,
        phase: second.phase,
        second: u32::try_from(second.second).unwrap_or(u32::MAX),
        intended: bin.ended(),
        sent: bin.sent,
        outcomes: counts.filter(|(_, count)| *count > 0).collect(),
        bytes: bin.bytes,
        response_hdr: encode(&bin.response),
        service_hdr: encode(&bin.service),
        lag_hdr: encode(&bin.lag),
        generator_hdr: encode(&bin.generator),
    }
}
