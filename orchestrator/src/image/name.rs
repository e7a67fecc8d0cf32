//! Names of images, `[HOST/]PATH[:TAG]`, as engines read them: a short name means one of Docker Hub's.

use std::fmt;
use std::str::FromStr;

/// A name that engines take, with a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    path: String,
    tag: String,
}

/// Why it is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no name of an image: write NAME:TAG in lower-case letters, digits, `.`, `_`, `-`, such as aefm:0.1.0 or registry.example.org/aefm:0.1.0"
)]
pub struct BadName(String);

impl FromStr for Name {
    type Err = BadName;

    fn from_str(typed: &str) -> Result<Self, BadName> {
        // A colon before a slash belongs to the host.
        let (path, tag) = match typed.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, tag),
            _ => (typed, "latest"),
        };
        let mut parts: Vec<&str> = path.split('/').collect();
        if parts.len() > 1 && is_host(parts[0]) {
            parts.remove(0);
        }
        if parts.iter().all(|part| is_part(part)) && is_tag(tag) {
            Ok(Self {
                path: path.to_owned(),
                tag: tag.to_owned(),
            })
        } else {
            Err(BadName(typed.to_owned()))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.tag)
    }
}

impl Name {
    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The whole name, under which a node looks for it.
    #[must_use]
    pub fn whole(&self) -> String {
        match self.path.split_once('/') {
            Some((host, _)) if is_host(host) => self.to_string(),
            Some(_) => format!("docker.io/{self}"),
            None => format!("docker.io/library/{self}"),
        }
    }
}

fn is_host(part: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
    (part.contains(['.', ':']) || part == "localhost") && part.chars().all(known)
}

fn is_part(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(plain)
        && part.ends_with(plain)
        && part.chars().all(|c| plain(c) || "._-".contains(c))
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.starts_with(word) && tag.len() <= 128 && tag.chars().all(|c| word(c) || ".-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_docker_hubs() {
        for (typed, shown, whole) in [
            ("aefm", "aefm:latest", "docker.io/library/aefm:latest"),
            ("me/aefm:1", "me/aefm:1", "docker.io/me/aefm:1"),
            ("localhost/aefm:1", "localhost/aefm:1", "localhost/aefm:1"),
            (
                "r.example.org:5000/a/b:x_Y",
                "r.example.org:5000/a/b:x_Y",
                "r.example.org:5000/a/b:x_Y",
            ),
            ("r:5000/a", "r:5000/a:latest", "r:5000/a:latest"),
        ] {
            let name: Name = typed.parse().unwrap();
            assert_eq!(
                (name.to_string().as_str(), name.whole().as_str()),
                (shown, whole)
            );
        }
    }

    #[test]
    fn what_engines_refuse_is_refused() {
        for bad in [
            "",
            ":1",
            "aefm:",
            "Aefm:1",
            "a//b",
            "/a",
            "a b",
            "a:-1",
            "-a",
            "a@sha256:00",
            "r.org/",
            "a:b:c",
        ] {
            assert_eq!(bad.parse::<Name>(), Err(BadName(bad.to_owned())), "{bad}");
        }
    }
}
