//! Reads one map of the experiment file key by key, collecting faults instead of stopping at the first.

use super::fault::{Faults, Place, suggestion, way_out};
use super::keys;
use super::node::{Key, Located, Node};
use aefm_workloads::unit::{parse_bytes, parse_duration};
use aefm_workloads::yaml::look_alike;
use std::cell::RefCell;
use std::time::Duration;

/// A map under a path such as `load`; every key asked for is known, and what is left over is a fault.
pub(super) struct Section<'a> {
    path: &'static str,
    place: Place,
    entries: &'a [(Key, Located)],
    asked: RefCell<Vec<&'static str>>,
    faults: &'a RefCell<Faults>,
}

impl<'a> Section<'a> {
    /// The map at `located`; anything else is a fault and reads as an empty map.
    pub(super) fn new(
        path: &'static str,
        located: &'a Located,
        faults: &'a RefCell<Faults>,
    ) -> Self {
        let entries: &[_] = match &located.node {
            Node::Map(entries) => entries,
            Node::Null => &[],
            other => {
                let what = if path.is_empty() { "the file" } else { path };
                faults.borrow_mut().add(
                    located.place,
                    format!("{what} is a map of keys, not {}", other.describe()),
                );
                &[]
            }
        };
        Self {
            path,
            place: located.place,
            entries,
            asked: RefCell::default(),
            faults,
        }
    }

    /// Where the section begins.
    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// All entries, for maps whose keys are names of the user's.
    pub(super) const fn entries(&self) -> &'a [(Key, Located)] {
        self.entries
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, name: &'static str) -> Option<&'a Located> {
        self.asked.borrow_mut().push(name);
        self.entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, value)| value)
    }

    /// A section under a name of the user's.
    pub(super) fn below(&self, path: &'static str, located: &'a Located) -> Section<'a> {
        Section::new(path, located, self.faults)
    }

    /// The section below a key, if it is there.
    pub(super) fn section(&self, name: &'static str) -> Option<Section<'a>> {
        self.get(name)
            .map(|located| Section::new(name, located, self.faults))
    }

    /// The section below a key, if it is there; `word` alone is short for one that says nothing.
    pub(super) fn section_or(&self, name: &'static str, word: &str) -> Option<Section<'a>> {
        let located = self.get(name)?;
        let empty = || Section {
            path: name,
            place: located.place,
            entries: &[],
            asked: RefCell::default(),
            faults: self.faults,
        };
        match &located.node {
            Node::Text(text) if text == word => Some(empty()),
            Node::Text(text) => {
                self.fault(
                    located.place,
                    format!(
                        "{}: a map of keys is wanted, or `{word}`, not `{text}`",
                        self.full(name)
                    ),
                );
                None
            }
            _ => Some(Section::new(name, located, self.faults)),
        }
    }

    /// A value that `read` understands; its error is a fault, and absence or a fault give `default`.
    pub(super) fn read<T>(
        &self,
        name: &'static str,
        default: T,
        read: impl Fn(&Node) -> Result<T, String>,
    ) -> T {
        let Some(located) = self.get(name) else {
            return default;
        };
        read(&located.node).unwrap_or_else(|reason| {
            self.fault(located.place, format!("{}: {reason}", self.full(name)));
            default
        })
    }

    /// Adds a fault.
    pub(super) fn fault(&self, place: Place, message: impl Into<String>) {
        self.faults.borrow_mut().add(place, message);
    }

    /// Every key that nobody asked for is a fault with a suggestion.
    pub(super) fn finish(self) {
        let mut asked = self.asked.take();
        let mut seen = std::collections::BTreeSet::new();
        // Readers may ask for a key twice, and nobody wants to read it twice.
        asked.retain(|name| seen.insert(*name));
        for (key, _) in self
            .entries
            .iter()
            .filter(|(key, _)| !asked.contains(&key.name.as_str()))
        {
            let below = if self.path.is_empty() {
                String::new()
            } else {
                format!(" in `{}`", self.path)
            };
            let name = &key.name;
            let way_out = self.way_out(name, &asked);
            let message = format!("unknown key `{name}`{below}{way_out}");
            self.faults.borrow_mut().add(key.place, message);
        }
    }

    /// What to write for a key that nobody asked for: a near one of this section, one of another, or all that there are.
    fn way_out(&self, name: &str, asked: &[&'static str]) -> String {
        if let Some(blank) = look_alike(name) {
            return format!(": it holds {blank}, which is no blank");
        }
        let near = suggestion(name, asked.iter().copied());
        match (near, keys::home(self.path, name)) {
            (None, Some(("", key))) => {
                format!(
                    ": `{key}` is a key of the file itself, not of `{}`",
                    self.path
                )
            }
            (None, Some((section, key))) => format!(": `{key}` is a key of `{section}`"),
            _ => way_out(name, asked.iter().copied()),
        }
    }

    fn full(&self, name: &str) -> String {
        if self.path.is_empty() {
            format!("`{name}`")
        } else {
            format!("`{}.{name}`", self.path)
        }
    }
}

/// A text; numbers count as their text.
pub(super) fn text(node: &Node) -> Result<String, String> {
    match node {
        Node::Text(text) if !text.is_empty() => Ok(text.clone()),
        Node::Int(value) => Ok(value.to_string()),
        other => Err(format!("a name is wanted, not {other}")),
    }
}

/// A list of texts; one alone counts as a list of it.
pub(super) fn texts(node: &Node) -> Result<Vec<String>, String> {
    match node {
        Node::List(items) => items.iter().map(|item| text(&item.node)).collect(),
        one => Ok(vec![text(one)?]),
    }
}

/// `true` or `false`.
pub(super) fn flag(node: &Node) -> Result<bool, String> {
    match node {
        Node::Bool(value) => Ok(*value),
        Node::Text(text) if ["true", "false"].contains(&text.as_str()) => Err(unquoted(text)),
        Node::Text(text) if ["yes", "on"].contains(&text.to_lowercase().as_str()) => {
            Err(format!("true or false is wanted: write true for `{text}`"))
        }
        Node::Text(text) if ["no", "off"].contains(&text.to_lowercase().as_str()) => {
            Err(format!("true or false is wanted: write false for `{text}`"))
        }
        other => Err(format!("true or false is wanted, not {other}")),
    }
}

/// Whether quotes are all that keeps a text from being a number.
pub(super) fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// What to say of a text that would be right without its quotes.
pub(super) fn unquoted(text: &str) -> String {
    format!("`{text}` stands in quotes, which make it a text: write {text} without them")
}

/// A number.
pub(super) fn number(node: &Node) -> Result<f64, String> {
    match node {
        #[expect(
            clippy::cast_precision_loss,
            reason = "numbers in the file are far below 2^53"
        )]
        Node::Int(value) => Ok(*value as f64),
        Node::Float(value) if value.is_finite() => Ok(*value),
        Node::Text(text) if is_number(text) => Err(unquoted(text)),
        other => Err(format!("a number is wanted, not {other}")),
    }
}

/// A share from 0 to 1; a percentage counts as one.
pub(super) fn share(node: &Node) -> Result<f64, String> {
    let wrong = || format!("a share from 0 to 1 is wanted, such as 0.5 or 50%, not {node}");
    let percent = |text: &str| text.strip_suffix('%')?.trim().parse::<f64>().ok();
    let share = match node {
        Node::Text(text) => percent(text).ok_or_else(wrong)? / 100.0,
        number_of_it => number(number_of_it).map_err(|_| wrong())?,
    };
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(wrong())
    }
}

/// A whole number of at least `least`.
pub(super) fn count(least: u64) -> impl Fn(&Node) -> Result<u64, String> {
    move |node| match node {
        Node::Int(value) if u64::try_from(*value).is_ok_and(|value| value >= least) => {
            Ok(value.unsigned_abs())
        }
        Node::Text(text) if is_number(text) => Err(unquoted(text)),
        other => Err(format!(
            "a whole number of at least {least} is wanted, not {other}"
        )),
    }
}

/// A duration with its unit, of at least `least`.
pub(super) fn duration(least: Duration) -> impl Fn(&Node) -> Result<Duration, String> {
    move |node| {
        let typed = match node {
            Node::Text(text) => text.clone(),
            Node::Int(value) => value.to_string(),
            Node::Float(value) => value.to_string(),
            other => return Err(format!("a duration such as 30s is wanted, not {other}")),
        };
        let duration = parse_duration(&typed).map_err(|error| error.to_string())?;
        if duration < least {
            Err(format!(
                "`{typed}` is too short, at least {least:?} is needed"
            ))
        } else {
            Ok(duration)
        }
    }
}

/// A size with its unit.
pub(super) fn bytes(node: &Node) -> Result<u64, String> {
    parse_bytes(&text(node)?).map_err(|error| error.to_string())
}

/// One of a few names.
pub(super) fn one_of<T: Clone>(
    choices: &'static [(&'static str, T)],
) -> impl Fn(&Node) -> Result<T, String> {
    move |node| {
        let typed = text(node)?;
        let found = choices.iter().find(|(name, _)| *name == typed);
        found.map(|(_, value)| value.clone()).ok_or_else(|| {
            let names = choices.iter().map(|(name, _)| *name);
            format!("unknown value `{typed}`{}", way_out(&typed, names))
        })
    }
}
