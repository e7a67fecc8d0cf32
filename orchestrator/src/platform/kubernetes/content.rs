//! Files of front ends on this machine, to read and to edit: fetched from upstream by this machine's git at the commit
//! that the catalogue pins, which is a checksum of everything in it; and given to pods as a ConfigMap.

use crate::image::layer::append;
use aefm_workloads::catalogue::Content;
use aefm_workloads::catalogue::render::content::{TRACER, entry, tracer};
use base64::Engine;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A connection that stays below 1 kB/s for so long is given up.
const SLOW_S: u32 = 30;
/// What a ConfigMap takes, with some room for its name and labels.
const MAX_BYTES: usize = 1_000_000;

/// Why the files are not there.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// There is no git.
    #[error("start git, which fetches the files: {0}; install it, or fetch commit {commit} of {repository} elsewhere", commit = .1.commit, repository = .1.repository)]
    NoGit(#[source] io::Error, Box<Content>),
    /// It failed.
    #[error(
        "fetch {repository}: {said}; the pods need that host, too: try again from a machine that reaches it, or through a proxy (https_proxy)"
    )]
    Fetch {
        /// From where.
        repository: String,
        /// What git said.
        said: String,
    },
    /// It is another commit than was asked for.
    #[error("check what came from {repository}: it is commit {found}, and {wanted} was asked for")]
    Commit {
        /// From where.
        repository: String,
        /// What came.
        found: String,
        /// What was wanted.
        wanted: String,
    },
    /// A folder of the user's lacks something.
    #[error("use {folder} as `kubernetes.nginx_configs`: it has no {missing}; `aefm get-file nginx-configs` writes all that belongs there", folder = folder.display())]
    Lacking {
        /// The folder.
        folder: PathBuf,
        /// What it lacks.
        missing: String,
    },
    /// A folder of the user's holds too much.
    #[error("use {folder} as `kubernetes.nginx_configs`: it has {bytes} bytes when compressed, and a ConfigMap takes {MAX_BYTES}", folder = folder.display())]
    TooMuch {
        /// The folder.
        folder: PathBuf,
        /// How much it is.
        bytes: usize,
    },
    /// A file cannot be read or kept.
    #[error("keep what was fetched: {0}")]
    System(#[from] io::Error),
}

/// Fetches a front end's files; paths begin with the last part of where they belong, `lua-scripts/api/user.lua`.
///
/// # Errors
/// When they cannot be had, or are not what the catalogue pins.
pub fn fetch(content: &Content) -> Result<Vec<(PathBuf, Vec<u8>)>, ContentError> {
    let folder = Scratch::new()?;
    let Content {
        repository, commit, ..
    } = content;
    let git = |args: &[&str]| {
        run(&folder.0, args).map_err(|error| ContentError::NoGit(error, Box::new(content.clone())))
    };
    let done = |args: &[&str]| match git(args)? {
        Ok(printed) => Ok(printed),
        Err(said) => Err(ContentError::Fetch {
            repository: repository.clone(),
            said,
        }),
    };
    done(&["init", "-q"])?;
    done(&["fetch", "-q", "--depth", "1", repository, commit])?;
    let found = done(&["rev-parse", "FETCH_HEAD^{commit}"])?;
    if found != *commit {
        let (repository, wanted) = (repository.clone(), commit.clone());
        return Err(ContentError::Commit {
            repository,
            found,
            wanted,
        });
    }
    let mut files = Vec::new();
    for copy in &content.copies {
        done(&["checkout", "-q", "FETCH_HEAD", "--", &copy.from])?;
        gather(
            &folder.0.join(&copy.from),
            Path::new(entry(&copy.to)),
            &mut files,
        )?;
    }
    for (_, bytes) in files
        .iter_mut()
        .filter(|(path, _)| path == Path::new(TRACER))
    {
        *bytes = tracer(content).into_bytes();
    }
    files.sort();
    Ok(files)
}

/// The ConfigMap of a folder as [`fetch`] fills it, under that name.
///
/// # Errors
/// When something is missing there, cannot be read, or is more than a ConfigMap takes.
pub fn config_map(content: &Content, folder: &Path, name: &str) -> Result<Value, ContentError> {
    let mut archive = tar::Builder::new(GzBuilder::new().write(Vec::new(), Compression::best()));
    for name in content.copies.iter().map(|copy| entry(&copy.to)) {
        let mut files = Vec::new();
        match gather(&folder.join(name), Path::new(name), &mut files) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ContentError::Lacking {
                    folder: folder.to_owned(),
                    missing: name.to_owned(),
                });
            }
            other => other?,
        }
        files.sort();
        for (path, bytes) in files {
            append(
                &mut archive,
                &path.to_string_lossy(),
                tar::EntryType::Regular,
                0o644,
                &bytes,
            )?;
        }
    }
    let packed = archive.into_inner()?.finish()?;
    if packed.len() > MAX_BYTES {
        return Err(ContentError::TooMuch {
            folder: folder.to_owned(),
            bytes: packed.len(),
        });
    }
    let packed = base64::engine::general_purpose::STANDARD.encode(packed);
    Ok(
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name },
        "binaryData": { "content.tar.gz": packed } }),
    )
}

/// Runs git; what it printed, or what it said when it failed.
fn run(folder: &Path, args: &[&str]) -> io::Result<Result<String, String>> {
    let mut git = Command::new("git");
    git.current_dir(folder)
        .stdin(Stdio::null())
        .env("GIT_TERMINAL_PROMPT", "0");
    // Bytes as they are in the commit, and no waiting without end.
    for setting in [
        "core.autocrlf=false",
        "http.lowSpeedLimit=1000",
        &format!("http.lowSpeedTime={SLOW_S}"),
    ] {
        git.args(["-c", setting]);
    }
    let output = git.args(args).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    })
}

fn gather(from: &Path, name: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> io::Result<()> {
    if !from.is_dir() {
        files.push((name.to_owned(), std::fs::read(from)?));
        return Ok(());
    }
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        gather(&entry.path(), &name.join(entry.file_name()), files)?;
    }
    Ok(())
}

/// A folder that goes when this goes.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("aefm-{}", ulid::Ulid::generate()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder left in the system's own for such is the lesser trouble.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aefm_workloads::catalogue::Copy;
    use sha2::{Digest, Sha256};

    /// A repository of two commits; the first one's id.
    fn upstream(folder: &Path) -> String {
        let git = |args: &[&str]| {
            let author = ["-c", "user.name=t", "-c", "user.email=t@localhost"];
            run(folder, &[&author[..], args].concat())
                .expect("git is installed")
                .expect("git does it")
        };
        git(&["init", "-q"]);
        std::fs::create_dir_all(folder.join("web/lua/api")).unwrap();
        std::fs::write(folder.join("web/lua/api/user.lua"), "-- first\r\n").unwrap();
        std::fs::write(folder.join("web/nginx.conf"), "events {}\n").unwrap();
        std::fs::write(folder.join("web/tracer"), "{}\n").unwrap();
        git(&["add", "."]);
        git(&["commit", "-q", "-m", "first"]);
        let first = git(&["rev-parse", "HEAD"]);
        std::fs::write(folder.join("web/lua/api/user.lua"), "-- second\n").unwrap();
        git(&["commit", "-q", "-a", "-m", "second"]);
        first
    }

    fn content(repository: &str, commit: &str) -> Content {
        let copy = |from: &str, to: &str| Copy {
            from: from.into(),
            to: to.into(),
        };
        Content {
            image: "git".into(),
            repository: repository.into(),
            commit: commit.into(),
            trace_service: "web".into(),
            copies: vec![
                copy("web/lua", "/usr/lua-scripts"),
                copy("web/nginx.conf", "/usr/conf/nginx.conf"),
                copy("web/tracer", "/usr/jaeger-config.json"),
            ],
        }
    }

    #[test]
    fn the_pinned_commit_is_what_comes_to_the_byte() {
        let dir = tempfile::tempdir().unwrap();
        let first = upstream(dir.path());
        let wanted = content(&dir.path().display().to_string(), &first);
        let files = fetch(&wanted).unwrap();
        let tracer = tracer(&wanted);
        let texts = [
            (TRACER, tracer.as_str()),
            ("lua-scripts/api/user.lua", "-- first\r\n"),
            ("nginx.conf", "events {}\n"),
        ];
        assert_eq!(files, texts.map(|(path, text)| (path.into(), text.into())));
    }

    #[test]
    fn a_folder_becomes_a_config_map_that_unpacks_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let given = content("", "");
        let missing = config_map(&given, dir.path(), "files")
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("has no lua-scripts; `aefm get-file nginx-configs`"),
            "{missing}"
        );
        std::fs::create_dir(dir.path().join("lua-scripts")).unwrap();
        let texts = [
            ("lua-scripts/a.lua", "-- mine\n"),
            ("nginx.conf", "events {}\n"),
            (TRACER, "{}\n"),
        ];
        for (path, text) in texts {
            std::fs::write(dir.path().join(path), text).unwrap();
        }
        std::fs::write(dir.path().join("notes"), "not mounted").unwrap();
        let object = config_map(&given, dir.path(), "files").unwrap();
        assert_eq!(
            object,
            config_map(&given, dir.path(), "files").unwrap(),
            "equal bytes"
        );
        let packed = object["binaryData"]["content.tar.gz"].as_str().unwrap();
        let packed = base64::engine::general_purpose::STANDARD
            .decode(packed)
            .unwrap();
        let back = tempfile::tempdir().unwrap();
        tar::Archive::new(flate2::read::GzDecoder::new(&packed[..]))
            .unpack(back.path())
            .unwrap();
        for (path, text) in texts {
            assert_eq!(
                std::fs::read_to_string(back.path().join(path)).unwrap(),
                text
            );
        }
        assert!(!back.path().join("notes").exists());
        // Digests do not compress.
        let noise: Vec<u8> = (0..40_000_u32)
            .flat_map(|n| Sha256::digest(n.to_le_bytes()))
            .collect();
        std::fs::write(dir.path().join("nginx.conf"), noise).unwrap();
        let said = config_map(&given, dir.path(), "files")
            .unwrap_err()
            .to_string();
        assert!(said.contains("a ConfigMap takes 1000000"), "{said}");
    }

    #[test]
    fn what_cannot_be_had_is_told_with_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        upstream(dir.path());
        let here = dir.path().display().to_string();
        for (repository, commit) in [("/none/there", "0".repeat(40)), (&*here, "f".repeat(40))] {
            let said = fetch(&content(repository, &commit))
                .unwrap_err()
                .to_string();
            assert!(
                said.contains(&format!("fetch {repository}: ")) && said.contains("https_proxy"),
                "{said}"
            );
        }
    }
}
