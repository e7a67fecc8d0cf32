//! What a Secret holds is shown nowhere: not in a plan, not in an error, not in a log.

use super::cluster::ClusterError;
use base64::Engine;
use serde_json::Value;

/// In place of a value.
const NOT_SHOWN: &str = "(not shown)";
/// Shorter values would be found in any text.
const LEAST: usize = 3;
/// Whether an object is a Secret.
fn is_one(object: &Value) -> bool {
    object["kind"] == "Secret"
}

/// An error about an object, without what a Secret holds: a server repeats values that it does not like.
#[must_use]
pub fn hidden(error: ClusterError, object: &Value) -> ClusterError {
    match error {
        ClusterError::Refused {
            action,
            reason,
            code,
        } if is_one(object) => ClusterError::Refused {
            action,
            reason: redacted(&reason, object),
            code,
        },
        other => other,
    }
}

fn redacted(text: &str, object: &Value) -> String {
    let mut values = Vec::new();
    for part in ["data", "stringData"] {
        for value in object[part]
            .as_object()
            .into_iter()
            .flat_map(|map| map.values())
        {
            let written = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let packed = base64::engine::general_purpose::STANDARD.decode(&written);
            values.extend(packed.ok().and_then(|bytes| String::from_utf8(bytes).ok()));
            values.push(written);
        }
    }
    values.retain(|value| !value.is_empty() && text.contains(value.as_str()));
    if values.iter().any(|value| value.len() < LEAST) {
        return format!("the server's reason is {NOT_SHOWN}, since it may have a value in it");
    }
    // The longest first: one may be a part of another.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.iter().fold(text.to_owned(), |text, value| {
        text.replace(value.as_str(), NOT_SHOWN)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_do_not_repeat_a_value() {
        let secret = json!({ "kind": "Secret", "data": { "a": "aHVudGVyMg==" }, "stringData": { "b": 12345 } });
        let refused = |reason: &str| ClusterError::Refused {
            action: "apply Secret `s`".to_owned(),
            reason: reason.to_owned(),
            code: Some(422),
        };
        let said = |reason: &str, object: &Value| hidden(refused(reason), object).to_string();
        let reason = ".stringData.b: expected string, got 12345; hunter2, aHVudGVyMg==";
        let told = said(reason, &secret);
        for value in ["12345", "hunter2", "aHVudGVyMg"] {
            assert!(!told.contains(value), "{told}");
        }
        assert!(told.contains(".stringData.b: expected string"), "{told}");
        let short = json!({ "kind": "Secret", "stringData": { "b": 7 } });
        assert!(!said("expected string, got 7", &short).contains('7'));
        let map = json!({ "kind": "ConfigMap", "data": { "a": 12345 } });
        assert!(said(reason, &map).contains("12345"));
    }
}
