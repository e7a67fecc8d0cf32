//! Whether the run's orchestrator is still there. It is heard of through the API server, so while that is gone nobody can
//! be heard of, and silence means less.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);
/// How long an API server may take to take a connection.
const CONNECT: Duration = Duration::from_millis(500);

/// Renewed whenever the orchestrator is heard of. Clones are the same lease.
#[derive(Clone, Debug, Default)]
pub(super) struct Lease(Arc<AtomicBool>);

impl Lease {
    /// The orchestrator was heard of.
    pub(super) fn renew(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Ends when nobody has been heard of for `lease` while the API server answered, or for `outage` in all.
    pub(super) async fn lapse(&self, lease: Duration, outage: Duration) {
        let mut silence = Silence::default();
        while !silence.is_longer_than(lease, outage) {
            tokio::time::sleep(LOOK).await;
            let heard = self.0.swap(false, Ordering::Relaxed);
            silence.pass(LOOK, heard, heard || api_answers().await);
        }
    }
}

/// Whether the API server takes connections, at the address that every pod is told. Where there is none, nothing speaks
/// against it.
async fn api_answers() -> bool {
    let address = |name| std::env::var(name).ok();
    let (Some(host), Some(port)) = (address("KUBERNETES_SERVICE_HOST"), address("KUBERNETES_SERVICE_PORT")) else {
        return true;
    };
    let port = port.parse().unwrap_or(443);
    tokio::time::timeout(CONNECT, TcpStream::connect((host.as_str(), port))).await.is_ok_and(|stream| stream.is_ok())
}

/// For how long nobody has been heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Silence {
    all: Duration,
    /// Of this, the time since the API server was last gone.
    answered: Duration,
}

impl Silence {
    fn pass(&mut self, time: Duration, heard: bool, answers: bool) {
        self.all = if heard { Duration::ZERO } else { self.all + time };
        // When the server is back, the orchestrator needs its time to come back, too.
        self.answered = if heard || !answers { Duration::ZERO } else { self.answered + time };
    }

    fn is_longer_than(&self, lease: Duration, outage: Duration) -> bool {
        self.answered >= lease || self.all >= outage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds until the lease of 15 s (60 s in an outage) lapses, of what each second brings: heard, answers.
    fn lapses_after(seconds: impl IntoIterator<Item = (bool, bool)>) -> Option<usize> {
        let mut silence = Silence::default();
        let (lease, outage) = (Duration::from_secs(15), Duration::from_secs(60));
        seconds.into_iter().position(|(heard, answers)| {
            silence.pass(LOOK, heard, answers);
            silence.is_longer_than(lease, outage)
        })
    }

    #[test]
    fn an_outage_is_no_death_and_a_death_is_noticed() {
        let (heard, silent, gone) = ((true, true), (false, true), (false, false));
        assert_eq!(lapses_after(vec![heard; 100]), None);
        assert_eq!(lapses_after(vec![silent; 100]), Some(14));
        // Away for 20 s, back, and heard of again 10 s later.
        let outage = [vec![heard; 3], vec![gone; 20], vec![silent; 10], vec![heard; 50]].concat();
        assert_eq!(lapses_after(outage), None);
        // Away for 20 s, and nobody comes back.
        assert_eq!(lapses_after([vec![gone; 20], vec![silent; 50]].concat()), Some(34));
        assert_eq!(lapses_after(vec![gone; 100]), Some(59));
    }
}
