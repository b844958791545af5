//! HTTPS with a certificate from files, which are read anew when they change (PF-11).

use super::stall::Unstalled;
use crate::settings;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use shared::limits::{
    HEADER_BYTES_MAX, TLS_FILE_BYTES_MAX, TLS_HANDSHAKE_MS_MAX, TLS_LOOK_MS, WRITE_STALL_MS_MAX,
};
use shared::wire::envelope;
use shared::{Code, Error};
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls};
use tokio_util::sync::CancellationToken;

/// What every TLS record of a client begins with: that of a handshake.
const HANDSHAKE: u8 = 0x16;

/// HTTPS on a listener; cheap to clone.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
}

impl Tls {
    /// Reads the files, where the settings name some. TLS 1.2 or newer, HTTP/1.1 inside.
    pub fn open(settings: &settings::Tls) -> anyhow::Result<Option<Self>> {
        let Some((cert, key)) = settings.files() else {
            return Ok(None);
        };
        let certificate = Arc::new(Certificate::read(cert, key)?);
        let mut config =
            rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Self {
            acceptor: Arc::new(config).into(),
            certificate,
        }))
    }

    /// The handshake, [`TLS_HANDSHAKE_MS_MAX`] at the most.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<TlsStream<Unstalled<TcpStream>>> {
        let patience = Duration::from_millis(TLS_HANDSHAKE_MS_MAX);
        let accepted = tokio::time::timeout(patience, async {
            let mut first = [0];
            let is_tls = stream.peek(&mut first).await? == 1 && first[0] == HANDSHAKE;
            if !is_tls {
                explain(stream).await?;
                return Err(io::Error::new(ErrorKind::InvalidData, "this is no TLS"));
            }
            let limit = Duration::from_millis(WRITE_STALL_MS_MAX);
            self.acceptor.accept(Unstalled::new(stream, limit)).await
        });
        let late = |_| io::Error::new(ErrorKind::TimedOut, "the handshake took too long");
        accepted.await.map_err(late)?
    }

    /// Reads the files anew on SIGHUP and when they have changed, until `shutdown`.
    pub(super) fn follow(&self, shutdown: CancellationToken) -> io::Result<()> {
        let hangup = signal(SignalKind::hangup())?;
        tokio::spawn(follow(self.certificate.clone(), hangup, shutdown));
        Ok(())
    }
}

/// Tells who speaks plain HTTP to this port that it is another protocol.
async fn explain(mut stream: TcpStream) -> io::Result<()> {
    let error = Error::new(Code::InvalidParameter, "This port speaks HTTPS.");
    let body = envelope::failure(&error);
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await?;
    // A socket that is closed with something unread takes the answer with it.
    let mut unread = stream.take(HEADER_BYTES_MAX as u64);
    tokio::io::copy(&mut unread, &mut tokio::io::sink()).await?;
    Ok(())
}

async fn follow(certificate: Arc<Certificate>, mut hangup: Signal, shutdown: CancellationToken) {
    loop {
        let is_asked = tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(TLS_LOOK_MS)) => false,
            _ = hangup.recv() => true,
        };
        let certificate = certificate.clone();
        let looked = tokio::task::spawn_blocking(move || certificate.look(is_asked));
        if let Err(error) = looked.await {
            tracing::error!(%error, "could not look at the TLS files");
        }
    }
}

/// The certificate that is shown to clients.
#[derive(Debug)]
struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    shown: RwLock<Arc<CertifiedKey>>,
    /// The files as they were when they were read.
    read: Mutex<Stamps>,
}

/// Of both files, where they are there: inode, size, nanoseconds of the last change.
type Stamps = [Option<(u64, u64, i128)>; 2];

impl Certificate {
    fn read(cert: &Path, key: &Path) -> anyhow::Result<Self> {
        let read = stamps(cert, key);
        let shown = load(cert, key).map_err(anyhow::Error::msg)?;
        Ok(Self {
            cert: cert.to_owned(),
            key: key.to_owned(),
            shown: RwLock::new(Arc::new(shown)),
            read: Mutex::new(read),
        })
    }

    /// Reads the files if they have changed, or `anyway`. What does not fit leaves the old one where it is.
    fn look(&self, anyway: bool) {
        // Before the files: who writes them meanwhile is seen at the next look.
        let now = stamps(&self.cert, &self.key);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if *read == now && !anyway {
            return;
        }
        *read = now;
        match load(&self.cert, &self.key) {
            Ok(fresh) => {
                *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
                tracing::info!("the TLS certificate was read anew");
            }
            Err(problem) => tracing::error!(problem, "the TLS certificate stays the old one"),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        Some(shown.clone())
    }
}

fn stamps(cert: &Path, key: &Path) -> Stamps {
    [cert, key].map(|path| {
        let found = std::fs::metadata(path).ok()?;
        let changed = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
        Some((found.ino(), found.len(), changed))
    })
}

/// Certificate and key from two PEM files. The error is a sentence that names the setting and the file; it
/// repeats nothing of what they hold. Blocks.
pub fn load(cert: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let chain = certificates(cert)?;
    let (name, bytes) = (key.display(), bytes("tls.key", key)?);
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        let is_encrypted = bytes.windows(9).any(|word| word == b"ENCRYPTED");
        match is_encrypted {
            true => format!("tls.key: the key in {name} has a passphrase; take that off"),
            false => format!("tls.key: {name} holds no private key in PEM"),
        }
    })?;
    let provider = ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => format!(
            "tls.key: {name} is not the key of the certificate in {}",
            cert.display()
        ),
        _ => format!("tls.key: {name} holds a key of a kind that TLS has no use for here"),
    })
}

/// The certificates of a PEM file, the server's own first. Errors as in [`load`]. Blocks.
pub fn certificates(cert: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = bytes("tls.cert", cert)?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(format!(
            "tls.cert: {} holds no certificate in PEM",
            cert.display()
        )),
    }
}

fn bytes(setting: &str, path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(TLS_FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|error| format!("{setting}: {} cannot be read: {error}", path.display()))?;
    Ok(bytes)
}
