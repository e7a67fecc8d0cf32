//! The axes of the matrix, as the experiment file gives them.

use super::fault::{Place, way_out};
use super::node::{Located, Node};
use super::pressure;
use super::section::{self, Section};
use aefm_workloads::interference::Kind;
use aefm_workloads::labels::FactorValue;
use aefm_workloads::matrix::{Axis, Factor};
use std::collections::BTreeSet;

/// More cases than this are taken for a mistake.
const MAX_CASES: usize = 100_000;

/// Reads `axes` and `order` into axes, innermost first.
pub(super) fn read(top: &Section<'_>, handled: &dyn Fn(&str) -> bool) -> Vec<Axis> {
    let order = top.get("order");
    let Some(section) = top.section("axes") else {
        top.fault(
            top.place(),
            "`axes` is missing: name at least one, such as `axes: {rate: [20, 40]}`",
        );
        return Vec::new();
    };
    let axes: Vec<_> = section
        .entries()
        .iter()
        .filter_map(|(key, value)| {
            let factor = factor(&key.name, handled)
                .map_err(|reason| section.fault(key.place, reason))
                .ok();
            let values = values(&key.name, value)
                .map_err(|(place, reason)| section.fault(place, reason))
                .ok();
            let axis = Axis {
                factor: factor?,
                values: values?,
            };
            check(&axis)
                .map_err(|reason| section.fault(value.place, reason))
                .ok()?;
            Some(axis)
        })
        .collect();
    let names: Vec<_> = section
        .entries()
        .iter()
        .map(|(key, _)| key.name.as_str())
        .collect();
    for (at, name) in names.iter().enumerate() {
        let same = |other: &&str| canonical(other) == canonical(name);
        if names[..at].iter().any(same) {
            section.fault(
                section.entries()[at].0.place,
                format!("`{name}` is an axis twice: `workload` is another name of `rate`"),
            );
        }
    }
    let cases = axes
        .iter()
        .map(|axis| axis.values.len())
        .try_fold(1_usize, usize::checked_mul);
    if cases.is_none_or(|cases| cases > MAX_CASES) {
        section.fault(
            section.place(),
            format!("these axes make more than {MAX_CASES} cases"),
        );
    }
    match order {
        Some(order) => sorted(top, order, axes, &names),
        None => axes,
    }
}

/// The original's `workload` is `rate`.
pub(super) fn canonical(name: &str) -> &str {
    if name == "workload" { "rate" } else { name }
}

fn factor(name: &str, handled: &dyn Fn(&str) -> bool) -> Result<Factor, String> {
    if let Some(factor) = Factor::known(name) {
        return Ok(factor);
    }
    if handled(name) {
        if let Some(table) = aefm_collector::schema::reserved(name) {
            return Err(format!(
                "axis `{name}` has the name of a column of table `{table}`: give it another name"
            ));
        }
        return Ok(Factor::Custom(name.to_owned()));
    }
    let known = ["rate", "round"]
        .into_iter()
        .chain(Kind::ALL.map(Kind::name));
    Err(format!(
        "nothing acts on axis `{name}`: it has no known meaning and no handler for `start_{name}`{}",
        way_out(name, known)
    ))
}

/// A list of values, one value, or `{min, max, step}` with `max` inclusive.
fn values(name: &str, located: &Located) -> Result<Vec<FactorValue>, (Place, String)> {
    match &located.node {
        Node::List(items) if items.is_empty() => {
            Err((located.place, format!("axis `{name}` has no values")))
        }
        Node::List(items) => {
            let values: Result<Vec<_>, _> = items.iter().map(|item| value(name, item)).collect();
            values.map(|values| one_type(name, values))
        }
        Node::Map(_) => {
            let values = range(name, located).map_err(|reason| (located.place, reason));
            values.map(|values| one_type(name, values))
        }
        _ => Ok(vec![value(name, located)?]),
    }
}

/// The values of an axis of the user's are a column in every table, and a column has one type: the narrowest that holds all as
/// they are. The names of cases stay what they were.
fn one_type(name: &str, values: Vec<FactorValue>) -> Vec<FactorValue> {
    if Factor::known(name).is_some() {
        return values;
    }
    let is = |kind: fn(&FactorValue) -> bool| values.iter().any(kind);
    let is_large = |value: &FactorValue| matches!(value, FactorValue::Int(value) if value.unsigned_abs() > 1 << f64::MANTISSA_DIGITS);
    let has_real = is(|value| matches!(value, FactorValue::Float(_)));
    let is_text = is(|value| matches!(value, FactorValue::Text(_)))
        || (has_real && values.iter().any(is_large));
    let widened = |value: FactorValue| match value {
        value if is_text => FactorValue::Text(value.to_string()),
        #[expect(
            clippy::cast_precision_loss,
            reason = "only whole numbers that a double holds are widened to it"
        )]
        FactorValue::Int(value) if has_real => FactorValue::Float(value as f64),
        value => value,
    };
    values.into_iter().map(widened).collect()
}

fn value(name: &str, located: &Located) -> Result<FactorValue, (Place, String)> {
    let wrong = || {
        (
            located.place,
            match &located.node {
                Node::Text(text) if section::is_number(text) => {
                    format!("axis `{name}`: {}", section::unquoted(text))
                }
                other => format!("axis `{name}`: a number is wanted, not {other}"),
            },
        )
    };
    if let Some(Factor::Interference(_)) = Factor::known(name) {
        return pressure::typed(located).ok_or_else(wrong);
    }
    match (&located.node, Factor::known(name)) {
        (Node::Int(value), _) => Ok(FactorValue::Int(*value)),
        (Node::Float(value), _) if value.is_finite() => Ok(FactorValue::Float(*value)),
        (Node::Text(text), None) => Ok(FactorValue::Text(text.clone())),
        _ => Err(wrong()),
    }
}

fn range(name: &str, located: &Located) -> Result<Vec<FactorValue>, String> {
    let Node::Map(entries) = &located.node else {
        return Err("a range is a map".to_owned());
    };
    let get = |key: &str| {
        let found = entries.iter().find(|(known, _)| known.name == key);
        let missing =
            || format!("axis `{name}`: a range is {{min, max, step}}, and `{key}` is missing");
        found
            .ok_or_else(missing)
            .and_then(|(_, value)| section::number(&value.node))
    };
    let (min, max, step) = (get("min")?, get("max")?, get("step")?);
    if let Some((key, _)) = entries
        .iter()
        .find(|(key, _)| !["min", "max", "step"].contains(&key.name.as_str()))
    {
        return Err(format!(
            "axis `{name}`: unknown key `{}` in a range of min, max and step",
            key.name
        ));
    }
    if step <= 0.0 || max < min {
        return Err(format!(
            "axis `{name}`: a range needs a step above 0 and max >= min"
        ));
    }
    let steps = ((max - min) / step + 1e-9).floor();
    if steps > 1e5 {
        return Err(format!(
            "axis `{name}`: this range has more than 100000 values"
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1e5"
    )]
    let steps = steps as u32;
    Ok((0..=steps)
        .map(|k| tidy(decimal_step(min, step, k)))
        .collect())
}

/// `min + k * step` of the decimal numbers that were written: three steps of 0.1 are 0.3, and not the sum of doubles that are
/// near to 0.1.
fn decimal_step(min: f64, step: f64, k: u32) -> f64 {
    let (min_text, step_text) = (min.to_string(), step.to_string());
    let places = |text: &str| text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let scale = places(&min_text).max(places(&step_text));
    let units = |text: &str| -> Option<i128> {
        let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{digits:0<scale$}").parse().ok()
    };
    let exact = || {
        let sum = units(&min_text)?.checked_add(units(&step_text)?.checked_mul(k.into())?)?;
        format!("{sum}e-{scale}").parse().ok()
    };
    // Beyond what 128 bits hold nobody wrote decimals.
    exact().unwrap_or_else(|| f64::from(k).mul_add(step, min))
}

/// Whole numbers stay whole, so that names read `rate=20` and not `rate=20.0`.
fn tidy(value: f64) -> FactorValue {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be whole and small"
    )]
    if value.fract() == 0.0 && value.abs() < 1e15 {
        FactorValue::Int(value as i64)
    } else {
        FactorValue::Float(value)
    }
}

/// Values that mean nothing for their factor, or stand there twice.
fn check(axis: &Axis) -> Result<(), String> {
    let name = axis.factor.name();
    let mut seen = BTreeSet::new();
    if let Some(twice) = axis
        .values
        .iter()
        .find(|value| !seen.insert(value.to_string()))
    {
        return Err(format!(
            "axis `{name}` has the value {twice} twice: repetitions are what the axis `round` is for"
        ));
    }
    let number = |value: &FactorValue| match value {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        FactorValue::Int(value) => *value as f64,
        FactorValue::Float(value) => *value,
        FactorValue::Text(_) => f64::NAN,
    };
    axis.values
        .iter()
        .try_for_each(|value| match (&axis.factor, value, number(value)) {
            (Factor::Rate, _, rate) if !(rate > 0.0 && rate <= 1e7) => Err(format!(
                "a rate lies above 0 and up to 10 million per second, {value} does not"
            )),
            (Factor::Round, FactorValue::Int(0..), _) => Ok(()),
            (Factor::Round, ..) => Err(format!("a round is a whole number, {value} is not")),
            (Factor::Interference(_), _, intensity) if intensity < 0.0 => {
                Err(format!("an intensity is not negative, {value} is"))
            }
            _ => Ok(()),
        })
}

/// Sorts the axes as `order` says: all of them, each once.
fn sorted(top: &Section<'_>, order: &Located, axes: Vec<Axis>, names: &[&str]) -> Vec<Axis> {
    let Node::List(items) = &order.node else {
        top.fault(
            order.place,
            "`order` is a list of axes, the innermost first",
        );
        return axes;
    };
    let mut wanted: Vec<String> = Vec::new();
    for item in items {
        match section::text(&item.node) {
            Ok(name)
                if !names
                    .iter()
                    .any(|known| canonical(known) == canonical(&name)) =>
            {
                top.fault(
                    item.place,
                    format!(
                        "`order` names `{name}`, which is not in `axes`{}",
                        way_out(&name, names.iter().copied())
                    ),
                );
            }
            Ok(name)
                if wanted
                    .iter()
                    .any(|known| canonical(known) == canonical(&name)) =>
            {
                top.fault(item.place, format!("`order` names `{name}` twice"));
            }
            Ok(name) => wanted.push(name),
            Err(reason) => top.fault(item.place, format!("`order`: {reason}")),
        }
    }
    for name in names.iter().filter(|name| {
        !wanted
            .iter()
            .any(|known| canonical(known) == canonical(name))
    }) {
        top.fault(
            order.place,
            format!("`order` leaves out axis `{name}`: it must name all of them"),
        );
    }
    let position = |axis: &Axis| {
        wanted
            .iter()
            .position(|name| canonical(name) == axis.factor.name())
    };
    let mut axes = axes;
    axes.sort_by_key(|axis| position(axis).unwrap_or(usize::MAX));
    axes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_are_the_decimals_that_were_written() {
        let steps: Vec<_> = (0..=10).map(|k| decimal_step(0.0, 0.1, k)).collect();
        assert_eq!(
            steps,
            [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
        );
        assert_eq!(decimal_step(-0.15, 0.05, 2).to_string(), "-0.05");
        assert_eq!(decimal_step(1e-7, 1e-7, 2).to_string(), "0.0000003");
        assert_eq!(decimal_step(10.0, 2.5, 3).to_string(), "17.5");
    }

    proptest! {
        /// As exact as decimals on paper.
        #[test]
        fn steps_are_exact(min in -10_000..10_000_i64, step in 1..10_000_i64, k in 0..1_000_u32, places in 0..5_u32) {
            let real = |units: i64| format!("{units}e-{places}").parse::<f64>().unwrap();
            prop_assert_eq!(decimal_step(real(min), real(step), k), real(min + step * i64::from(k)));
        }
    }

    #[test]
    fn an_axis_of_the_users_has_one_type() {
        let (int, real) = (FactorValue::Int, FactorValue::Float);
        let text = |text: &str| FactorValue::Text(text.to_owned());
        let of = |values: Vec<FactorValue>| one_type("flavour", values);
        assert_eq!(of(vec![int(1), int(2)]), [int(1), int(2)]);
        assert_eq!(of(vec![int(1), real(0.5)]), [real(1.0), real(0.5)]);
        assert_eq!(
            of(vec![int(1), text("x"), real(0.5)]),
            [text("1"), text("x"), text("0.5")]
        );
        assert_eq!(
            of(vec![int(i64::MAX), real(0.5)]),
            [text("9223372036854775807"), text("0.5")]
        );
        assert_eq!(
            one_type("rate", vec![int(1), real(0.5)]),
            [int(1), real(0.5)]
        );
    }
}
