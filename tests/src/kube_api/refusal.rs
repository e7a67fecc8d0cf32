//! What the API answers instead of an object: a `Status` with a code, a reason and a sentence, in the server's words.

use super::resource::Resource;
use serde_json::{Value, json};

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self {
            code,
            reason,
            message,
            details: json!({}),
        }
    }

    fn about(code: u16, reason: &'static str, resource: &Resource, name: &str, what: &str) -> Self {
        let details = json!({ "name": name, "group": resource.group, "kind": resource.plural });
        let message = format!("{} \"{name}\" {what}", resource.qualified());
        Self {
            code,
            reason,
            message,
            details,
        }
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        Self::about(404, "NotFound", resource, name, "not found")
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource".to_owned(),
        )
    }

    pub(crate) fn exists(resource: &Resource, name: &str) -> Self {
        Self::about(409, "AlreadyExists", resource, name, "already exists")
    }

    /// Somebody wrote the object since it was read, or it is not the object that was meant.
    pub(crate) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let mut refusal = Self::about(409, "Conflict", resource, name, "");
        refusal.message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            resource.qualified()
        );
        refusal
    }

    /// Fields that others own (manager and path of each).
    pub(crate) fn owned_by_others(conflicts: &[(String, String)]) -> Self {
        let s = if conflicts.len() == 1 { "" } else { "s" };
        let owners: Vec<_> = conflicts
            .iter()
            .map(|(who, path)| format!("conflict with {who:?}: {path}"))
            .collect();
        let causes: Vec<_> = conflicts
            .iter()
            .map(|(who, path)| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {who:?}"), "field": path}))
            .collect();
        let message = format!(
            "Apply failed with {} conflict{s}: {}",
            conflicts.len(),
            owners.join(", ")
        );
        Self {
            details: json!({ "causes": causes }),
            ..Self::new(409, "Conflict", message)
        }
    }

    pub(crate) fn invalid(resource: &Resource, name: &str, why: &str) -> Self {
        let mut refusal = Self::about(422, "Invalid", resource, name, "");
        refusal.message = format!(
            "{}.{} \"{name}\" is invalid: {why}",
            resource.kind, resource.group
        );
        refusal
    }

    pub(crate) fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let mut refusal = Self::about(403, "Forbidden", resource, name, "");
        let of = if name.is_empty() {
            resource.qualified()
        } else {
            format!("{} \"{name}\"", resource.qualified())
        };
        refusal.message = format!("{of} is forbidden: {why}");
        refusal
    }

    pub(crate) fn bad_request(why: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", why.into())
    }

    /// The asked revision is older than what is kept.
    pub(crate) fn expired(why: impl Into<String>) -> Self {
        Self::new(410, "Expired", why.into())
    }

    pub(crate) fn too_many_requests() -> Self {
        let why = "the server has received too many requests and has asked us to try again later"
            .to_owned();
        Self {
            details: json!({ "retryAfterSeconds": 1 }),
            ..Self::new(429, "TooManyRequests", why)
        }
    }

    pub(crate) fn unavailable(why: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", why.into())
    }

    pub(crate) fn internal(why: impl Into<String>) -> Self {
        Self::new(500, "InternalError", why.into())
    }

    pub(crate) fn not_implemented(why: impl Into<String>) -> Self {
        Self::new(501, "NotImplemented", why.into())
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource".to_owned(),
        )
    }

    /// As it goes over the wire.
    pub(crate) fn status(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
            "reason": self.reason, "details": self.details, "code": self.code,
        })
    }
}
