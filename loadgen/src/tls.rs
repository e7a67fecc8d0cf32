//! TLS by rustls over a non-blocking socket: what to trust and present, and the record layer's pump.

use crate::stamp::{Stamped, Stamps};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::Socket;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A PEM file that cannot be read or holds nothing of use.
    #[error("read {what} from {path}: {reason}")]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// No certificate authority at all.
    #[error(
        "find the system's certificate authorities: name them with --cacert FILE, or use --insecure"
    )]
    NoRoots,
    /// A name that certificates cannot be for.
    #[error("use `{0}` as the server's name in TLS")]
    Name(String),
    /// rustls refuses the combination.
    #[error("set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// What a user may say about TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificate authorities in PEM, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Certificate chain and key in PEM to present.
    pub client: Option<(PathBuf, PathBuf)>,
    /// The name to ask for and to check, instead of the URL's host.
    pub name: Option<String>,
    /// Take any certificate.
    pub insecure: bool,
}

/// TLS, ready to be used by connections.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// What rustls does.
    pub client: Arc<ClientConfig>,
    /// Whom it expects.
    pub name: ServerName<'static>,
}

/// Where systems keep their certificate authorities.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

impl TlsConfig {
    /// Reads the files that the options name. `host` is the URL's, `protocols` what ALPN offers.
    ///
    /// # Errors
    /// A file or name that cannot be used.
    pub fn new(options: &TlsOptions, host: &str, protocols: &[&[u8]]) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = if options.insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(anyone::Anyone(provider)))
        } else {
            builder.with_root_certificates(roots(options.ca.as_deref())?)
        };
        let mut client = match &options.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                builder.with_client_auth_cert(certificates(chain)?, private_key(key)?)?
            }
        };
        client.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let name = options
            .name
            .as_deref()
            .unwrap_or(host)
            .trim_matches(['[', ']']);
        let name =
            ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.to_owned()))?;
        Ok(Self {
            client: Arc::new(client),
            name,
        })
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers hand over errors or text as they have them"
)]
fn pem_error(what: &'static str, path: &Path, reason: impl ToString) -> TlsError {
    TlsError::Pem {
        what,
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = "certificates";
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| pem_error(what, path, error))?
        .collect();
    match found.map_err(|error| pem_error(what, path, error))? {
        none if none.is_empty() => Err(pem_error(what, path, "there is none in it")),
        some => Ok(some),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| pem_error("a private key", path, error))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let path = match ca {
        Some(path) => path,
        None => SYSTEM_ROOTS
            .iter()
            .map(Path::new)
            .find(|path| path.exists())
            .ok_or(TlsError::NoRoots)?,
    };
    let mut store = RootCertStore::empty();
    // Systems carry certificates that rustls does not take; the others do.
    let (added, _) = store.add_parsable_certificates(certificates(path)?);
    if added == 0 {
        return Err(pem_error(
            "certificates",
            path,
            "none of them can be an authority",
        ));
    }
    Ok(store)
}

/// What a server says that does not speak the version of HTTP that was asked for.
pub(crate) const NO_PROTOCOL: &str = "the server does not offer this version of HTTP by ALPN";

/// Reads from the socket that may bring no data before others get their turn.
const EMPTY_RECORDS_MAX: u32 = 16;

/// A TLS connection.
#[derive(Debug)]
pub(crate) struct Tls {
    socket: Socket,
    stamps: Stamps,
    session: ClientConnection,
}

impl Tls {
    pub(crate) fn new(socket: Socket, config: &TlsConfig) -> io::Result<Self> {
        let session = ClientConnection::new(Arc::clone(&config.client), config.name.clone())
            .map_err(io::Error::other)?;
        Ok(Self {
            stamps: Stamps::on(&socket),
            socket,
            session,
        })
    }

    /// What ALPN has agreed on.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.session.alpn_protocol()
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(crate) fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    pub(crate) const fn clogged_ns(&self) -> u64 {
        self.stamps.clogged_ns()
    }

    pub(crate) fn handshake(&mut self) -> io::Result<bool> {
        loop {
            self.flush()?;
            if !self.session.is_handshaking() {
                return Ok(true);
            }
            match self.pull() {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return if self.session.is_handshaking() {
                        Ok(false)
                    } else {
                        Ok(true)
                    };
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes records from the socket.
    fn pull(&mut self) -> io::Result<usize> {
        let count = self
            .session
            .read_tls(&mut Stamped(&self.socket, &mut self.stamps))?;
        if let Err(error) = self.session.process_new_packets() {
            // The alert says why; it is worth a try.
            let _ = self.session.write_tls(&mut self.socket);
            let offered =
                rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol);
            let known = (error == offered).then(|| format!("{NO_PROTOCOL} ({error})"));
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                known.unwrap_or_else(|| error.to_string()),
            ));
        }
        Ok(count)
    }

    /// Reads what is there. A peer that ends the connection without saying so in TLS is an unexpected end; one that sends
    /// records without data in them is an interruption, so that the caller may turn to others.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..EMPTY_RECORDS_MAX {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            self.pull()?;
            // Post-handshake messages may want an answer.
            self.flush()?;
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.session.writer().write(bytes)?;
        self.flush()?;
        // Its buffer is full, and the kernel took nothing of it.
        if count == 0 && !bytes.is_empty() {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(count)
        }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A verifier that takes any certificate: `--insecure`.
mod anyone {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};
    use std::sync::Arc;

    #[derive(Debug)]
    pub(super) struct Anyone(pub(super) Arc<CryptoProvider>);

    impl ServerCertVerifier for Anyone {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(
                message,
                certificate,
                signature,
                &self.0.signature_verification_algorithms,
            )
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(
                message,
                certificate,
                signature,
                &self.0.signature_verification_algorithms,
            )
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
