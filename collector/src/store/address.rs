//! Places in object stores, as URLs: `s3://BUCKET/FOLDER`, `gs://BUCKET/FOLDER`, `az://CONTAINER/FOLDER`.

use object_store::path::Path as Key;
use std::fmt;

/// Not a place in a store; the message says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

/// A place in a store. It names no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub(super) kind: Kind,
    pub(super) bucket: String,
    pub(super) folder: Key,
}

/// Whose store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    S3,
    Google,
    Azure,
}

impl Kind {
    const ALL: [Self; 3] = [Self::S3, Self::Google, Self::Azure];

    const fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }

    /// How its addresses are written.
    const fn form(self) -> &'static str {
        match self {
            Self::S3 => "s3://BUCKET/FOLDER",
            Self::Google => "gs://BUCKET/FOLDER",
            Self::Azure => "az://CONTAINER/FOLDER",
        }
    }

    fn of(scheme: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| scheme.eq_ignore_ascii_case(kind.scheme()))
    }
}

/// Whether `text` is meant as a URL and not as a folder; a folder with such a name is written `./s3:...`.
#[must_use]
pub fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme && (rest.starts_with('/') || Kind::of(scheme).is_some())
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// It is none of a store, or would be another one than it looks like.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let wrong = |reason: String| Err(AddressError(reason));
        if url.contains('@') {
            // Not shown: it may be a secret.
            return wrong(
                "a store's URL names no user and no key: these come from the store's own variables, such as \
                 AWS_ACCESS_KEY_ID"
                    .to_owned(),
            );
        }
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        let Some(kind) = Kind::of(scheme) else {
            let forms = Kind::ALL.map(Kind::form).join(", ");
            return wrong(format!(
                "`{url}` is no place for a dataset: write a folder, or one of {forms}"
            ));
        };
        let form = kind.form();
        let Some(place) = rest.strip_prefix("//") else {
            return wrong(format!("`{url}` is not whole: write {form}"));
        };
        let place = place.trim_end_matches('/');
        let (bucket, folder) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return wrong(format!("`{url}` names no bucket: write {form}"));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !bucket.chars().all(is_plain)
            || !folder
                .chars()
                .all(|c| is_plain(c) || matches!(c, '/' | '=' | '+'))
        {
            return wrong(format!(
                "`{url}`: use letters, digits, `-`, `_` and `.` for buckets and folders"
            ));
        }
        match Key::parse(folder) {
            Ok(folder) => Ok(Self {
                kind,
                bucket: bucket.to_owned(),
                folder,
            }),
            Err(_) => wrong(format!("`{url}`: a folder is not empty, `.` or `..`")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            bucket,
            folder,
        } = self;
        write!(f, "{}://{bucket}", kind.scheme())?;
        if folder.as_ref().is_empty() {
            Ok(())
        } else {
            write!(f, "/{folder}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_address_is_read_as_it_was_shown(
            scheme in "s3|gs|az|S3",
            bucket in "[a-z0-9][a-z0-9._-]{0,20}",
            folders in prop::collection::vec("[A-Za-z0-9_=+-][A-Za-z0-9._=+-]{0,8}", 0..4),
            end in "/?",
        ) {
            let url = format!("{scheme}://{}{end}", [vec![bucket.clone()], folders.clone()].concat().join("/"));
            let address = Address::parse(&url).unwrap();
            prop_assert_eq!(&address.bucket, &bucket);
            prop_assert_eq!(address.folder.as_ref(), folders.join("/"));
            prop_assert!(is_url(&url));
            prop_assert_eq!(Address::parse(&address.to_string()).unwrap(), address);
        }

        #[test]
        fn nothing_leads_out_of_the_bucket(url in "(s3|gs|az)://[ -~]{0,30}") {
            if let Ok(address) = Address::parse(&url) {
                let shown = address.to_string();
                prop_assert!(url.to_string().trim_end_matches('/') == shown, "{url} is shown as {shown}");
                prop_assert!(!shown.contains(['?', '#', '@', '%', '\\', ' ']) && !shown.contains("/../"), "{shown}");
            }
        }
    }

    #[test]
    fn what_is_no_store_is_refused_with_a_way_out() {
        let error = |url: &str| Address::parse(url).unwrap_err().to_string();
        for (url, says) in [
            (
                "ftp://host/x",
                "write a folder, or one of s3://BUCKET/FOLDER, gs://BUCKET/FOLDER, az://CONTAINER/FOLDER",
            ),
            ("file:///data", "write a folder"),
            ("data", "write a folder"),
            ("s3:/x", "`s3:/x` is not whole: write s3://BUCKET/FOLDER"),
            ("s3:bucket", "write s3://BUCKET/FOLDER"),
            ("gs://", "names no bucket: write gs://BUCKET/FOLDER"),
            ("az:///x", "names no bucket"),
            ("s3://b/x/../y", "`.` or `..`"),
            ("s3://b/x//y", "not empty"),
            ("s3://b/x?versioning", "letters, digits"),
            ("s3://b:9000/x", "letters, digits"),
        ] {
            assert!(error(url).contains(says), "{url}: {}", error(url));
        }
        let told = error("s3://KEY:SECRET@bucket/x");
        assert!(
            told.contains("AWS_ACCESS_KEY_ID") && !told.contains("SECRET@"),
            "{told}"
        );
    }

    #[test]
    fn folders_are_no_urls() {
        for folder in [
            "data",
            "data/s3",
            "./s3:/x",
            "a b:/c",
            "runs:2026",
            "/data",
            "",
        ] {
            assert!(!is_url(folder), "{folder}");
        }
        for url in ["s3:/x", "s3:x", "ftp://x", "S3://x", "file:/x"] {
            assert!(is_url(url), "{url}");
        }
    }
}
