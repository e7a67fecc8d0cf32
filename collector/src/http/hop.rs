//! Where a request goes: to its URL, and on to where it is sent from there.

use super::{HttpError, bare};
use hyper::header::{CONTENT_TYPE, LOCATION};
use hyper::http::response::Parts;
use hyper::{Method, Response, StatusCode, Uri};

/// Nobody well sends on more often than this.
const MOST: usize = 5;

/// One of the places that a request is sent to.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) uri: Uri,
    first: Uri,
    count: usize,
}

impl Hop {
    /// The URL that was asked for.
    pub(super) fn first(method: &Method, url: &str) -> Result<Self, HttpError> {
        let uri: Uri =
            url.parse()
                .map_err(|error: hyper::http::uri::InvalidUri| HttpError::Url {
                    url: bare(url),
                    reason: error.to_string(),
                })?;
        Ok(Self {
            method: method.clone(),
            first: uri.clone(),
            uri,
            count: 0,
        })
    }

    /// The URL without its query and without a password.
    pub(super) fn shown(&self) -> String {
        bare(&self.uri.to_string())
    }

    /// Who we are is told only where it was meant to be told: to the same host, and not in the clear where it was not.
    pub(super) fn is_trusted(&self) -> bool {
        let is_lowered =
            self.first.scheme_str() == Some("https") && self.uri.scheme_str() != Some("https");
        self.uri.host() == self.first.host() && !is_lowered
    }

    /// Where an answer sends the request on to; nowhere, where the answer is one.
    ///
    /// # Errors
    /// It is not followed there.
    pub(super) fn next<B>(&self, response: &Response<B>) -> Result<Option<Self>, HttpError> {
        let status = response.status();
        let is_moved = [301, 302, 303, 307, 308].contains(&status.as_u16());
        let Some(to) = response.headers().get(LOCATION).filter(|_| is_moved) else {
            return Ok(None);
        };
        let to = String::from_utf8_lossy(to.as_bytes()).into_owned();
        let refused = |reason: &str| HttpError::Redirect {
            url: self.shown(),
            status,
            to: bare(&to),
            reason: reason.to_owned(),
        };
        if self.count >= MOST {
            return Err(refused("it was sent on more often than is sensible"));
        }
        let keeps =
            status == StatusCode::TEMPORARY_REDIRECT || status == StatusCode::PERMANENT_REDIRECT;
        if self.method != Method::GET && !keeps {
            return Err(refused(
                "a question that is posted cannot be sent on: write that URL",
            ));
        }
        let uri = self.resolve(&to).ok_or_else(|| refused("that is no URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(refused("that is no place for HTTP"));
        }
        Ok(Some(Self {
            method: self.method.clone(),
            uri,
            first: self.first.clone(),
            count: self.count + 1,
        }))
    }

    /// A location as it is written: whole, without a scheme, or a path of the same host.
    fn resolve(&self, to: &str) -> Option<Uri> {
        let to = to.split('#').next().unwrap_or(to);
        if to.contains("://") {
            return to.parse().ok();
        }
        let scheme = self.uri.scheme_str()?;
        if let Some(rest) = to.strip_prefix("//") {
            return format!("{scheme}://{rest}").parse().ok();
        }
        let authority = self.uri.authority()?;
        let path = if to.starts_with('/') {
            to.to_owned()
        } else {
            let folder = self
                .uri
                .path()
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            format!("{folder}/{to}")
        };
        format!("{scheme}://{authority}{path}").parse().ok()
    }

    /// A page for people at the end of the way is a login, not an answer.
    ///
    /// # Errors
    /// It is one.
    pub(super) fn check_page(&self, parts: &Parts) -> Result<(), HttpError> {
        let kind = parts.headers.get(CONTENT_TYPE);
        let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if self.count == 0 || !is_page {
            return Ok(());
        }
        Err(HttpError::Redirect {
            url: bare(&self.first.to_string()),
            status: parts.status,
            to: self.shown(),
            reason:
                "there is a page for people, such as a login: `bearer` or `basic` say who we are"
                    .to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_on(
        method: &Method,
        from: &str,
        status: u16,
        to: &str,
    ) -> Result<Option<Hop>, HttpError> {
        let response = Response::builder()
            .status(status)
            .header(LOCATION, to)
            .body(())
            .unwrap();
        Hop::first(method, from).unwrap().next(&response)
    }

    #[test]
    fn a_way_is_followed_as_it_is_written() {
        for (to, uri) in [
            ("https://p/base/api?x=y#z", "https://p/base/api?x=y"),
            ("//q:1/x", "http://q:1/x"),
            ("/login?a", "http://p:9090/login?a"),
            ("other", "http://p:9090/api/other"),
        ] {
            let next = sent_on(&Method::GET, "http://p:9090/api/v1?q", 302, to)
                .unwrap()
                .unwrap();
            assert_eq!(next.uri.to_string(), uri);
        }
        assert!(
            sent_on(&Method::GET, "http://p/", 200, "/x")
                .unwrap()
                .is_none()
        );
        assert!(
            sent_on(&Method::GET, "http://p/", 304, "/x")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn what_is_not_followed_names_its_target() {
        let told = |method, to| {
            sent_on(&method, "http://p/api", 302, to)
                .unwrap_err()
                .to_string()
        };
        assert!(told(Method::POST, "https://p/api").contains("it is at https://p/api now"));
        assert!(told(Method::GET, "ftp://p/x").contains("ftp://p/x"));
        let next = sent_on(&Method::POST, "http://p/api", 307, "https://p/api")
            .unwrap()
            .unwrap();
        assert_eq!(next.method, Method::POST);
        let mut hop = Hop::first(&Method::GET, "http://p/").unwrap();
        let again = Response::builder()
            .status(301)
            .header(LOCATION, "/")
            .body(())
            .unwrap();
        let told = loop {
            match hop.next(&again) {
                Ok(next) => hop = next.unwrap(),
                Err(error) => break error.to_string(),
            }
        };
        assert!(told.contains("more often than is sensible"), "{told}");
    }

    #[test]
    fn who_we_are_is_told_to_the_same_host_only_and_never_in_the_clear_instead() {
        let trusted = |from: &str, to: &str| {
            sent_on(&Method::GET, from, 302, to)
                .unwrap()
                .unwrap()
                .is_trusted()
        };
        assert!(trusted("http://p/", "https://p/") && trusted("http://p:1/", "http://p:2/"));
        assert!(!trusted("https://p/", "http://p/") && !trusted("https://p/", "https://q/"));
    }
}
