//! YAML that people write, and what to say of a text that is none: in words of its writer's, with what to write instead.
//! The parser's own messages name its options, which nobody who writes a file can set.

use serde::de::DeserializeOwned;
use serde_saphyr::Error;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Wrong {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong, and the way out.
    pub message: String,
}

/// Reads one document.
///
/// # Errors
/// What is wrong with it: the first thing, or every blank that is none.
///
/// ```
/// let wrong = aefm_workloads::yaml::read::<Vec<u8>>("- 1\n---\n- 2\n").unwrap_err();
/// assert!(wrong[0].message.contains("a second document begins here"));
/// ```
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Vec<Wrong>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let blanks = false_blanks(text);
    if !blanks.is_empty() {
        return Err(blanks);
    }
    serde_saphyr::from_str(text).map_err(|error| vec![wrong(&error, text)])
}

/// The first thing that is wrong, for whoever tells one at a time.
///
/// # Errors
/// As [`read`].
pub fn read_one<T: DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    read(text).map_err(|mut all: Vec<Wrong>| all.swap_remove(0))
}

/// Characters that look like a blank, or like nothing, and are none to YAML.
const LOOK_ALIKES: [(char, &str); 6] = [
    ('\u{a0}', "a no-break space"),
    ('\u{2007}', "a figure space"),
    ('\u{202f}', "a narrow no-break space"),
    ('\u{3000}', "a wide space"),
    ('\u{200b}', "a space of no width"),
    ('\u{feff}', "a byte order mark"),
];

/// The look-alike of a blank in a name, if it has one.
#[must_use]
pub fn look_alike(text: &str) -> Option<&'static str> {
    let found = LOOK_ALIKES.iter().find(|(c, _)| text.contains(*c));
    found.map(|(_, name)| *name)
}

/// Blanks that are none, in the places where YAML counts blanks: they would be read as a part of a name.
fn false_blanks(text: &str) -> Vec<Wrong> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        // What a comment holds is nobody's to count.
        let comment = if line.trim_start().starts_with('#') {
            Some(0)
        } else {
            line.find(" #")
        };
        let line = &line[..comment.unwrap_or(line.len())];
        let odd = |c: char| LOOK_ALIKES.iter().find(|(known, _)| *known == c);
        let begins = line.trim_start().len();
        let indent = &line[..line.len() - begins];
        // After the colon of a key, or the dash of an item.
        let after = [":", "-"].iter().find_map(|mark| {
            let at = line.find(mark)? + mark.len();
            let next = line[at..].chars().next()?;
            odd(next).map(|_| at)
        });
        let in_indent = indent.char_indices().find(|(_, c)| odd(*c).is_some());
        let Some(at) = in_indent.map(|(at, _)| at).or(after) else {
            continue;
        };
        let name = line[at..]
            .chars()
            .next()
            .and_then(odd)
            .map_or("", |(_, name)| *name);
        let column = 1 + line[..at].chars().count() as u64;
        faults.push(Wrong {
            line: number,
            column,
            message: format!(
                "{name} stands here, which YAML does not take for a blank: write a blank"
            ),
        });
    }
    faults
}

/// What is wrong with a text that the parser refuses.
#[must_use]
pub fn wrong(error: &Error, text: &str) -> Wrong {
    let error = error.without_snippet();
    let place = error.location();
    let (line, column) = place.map_or((1, 1), |place| (place.line(), place.column()));
    tab_before(text, line).unwrap_or_else(|| Wrong {
        line,
        column,
        message: message(error, text, line),
    })
}

fn message(error: &Error, text: &str, at_line: u64) -> String {
    match error {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("this key");
            let first = first_line_of(text, key, at_line);
            format!("`{key}` stands here for the second time{first}: write its content under one")
        }
        Error::MultipleDocuments { .. } => {
            "a second document begins here: a file holds one here, so give this one a file of its own".to_owned()
        }
        Error::UnknownAnchor { .. } => {
            "no value is named so before: write `&name` where the value stands, and `*name` where it is used again".to_owned()
        }
        Error::AliasError { error, .. } => message(error.without_snippet(), text, at_line),
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "what `*name` stands for unfolds to far more than such a file has: write the values out".to_owned()
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "a value that holds itself: `*name` may not stand within what `&name` names".to_owned()
        }
        Error::Budget { .. } => "there is far more here, or nested far deeper, than such a file has".to_owned(),
        Error::MergeValueNotMapOrSeqOfMaps { .. } | Error::MergeKeyNotAllowed { .. } => {
            "`<<` takes a map that was named before, such as `<<: *name`".to_owned()
        }
        Error::Eof { .. } => "the file ends within a value".to_owned(),
        Error::UnsupportedTag { tag, .. } => format!("leave `{tag}` out: no value here has a tag"),
        Error::Message { msg, .. } => format!("not readable as YAML: {}", plain(msg)),
        other => format!("not readable as YAML: {}", plain(&other.to_string())),
    }
}

/// A message without what it says of itself: its place, which stands before it, and advice to programmers.
fn plain(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let end = first.find(" at line ").unwrap_or(first.len());
    let told = first[..end].trim();
    let told = told.split("; use ").next().unwrap_or(told);
    told.trim_end_matches(['.', ':', ',']).to_owned()
}

/// A tab in the indentation of the line that the parser complains of, or of the one before: it is what is wrong.
fn tab_before(text: &str, at_line: u64) -> Option<Wrong> {
    // A text over several lines is refused where it begins.
    let near = at_line.saturating_sub(1).max(1)..=at_line + 1;
    let mut lines = (1..)
        .zip(text.lines())
        .filter(|(number, _)| near.contains(number));
    lines.find_map(|(line, content)| {
        let blank = content.len() - content.trim_start_matches([' ', '\t']).len();
        let at = content[..blank].find('\t')?;
        Some(Wrong {
            line,
            column: at as u64 + 1,
            message: "a tab indents this line, and YAML takes blanks only: write blanks".to_owned(),
        })
    })
}

/// Where the key stood before, for a message: in which line.
fn first_line_of(text: &str, key: &str, before: u64) -> String {
    let lines = (1..before).zip(text.lines());
    let indent = |line: &str| line.len() - line.trim_start().len();
    let at = usize::try_from(before).unwrap_or(1).saturating_sub(1);
    let here = text.lines().nth(at).map_or(0, indent);
    let is_it = |line: &str| {
        let bare = line.trim_start().trim_start_matches(['"', '\'']);
        indent(line) == here
            && bare
                .strip_prefix(key)
                .is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
    };
    let last = lines.filter(|(_, line)| is_it(line)).last();
    last.map_or(String::new(), |(line, _): (u64, &str)| {
        format!(", after line {line}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn wrong_in(text: &str) -> String {
        read_one::<serde_json::Value>(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_said_of_each_kind_of_mistake_names_the_place_and_the_way_out() {
        for (text, said) in [
            ("a: 1\n---\na: 2\n", "a second document begins here"),
            (
                "axes: {rate: [20]}\nx: 1\naxes: {rate: [40]}\n",
                "line 3, column 1: `axes` stands here for the second time, after line 1",
            ),
            (
                "load:\n  a: 1\n  b: 2\n  a: 3\n",
                "line 4, column 3: `a` stands here for the second time, after line 2",
            ),
            (
                "load:\n\twarmup: 1s\n",
                "line 2, column 1: a tab indents this line",
            ),
            ("load:\n  a: 1\n \tb: 1s\n", "a tab indents this line"),
            (
                "load:\n\u{a0}\u{a0}warmup: 1s\n",
                "line 2, column 1: a no-break space stands here",
            ),
            (
                "load:\n  warmup:\u{a0}1s\n",
                "line 2, column 10: a no-break space stands here",
            ),
            ("a: *none\n", "no value is named so before"),
            ("a: [1\n", "line"),
        ] {
            let wrong = wrong_in(text);
            assert!(wrong.contains(said), "{text:?}: {wrong}");
        }
    }

    #[test]
    fn nothing_that_is_said_names_an_option_of_a_library() {
        let bomb: String = (1..40)
            .map(|n| {
                let earlier = vec![format!("*a{}", n - 1); 12].join(", ");
                format!("a{n}: &a{n} [{earlier}]\n")
            })
            .collect();
        let texts = [
            "a: 1\n---\nb: 2\n".to_owned(),
            "a: 1\na: 2\n".to_owned(),
            format!("a0: &a0 [x, x, x]\n{bomb}"),
            format!("a: {}{}", "[".repeat(5_000), "]".repeat(5_000)),
            "a: &x [*x]\n".to_owned(),
            "<<: 3\n".to_owned(),
            "a: !!python/object:os.system x\n".to_owned(),
            "a: \"open\n".to_owned(),
            "a: 'x' y\n".to_owned(),
            "- a\nb: 1\n".to_owned(),
            "%YAML 9\n---\n".to_owned(),
            "a: @x\n".to_owned(),
            "a: b: c\n".to_owned(),
            "}\n".to_owned(),
        ];
        for text in texts {
            let Err(wrong) = read_one::<serde_json::Value>(&text) else {
                continue;
            };
            let shown = wrong.to_string();
            let start: String = text.chars().take(40).collect();
            for word in [
                "from_",
                "::",
                "Options",
                "Policy",
                "deserializ",
                "serde",
                "budget",
                "max_",
                "use ",
            ] {
                assert!(!shown.contains(word), "{start:?}: {shown}");
            }
        }
    }

    #[test]
    fn anchors_are_read_and_a_mark_before_the_text_is_skipped() {
        let read: BTreeMap<String, Vec<u32>> = read("\u{feff}a: &x [1, 2]\r\nb: *x\r\n").unwrap();
        assert_eq!(read["b"], [1, 2]);
    }
}
