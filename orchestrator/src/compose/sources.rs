//! Where each line was written. The texts stand one below the other, as if they were one: a place counts lines from the
//! first text's first on, so that it says by itself whose it is.

use crate::experiment::fault::{Fault, Faults, Place};
use crate::experiment::node::{Key, Located, Node};
use serde::Serialize;

/// Texts in the order in which they were read.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

/// One text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The file as it was named, or `--set`.
    pub name: String,
    /// The text as it was read.
    pub text: String,
    /// Lines of all texts before it.
    #[serde(skip)]
    before: u64,
}

/// A fault in the text that it is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The file as it was named, or `--set`.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl Sources {
    /// All texts.
    #[must_use]
    pub fn all(&self) -> &[Source] {
        &self.0
    }

    /// Adds a text, and says how many lines stand before it.
    pub(super) fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> u64 {
        let text = text.into();
        // One line more than there are: a fault may stand behind the last one.
        let before = self
            .0
            .last()
            .map_or(0, |last| last.before + last.text.lines().count() as u64 + 1);
        self.0.push(Source {
            name: name.into(),
            text,
            before,
        });
        before
    }

    /// The text that a place is in, and the place there.
    #[must_use]
    pub fn find(&self, place: Place) -> Option<(&Source, Place)> {
        let at = self
            .0
            .partition_point(|source| source.before < place.line.max(1));
        let source = self.0.get(at.checked_sub(1)?)?;
        let line = place.line - source.before;
        Some((source, Place { line, ..place }))
    }

    /// Faults with the file and line that each is in, sorted by them.
    #[must_use]
    pub fn tell(&self, faults: Faults) -> Vec<Told> {
        let told = |Fault { place, message }| {
            let found = self.find(place);
            let (file, place) = found.map_or((String::new(), place), |(source, place)| {
                (source.name.clone(), place)
            });
            Told {
                file,
                line: place.line,
                column: place.column,
                message,
            }
        };
        faults.sorted().into_iter().map(told).collect()
    }

    /// Shows faults for people, each with its line.
    #[must_use]
    pub fn show(&self, faults: Faults) -> String {
        let mut shown = String::new();
        let mut files: Vec<&str> = Vec::new();
        let faults = faults.sorted();
        for fault in &faults {
            let Some((source, place)) = self.find(fault.place) else {
                continue;
            };
            let there = Fault {
                place,
                message: fault.message.clone(),
            };
            shown += &there.show(&source.name, &source.text);
            if !files.contains(&source.name.as_str()) {
                files.push(&source.name);
            }
        }
        let noun = if faults.len() == 1 { "fault" } else { "faults" };
        shown
            + &format!(
                "{} {noun} in {}; nothing was started\n",
                faults.len(),
                files.join(", ")
            )
    }
}

/// Moves all places of a tree by so many lines, and those of its first line by so many columns, too.
pub(super) fn shift(located: &mut Located, lines: u64, columns: u64) {
    move_place(&mut located.place, lines, columns);
    match &mut located.node {
        Node::List(items) => items
            .iter_mut()
            .for_each(|item| shift(item, lines, columns)),
        Node::Map(entries) => {
            for (Key { place, .. }, value) in entries {
                move_place(place, lines, columns);
                shift(value, lines, columns);
            }
        }
        _ => {}
    }
}

/// Adds the faults of one text, as [`shift`] moves places.
pub(super) fn shift_faults(of_one: Faults, lines: u64, columns: u64, faults: &mut Faults) {
    for Fault { mut place, message } in of_one.sorted() {
        move_place(&mut place, lines, columns);
        faults.add(place, message);
    }
}

const fn move_place(place: &mut Place, lines: u64, columns: u64) {
    if place.line <= 1 {
        place.column += columns;
    }
    place.line += lines;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_line_is_found_in_its_own_text(texts in prop::collection::vec("([a-z]{0,3}\n?){0,6}", 1..5)) {
            let mut sources = Sources::default();
            for (at, text) in texts.iter().enumerate() {
                let before = sources.add(at.to_string(), text.clone());
                for line in 1..=text.lines().count() as u64 + 1 {
                    let (source, place) = sources.find(Place { line: before + line, column: 3 }).unwrap();
                    prop_assert_eq!((&source.name, place), (&at.to_string(), Place { line, column: 3 }));
                }
            }
        }
    }
}
