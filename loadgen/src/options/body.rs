//! What to send, from `-m`, `-b`, `--body-file` and `-w`.

use super::{Args, OptionsError, bad, read};
use crate::content::Content;
use crate::spec::workload;
use crate::target::Target;
use aefm_workloads::mix::Request;

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

pub(super) fn content(args: &Args, target: &Target, seed: u64) -> Result<Content, OptionsError> {
    if let Some(name) = &args.workload {
        let prefix = target.path.trim_end_matches('/').to_owned();
        return Ok(Content::Workload { workload: workload(name)?, seed, prefix });
    }
    let body = match (&args.body, &args.body_file) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(path)) => read(path)?,
        (None, None) => Vec::new(),
    };
    let method = match args.method.as_deref() {
        None if body.is_empty() => "GET",
        None => "POST",
        Some(typed) => METHODS
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(typed))
            .ok_or_else(|| bad("-m", typed, "it is one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS and TRACE"))?,
    };
    Ok(Content::Fixed(Request { method, target: target.path.clone(), headers: Vec::new(), body }))
}
