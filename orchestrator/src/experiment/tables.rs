//! `collect.tables`: the user's own sources, each of which becomes a table.

use super::access::{self, Access};
use super::node::{Located, Node};
use super::section::{Section, duration, flag, one_of, text};
use aefm_collector::schema::ColumnType;
use aefm_collector::user::Format;
use serde::Serialize;
use std::time::Duration;

/// A table of the user's own: `user_<name>`.
#[derive(Clone, Debug, Serialize)]
pub struct UserTable {
    /// Its name, without `user_`.
    pub name: String,
    /// Where its rows come from.
    pub origin: Origin,
    /// What they come as.
    pub format: Format,
    /// Types of columns that are not to follow from the values.
    pub columns: Vec<(String, ColumnType)>,
    /// When it is given up.
    pub timeout: Duration,
    /// Whether the source would say the same again later, so that `aefm collect` may ask it once more.
    pub again: bool,
}

/// Where a table's rows come from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The standard output of a program: its name or path, and its arguments.
    Command(Vec<String>),
    /// The answer to a GET.
    Url {
        /// The URL, with places for the case's facts.
        url: String,
        /// Who we are to it.
        access: Access,
    },
}

const FORMATS: &[(&str, Format)] = &[
    ("csv", Format::Csv),
    ("json-lines", Format::JsonLines),
    ("parquet", Format::Parquet),
];
const TYPES: &[(&str, ColumnType)] = &[
    ("int", ColumnType::Int),
    ("float", ColumnType::Float),
    ("text", ColumnType::Text),
    ("flag", ColumnType::Flag),
];
/// The table of `prometheus.queries`.
pub const PROMQL: &str = "promql";

/// Reads `tables`.
pub(super) fn read(collect: &Section<'_>) -> Vec<UserTable> {
    let Some(section) = collect.section("tables") else {
        return Vec::new();
    };
    let table = |(key, located): &(super::node::Key, Located)| {
        let name = plain_name(&key.name).and_then(|name| {
            if name == PROMQL {
                Err("`promql` is the table of `prometheus.queries`: choose another name".to_owned())
            } else {
                Ok(name)
            }
        });
        let name = name.map_err(|reason| section.fault(key.place, reason)).ok();
        one(section.below("tables", located), name)
    };
    section.entries().iter().filter_map(table).collect()
}

fn one(section: Section<'_>, name: Option<String>) -> Option<UserTable> {
    let command = section.read("command", Vec::new(), command);
    let url = section.read("url", None, |node| {
        access::url(&without_places(node))
            .and_then(|_| text(node))
            .map(Some)
    });
    let access = access::read(&section);
    let format = section.read("format", None, |node| one_of(FORMATS)(node).map(Some));
    let timeout = section.read(
        "timeout",
        Duration::from_secs(30),
        duration(Duration::from_millis(100)),
    );
    let again = section.read("again", false, flag);
    let columns = columns(&section);
    let has = |key| section.get(key).is_some();
    if has("command") == has("url") {
        section.fault(
            section.place(),
            "a table comes from a `command` or from a `url`: name one of them",
        );
    }
    if !has("format") {
        section.fault(
            section.place(),
            "`format` is missing: csv, json-lines or parquet",
        );
    }
    section.finish();
    let origin = match url {
        Some(url) => Origin::Url { url, access },
        None => Origin::Command(command),
    };
    Some(UserTable {
        name: name?,
        origin,
        format: format?,
        columns,
        timeout,
        again,
    })
}

fn columns(section: &Section<'_>) -> Vec<(String, ColumnType)> {
    let Some(columns) = section.section("columns") else {
        return Vec::new();
    };
    let column = |(key, value): &(super::node::Key, Located)| {
        let kind = one_of(TYPES)(&value.node)
            .map_err(|reason| columns.fault(value.place, reason))
            .ok()?;
        Some((key.name.clone(), kind))
    };
    columns.entries().iter().filter_map(column).collect()
}

/// A program and its arguments: a list, or one text of words between blanks. No shell reads it.
fn command(node: &Node) -> Result<Vec<String>, String> {
    let words: Vec<String> = match node {
        Node::List(items) => items
            .iter()
            .map(|item| text(&item.node))
            .collect::<Result<_, _>>()?,
        one => text(one)?.split_whitespace().map(str::to_owned).collect(),
    };
    if words.is_empty() {
        Err("a program is wanted, such as [./queue.sh, --all]".to_owned())
    } else {
        Ok(words)
    }
}

/// A URL's places for facts are no part of a URL.
fn without_places(node: &Node) -> Node {
    match node {
        Node::Text(text) => Node::Text(text.replace(['{', '}'], "")),
        other => other.clone(),
    }
}

/// A name for a table or a column.
pub(super) fn plain_name(name: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(plain)
        && name.len() <= 60
    {
        Ok(name.to_owned())
    } else {
        Err(format!(
            "`{name}` becomes a name in the dataset: use a-z, 0-9 and `_`, beginning with a letter"
        ))
    }
}
