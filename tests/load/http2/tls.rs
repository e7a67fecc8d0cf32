//! HTTP/2 over TLS: both sides have to agree on it by ALPN.

use super::served::{Manner, Served};
use crate::harness::load;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

/// A server that offers these protocols.
fn offering(protocols: &[&[u8]]) -> Served {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let mut config = builder
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("it is sound");
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Served::start(Manner {
        tls: Some(Arc::new(config)),
        body_bytes: 100_000,
        ..Manner::default()
    })
}

fn https(server: &Served) -> String {
    format!("https://{}/", server.address)
}

#[test]
fn h2_is_agreed_on() {
    let server = offering(&[b"h2", b"http/1.1"]);
    let run = load("--http2 --insecure -c 2 --streams 4", &https(&server));
    run.all("ok");
    assert!(run.json["tls_us"]["max"].as_f64().unwrap() > 0.0);
    let requests = server.seen.requests.lock().unwrap();
    assert!(
        requests
            .iter()
            .all(|(parts, _)| parts.uri.scheme_str() == Some("https"))
    );
}

#[test]
fn bodies_go_through_tls() {
    let body = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(body.path(), vec![b'x'; 300_000]).unwrap();
    let server = offering(&[b"h2"]);
    let arguments = format!(
        "--http2 -k -R 40 --streams 4 --grace 3s --body-file {}",
        body.path().display()
    );
    let run = load(&arguments, &https(&server));
    assert_eq!((run.outcome("ok"), run.sum()), (40, 40), "{}", run.json);
    assert!(
        server
            .seen
            .requests
            .lock()
            .unwrap()
            .iter()
            .all(|(_, body_bytes)| *body_bytes == 300_000)
    );
}

#[test]
fn a_server_that_offers_only_http1_is_told() {
    let run = load("--http2 --insecure", &https(&offering(&[b"http/1.1"])));
    run.all("connect");
    run.fault("does not offer this version of HTTP by ALPN");
    assert!(run.stderr.contains("by ALPN"), "{}", run.stderr);
}

#[test]
fn a_server_that_knows_no_alpn_is_told() {
    let run = load("--http2 --insecure", &https(&offering(&[])));
    run.all("connect");
    run.fault("does not offer this version of HTTP by ALPN; without --http2");
}
