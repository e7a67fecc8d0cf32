//! A store that speaks S3: moto's server, with the bucket `bucket`.

use crate::parts::Server;
use aefm_tests::parts::{Part, find};
use aefm_tests::ports;
use std::path::Path;
use std::process::{Command, Stdio};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The store; it ends with the test.
pub(crate) struct Moto {
    _server: Server,
    pub(crate) port: u16,
}

impl Moto {
    /// Starts one. It believes everybody until it is told otherwise.
    pub(crate) async fn start(dir: &Path) -> Option<Self> {
        let binary = find(Part::Moto)?;
        let port = ports::free();
        let log = std::fs::File::create(dir.join("moto.log")).unwrap();
        let arguments = ["-H", "127.0.0.1", "-p", &port.to_string()];
        let mut server = Server::start(
            Command::new(binary)
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(log),
        );
        server
            .ready(async || TcpStream::connect(("127.0.0.1", port)).await.is_ok())
            .await;
        let moto = Self {
            _server: server,
            port,
        };
        assert_eq!(moto.ask("PUT", "/bucket", "").await.0, 200);
        Some(moto)
    }

    /// Status and body of a request of ours. Nobody checks who we say we are, but somebody we must be to read.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let (port, length) = (self.port, body.len());
        // Rights are given by a service beside the store.
        let (service, kind) = if path == "/" {
            ("iam", "application/x-www-form-urlencoded")
        } else {
            ("s3", "text/plain")
        };
        // HTTP/1.0: the body ends with the connection.
        let request = format!(
            "{method} {path} HTTP/1.0\r\nhost: 127.0.0.1:{port}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/{service}/aws4_request, \
             SignedHeaders=host, Signature=0\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let head = answer
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
            .expect("an answer has a head");
        let status = std::str::from_utf8(&answer[..head])
            .unwrap()
            .split(' ')
            .nth(1)
            .expect("a status");
        (status.parse().unwrap(), answer.split_off(head + 4))
    }

    /// An object of the bucket; none where it has none.
    pub(crate) async fn object(&self, name: &str) -> Option<Vec<u8>> {
        let (status, body) = self.ask("GET", &format!("/bucket/{name}"), "").await;
        assert!(
            [200, 404].contains(&status),
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        (status == 200).then_some(body)
    }

    /// Names of all objects of the bucket.
    pub(crate) async fn names(&self) -> Vec<String> {
        let list = self.ask("GET", "/bucket?list-type=2", "").await.1;
        let list = String::from_utf8(list).unwrap();
        list.split("<Key>")
            .skip(1)
            .map(|rest| rest.split("</Key>").next().unwrap_or_default().to_owned())
            .collect()
    }

    /// The variables with which it is reached.
    pub(crate) fn variables(&self) -> [(String, String); 3] {
        variables(self.port, "key", "secret")
    }
}

/// The variables with which the store behind a port is reached.
pub(crate) fn variables(port: u16, key: &str, secret: &str) -> [(String, String); 3] {
    let endpoint = format!("http://127.0.0.1:{port}");
    [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", secret),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
}
