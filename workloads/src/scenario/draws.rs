//! Values that a scenario draws.

use super::file::Order;
use crate::draw::Draw;
use crate::mix::text;
use rand::RngExt;
use rand_distr::weighted::WeightedAliasIndex;
use rand_distr::{Distribution, Zipf};

/// How a value comes about; checked.
#[derive(Clone, Debug)]
pub(super) enum Generator {
    Range {
        min: i64,
        max: i64,
    },
    /// Bounds in units of the last decimal.
    Decimal {
        min: i64,
        max: i64,
        decimals: u8,
    },
    Choice {
        items: Vec<String>,
        weights: Option<WeightedAliasIndex<f64>>,
    },
    Zipf(Zipf<f64>),
    Sequence {
        start: i64,
        step: i64,
        count: u64,
    },
    Alphanumeric(usize),
    Digits(usize),
    Rows {
        columns: Vec<String>,
        rows: Vec<Vec<String>>,
        order: Order,
    },
}

impl Generator {
    /// Adds the value of session `number`.
    pub(super) fn write(
        &self,
        draw: &mut Draw,
        number: u64,
        column: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        match self {
            Self::Range { min, max } => {
                text::format(out, format_args!("{}", draw.random_range(*min..=*max)));
            }
            Self::Decimal { min, max, decimals } => {
                let units = draw.random_range(*min..=*max);
                let value = units as f64 / 10f64.powi(i32::from(*decimals));
                text::format(out, format_args!("{value:.*}", usize::from(*decimals)));
            }
            Self::Choice { items, weights } => {
                let item = match weights {
                    Some(weights) => weights.sample(draw),
                    None => draw.random_range(0..items.len()),
                };
                out.extend(items[item].as_bytes());
            }
            Self::Zipf(zipf) => text::format(out, format_args!("{}", zipf.sample(draw) as u64)),
            Self::Sequence { start, step, count } => {
                let nth = (number % count).cast_signed();
                text::format(
                    out,
                    format_args!("{}", start.wrapping_add(step.wrapping_mul(nth))),
                );
            }
            Self::Alphanumeric(length) => text::alphanumerics(draw, *length, out),
            Self::Digits(length) => text::digits(draw, *length, out),
            Self::Rows {
                columns,
                rows,
                order,
            } => {
                let row = match order {
                    Order::Random => draw.random_range(0..rows.len()),
                    Order::InTurn => (number % rows.len() as u64) as usize,
                };
                let column = column
                    .and_then(|name| columns.iter().position(|known| known == name))
                    .unwrap_or(0);
                out.extend(rows[row][column].as_bytes());
            }
        }
    }

    /// The names that templates may put behind a dot; `None`: the value stands for itself.
    pub(super) fn columns(&self) -> Option<&[String]> {
        match self {
            Self::Rows { columns, .. } => Some(columns),
            _ => None,
        }
    }
}
