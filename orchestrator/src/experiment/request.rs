//! `request`: what is sent, written in the experiment file itself: one request, or a list of which each is drawn by its
//! weight. It becomes a scenario, so that whoever sends it needs to know nothing new.

use super::node::{Located, Node};
use super::section::{Section, text};
use aefm_workloads::load::Written;
use aefm_workloads::scenario::{Scenario, ScenarioError};
use serde_json::json;
use std::collections::BTreeMap;

/// Requests as the file has them.
pub(super) struct Requests {
    /// What the column `workload` says of them: `POST /buy`, or `requests` of several.
    pub(super) label: String,
    /// What the load generator is given.
    pub(super) written: Written,
}

/// Reads `request`, if it is there. Whatever it holds is sent as it stands: `$` has no meaning in it.
pub(super) fn read(top: &Section<'_>) -> Option<Requests> {
    let located = top.get("request")?;
    let requests: Vec<_> = match &located.node {
        Node::List(items) if items.is_empty() => {
            top.fault(located.place, "`request` is an empty list: nothing is sent");
            return None;
        }
        Node::List(items) => items.iter().map(|item| one(top, item, true)).collect(),
        _ => vec![one(top, located, false)],
    };
    let label = match requests.as_slice() {
        [only] => only.as_ref()?.label.clone(),
        _ => "requests".to_owned(),
    };
    let sessions: Option<Vec<_>> = requests.into_iter().map(|one| Some(one?.session)).collect();
    let text = json!({ "name": "request", "sessions": sessions? }).to_string();
    let written = Written::Scenario {
        name: "request".to_owned(),
        text,
        files: BTreeMap::new(),
    };
    Some(Requests { label, written })
}

struct One {
    label: String,
    session: serde_json::Value,
}

fn one(top: &Section<'_>, located: &Located, in_list: bool) -> Option<One> {
    let section = top.below("request", located);
    let method = section.read("method", "GET".to_owned(), |node| {
        text(node).map(|method| method.to_uppercase())
    });
    let path = section.read("path", "/".to_owned(), text);
    let body = section.read("body", String::new(), body);
    let mut weight = 1.0;
    if in_list {
        weight = section.read("weight", weight, super::section::number);
    }
    let mut headers = BTreeMap::new();
    if let Some(fields) = section.section("headers") {
        for (key, value) in fields.entries() {
            match scalar(&value.node) {
                Ok(text) => _ = headers.insert(key.name.clone(), literal(&text)),
                Err(reason) => {
                    fields.fault(value.place, format!("`headers.{}`: {reason}", key.name));
                }
            }
        }
    }
    section.finish();
    let label = format!("{method} {path}");
    let session = json!({ "name": label, "weight": weight, "requests": [
        { "method": method, "path": literal(&path), "headers": headers, "body": literal(&body) },
    ] });
    // A scenario's reader knows what can be sent; its places are those of a text that nobody wrote.
    let alone = json!({ "name": "request", "sessions": [session] }).to_string();
    match Scenario::from_yaml(&alone, |file| Err(format!("there is no {file}"))) {
        Ok(_) => Some(One { label, session }),
        // A weight of 0 is wrong only where it stands alone.
        Err(ScenarioError::Faults(faults)) if weight > 0.0 => {
            for fault in faults {
                top.fault(located.place, format!("`request`: {}", fault.reason));
            }
            None
        }
        Err(ScenarioError::Faults(_)) => {
            top.fault(located.place, "`request.weight` is a number above 0");
            None
        }
        Err(error @ ScenarioError::Syntax(_)) => {
            top.fault(located.place, format!("`request`: {error}"));
            None
        }
    }
}

/// In a scenario's text a dollar sign begins a value, and two are one.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// A body is sent as it is written, so that it has to be one text.
fn body(node: &Node) -> Result<String, String> {
    match node {
        Node::Map(_) | Node::List(_) => Err(
            "a body is a text, sent as it stands: put it in quotes, such as '{\"a\": 1}'"
                .to_owned(),
        ),
        other => scalar(other),
    }
}

/// What a person types without quotes where a text is meant.
fn scalar(node: &Node) -> Result<String, String> {
    match node {
        Node::Null => Ok(String::new()),
        Node::Bool(value) => Ok(value.to_string()),
        Node::Int(value) => Ok(value.to_string()),
        Node::Float(value) => Ok(value.to_string()),
        Node::Text(text) => Ok(text.clone()),
        other => Err(format!("a text is wanted, not {other}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::experiment::Experiment;
    use crate::experiment::fault::Fault;
    use aefm_workloads::load::Written;
    use aefm_workloads::mix::Request;
    use aefm_workloads::scenario::Scenario;

    const SHOP: &str =
        "app: my-shop\napplication: {url: \"http://127.0.0.1:1\"}\naxes: {rate: [1]}\n";

    fn read(text: &str) -> Result<Experiment, Vec<String>> {
        Experiment::read(&format!("{SHOP}{text}"), &|_| false)
            .map_err(|faults| faults.sorted().iter().map(Fault::to_string).collect())
    }

    /// What is sent for sessions 0 to 63.
    fn sent(experiment: &Experiment) -> Vec<Request> {
        let Some(Written::Scenario { text, .. }) = &experiment.written else {
            panic!("{:?}", experiment.written)
        };
        let scenario = Scenario::from_yaml(text, |_| Err(String::new())).expect("it was checked");
        let one = |number| {
            let mut request = Request::default();
            assert!(scenario.start(7, number).next(&scenario, &mut request));
            request
        };
        (0..64).map(one).collect()
    }

    #[test]
    fn one_request_is_sent_as_it_is_written() {
        let text = "request: {method: post, path: /buy?q=$1, headers: {X-Shop: blue, X-N: 5}, body: '{\"a\": \"${b}\"}'}";
        let experiment = read(text).expect("valid");
        assert_eq!(
            (experiment.app.as_str(), experiment.workload.as_str()),
            ("my-shop", "POST /buy?q=$1")
        );
        let request = &sent(&experiment)[0];
        assert_eq!(
            (request.method, request.target.as_str()),
            ("POST", "/buy?q=$1")
        );
        assert_eq!(request.body, b"{\"a\": \"${b}\"}");
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_ref()))
            .collect();
        assert_eq!(headers, [("X-N", "5"), ("X-Shop", "blue")]);
    }

    #[test]
    fn several_are_drawn_by_weight() {
        let experiment = read("request: [{path: /a, weight: 3}, {path: /b}]").expect("valid");
        assert_eq!(experiment.workload, "requests");
        let requests = sent(&experiment);
        let a = requests
            .iter()
            .filter(|request| request.target == "/a")
            .count();
        assert!((35..=60).contains(&a) && requests.len() == 64, "{a} of 64");
    }

    #[test]
    fn nothing_named_is_a_get_of_the_url() {
        let experiment = read("").expect("valid");
        assert_eq!(
            (experiment.workload.as_str(), &experiment.written),
            ("GET /", &None)
        );
        assert_eq!(experiment.native_workload(), None);
    }

    #[test]
    fn what_cannot_be_sent_is_said() {
        let fault = |text: &str| read(text).expect_err("it has a fault").join("\n");
        assert!(fault("request: {method: FETCH}").contains("`FETCH` is not a method"));
        assert!(fault("request: {path: buy}").contains("4:10: `request`: a path begins with `/`"));
        assert!(fault("request: {pth: /buy}").contains("did you mean `path`"));
        assert!(fault("request: {body: {a: 1}}").contains("put it in quotes"));
        assert!(fault("request: []").contains("nothing is sent"));
        assert!(fault("request: [{path: /a, weight: -1}]").contains("above 0"));
        assert!(fault("request: {path: /a, weight: 2}").contains("unknown key `weight`"));
        assert!(fault("request: {headers: {\"a b\": c}}").contains("not a header's name"));
        assert!(fault("request: {path: /a}\nworkload: scenario:x.yaml").contains("one of them"));
    }
}
