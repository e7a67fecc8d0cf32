//! How much interference is proposed: shares of what is free on the testbed's nodes, so that all of them can hold it.

use crate::platform::kubernetes::snapshot::Node;

/// Shares of the free cores, percent.
pub const CPU: [f64; 4] = [40.0, 55.0, 70.0, 85.0];
/// Shares of the free memory, percent.
pub const MEMORY: [f64; 4] = [15.0, 35.0, 55.0, 75.0];
const MIB: f64 = 1_048_576.0;

/// Intensities for the axes, rising.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pressure {
    /// The node that has the smallest share of its cores free.
    pub cpu_node: String,
    /// CPU, percent of each node's cores.
    pub cpu_percent: [u32; 4],
    /// The node that has the least memory free.
    pub memory_node: String,
    /// Memory, MiB on each node.
    pub memory_mib: [u64; 4],
    /// What is doubtful about it.
    pub warnings: Vec<String>,
}

/// Intensities that the smallest of these nodes can hold.
#[must_use]
pub fn propose(testbed: &[&Node]) -> Pressure {
    let share = |node: &Node| {
        if node.capacity.cpu > 0.0 {
            node.free().cpu / node.capacity.cpu
        } else {
            0.0
        }
    };
    let least = |of: &dyn Fn(&Node) -> f64| {
        testbed
            .iter()
            .min_by(|one, other| of(one).total_cmp(&of(other)))
            .copied()
            .cloned()
            .unwrap_or_default()
    };
    let (cpu_node, memory_node) = (least(&share), least(&|node| node.free().memory));
    let mut warnings = Vec::new();
    if share(&cpu_node) < 0.2 {
        warnings.push(format!(
            "{} has hardly any cores free ({})",
            cpu_node.name,
            cpu_node.free()
        ));
    }
    if memory_node.free().memory < 1024.0 * MIB {
        warnings.push(format!(
            "{} has hardly any memory free ({})",
            memory_node.name,
            memory_node.free()
        ));
    }
    let cpu = CPU.map(|percent| whole(percent * share(&cpu_node).min(1.0)));
    let memory = MEMORY.map(|percent| whole(percent / 100.0 * memory_node.free().memory / MIB));
    Pressure {
        cpu_percent: rising(cpu).map(|percent| u32::try_from(percent).unwrap_or(100)),
        memory_mib: rising(memory),
        cpu_node: cpu_node.name,
        memory_node: memory_node.name,
        warnings,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded down, and `as` saturates"
)]
const fn whole(value: f64) -> u64 {
    value as u64
}

/// An axis has no value twice: where there is no room for four, they are as small as they can be apart.
fn rising(values: [u64; 4]) -> [u64; 4] {
    let mut least = 0;
    values.map(|value| {
        least = value.max(least + 1);
        least
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::kubernetes::snapshot::Room;
    use proptest::prelude::*;

    fn node(name: &str, cpu: f64, memory: f64, asked: Room) -> Node {
        let capacity = Room { cpu, memory };
        Node {
            name: name.into(),
            capacity,
            allocatable: capacity,
            asked: Some(asked),
            ..Node::default()
        }
    }

    #[test]
    fn the_smallest_node_decides() {
        let idle = Room::default();
        let large = node("large", 32.0, 64.0 * 1024.0 * MIB, idle);
        let small = node("small", 3.92, 8.0 * 1024.0 * MIB, idle);
        let of = propose(&[&large, &small]);
        assert_eq!(
            (of.cpu_percent, of.memory_node.as_str()),
            ([40, 55, 70, 85], "small")
        );
        assert_eq!(of.memory_mib, [1228, 2867, 4505, 6144]);
        let busy = node(
            "busy",
            4.0,
            8.0 * 1024.0 * MIB,
            Room {
                cpu: 2.0,
                memory: 0.0,
            },
        );
        assert_eq!(propose(&[&large, &busy]).cpu_percent, [20, 27, 35, 42]);
    }

    proptest! {
        #[test]
        fn what_is_proposed_rises_and_fits(shapes in proptest::collection::vec((0.0..256.0f64, 0.0..1e13f64, 0.0..2.0f64), 1..6)) {
            let nodes: Vec<_> = shapes.iter().map(|(cpu, memory, busy)| {
                node("n", *cpu, *memory, Room { cpu: cpu * busy, memory: memory * busy })
            }).collect();
            let nodes: Vec<&Node> = nodes.iter().collect();
            let of = propose(&nodes);
            prop_assert!(of.cpu_percent.windows(2).all(|pair| pair[0] < pair[1]) && of.cpu_percent[0] >= 1);
            prop_assert!(of.memory_mib.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(of.cpu_percent[3] <= 85 && of.warnings.len() <= 2);
            for node in nodes {
                let taken = f64::from(of.cpu_percent[3]) / 100.0 * node.capacity.cpu;
                prop_assert!(taken <= node.free().cpu + 0.04 * node.capacity.cpu + 1e-9);
                prop_assert!(of.memory_mib[3] as f64 * MIB <= (0.75 * node.free().memory).max(4.0 * MIB));
            }
        }
    }
}
