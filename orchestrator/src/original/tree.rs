//! Two trees: the original's, out of which keys are taken, and ours, into which they go.

use super::Became;
use crate::compose::merge;
use crate::experiment::fault::Place;
use crate::experiment::node::{Key, Located, Node};

/// The original's keys that nobody has taken yet.
pub(super) struct Old {
    entries: Vec<(Key, Located)>,
    /// Paths that were asked for.
    asked: Vec<String>,
}

impl Old {
    pub(super) const fn new(entries: Vec<(Key, Located)>) -> Self {
        Self {
            entries,
            asked: Vec::new(),
        }
    }

    /// Whether a key at the top is there and says something.
    pub(super) fn has(&self, key: &str) -> bool {
        let found = self.entries.iter().find(|(known, _)| known.name == key);
        found.is_some_and(|(_, value)| value.node != Node::Null)
    }

    /// Takes the value at a path out.
    pub(super) fn take(&mut self, path: &str) -> Option<Located> {
        self.asked.push(path.to_owned());
        let (above, name) = path.rsplit_once('.').unwrap_or(("", path));
        let entries = self.entries_at(above)?;
        let at = entries.iter().position(|(key, _)| key.name == name)?;
        Some(entries.remove(at).1)
    }

    /// A text, or a number as it was typed.
    pub(super) fn take_text(&mut self, path: &str) -> Option<(String, Place)> {
        let located = self.take(path)?;
        plain(&located.node).map(|text| (text, located.place))
    }

    /// The names that are left below a path, which is a section by that, whatever is in it.
    pub(super) fn names(&mut self, path: &str) -> Vec<String> {
        self.asked.push(format!("{path}."));
        let entries = self.entries_at(path);
        let names = entries.into_iter().flatten();
        names.map(|(key, _)| key.name.clone()).collect()
    }

    fn entries_at(&mut self, path: &str) -> Option<&mut Vec<(Key, Located)>> {
        let mut entries = &mut self.entries;
        for name in path.split('.').filter(|name| !name.is_empty()) {
            let (_, value) = entries.iter_mut().find(|(key, _)| key.name == name)?;
            let Node::Map(below) = &mut value.node else {
                return None;
            };
            entries = below;
        }
        Some(entries)
    }

    /// Every key that nobody took, with those that it may have meant.
    pub(super) fn left(&self) -> Vec<(String, Vec<&str>, Place)> {
        let mut left = Vec::new();
        self.collect(&self.entries, "", &mut left);
        left
    }

    fn collect<'a>(
        &'a self,
        entries: &[(Key, Located)],
        above: &str,
        left: &mut Vec<(String, Vec<&'a str>, Place)>,
    ) {
        let known: Vec<_> = self
            .asked
            .iter()
            .filter_map(|path| {
                let rest = path.strip_prefix(above)?;
                (!rest.is_empty() && !rest.contains('.')).then_some(rest)
            })
            .collect();
        for (key, value) in entries {
            let path = format!("{above}{}", key.name);
            let is_section = self.asked.iter().any(|asked| {
                asked
                    .strip_prefix(&path)
                    .is_some_and(|rest| rest.starts_with('.'))
            });
            match &value.node {
                Node::Map(below) if is_section => {
                    self.collect(below, &format!("{path}."), left);
                }
                Node::Null if is_section => {}
                _ => left.push((path, known.clone(), key.place)),
            }
        }
    }
}

/// Ours, and what became of the keys.
pub(super) struct Tree {
    root: Located,
    became: Vec<Became>,
}

impl Tree {
    pub(super) const fn new(place: Place) -> Self {
        let root = Located {
            node: Node::Map(Vec::new()),
            place,
        };
        Self {
            root,
            became: Vec::new(),
        }
    }

    /// A key of ours that no key of the original's is.
    pub(super) fn put(&mut self, path: &str, value: Located) {
        let place = value.place;
        let layer = path.split('.').rev().fold(value, |value, name| {
            let name = name.to_owned();
            Located {
                node: Node::Map(vec![(Key { name, place }, value)]),
                place,
            }
        });
        let empty = Located {
            node: Node::Null,
            place: self.root.place,
        };
        let root = std::mem::replace(&mut self.root, empty);
        self.root = merge::over(root, layer);
    }

    /// A key of the original's that is one of ours.
    pub(super) fn become_(&mut self, from: &str, to: &str, said: &str, value: Located) {
        self.put(to, value);
        self.became.push(Became {
            from: from.to_owned(),
            to: Some(to.to_owned()),
            said: said.to_owned(),
        });
    }

    /// A key of the original's that there is none of ours for.
    pub(super) fn tell(&mut self, from: &str, said: impl Into<String>) {
        self.became.push(Became {
            from: from.to_owned(),
            to: None,
            said: said.into(),
        });
    }

    /// The tree below what was said in our own form.
    pub(super) fn finish(self, ours: Located) -> (Located, Vec<Became>) {
        (merge::over(self.root, ours), self.became)
    }
}

/// A text at a place.
pub(super) fn text(text: impl Into<String>, place: Place) -> Located {
    Located {
        node: Node::Text(text.into()),
        place,
    }
}

/// A word or a number as text.
pub(super) fn plain(node: &Node) -> Option<String> {
    match node {
        Node::Text(text) => Some(text.clone()),
        Node::Int(value) => Some(value.to_string()),
        Node::Float(value) => Some(value.to_string()),
        _ => None,
    }
}
