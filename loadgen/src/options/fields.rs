//! The header fields of all requests, from `-H` and the URL.

use super::error::{OptionsError, bad};
use super::trace_of;
use crate::cli::args::{Args, Trace};
use crate::content::Fields;
use crate::context::Context;
use crate::http2::CONNECTION_FIELDS;
use crate::target::Target;

/// What goes with every request: what was typed, and what the URL says where nothing else does.
pub(super) fn fields(args: &Args, target: &Target) -> Result<Fields, OptionsError> {
    let mut fields = Fields::of_url(target);
    for field in &args.headers {
        let (name, value) = field
            .split_once(':')
            .ok_or_else(|| bad("-H", field, "write `Name: value`"))?;
        let (name, value) = (name.trim(), value.trim());
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) || value.contains(['\r', '\n', '\0']) {
            return Err(bad(
                "-H",
                field,
                "a name has letters, digits and hyphens, a value no line breaks",
            ));
        }
        if name.eq_ignore_ascii_case("content-length")
            || name.eq_ignore_ascii_case("transfer-encoding")
        {
            return Err(bad("-H", field, "the length follows from the body"));
        }
        let once = ["host", "authorization"].contains(&name.to_ascii_lowercase().as_str());
        if once && fields.has(name) {
            return Err(bad("-H", field, "a request has this field once"));
        }
        if context_names(args.trace).any(|own| own.eq_ignore_ascii_case(name)) {
            return Err(bad("-H", field, "--trace writes this field"));
        }
        fields.fields.push((name.to_owned(), value.to_owned()));
    }
    if args.no_keepalive && !fields.has("connection") {
        fields
            .fields
            .push(("Connection".to_owned(), "close".to_owned()));
    }
    Ok(fields)
}

/// The field that carries the trace context, if one is injected.
fn context_names(trace: Trace) -> impl Iterator<Item = &'static str> {
    Context::new(trace_of(trace), 0)
        .map(|context| context.name())
        .into_iter()
}

/// Refuses what HTTP/2 has other means for. `TE: trailers` is its one exception (RFC 9113, section 8.2.2).
pub(super) fn check_for_http2(args: &Args) -> Result<(), OptionsError> {
    for field in &args.headers {
        let (name, value) = field.split_once(':').unwrap_or((field, ""));
        let name = name.trim().to_ascii_lowercase();
        let trailers = name == "te" && value.trim().eq_ignore_ascii_case("trailers");
        if CONNECTION_FIELDS.contains(&name.as_str()) && !trailers {
            return Err(bad(
                "-H",
                field,
                "HTTP/2 has no such field: leave it out, or leave out --http2",
            ));
        }
    }
    Ok(())
}
