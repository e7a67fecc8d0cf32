//! A measuring target: an HTTP server on loopback that does to each connection what a test says, and remembers when
//! each request came.
//!
//! One thread a connection, blocking: a script reads like what the server does. Everything ends with the [`Target`].

mod tcp;
mod wire;

pub use tcp::{answer, gate, reset};
pub use wire::{Request, Wire};

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

/// What the server saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Connections accepted.
    pub connections: AtomicU64,
    /// When each request's head was complete.
    arrivals: Mutex<Vec<Instant>>,
    /// The heads, as far as they are kept.
    heads: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

/// Heads that are kept.
const HEADS_MAX: usize = 10_000;

impl Seen {
    fn request(&self, head: &str) {
        let now = Instant::now();
        self.arrivals
            .lock()
            .expect("no test panics with it")
            .push(now);
        let mut heads = self.heads.lock().expect("no test panics with it");
        if heads.len() < HEADS_MAX {
            heads.push(head.to_owned());
        }
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.arrivals.lock().expect("no test panics with it").len()
    }

    /// When each request came.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.arrivals
            .lock()
            .expect("no test panics with it")
            .clone()
    }

    /// Heads of the first requests.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no test panics with it").clone()
    }

    /// The target is being dropped.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// A running server.
#[derive(Debug)]
pub struct Target {
    address: SocketAddr,
    /// What it has seen.
    pub seen: Arc<Seen>,
    links: Arc<Mutex<Vec<Weak<TcpStream>>>>,
}

impl Target {
    /// Serves connections with `script`, which gets each as a [`Wire`]; the connection is closed when it returns.
    ///
    /// # Panics
    /// Loopback has no port left.
    pub fn start(script: impl Fn(&mut Wire) + Send + Sync + 'static) -> Self {
        Self::bind("127.0.0.1:0", script)
    }

    /// The same at an address of the caller's.
    ///
    /// # Panics
    /// The address cannot be bound.
    pub fn bind(address: &str, script: impl Fn(&mut Wire) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).expect("bind on loopback");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let seen = Arc::new(Seen::default());
        let links = Arc::new(Mutex::new(Vec::new()));
        let (own_seen, own_links, script) =
            (Arc::clone(&seen), Arc::clone(&links), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own_seen.stopped() {
                    return;
                }
                let Ok(stream) = stream else { continue };
                own_seen.connections.fetch_add(1, Ordering::Relaxed);
                let stream = Arc::new(stream);
                // By this, dropping the target ends a script that waits for input.
                if let Ok(mut links) = own_links.lock() {
                    links.retain(|link: &Weak<_>| link.strong_count() > 0);
                    links.push(Arc::downgrade(&stream));
                }
                let (seen, script) = (Arc::clone(&own_seen), Arc::clone(&script));
                std::thread::spawn(move || {
                    let mut wire = Wire::new(stream, seen);
                    script(&mut wire);
                    wire.close();
                });
            }
        });
        Self {
            address,
            seen,
            links,
        }
    }

    /// A well-behaved server: 200 with a small body.
    pub fn healthy() -> Self {
        Self::start(|wire| {
            while wire
                .request()
                .is_some_and(|_| wire.send(answer(200, "hello")))
            {}
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.seen.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
        for link in self
            .links
            .lock()
            .iter()
            .flat_map(|links| links.iter().filter_map(Weak::upgrade))
        {
            let _ = link.shutdown(std::net::Shutdown::Both);
        }
    }
}
