//! Label and field selectors: `a=b,c!=d,e in (f,g),!h` and `metadata.name=x,status.phase!=Running`.

use super::refusal::Refusal;
use super::store::text;
use serde_json::Value;

/// One requirement on a value that may be absent.
#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    /// Values it may have (or must not have); empty: any.
    values: Vec<String>,
    negated: bool,
}

/// What a list or a watch is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

impl Selector {
    /// From the query parameters `labelSelector` and `fieldSelector`.
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Self, Refusal> {
        Ok(Self {
            labels: requirements(labels)?,
            fields: requirements(fields)?,
        })
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"][key].as_str();
        let field = |key: &str| Some(text(object, &format!("/{}", key.replace('.', "/"))));
        self.labels
            .iter()
            .all(|requirement| requirement.holds(label(&requirement.key)))
            && self
                .fields
                .iter()
                .all(|requirement| requirement.holds(field(&requirement.key)))
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let named = value.is_some_and(|value| {
            self.values.is_empty() || self.values.iter().any(|one| one == value)
        });
        named != self.negated
    }
}

fn requirements(text: &str) -> Result<Vec<Requirement>, Refusal> {
    split(text)
        .into_iter()
        .filter(|part| !part.trim().is_empty())
        .map(|part| requirement(part.trim()))
        .collect()
}

/// At commas that are outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn requirement(part: &str) -> Result<Requirement, Refusal> {
    let make = |key: &str, values: Vec<String>, negated| Requirement {
        key: key.trim().to_owned(),
        values,
        negated,
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    for (sign, negated) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = part.split_once(sign) {
            return Ok(make(key, one(value), negated));
        }
    }
    for (word, negated) in [(" notin ", true), (" in ", false)] {
        if let Some((key, set)) = part.split_once(word) {
            let inner = set
                .trim()
                .strip_prefix('(')
                .and_then(|rest| rest.strip_suffix(')'));
            let inner = inner.ok_or_else(|| {
                Refusal::bad_request(format!("unable to parse requirement: {part}"))
            })?;
            return Ok(make(
                key,
                inner
                    .split(',')
                    .map(|value| value.trim().to_owned())
                    .collect(),
                negated,
            ));
        }
    }
    match part.strip_prefix('!') {
        Some(key) => Ok(make(key, Vec::new(), true)),
        None if part.contains(char::is_whitespace) => Err(Refusal::bad_request(format!(
            "unable to parse requirement: {part}"
        ))),
        None => Ok(make(part, Vec::new(), false)),
    }
}

/// Whether a `LabelSelector` of an object (matchLabels, matchExpressions) selects these labels. An empty one selects all.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| labels[key] == *value);
    let expressions = selector["matchExpressions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    equal
        && expressions
            .iter()
            .all(|expression| expression_holds(expression, labels))
}

/// One of `matchExpressions`, of labels or of nodes.
pub(crate) fn expression_holds(expression: &Value, labels: &Value) -> bool {
    let value = &labels[text(expression, "/key")];
    let named = expression["values"]
        .as_array()
        .is_some_and(|values| values.contains(value));
    match text(expression, "/operator") {
        "In" => named,
        "NotIn" => !named,
        "Exists" => !value.is_null(),
        "DoesNotExist" => value.is_null(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_form_selects() {
        let pod = json!({"metadata": {"name": "a", "labels": {"app": "web", "tier": "front"}}, "status": {"phase": "Running"}});
        for (labels, fields, selected) in [
            ("", "", true),
            ("app=web,tier==front", "metadata.name=a", true),
            ("app!=web", "", false),
            ("other!=web", "", true),
            ("app in (db, web),tier notin (back)", "", true),
            ("app,!other", "status.phase!=Pending", true),
            ("!app", "", false),
            ("", "status.phase=Pending", false),
        ] {
            let selector = Selector::parse(labels, fields).expect("it can be read");
            assert_eq!(selector.matches(&pod), selected, "{labels} {fields}");
        }
        assert_eq!(Selector::parse("a in b", "").expect_err("no set").code, 400);
    }
}
