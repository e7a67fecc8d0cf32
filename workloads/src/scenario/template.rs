//! Texts with values in them: `/user?name=${user}`, `${title:url}` for one that is escaped, `$$` for a dollar sign.

/// A text in which values stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value { name: String, escape: bool },
}

/// What is wrong with a template, and where: bytes from its start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TemplateFault {
    pub(super) at: usize,
    pub(super) reason: String,
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, TemplateFault> {
        let mut parts = Vec::new();
        let (mut plain, mut rest) = (String::new(), text);
        while let Some(dollar) = rest.find('$') {
            plain.push_str(&rest[..dollar]);
            let at = text.len() - rest.len() + dollar;
            let behind = &rest[dollar + 1..];
            if let Some(behind) = behind.strip_prefix('$') {
                plain.push('$');
                rest = behind;
                continue;
            }
            let fault = |reason: &str| TemplateFault {
                at,
                reason: reason.to_owned(),
            };
            let inner = behind
                .strip_prefix('{')
                .ok_or_else(|| fault("write `${name}` for a value, `$$` for a dollar"))?;
            let (inner, behind) = inner
                .split_once('}')
                .ok_or_else(|| fault("`${` has no `}`"))?;
            let (name, escape) = match inner.split_once(':') {
                None => (inner, false),
                Some((name, "url")) => (name, true),
                Some((_, other)) => {
                    return Err(fault(&format!(
                        "`{other}` is not a way to write a value, there is `url`"
                    )));
                }
            };
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err(fault(&format!("`{name}` is not a value's name")));
            }
            parts.extend((!plain.is_empty()).then(|| Part::Text(std::mem::take(&mut plain))));
            parts.push(Part::Value {
                name: name.to_owned(),
                escape,
            });
            rest = behind;
        }
        plain.push_str(rest);
        parts.extend((!plain.is_empty()).then_some(Part::Text(plain)));
        Ok(Self(parts))
    }

    /// The values it names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Value { name, .. } => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Adds the text with its values, which `value` adds by name.
    pub(super) fn fill(&self, value: impl Fn(&str, &mut Vec<u8>), out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend(text.as_bytes()),
                Part::Value {
                    name,
                    escape: false,
                } => value(name, out),
                Part::Value { name, escape: true } => {
                    let mut plain = Vec::new();
                    value(name, &mut plain);
                    escape(&plain, out);
                }
            }
        }
    }
}

/// What may stand in a query as it is (RFC 3986's unreserved characters); the rest as `%XX`.
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend(format!("%{byte:02X}").bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> String {
        let mut out = Vec::new();
        let value = |name: &str, out: &mut Vec<u8>| out.extend(format!("<{name}>").bytes());
        Template::parse(text).unwrap().fill(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn a_text_without_dollars_is_itself(text in "[^$]*") {
            prop_assert_eq!(filled(&text), text);
        }
    }

    #[test]
    fn values_stand_where_they_are_named() {
        assert_eq!(filled("/a?b=${c}&d=${e.f}"), "/a?b=<c>&d=<e.f>");
        assert_eq!(filled("{\"price\": \"$$${p}\"}"), "{\"price\": \"$<p>\"}");
        assert_eq!(
            filled("${a b:url}".replace("a b", "ab").as_str()),
            "%3Cab%3E"
        );
        assert_eq!(
            Template::parse("${a}${b:url}")
                .unwrap()
                .names()
                .collect::<Vec<_>>(),
            ["a", "b"]
        );
    }

    #[test]
    fn faults_say_where() {
        for (text, at, reason) in [
            ("ab$c", 2, "write `${name}`"),
            ("${a", 0, "no `}`"),
            ("$${a}x${}", 6, "not a value's name"),
            ("${a:html}", 0, "there is `url`"),
        ] {
            let fault = Template::parse(text).unwrap_err();
            assert!(
                fault.at == at && fault.reason.contains(reason),
                "{text}: {fault:?}"
            );
        }
    }
}
