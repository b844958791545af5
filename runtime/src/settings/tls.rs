//! The section `tls`.

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// HTTPS without a proxy in front (PF-11). Both files or neither.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The certificate with its chain, PEM; empty: HTTP.
    pub cert: PathBuf,
    /// Its private key, PEM without a passphrase.
    pub key: PathBuf,
}

impl Tls {
    /// The two files, when HTTPS is on.
    pub fn files(&self) -> Option<(&Path, &Path)> {
        let is_set = |path: &Path| !path.as_os_str().is_empty();
        (is_set(&self.cert) && is_set(&self.key)).then_some((&self.cert, &self.key))
    }

    /// What is wrong, in a sentence that names the setting and its file.
    pub(super) fn problem(&self) -> Option<String> {
        let Some((cert, key)) = self.files() else {
            let is_one = self.cert.as_os_str().is_empty() != self.key.as_os_str().is_empty();
            return is_one.then(|| "tls.cert and tls.key: are both given or neither".to_owned());
        };
        crate::server::tls::load(cert, key).err()
    }
}
