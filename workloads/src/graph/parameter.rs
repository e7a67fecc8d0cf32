//! What a request's parameters must be, so that an emulated service refuses what the real one would refuse.

use serde::{Deserialize, Serialize};

/// A parameter of an operation, in the query or in the body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What its value must be.
    pub rule: Rule,
    /// It may be absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Any text that is not empty.
    Text,
    /// A finite number.
    Number,
    /// A whole number between two bounds, both allowed.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A day, `2015-04-09`.
    Date,
    /// A day after that of another parameter.
    After(String),
    /// One of these.
    OneOf(Vec<String>),
    /// A prefix and a whole number between two bounds: `Cornell_17`.
    Numbered {
        /// What stands before the number.
        prefix: String,
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// What follows `prefix` in the parameter `of`, with a prefix of its own, so many times.
    Repeats {
        /// The other parameter.
        of: String,
        /// What stands before its number.
        prefix: String,
        /// How often the number is repeated.
        times: usize,
    },
}

/// A parameter that is not what it must be; the text is what the client reads.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadParameter {
    /// It is not there.
    #[error("parameter `{0}` is missing")]
    Missing(String),
    /// It is there, and wrong.
    #[error("parameter `{name}` must be {must}")]
    Wrong {
        /// The parameter.
        name: String,
        /// What it must be.
        must: String,
    },
}

impl Parameter {
    /// Checks this parameter of a request whose parameters `get` looks up by name.
    ///
    /// # Errors
    /// When it is missing or wrong.
    pub fn check<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> Result<(), BadParameter> {
        let Some(value) = get(&self.name) else {
            return if self.optional {
                Ok(())
            } else {
                Err(BadParameter::Missing(self.name.clone()))
            };
        };
        let wrong = |must: String| {
            Err(BadParameter::Wrong {
                name: self.name.clone(),
                must,
            })
        };
        match &self.rule {
            Rule::Text if value.is_empty() => wrong("a text".into()),
            Rule::Number if !value.parse().is_ok_and(f64::is_finite) => wrong("a number".into()),
            Rule::Integer { min, max } if !whole(value, *min, *max) => {
                wrong(format!("a whole number from {min} to {max}"))
            }
            Rule::Date if day(value).is_none() => wrong("a day such as 2015-04-09".into()),
            Rule::After(other) => match (get(other).and_then(day), day(value)) {
                (Some(first), Some(second)) if second > first => Ok(()),
                _ => wrong(format!("a day after that of `{other}`")),
            },
            Rule::OneOf(values) if !values.iter().any(|known| known == value) => {
                wrong(format!("one of {}", values.join(", ")))
            }
            Rule::Numbered { prefix, min, max }
                if !value
                    .strip_prefix(prefix.as_str())
                    .is_some_and(|number| whole(number, *min, *max)) =>
            {
                wrong(format!("`{prefix}` and a number from {min} to {max}"))
            }
            Rule::Repeats { of, prefix, times } => {
                match get(of).and_then(|other| other.strip_prefix(prefix.as_str())) {
                    Some(number) if repeats(value, number, *times) => Ok(()),
                    _ => wrong(format!("that of `{of}`")),
                }
            }
            _ => Ok(()),
        }
    }

    /// The other parameter that this one is compared with.
    #[must_use]
    pub fn other(&self) -> Option<&str> {
        match &self.rule {
            Rule::After(other) | Rule::Repeats { of: other, .. } => Some(other),
            _ => None,
        }
    }
}

fn whole(text: &str, min: i64, max: i64) -> bool {
    text.parse()
        .is_ok_and(|number: i64| (min..=max).contains(&number))
}

fn repeats(text: &str, part: &str, times: usize) -> bool {
    !part.is_empty()
        && text.len() == part.len() * times
        && text
            .as_bytes()
            .chunks(part.len())
            .all(|c| c == part.as_bytes())
}

/// Year, month and day of a date that exists.
fn day(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.splitn(3, '-');
    let mut part = |width: usize| {
        let digits = parts
            .next()
            .filter(|part| part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u32>().ok()
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=days).contains(&day).then_some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: Rule, given: &[(&str, &str)]) -> bool {
        let get = |name: &str| {
            given
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| *value)
        };
        Parameter {
            name: "x".into(),
            rule,
            optional: false,
        }
        .check(get)
        .is_ok()
    }

    #[test]
    fn each_rule_takes_the_right_and_refuses_the_wrong() {
        let users = Rule::Numbered {
            prefix: "Cornell_".into(),
            min: 0,
            max: 500,
        };
        let password = Rule::Repeats {
            of: "y".into(),
            prefix: "Cornell_".into(),
            times: 10,
        };
        let cases: &[(Rule, &str, &str)] = &[
            (Rule::Text, "a", ""),
            (Rule::Number, "-122.095", "nil"),
            (Rule::Number, "38", "NaN"),
            (Rule::Number, "1e3", "inf"),
            (Rule::Integer { min: 1, max: 80 }, "80", "81"),
            (Rule::Date, "2016-02-29", "2015-02-29"),
            (Rule::Date, "2015-04-09", "2015-4-9"),
            (Rule::Date, "2015-12-31", "2015-13-01"),
            (
                Rule::OneOf(vec!["dis".into(), "rate".into()]),
                "rate",
                "rating",
            ),
            (users.clone(), "Cornell_0", "Cornell_501"),
            (users, "Cornell_500", "Harvard_1"),
            (
                password.clone(),
                "17171717171717171717",
                "1717171717171717171",
            ),
            (password, "17171717171717171717", "17171717171717171718"),
            (Rule::After("z".into()), "2015-04-24", "2015-04-23"),
        ];
        for (rule, right, wrong) in cases {
            let with = |value| [("x", value), ("y", "Cornell_17"), ("z", "2015-04-23")];
            assert!(
                check(rule.clone(), &with(right)),
                "{rule:?} refuses {right}"
            );
            assert!(!check(rule.clone(), &with(wrong)), "{rule:?} takes {wrong}");
            assert!(!check(rule.clone(), &[]), "{rule:?} takes nothing");
        }
    }

    #[test]
    fn an_optional_parameter_may_be_absent_but_not_wrong() {
        let parameter = Parameter {
            name: "x".into(),
            rule: Rule::Number,
            optional: true,
        };
        assert_eq!(parameter.check(|_| None), Ok(()));
        assert!(parameter.check(|_| Some("nil")).is_err());
    }
}
