//! The table `load`, and histograms of many seconds or shards as one.

use crate::schema::LOAD;
use crate::sink::{Cell, SinkError, TableWriter, Written};
use aefm_workloads::labels::CaseLabels;
use aefm_workloads::load::{LoadSecond, Outcome};
use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use std::path::Path;

/// Why a load record could not become a row.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A histogram is not base64.
    #[error("read the {name} histogram of second {second}: {cause}")]
    Base64 {
        /// Which one.
        name: &'static str,
        /// Of which second.
        second: u32,
        /// What is wrong.
        #[source]
        cause: base64::DecodeError,
    },
    /// A histogram is not HdrHistogram's V2 format.
    #[error("read the {name} histogram of second {second}: {cause}")]
    Hdr {
        /// Which one.
        name: &'static str,
        /// Of which second.
        second: u32,
        /// What is wrong.
        #[source]
        cause: hdrhistogram::serialization::DeserializeError,
    },
    /// Outcomes do not add up to the requests intended.
    #[error(
        "make a row of second {second}: its outcomes add up to {outcomes}, not to the {intended} intended"
    )]
    Sum {
        /// Which second.
        second: u32,
        /// What outcomes add up to.
        outcomes: u64,
        /// What they should.
        intended: u64,
    },
    /// A histogram cannot be made.
    #[error("make a histogram: {0}")]
    Create(#[from] hdrhistogram::CreationError),
    /// Two histograms cannot be added.
    #[error("add histograms: {0}")]
    Merge(#[from] hdrhistogram::AdditionError),
    /// The table could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// Writes `load`, second by second.
pub struct LoadWriter {
    writer: TableWriter,
    deserializer: Deserializer,
}

impl LoadWriter {
    /// Opens the table.
    ///
    /// # Errors
    /// The file could not be made.
    pub fn create(dir: &Path, labels: &CaseLabels) -> Result<Self, SinkError> {
        Ok(Self {
            writer: TableWriter::create(dir, &LOAD, labels)?,
            deserializer: Deserializer::new(),
        })
    }

    /// Adds a second.
    ///
    /// # Errors
    /// The record is broken (and is left out), or the file could not be written.
    pub fn push(&mut self, record: &LoadSecond) -> Result<(), RecordError> {
        let of = |outcome: Outcome| record.outcomes.get(&outcome).copied().unwrap_or_default();
        let errors = [
            Outcome::Http4xx,
            Outcome::Http5xx,
            Outcome::Connect,
            Outcome::Reset,
            Outcome::Timeout,
            Outcome::Protocol,
        ]
        .map(of);
        let outcomes: u64 = Outcome::ALL.into_iter().map(of).sum();
        if outcomes != record.intended {
            return Err(RecordError::Sum {
                second: record.second,
                outcomes,
                intended: record.intended,
            });
        }
        let (hdr, response) = Times::Response.read(record, &mut self.deserializer)?;
        let (_, service) = Times::Service.read(record, &mut self.deserializer)?;
        let (_, lag) = Times::Lag.read(record, &mut self.deserializer)?;
        let (_, generator) = Times::Generator.read(record, &mut self.deserializer)?;
        let counts = [
            record.intended,
            record.sent,
            of(Outcome::Ok),
            errors.iter().sum(),
        ]
        .map(Cell::from);
        let ends = [of(Outcome::Unfinished), of(Outcome::Unsent), record.bytes].map(Cell::from);
        let key = [
            Cell::Int(record.shard.into()),
            Cell::Text(record.phase.name()),
            Cell::Int(record.second.into()),
        ];
        let max = [quantile(&response, 1.0)];
        let quantiles = [
            &quantiles(&response)[..],
            &max,
            &quantiles(&service),
            &quantiles(&lag),
            &quantiles(&generator),
        ]
        .concat();
        let row = [
            &key[..],
            &counts,
            &errors.map(Cell::from),
            &ends,
            &quantiles,
            &[Cell::Bytes(&hdr)],
        ]
        .concat();
        Ok(self.writer.push(&row)?)
    }

    /// Completes the table.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn finish(self) -> Result<Written, SinkError> {
        self.writer.finish()
    }
}

fn quantile(histogram: &Histogram<u64>, share: f64) -> Cell<'static> {
    if histogram.is_empty() {
        Cell::Null
    } else {
        histogram.value_at_quantile(share).into()
    }
}

fn quantiles(histogram: &Histogram<u64>) -> [Cell<'static>; 5] {
    [0.5, 0.9, 0.95, 0.99, 0.999].map(|share| quantile(histogram, share))
}

/// Writes all seconds of a case.
///
/// # Errors
/// A record is broken, or the table could not be written; then there is none.
pub fn write_load(
    dir: &Path,
    labels: &CaseLabels,
    seconds: &[LoadSecond],
) -> Result<Written, RecordError> {
    let mut writer = LoadWriter::create(dir, labels)?;
    for second in seconds {
        writer.push(second)?;
    }
    Ok(writer.finish()?)
}

/// One of a second's histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Response times.
    Response,
    /// Service times.
    Service,
    /// Send lags.
    Lag,
    /// What the generator added to response times.
    Generator,
}

impl Times {
    const fn name(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Service => "service",
            Self::Lag => "lag",
            Self::Generator => "generator",
        }
    }

    fn of(self, record: &LoadSecond) -> &str {
        match self {
            Self::Response => &record.response_hdr,
            Self::Service => &record.service_hdr,
            Self::Lag => &record.lag_hdr,
            Self::Generator => &record.generator_hdr,
        }
    }

    /// A second's histogram (ns), and its bytes.
    fn read(
        self,
        record: &LoadSecond,
        by: &mut Deserializer,
    ) -> Result<(Vec<u8>, Histogram<u64>), RecordError> {
        let (name, second) = (self.name(), record.second);
        let decoded = base64::engine::general_purpose::STANDARD.decode(self.of(record));
        let bytes = decoded.map_err(|cause| RecordError::Base64 {
            name,
            second,
            cause,
        })?;
        let histogram = by.deserialize(&mut &bytes[..]);
        let histogram = histogram.map_err(|cause| RecordError::Hdr {
            name,
            second,
            cause,
        })?;
        Ok((bytes, histogram))
    }
}

/// These times (ns) of many seconds and shards as one histogram: added, never averaged.
///
/// # Errors
/// A histogram is broken.
pub fn merge<'a>(
    seconds: impl IntoIterator<Item = &'a LoadSecond>,
    times: Times,
) -> Result<Histogram<u64>, RecordError> {
    let mut sum = Histogram::<u64>::new(3)?;
    sum.auto(true);
    let mut deserializer = Deserializer::new();
    for record in seconds {
        sum.add(times.read(record, &mut deserializer)?.1)?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aefm_workloads::labels::FactorValue;
    use aefm_workloads::load::Phase;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use hdrhistogram::serialization::{Serializer, V2Serializer};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    fn hdr(values: &[u64]) -> String {
        let mut histogram = Histogram::<u64>::new_with_bounds(1_000, 3_600_000_000_000, 3).unwrap();
        values
            .iter()
            .for_each(|value| histogram.record(*value).unwrap());
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&histogram, &mut bytes)
            .unwrap();
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    fn second(shard: u32, response: &[u64]) -> LoadSecond {
        LoadSecond {
            shard,
            phase: Phase::Measure,
            second: 3,
            intended: 5,
            sent: 4,
            outcomes: [
                (Outcome::Ok, 2),
                (Outcome::Http5xx, 1),
                (Outcome::Unfinished, 1),
                (Outcome::Unsent, 1),
            ]
            .into(),
            bytes: 100,
            response_hdr: hdr(response),
            service_hdr: hdr(&[1_000_000]),
            lag_hdr: hdr(&[]),
            generator_hdr: hdr(&[]),
        }
    }

    fn labels() -> CaseLabels {
        let factors = vec![("round".to_owned(), FactorValue::Int(1))];
        CaseLabels {
            run_id: "r".into(),
            case_id: "c".into(),
            factors,
        }
    }

    #[test]
    fn a_second_becomes_a_row_that_adds_up() {
        let dir = tempfile::tempdir().unwrap();
        let written =
            write_load(dir.path(), &labels(), &[second(0, &[2_000_000, 4_000_000])]).unwrap();
        let file = std::fs::File::open(written.path).unwrap();
        let batch = ParquetRecordBatchReaderBuilder::try_new(file)
            .unwrap()
            .build()
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let int = |name: &str| {
            let column = batch
                .column_by_name(name)
                .unwrap()
                .as_primitive::<Int64Type>();
            column.iter().next().unwrap()
        };
        let sum = ["ok", "errors", "unfinished", "unsent"]
            .into_iter()
            .filter_map(int)
            .sum::<i64>();
        assert_eq!(
            (sum, int("intended"), int("http_5xx")),
            (5, Some(5), Some(1))
        );
        let p50 = int("response_p50_ns").unwrap();
        assert!((2_000_000..2_003_000).contains(&p50), "{p50}");
        assert_eq!(int("lag_p99_ns"), None);
        let bytes = batch
            .column_by_name("hdr")
            .unwrap()
            .as_binary::<i32>()
            .value(0);
        let back: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
        assert_eq!(back.len(), 2);
    }

    #[test]
    fn broken_records_are_errors_that_say_where() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = LoadWriter::create(dir.path(), &labels()).unwrap();
        let broken = LoadSecond {
            intended: 6,
            ..second(0, &[])
        };
        assert!(matches!(
            writer.push(&broken),
            Err(RecordError::Sum {
                outcomes: 5,
                intended: 6,
                ..
            })
        ));
        let broken = LoadSecond {
            service_hdr: "!".to_owned(),
            ..second(0, &[])
        };
        assert!(
            writer
                .push(&broken)
                .unwrap_err()
                .to_string()
                .contains("service histogram of second 3")
        );
        let broken = LoadSecond {
            lag_hdr: "AAAA".to_owned(),
            ..second(0, &[])
        };
        assert!(matches!(
            writer.push(&broken),
            Err(RecordError::Hdr { name: "lag", .. })
        ));
        assert_eq!(writer.finish().unwrap().rows, 0);
    }

    #[test]
    fn shards_are_added_not_averaged() {
        // The mean of the two medians would be 5 ms.
        let fast: Vec<u64> = vec![1_000_000; 9];
        let sum = merge(
            &[second(0, &fast), second(1, &[9_000_000])],
            Times::Response,
        )
        .unwrap();
        assert_eq!(sum.len(), 10);
        assert!(sum.value_at_quantile(0.5) < 1_100_000 && sum.max() > 8_900_000);
    }
}
