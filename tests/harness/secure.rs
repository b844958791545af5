//! HTTPS: an authority of the tests' own, certificates that it makes out, and a client that trusts it alone.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "The tests' authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("a certificate");
    Authority {
        certificate: certificate.der().clone(),
        pem: certificate.pem(),
        issuer: Issuer::new(params, key),
    }
});

/// The authority's certificate, PEM.
pub fn authority() -> &'static str {
    &AUTHORITY.pem
}

/// A certificate of the authority with its key, in two files.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    /// Made out to this machine, in `cert.pem` and `key.pem` of the folder.
    pub fn in_folder(folder: &Path) -> Self {
        let certificate = Self {
            cert: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        };
        certificate.renew();
        certificate
    }

    /// Another one in the same files; gives its DER.
    pub fn renew(&self) -> Vec<u8> {
        self.renew_for(&["localhost", "127.0.0.1"], -1..90)
    }

    /// Another one for these names, that holds from the first to the last of these days, today being 0.
    pub fn renew_for(&self, names: &[&str], days: Range<i64>) -> Vec<u8> {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(1970, 1, 1) + since_1970(days.start);
        params.not_after = date_time_ymd(1970, 1, 1) + since_1970(days.end);
        let certificate = params
            .signed_by(&key, &AUTHORITY.issuer)
            .expect("a certificate");
        std::fs::write(&self.key, key.serialize_pem()).expect("the key's file");
        std::fs::write(&self.cert, certificate.pem()).expect("the certificate's file");
        certificate.der().to_vec()
    }

    /// As a section of the settings.
    pub fn config(&self) -> String {
        format!(
            "tls = {{ cert = {:?}, key = {:?} }}",
            self.cert.display().to_string(),
            self.key.display().to_string()
        )
    }
}

/// From 1970 to so many days from now.
fn since_1970(days: i64) -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    let at = now.as_secs() as i64 + days * 24 * 3600;
    Duration::from_secs(at.unsigned_abs())
}

/// A client's TLS: trusts the authority, speaks TLS 1.2 or newer.
pub fn tls_client() -> Arc<ClientConfig> {
    tls_client_of(&[&version::TLS12, &version::TLS13], &[])
}

/// As [`tls_client`], with these versions alone, and offering these protocols.
pub fn tls_client_of(
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(AUTHORITY.certificate.clone()).expect("a root");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Arc::new(config)
}

/// Sends a request to an `https://` URL.
pub(crate) async fn execute(request: reqwest::Request) -> Result<reqwest::Response, String> {
    let config = tls_client();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(Arc::unwrap_or_clone(config))
        .https_only()
        .enable_http1()
        .build();
    let executor = hyper_util::rt::TokioExecutor::new();
    let client: hyper_util::client::legacy::Client<_, reqwest::Body> =
        hyper_util::client::legacy::Client::builder(executor).build(connector);
    let request = request.try_into().map_err(|error| format!("{error:?}"))?;
    let answer = tokio::time::timeout(Duration::from_secs(60), client.request(request));
    let response = answer.await.map_err(|_| "no answer in time".to_owned())?;
    let response = response.map_err(|error| format!("{error:?}"))?;
    Ok(response.map(reqwest::Body::wrap).into())
}
