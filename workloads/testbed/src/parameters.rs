//! The parameters of a request, from its query and from a form or JSON body.

use aefm_workloads::graph::{BadParameter, Parameter};
use serde_json::Value;

/// Names and values; of a name that is there twice, the first counts.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of a query, and of a body where its type says that it has some.
    pub(crate) fn of(query: Option<&str>, content_type: &str, body: &[u8]) -> Self {
        let mut found = Self::default();
        found.form(query.unwrap_or_default().as_bytes());
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/x-www-form-urlencoded" => found.form(body),
            "application/json" => found.json(body),
            _ => {}
        }
        found
    }

    fn form(&mut self, text: &[u8]) {
        self.0.extend(
            form_urlencoded::parse(text)
                .map(|(name, value)| (name.into_owned(), value.into_owned())),
        );
    }

    /// The members of an object; a body that is none has none, and what it lacks is told as missing.
    fn json(&mut self, body: &[u8]) {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return;
        };
        self.0
            .extend(members.into_iter().map(|(name, value)| match value {
                Value::String(text) => (name, text),
                other => (name, other.to_string()),
            }));
    }

    /// The value of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of that name as a number.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.parse().ok()
    }

    /// Checks all that an operation asks of them.
    pub(crate) fn check(&self, wanted: &[Parameter]) -> Result<(), BadParameter> {
        wanted
            .iter()
            .try_for_each(|parameter| parameter.check(|name| self.get(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_form_and_json_are_read() {
        let form = Parameters::of(
            Some("a=1&b=x%20y"),
            "application/x-www-form-urlencoded; charset=utf-8",
            b"c=p+q",
        );
        assert_eq!(
            [form.get("a"), form.get("b"), form.get("c")],
            [Some("1"), Some("x y"), Some("p q")]
        );
        let json = Parameters::of(None, "application/json", br#"{"a":"x","n":3,"l":[1]}"#);
        assert_eq!(
            [json.get("a"), json.get("n"), json.get("l")],
            [Some("x"), Some("3"), Some("[1]")]
        );
        assert_eq!(json.number("n"), Some(3.0));
        let other = Parameters::of(None, "text/plain", b"a=1");
        assert_eq!(other.get("a"), None);
        assert_eq!(
            Parameters::of(None, "application/json", b"{").get("a"),
            None
        );
    }
}
