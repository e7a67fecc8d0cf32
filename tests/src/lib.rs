//! What tests of several packages share: the running of real processes, and looking at what they leave.

pub mod kube_api;
pub mod ports;
pub mod processes;
pub mod target;

/// Says that a test is left out for want of a real part. In CI, which installs them all, that fails.
///
/// # Panics
/// In CI.
pub fn left_out(reason: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "in CI nothing is left out: {reason}"
    );
    eprintln!("left out: {reason}");
}

/// Says that a test is left out for want of a cluster. In CI that fails, but where `.ci/run` could start none and says so
/// by `AEFM_NO_CLUSTER`.
///
/// # Panics
/// In CI, without that word.
pub fn no_cluster() {
    match std::env::var("AEFM_NO_CLUSTER") {
        Ok(reason) => eprintln!("left out: {reason}"),
        Err(_) => left_out(
            "no cluster is named (.ci/cluster makes one; set AEFM_KUBECONFIG and AEFM_IMAGE)",
        ),
    }
}
