//! The original's CSV files, and which of their rows are of one test case.

use super::{ImportError, wrong};
use crate::schema::reserved;
use aefm_workloads::labels::{CaseLabels, FactorValue};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A file: rows of its own columns in our order, and of those that the original appended.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    factors: Vec<String>,
    factor_rows: Vec<Vec<String>>,
}

/// A test case: its labels, and the numbers of its rows in each file.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) labels: CaseLabels,
    pub(super) rows: Vec<Vec<usize>>,
}

/// Reads a file of these columns, in any order; the others are factors.
pub(super) fn read(path: &Path, columns: &[&str]) -> Result<File, ImportError> {
    let broken = |error: csv::Error| {
        let at = error.position().map_or(0, csv::Position::byte);
        match error.into_kind() {
            csv::ErrorKind::Io(cause) => ImportError::Read {
                path: path.to_owned(),
                cause,
            },
            kind => wrong(path, at, format!("{kind:?}")),
        }
    };
    let mut reader = csv::Reader::from_path(path).map_err(broken)?;
    let header = reader.headers().map_err(broken)?.clone();
    let place = |name: &&str| header.iter().position(|column| column == *name);
    if let Some(missing) = columns.iter().find(|name| place(name).is_none()) {
        return Err(wrong(
            path,
            0,
            format!("there is no column {missing}: it is not AEFM 0.2.0's"),
        ));
    }
    let own: Vec<usize> = columns.iter().filter_map(place).collect();
    let others: Vec<usize> = (0..header.len())
        .filter(|place| !own.contains(place))
        .collect();
    let mut file = File {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        factors: others
            .iter()
            .map(|place| header[*place].to_owned())
            .collect(),
        ..File::default()
    };
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let pick = |places: &[usize]| {
            places
                .iter()
                .map(|place| record[*place].to_owned())
                .collect()
        };
        file.rows.push(pick(&own));
        file.factor_rows.push(pick(&others));
    }
    Ok(file)
}

/// A case's factors by name, as the files have them.
type Factors<'a> = Vec<(&'a str, &'a str)>;

/// The cases of all files, in the order in which they first appear: `c001` and so on.
pub(super) fn cases_of(files: &[File], run_id: &str) -> Result<Vec<Case>, String> {
    // A factor's place may differ from file to file: cases go by name and value.
    let mut places: HashMap<BTreeMap<&str, &str>, usize> = HashMap::new();
    let mut found: Vec<(Factors<'_>, Vec<Vec<usize>>)> = Vec::new();
    for (number, file) in files.iter().enumerate() {
        for (row, values) in file.factor_rows.iter().enumerate() {
            let named = file
                .factors
                .iter()
                .map(String::as_str)
                .zip(values.iter().map(String::as_str));
            let place = *places.entry(named.clone().collect()).or_insert_with(|| {
                found.push((named.collect(), vec![Vec::new(); files.len()]));
                found.len() - 1
            });
            found[place].1[number].push(row);
        }
    }
    let kinds = kinds(found.iter().flat_map(|(factors, _)| factors).copied());
    let mut cases = Vec::new();
    for (number, (factors, rows)) in found.into_iter().enumerate() {
        let factors = factors
            .into_iter()
            .map(|(name, value)| factor(name, value, &kinds))
            .collect::<Result<_, _>>()?;
        let labels = CaseLabels {
            run_id: run_id.to_owned(),
            case_id: format!("c{:03}", number + 1),
            factors,
        };
        cases.push(Case { labels, rows });
    }
    Ok(cases)
}

/// What a factor's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Int,
    Float,
    Text,
}

/// The narrowest kind that holds all values of a factor: a column has one type in all cases.
fn kinds<'a>(values: impl Iterator<Item = (&'a str, &'a str)>) -> HashMap<&'a str, Kind> {
    let mut kinds = HashMap::new();
    for (name, value) in values {
        let kind = if value.parse::<i64>().is_ok() {
            Kind::Int
        } else if value.parse::<f64>().is_ok() {
            Kind::Float
        } else {
            Kind::Text
        };
        let known = kinds.entry(name).or_insert(kind);
        *known = (*known).max(kind);
    }
    kinds
}

fn factor(
    name: &str,
    value: &str,
    kinds: &HashMap<&str, Kind>,
) -> Result<(String, FactorValue), String> {
    let text = || FactorValue::Text(value.to_owned());
    // Ours has this unit in its name, and is a double everywhere.
    if name == "throughput" {
        let rate = value.parse().map(FactorValue::Float);
        return Ok((
            "rate_hz".to_owned(),
            rate.map_err(|_| format!("throughput {value:?} is no number"))?,
        ));
    }
    if let Some(table) = reserved(name) {
        return Err(format!(
            "the column {name} has the name of a column of {table}; rename it in all files"
        ));
    }
    let value = match kinds.get(name) {
        Some(Kind::Int) => value.parse().map_or_else(|_| text(), FactorValue::Int),
        Some(Kind::Float) => value.parse().map_or_else(|_| text(), FactorValue::Float),
        _ => text(),
    };
    Ok((name.to_owned(), value))
}
