//! What a script does wrong: in which file and hook, at which line.

use mlua::{Function, Lua};
use std::fmt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A place where a script's code is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// The script itself, from top to bottom.
    Load,
    /// `setup(thread)`.
    Setup,
    /// `init(args)`.
    Init,
    /// `request()`.
    Request,
    /// `response(status, headers, body)`.
    Response,
    /// `delay()`.
    Delay,
    /// `done(summary, latency, requests)`.
    Done,
}

impl Hook {
    /// The global function, if it is one.
    const fn function(self) -> Option<&'static str> {
        match self {
            Self::Load => None,
            Self::Setup => Some("setup"),
            Self::Init => Some("init"),
            Self::Request => Some("request"),
            Self::Response => Some("response"),
            Self::Delay => Some("delay"),
            Self::Done => Some("done"),
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.function() {
            None => f.write_str("outside any function"),
            Some(name) => write!(f, "in {name}()"),
        }
    }
}

/// Why a script cannot go on.
#[derive(Clone, Debug, Error)]
pub enum ScriptError {
    /// Its code failed.
    #[error("run the script {path} {hook}: {text}", path = .path.display())]
    Code {
        /// The file.
        path: PathBuf,
        /// Where it was called.
        hook: Hook,
        /// `file:line: message`.
        text: String,
    },
    /// What `request()` returned is no request.
    #[error("send what request() of the script {path} returned: {text}", path = .path.display())]
    Request {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        text: String,
    },
    /// No virtual machine.
    #[error("set up Lua for the script {path}: {text}", path = .path.display())]
    Machine {
        /// The file.
        path: PathBuf,
        /// Lua's words.
        text: String,
    },
}

impl ScriptError {
    pub(super) fn code(lua: &Lua, path: &Path, hook: Hook, error: &mlua::Error) -> Self {
        // Lua forgets who made a tail call; then the hook's own first line has to do.
        let function = hook
            .function()
            .and_then(|name| lua.globals().get::<Function>(name).ok());
        let first_line = function.and_then(|function| function.info().line_defined);
        Self::Code {
            path: path.to_owned(),
            hook,
            text: describe(path, error, first_line),
        }
    }

    pub(super) fn machine(path: &Path, error: &mlua::Error) -> Self {
        Self::Machine {
            path: path.to_owned(),
            text: describe(path, error, None),
        }
    }

    pub(super) fn request(path: &Path, text: impl Into<String>) -> Self {
        Self::Request {
            path: path.to_owned(),
            text: text.into(),
        }
    }
}

/// `file:line: message`. What fails in a function that the script calls names no line of the script: it is taken from
/// the traceback, or is the first one of the hook.
fn describe(path: &Path, error: &mlua::Error, first_line: Option<usize>) -> String {
    let text = whole(error);
    let (message, trace) = text.split_once("\nstack traceback:").unwrap_or((&text, ""));
    let message = message.trim();
    let file = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if let Some((line, rest)) = line_of(message, &file) {
        return format!("{file}:{line}:{rest}");
    }
    let line = trace
        .lines()
        .find_map(|line| line_of(line, &file))
        .map(|(line, _)| line.to_owned());
    match line.or_else(|| first_line.map(|line| line.to_string())) {
        Some(line) => format!("{file}:{line}: {message}"),
        None => message.to_owned(),
    }
}

/// The innermost message and all tracebacks.
fn whole(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { traceback, cause } => format!("{}\n{traceback}", whole(cause)),
        mlua::Error::RuntimeError(text) | mlua::Error::SyntaxError { message: text, .. } => {
            text.clone()
        }
        other => other.to_string(),
    }
}

/// The number in `file:NUMBER:`, and what follows.
fn line_of<'a>(text: &'a str, file: &str) -> Option<(&'a str, &'a str)> {
    let after = text.split_once(file)?.1.strip_prefix(':')?;
    let (number, rest) = after.split_once(':')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_within_a_called_function_names_the_scripts_line() {
        let trace = "stack traceback:\n\t[C]: in function 'format'\n\tdir/a.lua:7: in function <dir/a.lua:6>";
        let error = mlua::Error::RuntimeError(format!("wrk:3: no such thing\n{trace}"));
        let told = |error| describe(Path::new("/long/dir/a.lua"), error, Some(5));
        assert_eq!(told(&error), "a.lua:7: wrk:3: no such thing");
        let own = mlua::Error::RuntimeError(format!("dir/a.lua:9: oops\n{trace}"));
        assert_eq!(told(&own), "a.lua:9: oops");
        let tail_call = mlua::Error::RuntimeError("wrk:3: no such thing".to_owned());
        assert_eq!(told(&tail_call), "a.lua:5: wrk:3: no such thing");
    }
}
