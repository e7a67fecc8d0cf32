//! Faults of an experiment file: all of them at once, each with its place and a way out.

use std::fmt;

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

impl Place {
    pub(super) fn of(location: &serde_saphyr::Location) -> Self {
        Self {
            line: location.line(),
            column: location.column(),
        }
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// All faults of one file, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds one.
    pub fn add(&mut self, place: Place, message: impl Into<String>) {
        self.0.push(Fault {
            place,
            message: message.into(),
        });
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, sorted by place.
    #[must_use]
    pub fn sorted(mut self) -> Vec<Fault> {
        self.0.sort_by_key(|fault| fault.place);
        self.0
    }

    /// Shows them under the file's name, each with the line it is about.
    #[must_use]
    pub fn show(self, file: &str, text: &str) -> String {
        let count = self.0.len();
        let shown: String = self
            .sorted()
            .iter()
            .map(|fault| fault.show(file, text))
            .collect();
        let noun = if count == 1 { "fault" } else { "faults" };
        shown + &format!("{count} {noun} in {file}; nothing was started\n")
    }
}

impl Fault {
    /// Shows it under the file's name, with the line it is about.
    #[must_use]
    pub fn show(&self, file: &str, text: &str) -> String {
        let Self { place, message } = self;
        let (number, column) = (place.line, place.column);
        let before = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
        let line = text.lines().nth(before).unwrap_or("");
        let margin = " ".repeat(usize::try_from(column).unwrap_or(1).saturating_sub(1));
        format!("error: {message}\n  --> {file}:{number}:{column}\n")
            + &format!("   |\n{number:>3}| {line}\n   | {margin}^\n")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}",
            self.place.line, self.place.column, self.message
        )
    }
}

/// "did you mean" for a name among those that are known, where one is near enough.
#[must_use]
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&name.to_lowercase(), candidate),
                candidate,
            )
        })
        .min()
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(name.len()) / 3).max(1))
        .map(|(_, candidate)| candidate)
}

/// The end of a message about an unknown name: the near one, or all that there are.
#[must_use]
pub fn way_out<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    suggestion(name, known.clone()).map_or_else(
        || {
            format!(
                ", known are: {}",
                known.into_iter().collect::<Vec<_>>().join(", ")
            )
        },
        |near| format!(", did you mean `{near}`?"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["rate", "round", "cpu"];
        assert_eq!(suggestion("ratee", known), Some("rate"));
        assert_eq!(suggestion("Rate", known), Some("rate"));
        assert_eq!(suggestion("temperature", known), None);
        assert_eq!(way_out("zzzzzz", known), ", known are: rate, round, cpu");
    }
}
