//! Test cases: the product of the axes, their names, and which axis changes from one case to the next.

use crate::draw::{Stream, derive_text, draw};
use crate::interference::Kind;
use crate::labels::FactorValue;
use rand::seq::SliceRandom;
use serde::Serialize;

/// What an axis varies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Factor {
    /// Requests per second; `workload` is the original's name for it.
    Rate,
    /// Repetition.
    Round,
    /// Intensity of one kind of interference.
    Interference(Kind),
    /// Something of the user's, acted on by a handler.
    Custom(String),
}

/// One axis of the matrix: a factor and the values it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What varies.
    pub factor: Factor,
    /// The values, in the order given.
    pub values: Vec<FactorValue>,
}

/// One point of the matrix. `point[k]` is the index of axis k's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Position in the nested order, from 0: identifies the case whatever the order of execution.
    pub index: usize,
    /// Index of the value of each axis, in the order of the axes.
    pub point: Vec<usize>,
}

impl Factor {
    /// The name of a built-in factor, or nothing for a name of the user's.
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        match name {
            "rate" | "workload" => Some(Self::Rate),
            "round" => Some(Self::Round),
            _ => Kind::ALL
                .into_iter()
                .find(|kind| kind.name() == name)
                .map(Self::Interference),
        }
    }

    /// The axis' name: in events (`start_<name>`) and in case names.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Rate => "rate",
            Self::Round => "round",
            Self::Interference(kind) => kind.name(),
            Self::Custom(name) => name,
        }
    }

    /// Where it stands in a case's name: round, rate, interference, the user's own.
    const fn rank(&self) -> u8 {
        match self {
            Self::Round => 0,
            Self::Rate => 1,
            Self::Interference(_) => 2,
            Self::Custom(_) => 3,
        }
    }
}

/// All cells in nested order: the first axis varies fastest.
#[must_use]
pub fn product(axes: &[Axis]) -> Vec<Cell> {
    let count = axes.iter().map(|axis| axis.values.len()).product();
    let cell = |index: usize| {
        let mut rest = index;
        let point = axes
            .iter()
            .map(|axis| take_digit(&mut rest, axis.values.len()))
            .collect();
        Cell { index, point }
    };
    (0..count).map(cell).collect()
}

fn take_digit(rest: &mut usize, base: usize) -> usize {
    let digit = *rest % base;
    *rest /= base;
    digit
}

/// In which order the cells are executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shuffle {
    /// Round after round, each round all of its cells in a random order of its own. Every round that is over is then a
    /// balanced experiment, and what drifts slowly meets the cells of a round alike.
    #[default]
    Blocks,
    /// All cells of all rounds in one random order.
    Full,
    /// The nested order.
    None,
}

/// The cells in their order of execution: the same for the same seed, and every order that `shuffle` admits equally
/// likely. In blocks a round's order depends on the seed, the round's value and the other axes, never on how many
/// rounds there are: a round that is added later changes no other one.
#[must_use]
pub fn ordered(axes: &[Axis], shuffle: Shuffle, seed: u64) -> Vec<Cell> {
    let mut cells = product(axes);
    match shuffle {
        Shuffle::None => {}
        Shuffle::Full => cells.shuffle(&mut draw(seed, Stream::Order, 0)),
        Shuffle::Blocks => shuffle_blocks(axes, &mut cells, seed),
    }
    cells
}

fn shuffle_blocks(axes: &[Axis], cells: &mut [Cell], seed: u64) {
    let round = axes.iter().position(|axis| axis.factor == Factor::Round);
    let Some(round) = round else {
        return cells.shuffle(&mut draw(seed, Stream::Order, 0));
    };
    // The sort keeps the nested order within a round, so that each shuffle starts from the same one.
    cells.sort_by_key(|cell| cell.point[round]);
    for block in cells.chunk_by_mut(|one, next| one.point[round] == next.point[round]) {
        let value = axes[round].values[block[0].point[round]].to_string();
        block.shuffle(&mut draw(derive_text(seed, &value), Stream::Order, 0));
    }
}

/// The name in the original's pattern: `round=1|rate=20|cpu=60`, factors of one rank in the order of the axes.
#[must_use]
pub fn case_name(axes: &[Axis], cell: &Cell) -> String {
    let mut parts: Vec<_> = axes.iter().zip(&cell.point).collect();
    parts.sort_by_key(|(axis, _)| axis.factor.rank());
    let parts: Vec<_> = parts
        .iter()
        .map(|(axis, at)| format!("{}={}", axis.factor.name(), axis.values[**at]))
        .collect();
    parts.join("|")
}

/// The axes whose value differs from `before`'s, in the order of the axes; all of them at the start.
#[must_use]
pub fn changed(before: Option<&Cell>, cell: &Cell) -> Vec<usize> {
    (0..cell.point.len())
        .filter(|axis| before.is_none_or(|before| before.point[*axis] != cell.point[*axis]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn axis(factor: Factor, values: std::ops::RangeInclusive<i64>) -> Axis {
        Axis {
            factor,
            values: values.map(FactorValue::Int).collect(),
        }
    }

    fn example() -> Vec<Axis> {
        let custom = axis(Factor::Custom("colour".into()), 7..=8);
        vec![
            custom,
            axis(Factor::Interference(Kind::Cpu), 3..=4),
            axis(Factor::Rate, 20..=21),
            axis(Factor::Round, 1..=2),
        ]
    }

    #[test]
    fn the_first_axis_is_innermost_and_names_follow_the_original() {
        let axes = example();
        let names: Vec<_> = product(&axes)
            .iter()
            .map(|cell| case_name(&axes, cell))
            .collect();
        assert_eq!(names.len(), 16);
        assert_eq!(names[0], "round=1|rate=20|cpu=3|colour=7");
        assert_eq!(names[1], "round=1|rate=20|cpu=3|colour=8");
        assert_eq!(names[2], "round=1|rate=20|cpu=4|colour=7");
        assert_eq!(names[15], "round=2|rate=21|cpu=4|colour=8");
    }

    #[test]
    fn only_changed_axes_are_named() {
        let cells = product(&example());
        assert_eq!(changed(None, &cells[0]), [0, 1, 2, 3]);
        assert_eq!(changed(Some(&cells[0]), &cells[1]), [0]);
        assert_eq!(changed(Some(&cells[1]), &cells[2]), [0, 1]);
        assert_eq!(changed(Some(&cells[2]), &cells[2]), Vec::<usize>::new());
    }

    #[test]
    fn the_alias_of_rate_is_rate() {
        assert_eq!(Factor::known("workload"), Some(Factor::Rate));
        assert_eq!(Factor::known("colour"), None);
    }

    proptest! {
        #[test]
        fn the_product_holds_every_point_once(sizes in prop::collection::vec(1_usize..5, 0..5)) {
            let axes: Vec<_> = sizes.iter().map(|size| axis(Factor::Round, 1..=i64::try_from(*size).expect("small"))).collect();
            let cells = product(&axes);
            let points: BTreeSet<_> = cells.iter().map(|cell| cell.point.clone()).collect();
            prop_assert_eq!(cells.len(), sizes.iter().product::<usize>());
            prop_assert_eq!(points.len(), cells.len());
        }

        #[test]
        fn every_order_is_a_seeded_permutation(seed: u64, shuffle in prop_oneof![Just(Shuffle::Blocks), Just(Shuffle::Full), Just(Shuffle::None)]) {
            let axes = example();
            let mut cells = ordered(&axes, shuffle, seed);
            prop_assert_eq!(&cells, &ordered(&axes, shuffle, seed));
            cells.sort_by_key(|cell| cell.index);
            prop_assert_eq!(cells, product(&axes));
        }

        #[test]
        fn in_blocks_every_round_is_whole_before_the_next_and_rounds_that_are_added_change_none(seed: u64, rounds in 1..6_i64, at in 0..4_usize) {
            let with = |rounds: i64| {
                let mut axes = example();
                axes.retain(|axis| axis.factor != Factor::Round);
                axes.insert(at.min(axes.len()), axis(Factor::Round, 1..=rounds));
                let cells = ordered(&axes, Shuffle::Blocks, seed);
                cells.iter().map(|cell| case_name(&axes, cell)).collect::<Vec<_>>()
            };
            let (names, longer) = (with(rounds), with(rounds + 1));
            prop_assert_eq!(&names[..], &longer[..names.len()]);
            for (round, block) in names.chunks(8).enumerate() {
                let begin = format!("round={}|", round + 1);
                prop_assert!(block.iter().all(|name| name.starts_with(&begin)), "{block:?}");
            }
        }
    }

    #[test]
    fn rounds_have_orders_of_their_own() {
        let axes = example();
        let cells = ordered(&axes, Shuffle::Blocks, 7);
        let without_round = |block: &[Cell]| {
            block
                .iter()
                .map(|cell| cell.point[..3].to_vec())
                .collect::<Vec<_>>()
        };
        assert_ne!(without_round(&cells[..8]), without_round(&cells[8..]));
    }
}
