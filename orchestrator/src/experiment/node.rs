//! The experiment file as a tree whose every key and value knows its line and column.

use super::fault::{Faults, Place};
use aefm_workloads::yaml::{self, Wrong};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// A value as typed, before anybody asks what it means.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Anything else that is one word or a quoted text.
    Text(String),
    /// A list.
    List(Vec<Located>),
    /// A map; keys in the order of the file.
    Map(Vec<(Key, Located)>),
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The value.
    pub node: Node,
    /// Where it begins.
    pub place: Place,
}

/// A key and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The key as typed.
    pub name: String,
    /// Where it begins.
    pub place: Place,
}

impl Node {
    /// What it is, for messages: "a list", "a number"...
    #[must_use]
    pub const fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "`{value}`"),
            Self::Int(value) => write!(f, "`{value}`"),
            Self::Float(value) => write!(f, "`{value}`"),
            Self::Text(text) => write!(f, "`{text}`"),
            other => f.write_str(other.describe()),
        }
    }
}

/// Reads one YAML document.
///
/// # Errors
/// When it is not YAML, a key stands twice in a map, or blanks are none.
pub fn parse(text: &str) -> Result<Located, Faults> {
    yaml::read(text).map_err(|all| {
        let mut faults = Faults::default();
        for Wrong {
            line,
            column,
            message,
        } in all
        {
            faults.add(Place { line, column }, message);
        }
        faults
    })
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Node>::deserialize(deserializer)?;
        Ok(Self {
            place: Place::of(&spanned.referenced),
            node: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self {
            place: Place::of(&spanned.referenced),
            name: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        // Only numbers beyond i64 come here in a way that matters, and nothing in the file means one.
        Ok(i64::try_from(value).map_or_else(|_| Node::Text(value.to_string()), Node::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_know_their_place() {
        let root = parse("a: 1\nload:\n  warmup: 1s\n  rates: [20, 2.5]\n").expect("valid YAML");
        let Node::Map(entries) = root.node else {
            panic!("a map")
        };
        assert_eq!(
            (entries[0].0.place, &entries[0].1.node),
            (Place { line: 1, column: 1 }, &Node::Int(1))
        );
        let Node::Map(load) = &entries[1].1.node else {
            panic!("a map")
        };
        assert_eq!(load[0].0.place, Place { line: 3, column: 3 });
        assert_eq!(
            load[0].1,
            Located {
                node: Node::Text("1s".into()),
                place: Place {
                    line: 3,
                    column: 11
                }
            }
        );
        let Node::List(rates) = &load[1].1.node else {
            panic!("a list")
        };
        assert_eq!(
            rates[1],
            Located {
                node: Node::Float(2.5),
                place: Place {
                    line: 4,
                    column: 15
                }
            }
        );
    }

    #[test]
    fn a_key_twice_is_refused() {
        assert!(parse("a: 1\na: 2\n").is_err());
    }
}
