//! What to send, from `-m`, `-b`, `--body-file`, `-w`, `-s` and `--scenario`.

use super::values::read;
use super::{Args, OptionsError, bad};
use crate::cli::args::ScriptSeed;
use crate::content::{Content, Drawn, Fields};
use crate::lua::Script;
use crate::spec::workload;
use crate::target::Target;
use aefm_workloads::catalogue::names;
use aefm_workloads::mix::Request;
use aefm_workloads::scenario::Scenario;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
];

pub(super) fn content(
    args: &Args,
    target: &Target,
    fields: &Fields,
    seed: u64,
) -> Result<Content, OptionsError> {
    let prefix = || target.path.trim_end_matches('/').to_owned();
    // A script that the original comes with is a native workload here.
    let script = args.script.as_ref().and_then(|path| path.to_str());
    let of_the_original = script.filter(|script| script.starts_with(names::MODULE));
    if let Some(name) = args.workload.as_deref().or(of_the_original) {
        return Ok(Content::Workload(Drawn {
            workload: workload(name)?,
            seed,
            prefix: prefix(),
        }));
    }
    if let Some(path) = &args.scenario {
        return Ok(Content::Scenario {
            scenario: Arc::new(scenario(path)?),
            seed,
            prefix: prefix(),
        });
    }
    let body = match (&args.body, &args.body_file) {
        (Some(text), _) => typed_body(text)?,
        (None, Some(path)) => read(path)?,
        (None, None) => Vec::new(),
    };
    let method = method(args, &body)?;
    if let Some(path) = &args.script {
        let script = Script {
            url: target.shown(args.url.as_deref().unwrap_or_default()),
            args: args.url.iter().chain(&args.script_args).cloned().collect(),
            headers: fields.for_script(),
            method: method.to_owned(),
            body: Some(body).filter(|body| !body.is_empty()),
            seed: (args.script_seed == ScriptSeed::Seed).then_some(seed),
            prints_to_stderr: args.json || args.find_max.is_some(),
            ..Script::new(path, read(path)?, target)
        };
        return Ok(Content::Script(Arc::new(script)));
    }
    Ok(Content::Fixed(Request {
        method,
        target: target.path.clone(),
        headers: Vec::new(),
        body,
    }))
}

/// As curl and others have it, `@FILE` is the content of a file, and `@-` standard input's.
fn typed_body(text: &str) -> Result<Vec<u8>, OptionsError> {
    let Some(path) = text.strip_prefix('@') else {
        return Ok(text.as_bytes().to_vec());
    };
    let body = if path == "-" {
        let mut body = Vec::new();
        std::io::stdin().lock().read_to_end(&mut body).map(|_| body)
    } else {
        std::fs::read(path)
    };
    body.map_err(|error| OptionsError::Body {
        path: PathBuf::from(path),
        error,
    })
}

fn method(args: &Args, body: &[u8]) -> Result<&'static str, OptionsError> {
    match args.method.as_deref() {
        None if body.is_empty() => Ok("GET"),
        None => Ok("POST"),
        Some(typed) => METHODS
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(typed))
            .ok_or_else(|| {
                bad(
                    "-m",
                    typed,
                    "it is one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS and TRACE",
                )
            }),
    }
}

/// The scenario of a file. CSV files are named from its folder.
fn scenario(path: &Path) -> Result<Scenario, OptionsError> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let folder = path.parent().unwrap_or(Path::new(""));
    Scenario::from_yaml(&text, |name| {
        std::fs::read_to_string(folder.join(name)).map_err(|error| error.to_string())
    })
    .map_err(|error| OptionsError::Scenario {
        path: path.to_owned(),
        error: Box::new(error),
    })
}
