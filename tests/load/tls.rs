//! TLS, unix sockets and IPv6: a healthy server behind each, and handshakes that fail at each step.

use crate::harness::{load, program, run, say};
use aefm_tests::target::{Target, answer};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::sync::Arc;
use tempfile::TempDir;

/// Certificates of a server on 127.0.0.1, and of a client that it may ask for.
struct Identity {
    dir: TempDir,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    fn of(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        Self {
            dir,
            chain: vec![made.cert.der().clone()],
            key,
        }
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// A server with this identity; with `client` it wants a certificate of that one's.
    fn serve(&self, client: Option<&Self>) -> Target {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(client.chain[0].clone()).unwrap();
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots),
                    provider,
                );
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let config = Arc::new(
            builder
                .with_single_cert(self.chain.clone(), self.key.clone_key())
                .unwrap(),
        );
        Target::start(move |wire| {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = StreamOwned::new(session, wire.stream());
            let (mut heads, mut piece) = (Vec::new(), [0; 4096]);
            while let Ok(count @ 1..) = tls.read(&mut piece) {
                heads.extend_from_slice(&piece[..count]);
                while let Some(at) = heads.windows(4).position(|four| four == b"\r\n\r\n") {
                    heads.drain(..at + 4);
                    if tls.write_all(answer(200, "secret").as_bytes()).is_err() {
                        return;
                    }
                }
            }
        })
    }
}

fn https(target: &Target) -> String {
    format!("https://{}/", target.address())
}

#[test]
fn https_is_all_ok() {
    let identity = Identity::of("127.0.0.1");
    let target = identity.serve(None);
    let run = load(
        &format!("--cacert {}", identity.file("ca.pem")),
        &https(&target),
    );
    run.all("ok");
    assert!(run.json["tls_us"]["max"].as_f64().unwrap() > 0.0);
    load("--insecure", &https(&target)).all("ok");
}

#[test]
fn a_certificate_nobody_vouches_for() {
    let target = Identity::of("127.0.0.1").serve(None);
    let other = Identity::of("127.0.0.1");
    let run = load(
        &format!("--cacert {}", other.file("ca.pem")),
        &https(&target),
    );
    run.all("connect");
    run.fault("agree on TLS");
}

#[test]
fn a_certificate_for_someone_else() {
    let identity = Identity::of("elsewhere.test");
    let target = identity.serve(None);
    let run = load(
        &format!("--cacert {}", identity.file("ca.pem")),
        &https(&target),
    );
    run.all("connect");
    load(
        &format!("--cacert {} --sni elsewhere.test", identity.file("ca.pem")),
        &https(&target),
    )
    .all("ok");
}

#[test]
fn a_client_certificate_is_shown_where_it_is_wanted() {
    let (server, client) = (Identity::of("127.0.0.1"), Identity::of("client.test"));
    let target = server.serve(Some(&client));
    let trust = format!("--cacert {}", server.file("ca.pem"));
    let shown = format!(
        "{trust} --cert {} --key {}",
        client.file("ca.pem"),
        client.file("key.pem")
    );
    load(&shown, &https(&target)).all("ok");
    let run = load(&trust, &https(&target));
    assert_eq!(run.outcome("ok"), 0, "{}", run.json);
}

#[test]
fn a_server_that_speaks_no_tls() {
    let run = load(
        "--insecure",
        &https(&Target::start(|wire| say(wire, answer(400, "speak up")))),
    );
    run.all("connect");
}

#[test]
fn a_server_that_closes_in_the_handshake() {
    load("--insecure", &https(&Target::start(|_| {}))).all("connect");
}

#[test]
fn a_handshake_that_never_ends() {
    let target = Target::start(aefm_tests::target::Wire::hang);
    let run = load("--insecure --connect-timeout 200ms", &https(&target));
    // Each try takes 200 ms: most requests could not be tried before the end.
    run.all("connect");
}

#[test]
fn files_that_hold_no_certificate() {
    let output = program("-R 10 -d 1s --cacert /dev/null https://127.0.0.1:1/")
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && err.contains("/dev/null"),
        "{err}"
    );
}

#[test]
fn ipv6_is_spoken() {
    let target = Target::bind("[::1]:0", |wire| {
        while wire.request().is_some_and(|_| wire.send(answer(200, ""))) {}
    });
    let run = load("-H Host:name.test", &target.url());
    run.all("ok");
    assert!(target.seen.heads()[0].contains("Host: name.test\r\n"));
}

#[test]
fn unix_sockets_are_spoken() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut piece = [0; 4096];
                while let Ok(1..) = stream.read(&mut piece) {
                    if stream.write_all(answer(200, "x").as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    let run = run(&mut program(&format!(
        "-R 100 -d 1s -c 2 -q --json unix:{}:/path",
        path.display()
    )));
    assert_eq!(
        (run.outcome("ok") + run.outcome("unfinished"), run.sum()),
        (100, 100),
        "{}",
        run.json
    );
}
