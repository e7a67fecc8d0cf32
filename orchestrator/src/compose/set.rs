//! `--set a.b=c`: one key, changed from the command line.

use super::sources::{Sources, shift, shift_faults};
use crate::experiment::fault::{Faults, Place};
use crate::experiment::node::{self, Key, Located, Node};

/// What faults call the place.
const NAME: &str = "--set";

/// One part of a path and the character that it begins with, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    name: String,
    at: u64,
}

/// The tree that a setting is: `a.b=c` is `a: {b: c}`. `root`, the tree that it will be laid over, knows names that have
/// dots in them.
pub(super) fn read(
    typed: &str,
    root: Option<&Located>,
    sources: &mut Sources,
    faults: &mut Faults,
) -> Option<Located> {
    let before = sources.add(NAME, typed);
    let line = before + 1;
    let place = |at: u64| Place {
        line,
        column: at + 1,
    };
    let split = match split(typed) {
        Ok(split) => split,
        Err(at) => {
            faults.add(
                place(at),
                "a key and its value are wanted here, such as --set load.duration=5s",
            );
            return None;
        }
    };
    let (parts, value, value_at) = split;
    let mut value = match node::parse(value) {
        Ok(mut read) => {
            shift(&mut read, before, value_at);
            read
        }
        Err(of_one) => {
            shift_faults(of_one, before, value_at, faults);
            return None;
        }
    };
    for Part { name, at } in joined(&parts, root).into_iter().rev() {
        let key = Key {
            name,
            place: place(at),
        };
        value = Located {
            node: Node::Map(vec![(key, value)]),
            place: place(at),
        };
    }
    Some(value)
}

/// The path, the value, and the value's first character; or where the path is none. A name in quotes may have dots.
fn split(typed: &str) -> Result<(Vec<Part>, &str, u64), u64> {
    let mut parts = Vec::new();
    let mut name = String::new();
    let (mut begins, mut quote, mut count) = (0, None, 0);
    for (byte, c) in typed.char_indices() {
        let at = count;
        count += 1;
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => name.push(c),
            (None, '"' | '\'') => quote = Some(c),
            (None, '.' | '=') => {
                let name = std::mem::take(&mut name).trim().to_owned();
                if name.is_empty() {
                    return Err(at);
                }
                parts.push(Part { name, at: begins });
                begins = count;
                if c == '=' {
                    return Ok((parts, &typed[byte + 1..], count));
                }
            }
            (None, c) => name.push(c),
        }
    }
    Err(count)
}

/// Sections whose keys an axis may be named for by its path.
const SECTIONS: [&str; 5] = ["load", "kubernetes", "local", "collect", "application"];

/// Parts that are one name of the tree, its dots and all. Below `axes` a path into another section is the name of an axis.
fn joined(parts: &[Part], root: Option<&Located>) -> Vec<Part> {
    let (mut found, mut rest, mut below) = (Vec::new(), parts, root);
    while let Some(first) = rest.first() {
        let entries: &[_] = match below.map(|located| &located.node) {
            Some(Node::Map(entries)) => entries,
            _ => &[],
        };
        let name_of = |length: usize| {
            let names: Vec<_> = rest[..length]
                .iter()
                .map(|part| part.name.as_str())
                .collect();
            names.join(".")
        };
        let known = (1..=rest.len())
            .rev()
            .find(|length| entries.iter().any(|(key, _)| key.name == name_of(*length)));
        let is_axis = |found: &[Part]| {
            matches!(found, [axes] if axes.name == "axes")
                && SECTIONS.contains(&first.name.as_str())
        };
        let length = known.unwrap_or(if is_axis(&found) { rest.len() } else { 1 });
        let name = name_of(length);
        below = entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, value)| value);
        found.push(Part { name, at: first.at });
        rest = &rest[length..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(typed: &str, root: &str) -> Vec<String> {
        let root = node::parse(root).expect("YAML");
        let (parts, ..) = split(typed).expect("a path");
        let parts = joined(&parts, Some(&root));
        parts.into_iter().map(|part| part.name).collect()
    }

    #[test]
    fn names_with_dots_are_known_quoted_or_axes() {
        assert_eq!(names("a.b.c=1", "x: 1"), ["a", "b", "c"]);
        assert_eq!(names("a.b.c=1", "a: {b.c: 2}"), ["a", "b.c"]);
        assert_eq!(names("a.'b.c'=1", "x: 1"), ["a", "b.c"]);
        assert_eq!(
            names("axes.load.connections=[1]", "x: 1"),
            ["axes", "load.connections"]
        );
        assert_eq!(
            names("axes.size.small=1", "x: 1"),
            ["axes", "size", "small"]
        );
    }

    #[test]
    fn the_value_begins_behind_the_first_equals_sign_outside_of_quotes() {
        let (parts, value, at) = split("a.\"b=c\"=x=y").expect("a path");
        assert_eq!((value, at), ("x=y", 8));
        assert_eq!(
            parts[1],
            Part {
                name: "b=c".into(),
                at: 2
            }
        );
    }

    #[test]
    fn what_is_no_path_says_where() {
        assert_eq!(split("rate"), Err(4));
        assert_eq!(split("=5"), Err(0));
        assert_eq!(split("a..b=5"), Err(2));
        assert_eq!(split("a.=5"), Err(2));
    }
}
