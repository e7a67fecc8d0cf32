//! What the intensities of an axis mean: their unit, the original's pods, and what only some kinds look at.

use super::fault::{Place, way_out};
use super::node::{Located, Node};
use super::section::{self, Section};
use aefm_workloads::interference::{Access, CpuClass, CpuWork, Kind, Protocol, StressOptions};
use aefm_workloads::labels::FactorValue;
use aefm_workloads::matrix::{Axis, Factor};
use aefm_workloads::pods::{self, PodSize, PodsError};
use aefm_workloads::quantity::{Quantity, Unit};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

const WORKS: &[(&str, CpuWork)] = &[
    ("integer", CpuWork::Integer),
    ("float", CpuWork::Float),
    ("simd", CpuWork::Simd),
];
const CLASSES: &[(&str, CpuClass)] = &[
    ("fair", CpuClass::Fair),
    ("weight", CpuClass::Weight),
    ("reserved", CpuClass::Reserved),
];
const ACCESSES: &[(&str, Access)] = &[
    ("read", Access::Read),
    ("write", Access::Write),
    ("non_temporal", Access::NonTemporal),
    ("copy", Access::Copy),
    ("random", Access::Random),
];
const PROTOCOLS: &[(&str, Protocol)] = &[("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];

/// How one kind of interference is made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pressure {
    /// The unit of the axis' intensities.
    pub unit: &'static str,
    /// What only some kinds look at.
    pub options: StressOptions,
    /// The size of a pod, where the axis counts the original's pods.
    #[serde(skip)]
    pub pods: Option<PodSize>,
}

/// The pressure of every kind that is an axis.
pub(super) fn read(top: &Section<'_>, axes: &[Axis]) -> BTreeMap<Kind, Pressure> {
    let section = top.section("interference");
    let mut pressures = BTreeMap::new();
    for axis in axes {
        let Factor::Interference(kind) = axis.factor else {
            continue;
        };
        let own = section
            .as_ref()
            .and_then(|section| section.section(kind.name()));
        let place = place_of(top, &axis.factor);
        let pressure = one(kind, axis, own).unwrap_or_else(|reason| {
            top.fault(place, reason);
            Pressure {
                unit: Unit::Percent.name(),
                options: StressOptions::default(),
                pods: None,
            }
        });
        pressures.insert(kind, pressure);
    }
    if let Some(section) = section {
        for (key, _) in section
            .entries()
            .iter()
            .filter(|(key, _)| !pressures.keys().any(|kind| kind.name() == key.name))
        {
            let names = Kind::ALL.map(Kind::name);
            let what = if names.contains(&key.name.as_str()) {
                " is not in `axes`".to_owned()
            } else {
                way_out(&key.name, names)
            };
            top.fault(key.place, format!("`interference.{}`{what}", key.name));
        }
    }
    pressures
}

/// Where the values of an axis begin.
fn place_of(top: &Section<'_>, factor: &Factor) -> Place {
    let axes = top.section("axes");
    let entries = axes.as_ref().map_or(&[][..], Section::entries);
    let own = entries
        .iter()
        .find(|(key, _)| Factor::known(&key.name).as_ref() == Some(factor));
    own.map_or(top.place(), |(_, value)| value.place)
}

fn one(kind: Kind, axis: &Axis, section: Option<Section<'_>>) -> Result<Pressure, String> {
    let mut options = StressOptions::default();
    let mut pods = None;
    if let Some(section) = section {
        set(kind, &section, &mut options);
        pods = section.section("pods").map(|section| pod_size(&section));
        section.finish();
    }
    if kind == Kind::Disk && options.dir.is_none() {
        return Err(
            "disk interference needs a folder to press on: `interference: {disk: {dir: /tmp}}`"
                .to_owned(),
        );
    }
    let unit = match &pods {
        Some(_) => match kind {
            Kind::MemCapacity => Unit::Bytes,
            Kind::Network => Unit::BitsPerS,
            _ => Unit::Percent,
        },
        None => common_unit(kind, axis)?,
    };
    if kind == Kind::Network && unit == Unit::Percent && options.network.link_bit_per_s.is_none() {
        return Err(
            "network interference in percent needs the link's speed: write intensities such as `500Mbit/s`, or \
                    `interference: {network: {link: 10Gbit/s}}`"
                .to_owned(),
        );
    }
    Ok(Pressure {
        unit: unit.name(),
        options,
        pods,
    })
}

fn set(kind: Kind, section: &Section<'_>, options: &mut StressOptions) {
    match kind {
        Kind::Cpu => {
            options.work = section.read("work", options.work, section::one_of(WORKS));
            options.class = section.read("class", options.class, section::one_of(CLASSES));
        }
        Kind::MemBandwidth => {
            options.access = section.read("access", None, |node| {
                section::one_of(ACCESSES)(node).map(Some)
            });
        }
        Kind::Disk => {
            options.access = section.read("access", None, |node| {
                section::one_of(ACCESSES)(node).map(Some)
            });
            options.dir = section.read("dir", None, |node| {
                section::text(node).map(|dir| Some(PathBuf::from(dir)))
            });
            options.file_bytes = section.read("file", None, |node| section::bytes(node).map(Some));
            options.block_bytes =
                section.read("block", None, |node| section::bytes(node).map(Some));
        }
        Kind::Network => {
            options.network.protocol = section.read(
                "protocol",
                options.network.protocol,
                section::one_of(PROTOCOLS),
            );
            let streams = section.read("streams", 1, section::count(1));
            options.network.streams = u32::try_from(streams).unwrap_or(u32::MAX);
            options.network.link_bit_per_s =
                section.read("link", None, |node| link(node).map(Some));
        }
        _ => {}
    }
    if matches!(kind, Kind::MemCapacity | Kind::MemBandwidth) {
        options.reserve_bytes =
            section.read("reserve", None, |node| section::bytes(node).map(Some));
    }
}

fn link(node: &Node) -> Result<f64, String> {
    match Quantity::parse(&section::text(node)?, Unit::BitsPerS) {
        Ok(Quantity {
            value,
            unit: Unit::BitsPerS,
        }) if value > 0.0 => Ok(value),
        _ => Err(format!("a speed such as 10Gbit/s is wanted, not {node}")),
    }
}

/// The original's `configs`: the size of one pod.
fn pod_size(section: &Section<'_>) -> PodSize {
    let size = |name| section.read(name, None, |node| plain(node).map(Some));
    PodSize {
        cpu: size("cpu_size"),
        memory: size("mem_size"),
        throughput: size("throughput"),
    }
}

fn plain(node: &Node) -> Result<String, String> {
    if let Node::Float(value) = node {
        Ok(value.to_string())
    } else {
        section::text(node)
    }
}

/// The unit that all intensities of an axis share; zero has any.
fn common_unit(kind: Kind, axis: &Axis) -> Result<Unit, String> {
    let mut common = None;
    for value in &axis.values {
        let quantity = quantity(kind, value)
            .map_err(|error| format!("axis `{}`: failed to {error}", kind.name()))?;
        if quantity.value == 0.0 {
            continue;
        }
        if !kind.units().contains(&quantity.unit) {
            let known: Vec<_> = kind.units().iter().map(|unit| unit.name()).collect();
            return Err(format!(
                "axis `{}`: {value} is in {}, and its units are {}",
                kind.name(),
                quantity.unit,
                known.join(", ")
            ));
        }
        if quantity.unit == Unit::Percent && quantity.value > 100.0 {
            return Err(format!(
                "{} interference is a share, 0 to 100 %, {value} is not",
                kind.name()
            ));
        }
        if *common.get_or_insert(quantity.unit) != quantity.unit {
            return Err(format!(
                "axis `{}` mixes units: write all its values in one",
                kind.name()
            ));
        }
    }
    Ok(common.unwrap_or(kind.units()[0]))
}

fn quantity(
    kind: Kind,
    value: &FactorValue,
) -> Result<Quantity, aefm_workloads::quantity::IntensityError> {
    Quantity::parse(&value.to_string(), kind.units()[0])
}

/// The intensity that a value of an axis asks for on a node with so many cores, in the pressure's unit.
///
/// # Errors
/// More pods than the node has room for.
pub(crate) fn intensity(
    kind: Kind,
    value: &FactorValue,
    pressure: &Pressure,
    cores: usize,
    is_local: bool,
) -> Result<f64, String> {
    if let Some(size) = &pressure.pods {
        let FactorValue::Int(count) = value else {
            return Err(format!(
                "count pods of {}: {value} is no count",
                kind.name()
            ));
        };
        let count = u32::try_from(*count)
            .map_err(|error| format!("count pods of {}: {error}", kind.name()))?;
        #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
        let node = pods::Node {
            cores: cores as f64,
        };
        return match pods::quantity_of(kind, count, size, node) {
            Ok(quantity) => Ok(quantity.value),
            // This machine gives what it has, and the case says how much that was.
            Err(PodsError::TooMany { asked, cores, .. }) if is_local && cores > 0.0 => {
                Ok(100.0 * asked / cores)
            }
            Err(error) => Err(error.to_string()),
        };
    }
    quantity(kind, value)
        .map(|quantity| quantity.value)
        .map_err(|error| error.to_string())
}

/// An intensity as typed: a number, a number with its unit, or `none`.
pub(super) fn typed(located: &Located) -> Option<FactorValue> {
    match &located.node {
        Node::Text(text) if text == "none" => Some(FactorValue::Int(0)),
        Node::Text(text) => Some(FactorValue::Text(text.trim().to_owned())),
        Node::Int(value) => Some(FactorValue::Int(*value)),
        Node::Float(value) if value.is_finite() => Some(FactorValue::Float(*value)),
        _ => None,
    }
}
