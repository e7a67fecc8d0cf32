//! Limits of this process (`ulimit`), to be named when one of them is why something cannot be had.

use nix::sys::resource::{Resource, getrlimit};
use std::io;

/// An error, and the limits of this process that may be behind it.
#[must_use]
pub fn explained(error: &io::Error) -> String {
    let suspects: &[(Resource, &str)] = match error.raw_os_error() {
        Some(libc::ENOMEM) => &[
            (Resource::RLIMIT_AS, "address space, ulimit -v"),
            (Resource::RLIMIT_DATA, "data, ulimit -d"),
        ],
        Some(libc::EFBIG) => &[(Resource::RLIMIT_FSIZE, "size of a file, ulimit -f")],
        Some(libc::EAGAIN) => &[(Resource::RLIMIT_NPROC, "processes and threads, ulimit -u")],
        Some(libc::EMFILE) => &[(Resource::RLIMIT_NOFILE, "open files, ulimit -n")],
        _ => &[],
    };
    let set = suspects.iter().filter_map(|(resource, name)| {
        let (soft, _) = getrlimit(*resource).ok()?;
        (soft != libc::RLIM_INFINITY).then(|| format!("{name}: {soft}"))
    });
    let set: Vec<String> = set.collect();
    if set.is_empty() {
        error.to_string()
    } else {
        format!("{error} (this process has a limit: {})", set.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_no_limit_is_behind_stays_as_it_is() {
        let error = io::Error::from_raw_os_error(libc::ENOENT);
        assert_eq!(explained(&error), error.to_string());
    }

    #[test]
    fn a_limit_that_is_set_is_named() {
        // Every process has a limit of open files.
        let said = explained(&io::Error::from_raw_os_error(libc::EMFILE));
        assert!(said.contains("open files, ulimit -n: "), "{said}");
    }
}
