//! Whom we trust, and who we are, over TLS.

use super::HttpError;
use hyper_rustls::ConfigBuilderExt as _;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Certificates in PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Whom to trust in place of the web's.
    pub ca: Option<PathBuf>,
    /// Who we are: our certificate (with those that vouch for it), and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// How to speak TLS.
///
/// # Errors
/// A file cannot be read, or what is in it does not fit.
pub(crate) fn tls(certificates: &Certificates) -> Result<rustls::ClientConfig, HttpError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(Path::new(""), error.to_string()))?;
    let builder = match &certificates.ca {
        None => builder.with_webpki_roots(),
        Some(path) => builder.with_root_certificates(roots(path)?),
    };
    let Some((path, key)) = &certificates.client else {
        return Ok(builder.with_no_client_auth());
    };
    let own = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error.to_string()))?;
    builder
        .with_client_auth_cert(read(path)?, own)
        .map_err(|error| bad(path, format!("it does not fit {}: {error}", key.display())))
}

fn roots(path: &Path) -> Result<RootCertStore, HttpError> {
    let mut roots = RootCertStore::empty();
    for certificate in read(path)? {
        roots
            .add(certificate)
            .map_err(|error| bad(path, error.to_string()))?;
    }
    Ok(roots)
}

/// The certificates in a file; there is one at least.
fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| bad(path, error.to_string()))?;
    if certificates.is_empty() {
        return Err(bad(path, "there is no certificate in it".to_owned()));
    }
    Ok(certificates)
}

fn bad(path: &Path, reason: String) -> HttpError {
    HttpError::Certificates {
        path: path.to_owned(),
        reason,
    }
}
