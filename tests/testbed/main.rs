//! The emulated application as real processes: this executable starts itself again as each service.

mod application;
mod client;
mod faults;
mod init_data;
mod lifecycle;
mod process;
mod receiver;
mod tracing;

/// Not a test of its own: what the other tests start is this executable with the arguments of a service in its
/// environment, and here it becomes that service.
#[test]
fn service_process() {
    process::become_service();
}
