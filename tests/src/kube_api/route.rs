//! From a request's line to what it asks: verb, resource, namespace, name, subresource, options.

use super::refusal::Refusal;
use super::resource::{self, Resource};
use hyper::Method;
use std::collections::BTreeMap;

/// What a request asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) verb: &'static str,
    /// Nothing for paths that are no resource of the table (discovery, reviews).
    pub(crate) resource: Option<&'static Resource>,
    /// "" for objects of the cluster, and for all namespaces.
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
    /// What follows the subresource (of a proxy: the path at its service).
    pub(crate) rest: String,
    pub(crate) query: BTreeMap<String, String>,
    /// The path's words, as they came.
    pub(crate) words: Vec<String>,
    /// Of parameters that may be repeated: all.
    pub(crate) repeated: Vec<(String, String)>,
}

impl Request {
    /// Reads method, path and query; `minor` is the server's version.
    pub(crate) fn read(
        method: &Method,
        path: &str,
        query: &str,
        minor: u32,
    ) -> Result<Self, Refusal> {
        let repeated: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let words: Vec<String> = path
            .split('/')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let query = repeated.iter().cloned().collect();
        let mut request = Self {
            query,
            words,
            repeated,
            ..Self::default()
        };
        let words: Vec<&str> = request.words.iter().map(String::as_str).collect();
        let (group, words) = match words.as_slice() {
            ["api", "v1", rest @ ..] => ("", rest.to_vec()),
            ["apis", group, version, rest @ ..]
                if resource::RESOURCES
                    .iter()
                    .any(|one| one.group == *group && one.version == *version) =>
            {
                (*group, rest.to_vec())
            }
            _ => return Ok(request),
        };
        let (namespace, words) = match words.as_slice() {
            // A namespace is an object, too.
            ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", words),
            ["namespaces", namespace, rest @ ..] => (*namespace, rest.to_vec()),
            _ => ("", words),
        };
        let Some(plural) = words.first() else {
            return Ok(request);
        };
        let found = resource::find(group, plural).filter(|resource| resource.since <= minor);
        let word = |at: usize| {
            words
                .get(at)
                .map(|word| (*word).to_owned())
                .unwrap_or_default()
        };
        (request.name, request.subresource, request.rest) = (
            word(1),
            word(2),
            words.get(3..).unwrap_or_default().join("/"),
        );
        request.namespace = namespace.to_owned();
        request.resource = Some(found.ok_or_else(Refusal::no_such_path)?);
        request.verb = request.verb_of(method)?;
        Ok(request)
    }

    fn verb_of(&self, method: &Method) -> Result<&'static str, Refusal> {
        let one = !self.name.is_empty();
        Ok(match *method {
            Method::GET if one => "get",
            Method::GET if self.flag("watch") => "watch",
            Method::GET => "list",
            Method::POST => "create",
            Method::PUT if one => "update",
            Method::PATCH if one => "patch",
            Method::DELETE if one => "delete",
            Method::DELETE => "deletecollection",
            _ => return Err(Refusal::method_not_allowed()),
        })
    }

    pub(crate) fn option(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        ["true", "1"].contains(&self.option(name))
    }

    /// As permissions have it: `pods/log`.
    pub(crate) fn named(&self) -> String {
        let plural = self.resource.map_or("", |resource| resource.plural);
        if self.subresource.is_empty() {
            plural.to_owned()
        } else {
            format!("{plural}/{}", self.subresource)
        }
    }

    /// As the list of requests has it: `patch deployments shop/frontend`.
    pub(crate) fn line(&self) -> String {
        let at = if self.namespace.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{}", self.namespace, self.name)
        };
        format!("{} {} {at}", self.verb, self.named())
            .trim_end()
            .to_owned()
    }
}
