//! TLS: a certificate that can be renewed while connections are open.
//!
//! rustls does the work. This owns the two files and what was last read from them; when to look at them
//! again is the caller's business.

use parking_lot::{Mutex, RwLock};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, CertificateError, Error, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

/// A certificate is spoken of before it ends, while there is time to renew it.
const ENDS_SOON: Duration = Duration::from_secs(14 * 24 * 3_600);

/// The protocols that a client can choose from, the best first.
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// A certificate and its key, read from two PEM files, for [`serve_tls`](crate::serve_tls).
///
/// All clones are one: what [`reload`](Self::reload) brings is used for every connection that comes from
/// then on, and those that are open go on undisturbed. TLS 1.3 and 1.2 are spoken, HTTP/2 and HTTP/1.1
/// offered.
#[derive(Clone)]
pub struct Tls {
    files: Arc<Files>,
    acceptor: TlsAcceptor,
}

/// Why a certificate cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A file holds no certificate, or no private key, in PEM.
    NotPem(PathBuf, &'static str),
    /// The key is not the one that the certificate was made for.
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The certificate has expired; when, in seconds since 1970, where that is known.
    Expired(PathBuf, Option<u64>),
    /// The certificate is for a time to come.
    NotYetValid(PathBuf),
    /// Anything else that is wrong with the certificate or the key.
    Unusable(PathBuf, rustls::Error),
}

impl Tls {
    /// Reads a certificate, with the intermediate ones behind it, and its private key.
    ///
    /// # Errors
    /// A file cannot be read or holds something else, the two do not belong together, or the certificate
    /// is not valid at this time.
    pub fn read(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let (cert, key) = (cert.into(), key.into());
        let seen = fingerprint(&cert, &key);
        let current = Arc::new(Current(RwLock::new(read(&cert, &key)?)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        // A fleet that comes back at once resumes its sessions without a signature for each, and without a
        // store of sessions here. Without it everything works, only slower.
        if let Ok(ticketer) = ring::Ticketer::new() {
            config.ticketer = ticketer;
        }
        let files = Files { cert, key, current, seen: Mutex::new(seen) };
        Ok(Self { files: Arc::new(files), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Reads both files again.
    ///
    /// # Errors
    /// As [`read`](Self::read); what was there before stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Files { cert, key, current, seen } = &*self.files;
        *seen.lock() = fingerprint(cert, key);
        *current.0.write() = read(cert, key)?;
        Ok(())
    }

    /// Reads both files again, and tells the log how that went.
    pub(crate) fn reload_and_tell(&self) {
        match self.reload() {
            Ok(()) => tracing::info!("the certificate was read again"),
            Err(err) => tracing::warn!(%err, "the certificate stays the one before"),
        }
    }

    /// Looks at the files every `interval` and reads them when what is in them has changed. What is wrong
    /// with them is told to the log, once. Never returns: drop it to stop it.
    pub async fn reload_when_changed(&self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            let tls = self.clone();
            let looked = tokio::task::spawn_blocking(move || {
                // By what is in them, not by their times: a secret of Kubernetes changes behind a link, and
                // two small files a minute cost nothing.
                if fingerprint(&tls.files.cert, &tls.files.key) != *tls.files.seen.lock() {
                    tls.reload_and_tell();
                }
            });
            if let Err(err) = looked.await {
                tracing::error!(%err, "looking at the certificate failed");
            }
        }
    }

    /// The handshake. Whether the client chose HTTP/2 is then known.
    pub(super) async fn accept(&self, socket: TcpStream) -> io::Result<(TlsStream<TcpStream>, bool)> {
        let stream = self.acceptor.accept(socket).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP_2);
        Ok((stream, is_http2))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("cert", &self.files.cert).field("key", &self.files.key).finish_non_exhaustive()
    }
}

struct Files {
    cert: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
    /// What was in the files when they were last read, whether or not it could be used.
    seen: Mutex<u64>,
}

/// The certificate that the next connection gets.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

fn read(cert: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    const CERTIFICATE: &str = "certificate";
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|err| not_pem(cert, CERTIFICATE, err))?;
    let first = chain.first().ok_or_else(|| TlsError::NotPem(cert.to_owned(), CERTIFICATE))?.clone();
    let private = PrivateKeyDer::from_pem_file(key).map_err(|err| not_pem(key, "private key", err))?;

    let provider = ring::default_provider();
    let certified = CertifiedKey::from_der(chain, private, &provider).map_err(|err| match err {
        Error::InconsistentKeys(_) => TlsError::Mismatch { cert: cert.to_owned(), key: key.to_owned() },
        Error::InvalidCertificate(_) => TlsError::Unusable(cert.to_owned(), err),
        err => TlsError::Unusable(key.to_owned(), err),
    })?;
    check_time(&first, cert, UnixTime::now(), &provider)?;
    let soon = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + ENDS_SOON);
    if check_time(&first, cert, soon, &provider).is_err() {
        tracing::warn!(file = %cert.display(), "the certificate ends within two weeks");
    }
    Ok(Arc::new(certified))
}

fn not_pem(path: &Path, what: &'static str, err: pem::Error) -> TlsError {
    match err {
        pem::Error::Io(err) => TlsError::Unreadable(path.to_owned(), err),
        _ => TlsError::NotPem(path.to_owned(), what),
    }
}

/// Whether a certificate is valid at some time. Who signed it is for clients to judge.
fn check_time(der: &CertificateDer<'_>, path: &Path, at: UnixTime, provider: &CryptoProvider) -> Result<(), TlsError> {
    let parsed = ParsedCertificate::try_from(der).map_err(|err| TlsError::Unusable(path.to_owned(), err))?;
    let algorithms = provider.signature_verification_algorithms.all;
    // Nobody is trusted here, so this always fails; but the time is the first thing that it looks at.
    match verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], at, algorithms) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Err(TlsError::Expired(path.to_owned(), Some(not_after.as_secs())))
        }
        Err(Error::InvalidCertificate(CertificateError::Expired)) => Err(TlsError::Expired(path.to_owned(), None)),
        Err(Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. })) => {
            Err(TlsError::NotYetValid(path.to_owned()))
        }
        _ => Ok(()),
    }
}

/// A number for what is in the files; the key itself is not kept a second time.
fn fingerprint(cert: &Path, key: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in [cert, key] {
        std::fs::read(path).map_err(|err| err.kind()).hash(&mut hasher);
    }
    hasher.finish()
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, err) => write!(f, "{} cannot be read: {err}", path.display()),
            Self::NotPem(path, what) => write!(f, "{} holds no {what} in PEM", path.display()),
            Self::Mismatch { cert, key } => {
                write!(f, "the key in {} is not that of the certificate in {}", key.display(), cert.display())
            }
            Self::Expired(path, at) => {
                write!(f, "the certificate in {} has expired", path.display())?;
                let at = at.and_then(|at| std::time::UNIX_EPOCH.checked_add(Duration::from_secs(at)));
                at.map_or(Ok(()), |at| write!(f, " on {}", httpdate::fmt_http_date(at)))
            }
            Self::NotYetValid(path) => write!(f, "the certificate in {} is not valid yet", path.display()),
            Self::Unusable(path, err) => write!(f, "{} cannot be used: {err}", path.display()),
        }
    }
}

impl std::error::Error for TlsError {}
