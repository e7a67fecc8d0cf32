//! How a source is reached: its URL, who we are to it, whom we trust. Secrets stay outside: the file only says where
//! they are.

use super::fault::Place;
use super::node::{Located, Node};
use super::section::{Section, text};
use aefm_collector::http::{Auth, Certificates, HttpOptions};
use serde::Serialize;
use std::path::PathBuf;

/// Who we are, and whom we trust.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Access {
    /// Who we are.
    pub login: Login,
    /// A PEM file of certificates to trust in place of the web's.
    pub ca: Option<PathBuf>,
    /// PEM files of our own certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// Nobody asks.
    #[default]
    None,
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// Where the password is.
        password: Secret,
    },
    /// A token.
    Bearer(Secret),
}

/// Where a secret is. It is read when the run begins and shown nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secret {
    /// In this environment variable.
    Env(String),
    /// In this file, without the white space around it.
    File(PathBuf),
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such variable.
    #[error("read a secret from the environment: {0} is not set")]
    Env(String),
    /// The file cannot be read.
    #[error("read a secret from {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Secret {
    fn read(&self) -> Result<String, SecretError> {
        match self {
            Self::Env(name) => std::env::var(name).map_err(|_| SecretError::Env(name.clone())),
            Self::File(path) => std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|source| SecretError::File {
                    path: path.clone(),
                    source,
                }),
        }
    }
}

impl Access {
    /// The options of a client with this access, its secrets read.
    ///
    /// # Errors
    /// A secret cannot be had.
    pub fn http(&self) -> Result<HttpOptions, SecretError> {
        let auth = match &self.login {
            Login::None => Auth::None,
            Login::Basic { user, password } => Auth::Basic(user.clone(), password.read()?),
            Login::Bearer(token) => Auth::Bearer(token.read()?),
        };
        Ok(HttpOptions {
            auth,
            certificates: Certificates {
                ca: self.ca.clone(),
                client: self.certificate.clone(),
            },
            ..HttpOptions::default()
        })
    }
}

/// Reads `basic`, `bearer`, `ca`, `cert` and `key` of a source.
pub(super) fn read(section: &Section<'_>) -> Access {
    let file = |key| {
        section.read(key, None, |node| {
            text(node).map(|path| Some(PathBuf::from(path)))
        })
    };
    let (ca, cert, key) = (file("ca"), file("cert"), file("key"));
    for (there, absent) in [("cert", "key"), ("key", "cert")] {
        if let (Some(located), None) = (section.get(there), section.get(absent)) {
            section.fault(
                located.place,
                format!("`{there}` needs `{absent}`: the files of our certificate and of its key"),
            );
        }
    }
    let bearer = section
        .get("bearer")
        .map(|located| (located, secret(located)));
    let basic = section.section("basic").and_then(|basic| {
        let user = basic.read("user", String::new(), text);
        let password = basic
            .get("password")
            .map(|located| (located.place, secret(located)));
        if user.is_empty() || password.is_none() {
            basic.fault(basic.place(), "`basic` needs `user` and `password`");
        }
        let password = password.and_then(|(place, password)| told(&basic, place, password));
        basic.finish();
        Some(Login::Basic {
            user,
            password: password?,
        })
    });
    if let (Some((located, _)), Some(_)) = (&bearer, &basic) {
        section.fault(located.place, "`basic` and `bearer` exclude each other");
    }
    let bearer = bearer
        .and_then(|(located, token)| told(section, located.place, token))
        .map(Login::Bearer);
    Access {
        login: basic.or(bearer).unwrap_or_default(),
        ca,
        certificate: cert.zip(key),
    }
}

fn told(
    section: &Section<'_>,
    place: Place,
    secret: Result<Secret, &'static str>,
) -> Option<Secret> {
    secret.map_err(|reason| section.fault(place, reason)).ok()
}

/// `{env: NAME}` or `{file: PATH}`. What is typed into the experiment file would be in every copy of the dataset.
fn secret(located: &Located) -> Result<Secret, &'static str> {
    const WANTED: &str = "a secret is not written here, since the dataset keeps this file: say where it is, {env: NAME} or {file: PATH}";
    let Node::Map(entries) = &located.node else {
        return Err(WANTED);
    };
    let [(key, value)] = entries.as_slice() else {
        return Err(WANTED);
    };
    let Node::Text(name) = &value.node else {
        return Err(WANTED);
    };
    match key.name.as_str() {
        "env" => Ok(Secret::Env(name.clone())),
        "file" => Ok(Secret::File(PathBuf::from(name))),
        _ => Err(WANTED),
    }
}

/// A URL that a source of ours can be asked by.
pub(super) fn url(node: &Node) -> Result<String, String> {
    let typed = text(node)?;
    let uri: hyper::Uri = typed
        .parse()
        .map_err(|error| format!("`{typed}` is no URL: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
        return Err(format!(
            "`{typed}` is no URL: write it whole, such as http://127.0.0.1:9090"
        ));
    }
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err(
            "a URL with a password in it would be in every copy of the dataset: use `basic`"
                .to_owned(),
        );
    }
    Ok(typed)
}
