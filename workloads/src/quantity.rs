//! Units of intensity, and intensities as people write them (`30%`, `2 GB/s`, `500Mbit/s`, `8GiB`).

use crate::interference::Kind;
use crate::unit::leading_number;
use std::fmt;

/// The unit of an intensity. The names are those in specs, samples and tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// 0..100 of the named cores, of a capacity or of a measured peak.
    Percent,
    /// Bytes.
    Bytes,
    /// 10^9 bytes a second.
    GigabytesPerS,
    /// 10^6 bytes a second.
    MegabytesPerS,
    /// Bits a second.
    BitsPerS,
    /// Input and output operations a second.
    Iops,
    /// Events a second (context switches, page walks).
    PerS,
}

impl Unit {
    const ALL: [Self; 7] = [
        Self::Percent,
        Self::Bytes,
        Self::GigabytesPerS,
        Self::MegabytesPerS,
        Self::BitsPerS,
        Self::Iops,
        Self::PerS,
    ];

    /// The name in specs, samples and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Percent => "percent",
            Self::Bytes => "bytes",
            Self::GigabytesPerS => "GB/s",
            Self::MegabytesPerS => "MB/s",
            Self::BitsPerS => "bit/s",
            Self::Iops => "iops",
            Self::PerS => "1/s",
        }
    }

    /// The unit of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }

    /// Base units (bytes, bytes a second, bits a second, events) in one of this unit; percent has none.
    #[must_use]
    pub const fn base(self) -> Option<f64> {
        match self {
            Self::Percent => None,
            Self::GigabytesPerS => Some(1e9),
            Self::MegabytesPerS => Some(1e6),
            Self::Bytes | Self::BitsPerS | Self::Iops | Self::PerS => Some(1.0),
        }
    }
}

impl Kind {
    /// The units in which this kind's intensity may be asked for; the first is the default.
    #[must_use]
    pub const fn units(self) -> &'static [Unit] {
        match self {
            Self::Cpu | Self::Llc | Self::L2 | Self::L1d | Self::L1i => &[Unit::Percent],
            Self::MemCapacity => &[Unit::Percent, Unit::Bytes],
            Self::MemBandwidth => &[Unit::Percent, Unit::GigabytesPerS, Unit::MegabytesPerS],
            Self::Network => &[Unit::Percent, Unit::BitsPerS],
            Self::Disk => &[
                Unit::Percent,
                Unit::MegabytesPerS,
                Unit::GigabytesPerS,
                Unit::Iops,
            ],
            Self::Tlb | Self::Ctx => &[Unit::Percent, Unit::PerS],
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    /// The value, finite and not negative.
    pub value: f64,
    /// Its unit.
    pub unit: Unit,
}

/// Why an intensity cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntensityError {
    /// No number at its start.
    #[error(
        "read {text:?} as an intensity: it starts with no number (write such as `30%`, `2GB/s`, `500Mbit/s`, `8GiB`)"
    )]
    NoNumber {
        /// As written.
        text: String,
    },
    /// Negative, or not finite.
    #[error("read {text:?} as an intensity: it must be finite and not negative")]
    OutOfRange {
        /// As written.
        text: String,
    },
    /// A number and something that is no unit.
    #[error(
        "read {text:?} as an intensity: {unit:?} is no unit (known: %, B, kB, MB, GB, KiB, MiB, GiB, the same with /s, \
         bit/s, kbit/s, Mbit/s, Gbit/s, iops, /s)"
    )]
    NoUnit {
        /// As written.
        text: String,
        /// What stands after the number.
        unit: String,
    },
}

impl Quantity {
    /// Reads a quantity; a bare number is in `unless` unit.
    ///
    /// # Errors
    /// When there is no number, it is negative or not finite, or what follows is no unit.
    pub fn parse(text: &str, unless: Unit) -> Result<Self, IntensityError> {
        let trimmed = text.trim();
        let out_of_range = ["-", "inf", "nan"]
            .iter()
            .any(|start| trimmed.to_ascii_lowercase().starts_with(start));
        let (value, unit) = leading_number(trimmed).ok_or_else(|| {
            let text = text.to_owned();
            if out_of_range
                || trimmed.contains(['e', 'E']) && trimmed.starts_with(|c: char| c.is_ascii_digit())
            {
                IntensityError::OutOfRange { text }
            } else {
                IntensityError::NoNumber { text }
            }
        })?;
        let (factor, unit) = factor(unit.trim(), unless).ok_or_else(|| IntensityError::NoUnit {
            text: text.to_owned(),
            unit: unit.trim().to_owned(),
        })?;
        Ok(Self {
            value: value * factor,
            unit,
        })
    }
}

/// What a unit as written means: a factor and the unit it ends in. Bits have a small `b` (`Mb/s`, as iperf3 writes).
fn factor(unit: &str, unless: Unit) -> Option<(f64, Unit)> {
    let plain = match unit {
        "" => Some((1.0, unless)),
        "%" | "percent" => Some((1.0, Unit::Percent)),
        "iops" | "IOPS" => Some((1.0, Unit::Iops)),
        "/s" | "1/s" => Some((1.0, Unit::PerS)),
        _ => None,
    };
    if plain.is_some() {
        return plain;
    }
    let rate = unit.strip_suffix("/s").or_else(|| unit.strip_suffix("ps"));
    let stem = rate.unwrap_or(unit);
    if let Some(prefix) = stem
        .strip_suffix("bits")
        .or_else(|| stem.strip_suffix("bit"))
        .or_else(|| stem.strip_suffix('b'))
    {
        return rate.and(Some((power(prefix)?, Unit::BitsPerS)));
    }
    if let Some(prefix) = stem.strip_suffix('B') {
        let bytes = power(prefix)?;
        return Some(match (rate, prefix) {
            (None, _) => (bytes, Unit::Bytes),
            (Some(_), "G" | "Gi" | "T" | "Ti") => (bytes / 1e9, Unit::GigabytesPerS),
            (Some(_), _) => (bytes / 1e6, Unit::MegabytesPerS),
        });
    }
    // Kubernetes and iperf3 leave the unit out: `200Mi`, `100M`.
    rate.is_none()
        .then(|| power(stem))
        .flatten()
        .map(|factor| (factor, unless))
}

fn power(prefix: &str) -> Option<f64> {
    Some(match prefix {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (f64, Unit) {
        let quantity = Quantity::parse(text, Unit::Percent).expect("a quantity");
        (quantity.value, quantity.unit)
    }

    #[test]
    fn quantities_are_read_as_people_write_them() {
        assert_eq!(read("30"), (30.0, Unit::Percent));
        assert_eq!(read("30 %"), (30.0, Unit::Percent));
        assert_eq!(read("2.5GB/s"), (2.5, Unit::GigabytesPerS));
        assert_eq!(read("250MB/s"), (250.0, Unit::MegabytesPerS));
        assert_eq!(read("500Mbit/s"), (5e8, Unit::BitsPerS));
        assert_eq!(read("10Gb/s"), (1e10, Unit::BitsPerS));
        assert_eq!(read("8GiB"), (8.0 * 1_073_741_824.0, Unit::Bytes));
        assert_eq!(read("1e9 B"), (1e9, Unit::Bytes));
        assert_eq!(read("2000iops"), (2000.0, Unit::Iops));
        assert_eq!(read("1e3/s"), (1000.0, Unit::PerS));
        assert_eq!(
            Quantity::parse("4Gi", Unit::Bytes).unwrap().value,
            4.0 * 1_073_741_824.0
        );
        assert_eq!(Quantity::parse("100M", Unit::BitsPerS).unwrap().value, 1e8);
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "", "%", "abc", "-3%", "5 apples", "1e999", "nan", "inf", "10Mb",
        ] {
            assert!(Quantity::parse(text, Unit::Percent).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_comes_back(value in 0.0..1e15f64, which in 0..Unit::ALL.len()) {
            let unit = Unit::ALL[which];
            let written = if unit == Unit::Bytes { format!("{value}B") } else { format!("{value} {unit}") };
            let read = Quantity::parse(&written, Unit::Percent).unwrap();
            prop_assert_eq!(read.unit, unit);
            prop_assert!((read.value - value).abs() <= value * 1e-12);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = Quantity::parse(&text, Unit::Percent);
        }
    }

    #[test]
    fn every_unit_and_kind_is_named_once() {
        for unit in Unit::ALL {
            assert_eq!(Unit::from_name(unit.name()), Some(unit));
        }
        assert!(
            Kind::ALL
                .iter()
                .all(|kind| kind.units().contains(&Unit::Percent))
        );
    }
}
