//! Variables of the environment in values: `${NAME}`, `${NAME:-default}`; `$${` is a dollar sign and a brace.

use crate::experiment::fault::Faults;
use crate::experiment::node::{self, Located, Node};
use std::env::VarError;

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Literal(&'a str),
    Variable {
        name: &'a str,
        default: Option<&'a str>,
    },
}

/// Puts the variables' values into every text below `located`; true where there was anything to do. A text that is wholly
/// one variable is read as YAML, so that it may be a number or a list.
pub(super) fn expand(
    located: &mut Located,
    variable: &dyn Fn(&str) -> Result<String, VarError>,
    faults: &mut Faults,
) -> bool {
    match &mut located.node {
        Node::List(items) => items
            .iter_mut()
            .fold(false, |any, item| expand(item, variable, faults) | any),
        Node::Map(entries) => entries.iter_mut().fold(false, |any, (_, value)| {
            expand(value, variable, faults) | any
        }),
        Node::Text(text) if text.contains("${") => {
            match filled(text, variable) {
                Ok(node) => located.node = node,
                Err(reasons) => reasons
                    .into_iter()
                    .for_each(|reason| faults.add(located.place, reason)),
            }
            true
        }
        _ => false,
    }
}

fn filled(
    text: &str,
    variable: &dyn Fn(&str) -> Result<String, VarError>,
) -> Result<Node, Vec<String>> {
    let pieces = pieces(text).map_err(|reason| vec![reason])?;
    let is_whole = matches!(pieces.as_slice(), [Piece::Variable { .. }]);
    let (mut whole, mut wrong) = (String::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => whole += literal,
            Piece::Variable { name, default } => match value(name, default, variable) {
                Ok(value) => whole += &value,
                Err(reason) => wrong.push(reason),
            },
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    // What is no YAML, such as a text that begins with an at sign, is the text that it is.
    let read = node::parse(&whole).ok().filter(|_| is_whole);
    Ok(read.map_or(Node::Text(whole), |read| read.node))
}

/// As in a shell: the default counts where the variable is not set, or empty.
fn value(
    name: &str,
    default: Option<&str>,
    variable: &dyn Fn(&str) -> Result<String, VarError>,
) -> Result<String, String> {
    match (variable(name), default) {
        (Ok(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Ok(value), _) => Ok(value),
        (Err(VarError::NotPresent), Some(default)) => Ok(default.to_owned()),
        (Err(VarError::NotPresent), None) => Err(format!(
            "`${{{name}}}`: there is no such variable in the environment; set it, write a default (`${{{name}:-value}}`), or `$${{` for a dollar sign and a brace"
        )),
        (Err(VarError::NotUnicode(_)), _) => Err(format!(
            "`${{{name}}}`: the variable's value is no text in UTF-8"
        )),
    }
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            // The first of the two dollar signs goes; what is left stands for itself.
            pieces.push(Piece::Literal(&rest[..at - 1]));
            pieces.push(Piece::Literal("${"));
            rest = &rest[at + 2..];
            continue;
        }
        if at > 0 {
            pieces.push(Piece::Literal(&rest[..at]));
        }
        let inside = &rest[at + 2..];
        let end = inside.find('}').ok_or_else(|| {
            format!(
                "`{}` has no closing brace; write `$${{` for a dollar sign and a brace",
                &rest[at..]
            )
        })?;
        pieces.push(one(&inside[..end])?);
        rest = &inside[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    Ok(pieces)
}

fn one(inside: &str) -> Result<Piece<'_>, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name = name.starts_with(begins) && name.chars().all(|c| begins(c) || c.is_ascii_digit());
    if !is_name || default.is_some_and(|default| default.contains("${")) {
        return Err(format!(
            "`${{{inside}}}` names no variable of the environment, as `${{NAME}}` or `${{NAME:-default}}` do; write `$${{` for a dollar sign and a brace"
        ));
    }
    Ok(Piece::Variable { name, default })
}

/// A text that [`expand`] makes this one of.
pub(super) fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::fault::Place;
    use proptest::prelude::*;

    fn world(name: &str) -> Result<String, VarError> {
        match name {
            "RATE" => Ok("20".to_owned()),
            "RATES" => Ok("[20, 40]".to_owned()),
            "AT" => Ok("@home".to_owned()),
            "EMPTY" => Ok(String::new()),
            _ => Err(VarError::NotPresent),
        }
    }

    fn expanded(text: &str) -> Result<Node, String> {
        let place = Place { line: 1, column: 1 };
        let mut located = Located {
            node: Node::Text(text.to_owned()),
            place,
        };
        let mut faults = Faults::default();
        expand(&mut located, &world, &mut faults);
        let first = faults.sorted().into_iter().next();
        first.map_or(Ok(located.node), |fault| Err(fault.message))
    }

    fn text(text: &str) -> Result<Node, String> {
        Ok(Node::Text(text.to_owned()))
    }

    #[test]
    fn a_value_that_is_one_variable_has_its_type() {
        assert_eq!(expanded("${RATE}"), Ok(Node::Int(20)));
        assert_eq!(expanded("${NONE:-2.5}"), Ok(Node::Float(2.5)));
        assert!(matches!(expanded("${RATES}"), Ok(Node::List(items)) if items.len() == 2));
        assert_eq!(expanded("${AT}"), text("@home"));
        assert_eq!(expanded("${EMPTY}"), Ok(Node::Null));
    }

    #[test]
    fn in_a_longer_text_it_is_text_and_defaults_count_for_empty_ones() {
        assert_eq!(expanded("http://h:${RATE}/x"), text("http://h:20/x"));
        assert_eq!(expanded("${RATE}${RATE}"), text("2020"));
        assert_eq!(expanded("a${EMPTY:-b}c${NONE:-}"), text("abc"));
        assert_eq!(
            expanded("$MODULE_DEFAULT/x $5"),
            text("$MODULE_DEFAULT/x $5")
        );
    }

    #[test]
    fn two_dollar_signs_are_one_before_a_brace() {
        assert_eq!(expanded("$${RATE}"), text("${RATE}"));
        assert_eq!(expanded("$$${RATE}"), text("$${RATE}"));
        assert_eq!(expanded("$${${RATE}"), text("${20"));
    }

    #[test]
    fn what_is_wrong_says_how_to_write_it() {
        for (typed, wanted) in [
            ("${NONE}", "there is no such variable in the environment"),
            ("${RATE", "no closing brace"),
            ("${}", "names no variable"),
            ("${user.id}", "names no variable"),
            ("${A:-${B}}", "names no variable"),
        ] {
            let said = expanded(typed).expect_err(typed);
            assert!(said.contains(wanted) && said.contains("`$${`"), "{said}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_stays_what_it_is(any in "[a${}:-]{0,12}") {
            prop_assert_eq!(expanded(&escaped(&any)), text(&any));
        }
    }
}
