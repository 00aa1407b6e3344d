//! The HTTP client that subscribers and publishers speak with, and whom it trusts over TLS.

use reqwest::ClientBuilder;
use rustls_platform_verifier::BuilderVerifierExt;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::{self, ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// How long an idle connection is kept: less than a server keeps it, so that a request does not run
/// into a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no HTTP client.
#[derive(Debug)]
#[non_exhaustive]
pub enum HttpError {
    /// The file of the authority to trust cannot be read, or holds no certificate in PEM.
    Ca(PathBuf, pem::Error),
    /// This machine has no list of authorities to trust.
    NobodyToTrust(rustls::Error),
    /// The client itself cannot be set up.
    Client(reqwest::Error),
}

/// An HTTP client for URLs with this scheme. `ca`: a PEM file of the only authorities to trust; otherwise
/// those that this machine trusts.
pub(crate) fn builder(scheme: &str, ca: Option<&Path>) -> Result<ClientBuilder, HttpError> {
    let trusting = |roots: RootCertStore| tls().with_root_certificates(roots).with_no_client_auth();
    let tls = match ca {
        Some(ca) => trusting(roots(ca).map_err(|err| HttpError::Ca(ca.to_owned(), err))?),
        None => match trusting_as_this_machine() {
            Ok(tls) => tls,
            // Plain HTTP goes without, on the smallest of machines.
            Err(_) if scheme == "http" => trusting(RootCertStore::empty()),
            Err(err) => return Err(HttpError::NobodyToTrust(err)),
        },
    };
    // Given as a whole, since reqwest would otherwise look for a provider that is set for all of the process.
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).pool_idle_timeout(IDLE_TIMEOUT))
}

/// TLS by the list of this machine, which is read once in a process: a program of a thousand subscribers would
/// otherwise read and hold it a thousand times.
// The list is what costs. HTTP clients are not shared: the connections of one end with the runtime that it was first
// used in, and its headers are those of one subscriber.
fn trusting_as_this_machine() -> Result<ClientConfig, rustls::Error> {
    static TRUSTING: OnceLock<ClientConfig> = OnceLock::new();
    if let Some(tls) = TRUSTING.get() {
        return Ok(tls.clone());
    }
    // A machine without a list may get one later.
    let tls = tls().with_platform_verifier()?.with_no_client_auth();
    Ok(TRUSTING.get_or_init(|| tls).clone())
}

fn tls() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has suites for both versions")
}

fn roots(path: &Path) -> Result<RootCertStore, pem::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        // One that makes no sense is as good as absent; a server that needs it is then not trusted.
        roots.add_parsable_certificates([certificate?]);
    }
    if roots.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(roots) }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ca(path, pem::Error::Io(err)) => write!(f, "{} cannot be read: {err}", path.display()),
            Self::Ca(path, _) => write!(f, "{} holds no certificate of an authority in PEM", path.display()),
            Self::NobodyToTrust(err) => write!(f, "no authority is known to trust: {err}"),
            Self::Client(err) => write!(f, "an HTTP client cannot be set up: {err}"),
        }
    }
}

impl std::error::Error for HttpError {}
