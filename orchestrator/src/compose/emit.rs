//! A tree as YAML that reads as the same tree: maps as blocks, lists on one line.

use super::variables::escaped;
use crate::experiment::node::{Key, Located, Node, parse};

/// What is said above a key, by its path.
pub type Comment<'a> = dyn Fn(&[&str]) -> Option<String> + 'a;

/// The tree as a text.
#[must_use]
pub fn text(root: &Located) -> String {
    commented(root, &|_| None)
}

/// The tree as a text with comments.
#[must_use]
pub fn commented(root: &Located, comment: &Comment<'_>) -> String {
    match &root.node {
        Node::Map(entries) if !entries.is_empty() => {
            let mut text = String::new();
            block(entries, &mut Vec::new(), comment, &mut text);
            text
        }
        other => flow(other) + "\n",
    }
}

fn block<'a>(
    entries: &'a [(Key, Located)],
    path: &mut Vec<&'a str>,
    comment: &Comment<'_>,
    text: &mut String,
) {
    let margin = "  ".repeat(path.len());
    for (key, value) in entries {
        path.push(&key.name);
        for line in comment(path).iter().flat_map(|comment| comment.lines()) {
            *text += &format!("{margin}# {line}\n");
        }
        let name = scalar(&key.name);
        match &value.node {
            Node::Map(below) if !below.is_empty() => {
                *text += &format!("{margin}{name}:\n");
                block(below, path, comment, text);
            }
            other => *text += &format!("{margin}{name}: {}\n", flow(other)),
        }
        path.pop();
    }
}

fn flow(node: &Node) -> String {
    match node {
        Node::Null => "null".to_owned(),
        Node::Bool(value) => value.to_string(),
        Node::Int(value) => value.to_string(),
        Node::Float(value) if value.is_nan() => ".nan".to_owned(),
        Node::Float(value) if value.is_infinite() => {
            if *value > 0.0 { ".inf" } else { "-.inf" }.to_owned()
        }
        // With a point or an exponent, so that it stays no whole number.
        Node::Float(value) => format!("{value:?}"),
        Node::Text(text) => scalar(&escaped(text)),
        Node::List(items) => {
            let items: Vec<_> = items.iter().map(|item| flow(&item.node)).collect();
            format!("[{}]", items.join(", "))
        }
        Node::Map(entries) => {
            let entry = |(key, value): &(Key, Located)| {
                format!("{}: {}", scalar(&key.name), flow(&value.node))
            };
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// A text without quotes where that reads the same anywhere, else in double ones.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    let reads_the_same = || parse(text).is_ok_and(|read| read.node == Node::Text(text.to_owned()));
    if begins && text.chars().all(plain) && reads_the_same() {
        text.to_owned()
    } else {
        quoted(text)
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            '\t' => quoted += "\\t",
            // Whatever an editor may not show, or a reader take for the end of a line.
            c if c.is_control()
                || (c != ' ' && c.is_whitespace())
                || "\u{200b}\u{feff}".contains(c) =>
            {
                quoted += &format!("\\U{:08x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::fault::{Faults, Place};
    use proptest::prelude::*;
    use std::env::VarError;

    const PLACE: Place = Place { line: 1, column: 1 };

    fn located(node: Node) -> Located {
        Located { node, place: PLACE }
    }

    fn trees() -> impl Strategy<Value = Node> {
        let words = prop_oneof![
            "[a-z${}:#'\"\\\\ \n\u{a0}-]{0,8}",
            "(true|no|null|~|1e3|0x10|1_0|12|1.5|\\.inf|5s|4Gi|-|@a|- a|a: b|0644)",
        ];
        let leaf = prop_oneof![
            Just(Node::Null),
            any::<bool>().prop_map(Node::Bool),
            any::<i64>().prop_map(Node::Int),
            prop::num::f64::NORMAL.prop_map(Node::Float),
            words.clone().prop_map(Node::Text),
        ];
        leaf.prop_recursive(3, 12, 3, move |inner| {
            let keys = words.clone();
            prop_oneof![
                prop::collection::vec(inner.clone().prop_map(located), 0..3).prop_map(Node::List),
                prop::collection::btree_map(keys, inner, 0..3).prop_map(|map| {
                    let entry = |(name, node)| (Key { name, place: PLACE }, located(node));
                    Node::Map(map.into_iter().map(entry).collect())
                }),
            ]
        })
    }

    /// The tree, all places alike.
    fn without_places(located_there: &Located) -> Node {
        match &located_there.node {
            Node::List(items) => Node::List(
                items
                    .iter()
                    .map(|item| located(without_places(item)))
                    .collect(),
            ),
            Node::Map(entries) => Node::Map(
                entries
                    .iter()
                    .map(|(key, value)| {
                        let key = Key {
                            name: key.name.clone(),
                            place: PLACE,
                        };
                        (key, located(without_places(value)))
                    })
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same_tree(tree in trees()) {
            let written = text(&located(tree.clone()));
            let read = parse(&written);
            prop_assert!(read.is_ok(), "{written}: {read:?}");
            let mut read = read.unwrap();
            let mut faults = Faults::default();
            super::super::variables::expand(&mut read, &|_| Err(VarError::NotPresent), &mut faults);
            prop_assert!(faults.is_empty(), "{}: {:?}", written, faults);
            prop_assert_eq!(without_places(&read), tree, "{}", written);
        }
    }
}
