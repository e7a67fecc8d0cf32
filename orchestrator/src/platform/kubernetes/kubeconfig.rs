//! How a cluster is reached and who we are there, as kubectl has it: kubeconfigs, the account of a pod, proxies, files with
//! tokens, plugins that log in.

mod meant;

use super::cluster::{ClusterError, reason};
use super::proxy::Said;
use kube::client::{AuthError, ClientBuilder};
use kube::config::{ExecConfig, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use secrecy::ExposeSecret;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How old a token may be until its file is read again.
const FRESH: Duration = Duration::from_secs(60);
/// So much of what a plugin says is told.
const TOLD: usize = 300;

/// A client of the cluster of a kubeconfig's context, or of its current one, or that this process runs in; and the address.
///
/// # Errors
/// When there is none, or nobody can log in there.
pub(super) fn client(mut config: Config) -> Result<(Client, String), ClusterError> {
    let address = config.cluster_url.to_string();
    // We ask again by ourselves: with a bound, and for more than the client would.
    config.default_retry = false;
    if let Some(plugin) = &config.auth_info.exec {
        check(plugin)?;
    }
    // Where both are there kubectl takes the file's, which somebody renews.
    let file = config.auth_info.token_file.take();
    let beside = file.as_ref().and_then(|_| config.auth_info.token.take());
    let failed = |error: kube::Error| ClusterError::Reach(reason(&error));
    let builder = ClientBuilder::try_from(config).map_err(failed)?;
    let Some(file) = file else {
        return Ok((builder.build(), address));
    };
    let token = TokenFile::open(
        file.into(),
        beside.as_ref().map(ExposeSecret::expose_secret),
    )?;
    let layer = tower::util::MapRequestLayer::new(move |mut request: hyper::Request<_>| {
        if let Some(header) = token.header() {
            request
                .headers_mut()
                .insert(hyper::header::AUTHORIZATION, header);
        }
        request
    });
    Ok((builder.with_layer(&layer).build(), address))
}

/// What kubeconfigs, or the pod's account, say of the cluster.
///
/// # Errors
/// When they say nothing, or cannot be read.
pub(super) async fn config(context: Option<&str>) -> Result<Config, ClusterError> {
    let reach = |error: &dyn std::fmt::Display| ClusterError::Reach(error.to_string());
    let files = files();
    let mut there = files.iter().filter(|file| file.exists());
    let Some(first) = there.next() else {
        if context.is_none()
            && let Ok(mut config) = Config::incluster()
        {
            config.proxy_url = proxy(None, &config)?;
            return Ok(config);
        }
        let looked: Vec<_> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        return Err(ClusterError::Reach(format!(
            "there is no kubeconfig ({}), and this is no pod with an account; set KUBECONFIG",
            if looked.is_empty() {
                "no home folder".to_owned()
            } else {
                looked.join(", ")
            }
        )));
    };
    let read = |file: &Path| {
        Kubeconfig::read_from(file)
            .map_err(|error| ClusterError::Reach(format!("{}: {}", file.display(), chain(&error))))
    };
    let mut merged = read(first)?;
    for file in there {
        merged = merged.merge(read(file)?).map_err(|error| reach(&error))?;
    }
    let known: Vec<_> = merged
        .contexts
        .iter()
        .map(|context| context.name.clone())
        .collect();
    let wanted = context
        .map(str::to_owned)
        .or_else(|| merged.current_context.clone());
    meant::put_right(&mut merged, wanted.as_deref()).map_err(ClusterError::Reach)?;
    let cluster = merged
        .contexts
        .iter()
        .find(|one| Some(&one.name) == wanted.as_ref())
        .and_then(|one| one.context.as_ref())
        .map(|context| context.cluster.clone());
    let named = merged
        .clusters
        .iter()
        .find(|one| Some(&one.name) == cluster.as_ref());
    let own = named
        .and_then(|one| one.cluster.as_ref())
        .and_then(|cluster| cluster.proxy_url.clone());
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(merged, &options).await;
    let mut config = config.map_err(|error| {
        let contexts = match known.as_slice() {
            [] => "it has no contexts: `kubectl config view` shows what kubectl makes of it"
                .to_owned(),
            known => format!("the kubeconfig's contexts are {}", known.join(", ")),
        };
        reach(&format!("{}; {contexts}", chain(&error)))
    })?;
    config.proxy_url = proxy(own, &config)?;
    Ok(config)
}

fn proxy(own: Option<String>, config: &Config) -> Result<Option<hyper::Uri>, ClusterError> {
    Said::here(own)
        .to(&config.cluster_url)
        .map_err(|error| ClusterError::Reach(error.to_string()))
}

/// The kubeconfigs that there may be: those of `KUBECONFIG`, of which some may be missing, or the one at home.
fn files() -> Vec<PathBuf> {
    let set = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let listed: Vec<_> = std::env::split_paths(&set)
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    if listed.is_empty() {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        home.map(|home| Path::new(&home).join(".kube/config"))
            .into_iter()
            .collect()
    } else {
        listed
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let words = deeper.to_string();
        if !told.contains(&words) {
            told += &format!(": {words}");
        }
        cause = deeper.source();
    }
    told
}

/// A token in a file that somebody renews, without the white space around it.
#[derive(Clone)]
struct TokenFile {
    path: PathBuf,
    read: Arc<Mutex<(Instant, String)>>,
}

impl TokenFile {
    /// `beside`: the token that the kubeconfig has, too, for as long as the file gives none.
    fn open(path: PathBuf, beside: Option<&str>) -> Result<Self, ClusterError> {
        let failed = |why: &dyn std::fmt::Display| {
            ClusterError::Reach(format!("read the token in {}: {why}", path.display()))
        };
        let read = std::fs::read_to_string(&path);
        let text = match (read, beside) {
            (Ok(text), _) if bearer(&text).is_some() => text,
            (_, Some(beside)) => beside.to_owned(),
            (Ok(_), None) => return Err(failed(&"it is empty, or has more than one word in it")),
            (Err(error), None) => return Err(failed(&error)),
        };
        let read = Arc::new(Mutex::new((Instant::now(), text)));
        Ok(Self { path, read })
    }

    fn header(&self) -> Option<hyper::header::HeaderValue> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.0.elapsed() > FRESH {
            // One that cannot be read just now may still be good.
            if let Ok(text) = std::fs::read_to_string(&self.path)
                && bearer(&text).is_some()
            {
                *read = (Instant::now(), text);
            }
        }
        bearer(&read.1)
    }
}

fn bearer(text: &str) -> Option<hyper::header::HeaderValue> {
    let token = text.trim();
    let is_one = !token.is_empty() && !token.contains(char::is_whitespace);
    let mut header: hyper::header::HeaderValue = is_one
        .then(|| format!("Bearer {token}").parse().ok())
        .flatten()?;
    header.set_sensitive(true);
    Some(header)
}

/// Whether a plugin is there.
fn check(plugin: &ExecConfig) -> Result<(), ClusterError> {
    let Some(command) = &plugin.command else {
        return Ok(());
    };
    let is_there = if command.contains('/') {
        Path::new(command).is_file()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(command).is_file())
    };
    if is_there {
        return Ok(());
    }
    let hint = plugin
        .install_hint
        .as_ref()
        .map(|hint| format!("; {}", cut(hint)))
        .unwrap_or_default();
    Err(ClusterError::Reach(format!(
        "the kubeconfig logs in by the plugin `{command}`, which is not installed here{hint}"
    )))
}

/// What is told of a login that failed, wherever it stands among an error's causes.
pub(super) fn login(error: &kube::Error) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(deeper) = cause {
        if let Some(failed) = deeper.downcast_ref() {
            return told(failed);
        }
        cause = deeper.source();
    }
    None
}

/// A plugin's output is where tokens are: only the end of its errors is shown.
fn told(error: &AuthError) -> Option<String> {
    match error {
        AuthError::AuthExecRun { cmd, out } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = if said.trim().is_empty() {
                "it said nothing on standard error".to_owned()
            } else {
                end(said.trim())
            };
            let plugin = program(cmd);
            Some(format!(
                "the plugin `{plugin}`, by which the kubeconfig logs in, failed ({}): {said}",
                out.status
            ))
        }
        AuthError::AuthExecParse(_) => {
            Some("the plugin by which the kubeconfig logs in printed no ExecCredential".to_owned())
        }
        _ => None,
    }
}

/// The program of a command as it is shown: after the variables that it was given, in quotes.
fn program(command: &str) -> &str {
    let (mut is_quoted, mut is_escaped, mut begin) = (false, false, None);
    for (at, character) in command.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => {
                if let (true, Some(begin)) = (is_quoted, begin) {
                    return &command[begin..at];
                }
                // A variable's value stands behind its `=`.
                let is_word = command[..at]
                    .chars()
                    .next_back()
                    .is_none_or(|last| last == ' ');
                begin = (!is_quoted && is_word).then_some(at + 1);
                is_quoted = !is_quoted;
            }
            _ => {}
        }
    }
    "by which the kubeconfig logs in"
}

/// The end of a long text.
fn end(text: &str) -> String {
    let count = text.chars().count();
    if count <= TOLD {
        return text.to_owned();
    }
    let last: String = text.chars().skip(count - TOLD).collect();
    format!("...{last}")
}

fn cut(text: &str) -> String {
    let begin: String = text.trim().chars().take(TOLD).collect();
    if begin.len() < text.trim().len() {
        format!("{begin}...")
    } else {
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_token_is_one_word_whatever_stands_around_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        for (text, sent) in [
            ("abc\n", Some("Bearer abc")),
            ("  abc\r\n\n", Some("Bearer abc")),
            ("", None),
            ("a b", None),
        ] {
            std::fs::write(&path, text).unwrap();
            let opened = TokenFile::open(path.clone(), None);
            let header = opened.ok().and_then(|token| token.header());
            assert_eq!(
                header.as_ref().map(|it| it.to_str().unwrap()),
                sent,
                "{text:?}"
            );
        }
        // The file's comes before the one beside it, which serves where there is no file.
        std::fs::write(&path, "abc\n").unwrap();
        for (path, sent) in [
            (path, "Bearer abc"),
            (dir.path().join("none"), "Bearer old"),
        ] {
            let header = TokenFile::open(path, Some("old")).unwrap().header();
            assert_eq!(header.unwrap(), sent);
        }
        let missing = TokenFile::open(dir.path().join("none"), None)
            .err()
            .unwrap();
        assert!(missing.to_string().contains("none"), "{missing}");
    }

    #[test]
    fn a_plugin_that_is_missing_is_named_with_its_hint() {
        let plugin = |command: &str| -> ExecConfig {
            let written = json!({ "command": command, "installHint": "brew install it" });
            serde_json::from_value(written).unwrap()
        };
        assert_eq!(check(&plugin("sh")), Ok(()));
        for missing in ["no-such-plugin-of-ours", "/no/such/plugin"] {
            let said = check(&plugin(missing)).unwrap_err().to_string();
            assert!(
                said.contains(&format!("`{missing}`")) && said.contains("brew install it"),
                "{said}"
            );
        }
    }

    #[test]
    fn of_a_plugins_output_only_the_end_of_its_errors_is_told() {
        let out = std::process::Output {
            status: std::process::ExitStatus::from_raw(256),
            stdout: b"{\"token\": \"secret\"}".to_vec(),
            stderr: format!("{}the reason\n", "noise ".repeat(500)).into_bytes(),
        };
        let error = AuthError::AuthExecRun {
            cmd: r#"KUBERNETES_EXEC_INFO="{\"kind\": \"x\"}" "gke-plugin" "--token" "secret""#
                .to_owned(),
            out: Box::new(out),
        };
        let told = login(&kube::Error::Auth(error)).unwrap();
        assert!(
            told.ends_with("the reason") && told.contains("`gke-plugin`"),
            "{told}"
        );
        assert!(!told.contains("secret") && told.len() < 500, "{told}");
    }
}
