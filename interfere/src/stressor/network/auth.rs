//! Who may be served: a challenge that only a holder of the shared token can answer, and what is asked for with it.
//!
//! The server sends a nonce; the client answers with its request and HMAC-SHA-256(token, nonce, request). Nothing of the
//! token is ever on the wire, and an answer is good for one connection only.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};

const NONCE_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
/// Longest line on a control connection.
const LONGEST_LINE: usize = 4096;

/// The shared secret.
#[derive(Clone)]
pub(super) struct Token(Vec<u8>);

/// What a client asks for on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// Datagrams instead of this connection's bytes.
    pub(super) udp: bool,
    /// The server sends.
    pub(super) down: bool,
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    /// Where datagrams go.
    pub(super) udp_port: Option<u16>,
    /// Names the flow in every datagram.
    pub(super) flow: u64,
    /// Why not.
    pub(super) refused: Option<String>,
}

impl Token {
    pub(super) fn new(secret: &str) -> Self {
        Self(secret.as_bytes().to_vec())
    }

    /// A secret of this process alone.
    pub(super) fn random() -> io::Result<Self> {
        Ok(Self(random_bytes::<32>()?.to_vec()))
    }

    /// HMAC-SHA-256 (RFC 2104) over the parts, in their order.
    fn mac(&self, parts: &[&[u8]]) -> [u8; MAC_BYTES] {
        let mut key = [0_u8; 64];
        if self.0.len() > key.len() {
            key[..32].copy_from_slice(&Sha256::digest(&self.0));
        } else {
            key[..self.0.len()].copy_from_slice(&self.0);
        }
        let inner = parts.iter().fold(
            Sha256::new().chain_update(key.map(|byte| byte ^ 0x36)),
            Digest::chain_update,
        );
        let outer = Sha256::new()
            .chain_update(key.map(|byte| byte ^ 0x5c))
            .chain_update(inner.finalize());
        outer.finalize().into()
    }
}

/// Bytes from the kernel's generator.
pub(super) fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The server's side: what the client asks for, if it proves to hold the token.
pub(super) fn challenge(stream: &mut (impl Read + Write), token: &Token) -> io::Result<Request> {
    let nonce: [u8; NONCE_BYTES] = random_bytes()?;
    stream.write_all(&nonce)?;
    let mut mac = [0; MAC_BYTES];
    stream.read_exact(&mut mac)?;
    let line = read_line(stream)?;
    let expected = token.mac(&[&nonce, line.as_bytes()]);
    // In constant time: how much of a guess is right must not show.
    let difference = mac
        .iter()
        .zip(expected)
        .fold(0, |all, (given, right)| all | (given ^ right));
    if difference != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the token is wrong",
        ));
    }
    serde_json::from_str(&line).map_err(io::Error::from)
}

/// The client's side.
pub(super) fn respond(
    stream: &mut (impl Read + Write),
    token: &Token,
    request: Request,
) -> io::Result<()> {
    let mut nonce = [0; NONCE_BYTES];
    stream.read_exact(&mut nonce)?;
    let line = serde_json::to_string(&request)?;
    stream.write_all(&token.mac(&[&nonce, line.as_bytes()]))?;
    write_line(stream, &line)
}

/// Reads a line, byte by byte: what comes after it is not ours to buffer.
pub(super) fn read_line(stream: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LONGEST_LINE {
        stream.read_exact(&mut byte)?;
        if byte[0] == b'\n' {
            return String::from_utf8(line)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
        }
        line.push(byte[0]);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "a line is too long",
    ))
}

/// Writes a line at once.
pub(super) fn write_line(stream: &mut impl Write, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    const REQUEST: Request = Request {
        udp: false,
        down: true,
    };

    fn meet(client: &Token, server: &Token) -> io::Result<Request> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut near = TcpStream::connect(listener.local_addr()?)?;
        let (mut far, _) = listener.accept()?;
        let client = client.clone();
        let thread = std::thread::spawn(move || respond(&mut near, &client, REQUEST));
        let outcome = challenge(&mut far, server);
        thread.join().expect("the client's thread")?;
        outcome
    }

    #[test]
    fn only_who_holds_the_token_is_served() {
        let token = Token::new("a shared secret");
        assert_eq!(meet(&token, &token).unwrap(), REQUEST);
        let refused = meet(&Token::new("another secret"), &token).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }

    /// RFC 4231, test cases 2 and 6 (a key longer than a block).
    #[test]
    fn the_mac_is_hmac_sha_256() {
        let hex = |mac: [u8; 32]| {
            mac.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        assert_eq!(
            hex(Token::new("Jefe").mac(&[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(Token(vec![0xaa; 131])
                .mac(&[b"Test Using Larger Than Block-Size Key - Hash Key First"])),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
