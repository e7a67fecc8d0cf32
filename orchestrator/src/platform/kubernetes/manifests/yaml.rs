//! Documents of YAML and JSON as the objects that kubectl would send: anchors, merge keys, tags, and words as [`scalar`]
//! has them.

use super::scalar::{self, ScalarError};
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Anchors may be used again and again: so many values a file are enough for anybody.
const MOST: usize = 1_000_000;

/// Why a text is no document.
#[derive(Debug, thiserror::Error)]
pub(super) enum YamlError {
    /// It is no YAML.
    #[error("{}, line {line}, column {column}", .source.info())]
    Syntax {
        /// What is wrong.
        source: ScanError,
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// A word is not what it should be.
    #[error("{source}, line {line}")]
    Scalar {
        /// What is wrong.
        source: ScalarError,
        /// Where, from 1.
        line: usize,
    },
    /// Something else.
    #[error("{what}, line {line}")]
    Other {
        /// What.
        what: String,
        /// Where, from 1.
        line: usize,
    },
}

/// All documents of a text, empty ones as null.
///
/// # Errors
/// The first that is none.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{')
        && let Ok(read) = json_documents(text)
    {
        return Ok(read);
    }
    let mut composer = Composer {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        made: 0,
        line: 1,
    };
    let mut documents = Vec::new();
    loop {
        match composer.event()? {
            Event::DocumentStart(..) => {
                composer.anchors.clear();
                let first = composer.event()?;
                documents.push(if matches!(first, Event::DocumentEnd) {
                    Value::Null
                } else {
                    composer.value(first)?
                });
            }
            Event::StreamEnd => return Ok(documents),
            _ => {}
        }
    }
}

/// JSON documents in a row. Whole numbers that are written as floats are whole, as kubectl sends them.
fn json_documents(text: &str) -> Result<Vec<Value>, serde_json::Error> {
    let read = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    read.map(|document| document.map(whole)).collect()
}

fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .and_then(scalar::as_go_writes)
            .map_or(Value::Number(number), Value::Number),
        Value::Array(items) => items.into_iter().map(whole).collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, whole(value)))
            .collect(),
        other => other,
    }
}

struct Composer<'a> {
    events: Parser<'a, granit_parser::StrInput<'a>>,
    /// Values by the numbers of their anchors.
    anchors: HashMap<usize, Value>,
    /// Values so far, those that anchors stand for included.
    made: usize,
    /// Where the last event begins.
    line: usize,
}

impl<'a> Composer<'a> {
    fn event(&mut self) -> Result<Event<'a>, YamlError> {
        loop {
            match self.events.next() {
                // They say nothing to a cluster, wherever they stand.
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, span))) => {
                    self.line = span.start.line();
                    return Ok(event);
                }
                Some(Err(source)) => {
                    return Err(YamlError::Syntax {
                        line: source.marker().line(),
                        column: source.marker().col() + 1,
                        source,
                    });
                }
                None => return Ok(Event::StreamEnd),
            }
        }
    }

    fn fault(&self, what: impl Into<String>) -> YamlError {
        YamlError::Other {
            what: what.into(),
            line: self.line,
        }
    }

    fn count(&mut self, more: usize) -> Result<(), YamlError> {
        self.made = self.made.saturating_add(more);
        if self.made > MOST {
            return Err(self.fault(format!("anchors make more than {MOST} values of it")));
        }
        Ok(())
    }

    /// The value that begins with an event.
    fn value(&mut self, first: Event<'a>) -> Result<Value, YamlError> {
        self.count(1)?;
        let (value, anchor) = match first {
            Event::Scalar(word, style, anchor, tag) => {
                let value =
                    resolve(&word, style, tag.as_deref()).map_err(|source| YamlError::Scalar {
                        source,
                        line: self.line,
                    })?;
                (value, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence()?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping()?, anchor),
            Event::Alias(number) => {
                let value = self.anchors.get(&number).cloned();
                let value = value.ok_or_else(|| self.fault("an anchor stands for itself"))?;
                self.count(size(&value))?;
                return Ok(value);
            }
            other => return Err(self.fault(format!("a value is wanted, not {other:?}"))),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn sequence(&mut self) -> Result<Value, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.event()? {
                Event::SequenceEnd => return Ok(Value::Array(items)),
                first => items.push(self.value(first)?),
            }
        }
    }

    /// A map. What is merged into it gives way to keys that stand behind, as go-yaml has it.
    fn mapping(&mut self) -> Result<Value, YamlError> {
        let mut entries = Map::new();
        let mut own: Vec<String> = Vec::new();
        loop {
            let first = match self.event()? {
                Event::MappingEnd => return Ok(Value::Object(entries)),
                first => first,
            };
            if is_merge(&first) {
                let first = self.event()?;
                let merged = self.value(first)?;
                self.merge(&mut entries, merged)?;
                continue;
            }
            let key = self.value(first)?;
            let key = scalar::key(&key)
                .ok_or_else(|| self.fault("a key is neither a text nor a number"))?;
            if own.contains(&key) {
                return Err(self.fault(format!(
                    "the key `{key}` stands there twice: remove one of them"
                )));
            }
            let first = self.event()?;
            let value = self.value(first)?;
            entries.insert(key.clone(), value);
            own.push(key);
        }
    }

    fn merge(&self, entries: &mut Map<String, Value>, merged: Value) -> Result<(), YamlError> {
        match merged {
            Value::Object(more) => entries.extend(more),
            // Of several the first counts.
            Value::Array(maps) => {
                for map in maps.into_iter().rev() {
                    let Value::Object(more) = map else {
                        return Err(self.fault("`<<` takes a map or a list of maps"));
                    };
                    entries.extend(more);
                }
            }
            _ => return Err(self.fault("`<<` takes a map or a list of maps")),
        }
        Ok(())
    }
}

fn is_merge(event: &Event<'_>) -> bool {
    matches!(event, Event::Scalar(word, ScalarStyle::Plain, _, None) if word == "<<")
}

fn resolve(word: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, ScalarError> {
    match tag {
        Some(tag) if tag.handle() == "tag:yaml.org,2002:" => scalar::tagged(tag.suffix(), word),
        None if style == ScalarStyle::Plain => scalar::plain(word),
        // `!` alone, tags that only their users know, and whatever is quoted are texts.
        _ => Ok(Value::String(word.to_owned())),
    }
}

/// How many values there are in one, itself included.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(entries) => entries.values().map(size).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(text: &str) -> Value {
        let mut read = documents(text).unwrap();
        assert_eq!(read.len(), 1, "{read:?}");
        read.remove(0)
    }

    #[test]
    fn anchors_and_merge_keys_are_what_they_stand_for() {
        let text = "base: &b {a: 1, mode: 0644}\nmore: &m {c: 3, a: 9}\nx:\n  <<: *b\n  a: 2\nz: {<<: [*b, *m], d: *b}\n";
        let read = one(text);
        assert_eq!(read["x"], json!({ "a": 2, "mode": 420 }));
        assert_eq!(
            read["z"],
            json!({ "a": 1, "mode": 420, "c": 3, "d": { "a": 1, "mode": 420 } })
        );
    }

    #[test]
    fn quotes_blocks_and_tags_make_texts() {
        let text = "a: '0644'\nb: \"yes\"\nc: |\n  0644\nd: !!str 12\ne: >-\n  on\nf: ! 5\n";
        assert_eq!(
            one(text),
            json!({ "a": "0644", "b": "yes", "c": "0644\n", "d": "12", "e": "on", "f": "5" })
        );
    }

    #[test]
    fn keys_are_texts_whatever_they_look_like() {
        assert_eq!(
            one("{8080: a, yes: b, 0644: c, 1.5: d}"),
            json!({ "8080": "a", "true": "b", "420": "c", "1.5": "d" })
        );
    }

    #[test]
    fn a_byte_order_mark_and_several_documents_are_read() {
        let read = documents("\u{feff}---\na: 1\n---\n---\n# nothing\n...\n---\nb: 2\n").unwrap();
        let kept: Vec<_> = read.into_iter().filter(|value| !value.is_null()).collect();
        assert_eq!(kept, [json!({ "a": 1 }), json!({ "b": 2 })]);
        let read =
            documents("{\"a\": 644.0}\n{\"a\": 9007199254740993, \"b\": [1e3, 0.5]}").unwrap();
        assert_eq!(
            read,
            [
                json!({ "a": 644 }),
                json!({ "a": 9_007_199_254_740_993_i64, "b": [1000, 0.5] })
            ]
        );
        assert!(documents("").unwrap().iter().all(Value::is_null));
    }

    #[test]
    fn what_is_wrong_says_where() {
        for (text, said) in [
            ("a: 1\nb: .inf\n", "line 2"),
            ("a: 1\na: 2\n", "the key `a` stands there twice"),
            ("a: [1\n", "line"),
            ("a: &a [*a]\n", "line 1"),
            ("<<: 5\n", "`<<` takes a map"),
            ("? [a]\n: b\n", "a key is neither"),
        ] {
            let error = documents(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_few_lines_do_not_become_a_mountain() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let many = vec![format!("*a{}", n - 1); 10].join(", ");
            text += &format!("a{n}: &a{n} [{many}]\n");
        }
        let error = documents(&text).unwrap_err().to_string();
        assert!(error.contains("more than 1000000 values"), "{error}");
    }
}
