//! The original's unit of interference, pods per node times the size of one, as a quantity.
//!
//! Version 0.2.0 has no intensity: it starts `count` pods a node, whose limits say how much each presses (for `network`:
//! `count` streams of `throughput` each). What that comes to on a node is a plain product, and is what is asked for here.

use crate::interference::Kind;
use crate::quantity::{Quantity, Unit};

/// The size of one pod, as the original's `configs` have it: numbers or strings as Kubernetes and iperf3 write them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodSize {
    /// `cpu_size`: cores of one pod (`1`, `0.5`, `"500m"`).
    pub cpu: Option<String>,
    /// `mem_size`: memory of one pod (`"200Mi"`, `"4Gi"`).
    pub memory: Option<String>,
    /// `throughput`: bit/s of one stream (`100000000`, `"100M"`).
    pub throughput: Option<String>,
}

/// What a node has, which a share is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node {
    /// Its cores.
    pub cores: f64,
}

/// Why pods come to no quantity.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PodsError {
    /// A kind that the original does not have.
    #[error("map pods of {kind} to a quantity: that kind has no pods; give its intensity as a quantity", kind = .0.name())]
    Kind(Kind),
    /// A size is missing.
    #[error("map pods of {kind} to a quantity: their {key} is missing", kind = kind.name())]
    Missing {
        /// The kind.
        kind: Kind,
        /// The key of the original's configuration.
        key: &'static str,
    },
    /// A size cannot be read.
    #[error("map pods of {kind} to a quantity: {key} {text:?} is no size", kind = kind.name())]
    Size {
        /// The kind.
        kind: Kind,
        /// The key of the original's configuration.
        key: &'static str,
        /// As written.
        text: String,
    },
    /// More than the node has.
    #[error("map {count} pods of {kind} to a quantity: they ask for {asked} cores and the node has {cores}", kind = kind.name())]
    TooMany {
        /// The kind.
        kind: Kind,
        /// How many.
        count: u32,
        /// What they ask for.
        asked: f64,
        /// What there is.
        cores: f64,
    },
}

/// What `count` pods of that size press with on one node: percent of its cores for `cpu`, bytes for `mem_capacity`,
/// percent of the peak for `mem_bandwidth` (one pod streams with one core as long as its `cpu_size` lets it), bit/s for
/// `network`.
///
/// # Errors
/// When the kind has no pods, a size is missing or unreadable, or the node has less.
pub fn quantity_of(
    kind: Kind,
    count: u32,
    size: &PodSize,
    node: Node,
) -> Result<Quantity, PodsError> {
    let times = f64::from(count);
    match kind {
        Kind::Cpu | Kind::MemBandwidth => {
            let asked = times * cores(kind, size)?;
            if asked > node.cores {
                return Err(PodsError::TooMany {
                    kind,
                    count,
                    asked,
                    cores: node.cores,
                });
            }
            Ok(Quantity {
                value: 100.0 * asked / node.cores,
                unit: Unit::Percent,
            })
        }
        Kind::MemCapacity => {
            let bytes = read(kind, "mem_size", size.memory.as_deref(), Unit::Bytes)?;
            Ok(Quantity {
                value: times * bytes,
                unit: Unit::Bytes,
            })
        }
        Kind::Network => {
            let rate = read(
                kind,
                "throughput",
                size.throughput.as_deref(),
                Unit::BitsPerS,
            )?;
            Ok(Quantity {
                value: times * rate,
                unit: Unit::BitsPerS,
            })
        }
        _ => Err(PodsError::Kind(kind)),
    }
}

/// Cores of one pod; Kubernetes writes a thousandth as `m`.
fn cores(kind: Kind, size: &PodSize) -> Result<f64, PodsError> {
    let key = "cpu_size";
    let text = size
        .cpu
        .as_deref()
        .ok_or(PodsError::Missing { kind, key })?;
    let (number, factor) = text
        .trim()
        .strip_suffix('m')
        .map_or((text.trim(), 1.0), |number| (number, 1e-3));
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value * factor),
        _ => Err(PodsError::Size {
            kind,
            key,
            text: text.to_owned(),
        }),
    }
}

fn read(kind: Kind, key: &'static str, text: Option<&str>, unit: Unit) -> Result<f64, PodsError> {
    let text = text.ok_or(PodsError::Missing { kind, key })?;
    match Quantity::parse(text, unit) {
        Ok(quantity) if quantity.unit == unit => Ok(quantity.value),
        _ => Err(PodsError::Size {
            kind,
            key,
            text: text.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(cpu: &str, memory: &str, throughput: &str) -> PodSize {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        PodSize {
            cpu: some(cpu),
            memory: some(memory),
            throughput: some(throughput),
        }
    }

    const NODE: Node = Node { cores: 8.0 };

    #[test]
    fn the_originals_samples_come_to_quantities() {
        let of = |kind, count, size| {
            quantity_of(kind, count, &size, NODE).map(|quantity| (quantity.value, quantity.unit))
        };
        assert_eq!(
            of(Kind::Cpu, 4, size("1", "200Mi", "")),
            Ok((50.0, Unit::Percent))
        );
        assert_eq!(
            of(Kind::Cpu, 2, size("500m", "", "")),
            Ok((12.5, Unit::Percent))
        );
        assert_eq!(
            of(Kind::MemCapacity, 2, size("0.01", "4Gi", "")),
            Ok((8.0 * 1_073_741_824.0, Unit::Bytes))
        );
        assert_eq!(
            of(Kind::MemBandwidth, 2, size("1", "", "")),
            Ok((25.0, Unit::Percent))
        );
        assert_eq!(
            of(Kind::Network, 3, size("1", "1Gi", "100M")),
            Ok((3e8, Unit::BitsPerS))
        );
        assert_eq!(
            of(Kind::Network, 3, size("1", "1Gi", "250000")),
            Ok((750_000.0, Unit::BitsPerS))
        );
        assert_eq!(
            of(Kind::Cpu, 0, size("1", "", "")),
            Ok((0.0, Unit::Percent))
        );
    }

    #[test]
    fn what_comes_to_nothing_is_refused() {
        let refusal = |kind, count, size| {
            quantity_of(kind, count, &size, NODE)
                .unwrap_err()
                .to_string()
        };
        assert!(refusal(Kind::Cpu, 9, size("1", "", "")).contains("the node has 8"));
        assert!(refusal(Kind::Cpu, 1, size("", "", "")).contains("cpu_size is missing"));
        assert!(refusal(Kind::Network, 1, size("", "", "fast")).contains("throughput \"fast\""));
        assert!(refusal(Kind::MemCapacity, 1, size("", "10%", "")).contains("mem_size"));
        assert!(refusal(Kind::Llc, 1, size("1", "", "")).contains("no pods"));
    }

    proptest! {
        #[test]
        fn pods_add_up(first in 0..4u32, second in 0..4u32) {
            let of = |count| quantity_of(Kind::Cpu, count, &size("1", "", ""), NODE).unwrap().value;
            prop_assert!((of(first) + of(second) - of(first + second)).abs() < 1e-9);
        }
    }
}
