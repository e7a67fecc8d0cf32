//! What this project relies on in a cluster. Each test runs on the double, and on a real API server where
//! `AEFM_KUBECONFIG` names one (`.ci/cluster start FOLDER` makes one), so that the double cannot drift from it.
//!
//! Containers run busybox: `/bin/busybox` (Debian: busybox-static) on the double; on a real cluster the image named by
//! `AEFM_KUBE_IMAGE`, which must be on its nodes and have `/bin/busybox`
//! (`.ci/cluster image FOLDER aefm.local/busybox:1 /bin/busybox`).

mod attaching;
mod contents;
mod failing;
mod faults;
mod ground;
mod owning;
mod pods;
mod runs;
#[path = "../e2e/session.rs"]
#[expect(dead_code, reason = "some of it is for runs on this machine")]
mod session;
mod watching;
mod workloads;
mod writing;
