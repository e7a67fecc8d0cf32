//! Whether the run's orchestrator is still there. It is heard of through the API server and this node's kubelet: while one
//! of them is gone nobody can be heard of, and silence means less.

use futures_util::future::join_all;
use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto, pki_types::ServerName};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);
/// Where a kubelet listens for the API server.
const KUBELET_PORT: u16 = 10_250;
/// The variable that has the address of the pod's node.
pub const NODE_ADDRESS: &str = "AEFM_NODE_ADDRESS";
/// How long a server may take to return a greeting.
const ANSWER: Duration = Duration::from_secs(2);

/// Renewed whenever the orchestrator is heard of. Clones are the same lease.
#[derive(Clone, Debug, Default)]
pub(super) struct Lease(Arc<AtomicBool>);

impl Lease {
    /// The orchestrator was heard of.
    pub(super) fn renew(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Ends when nobody has been heard of for `lease` while all relays answered, or for `outage` in all.
    pub(super) async fn lapse(&self, lease: Duration, outage: Duration) {
        let (mut silence, mut relays) = (Silence::default(), Relay::all());
        one_is_gone(&mut relays).await;
        while !silence.is_longer_than(lease, outage) {
            let begun = Instant::now();
            tokio::time::sleep(LOOK).await;
            let heard = self.0.swap(false, Ordering::Relaxed);
            let answers = heard || !one_is_gone(&mut relays).await;
            silence.pass(begun.elapsed(), heard, answers);
        }
    }
}

/// What the orchestrator's words come through.
#[derive(Debug)]
struct Relay {
    host: String,
    port: u16,
    has_answered: bool,
}

impl Relay {
    /// Those at addresses that this pod was told.
    fn all() -> Vec<Self> {
        let told = |name: &str| std::env::var(name).ok();
        let api = told("KUBERNETES_SERVICE_HOST")
            .zip(told("KUBERNETES_SERVICE_PORT").and_then(|port| port.parse().ok()));
        let kubelet = told(NODE_ADDRESS).map(|host| (host, KUBELET_PORT));
        let relay = |(host, port)| Self {
            host,
            port,
            has_answered: false,
        };
        [api, kubelet].into_iter().flatten().map(relay).collect()
    }

    /// Whether it does not answer any more. One that never did is kept from us by the network, and says nothing.
    async fn is_gone(&mut self) -> bool {
        let answer = tokio::time::timeout(ANSWER, greet(&self.host, self.port)).await;
        let answers = answer.is_ok_and(|answer| answer.is_ok());
        self.has_answered |= answers;
        self.has_answered && !answers
    }
}

async fn one_is_gone(relays: &mut [Relay]) -> bool {
    join_all(relays.iter_mut().map(Relay::is_gone))
        .await
        .contains(&true)
}

/// Says hello as TLS clients do. One that hangs still takes connections: it has to say something, whatever that is.
async fn greet(host: &str, port: u16) -> io::Result<()> {
    let greeting = greeting().map_err(io::Error::other)?;
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.write_all(&greeting).await?;
    stream.read_u8().await.map(drop)
}

fn greeting() -> Result<Vec<u8>, rustls::Error> {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    // The answer is not read, so nobody has to be trusted.
    let config = builder
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from("kubernetes")
        .map_err(|_| rustls::Error::General("no server name".to_owned()))?;
    let mut greeting = Vec::new();
    ClientConnection::new(Arc::new(config), name)?
        .write_tls(&mut greeting)
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(greeting)
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
        self.all = if heard {
            Duration::ZERO
        } else {
            self.all + time
        };
        // When the server is back, the orchestrator needs its time to come back, too.
        self.answered = if heard || !answers {
            Duration::ZERO
        } else {
            self.answered + time
        };
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

    #[tokio::test]
    async fn a_server_that_takes_connections_and_says_nothing_does_not_answer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut relay = Relay {
            host: "127.0.0.1".to_owned(),
            port,
            has_answered: false,
        };
        let serve = async |said: &'static [u8]| {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 4096];
            assert!(stream.read(&mut hello).await.unwrap() > 3);
            stream.write_all(said).await.unwrap();
            [hello[0], hello[1], hello[2]]
        };
        let closes = tokio::join!(relay.is_gone(), serve(b"")).0;
        assert!(!closes && !relay.has_answered, "it never said anything");
        let (gone, hello) = tokio::join!(relay.is_gone(), serve(b"\x15"));
        assert!(!gone && relay.has_answered);
        assert_eq!(hello, [22, 3, 1], "a handshake record of TLS");
        // What stands before a server that is gone closes without a word.
        assert!(tokio::join!(relay.is_gone(), serve(b"")).0);
        // The kernel takes the connection, and nobody accepts it.
        assert!(relay.is_gone().await, "it hangs");
        drop(listener);
        assert!(relay.is_gone().await, "it refuses");
    }

    #[test]
    fn an_outage_is_no_death_and_a_death_is_noticed() {
        let (heard, silent, gone) = ((true, true), (false, true), (false, false));
        assert_eq!(lapses_after(vec![heard; 100]), None);
        assert_eq!(lapses_after(vec![silent; 100]), Some(14));
        // Away for 20 s, back, and heard of again 10 s later.
        let outage = [
            vec![heard; 3],
            vec![gone; 20],
            vec![silent; 10],
            vec![heard; 50],
        ]
        .concat();
        assert_eq!(lapses_after(outage), None);
        // Away for 20 s, and nobody comes back.
        assert_eq!(
            lapses_after([vec![gone; 20], vec![silent; 50]].concat()),
            Some(34)
        );
        assert_eq!(lapses_after(vec![gone; 100]), Some(59));
    }
}
