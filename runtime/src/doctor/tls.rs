//! The certificate: for how long it holds, and for whom.

use super::Report;
use crate::server::tls;
use crate::settings::Settings;
use shared::limits::CERTIFICATE_LEFT_S_MIN;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

const CHECK: &str = "tls";
const DAY_S: i64 = 24 * 3600;

pub(super) fn check(settings: &Settings, report: &mut Report) {
    let Some((cert, key)) = settings.tls.files() else {
        return;
    };
    let before = report.lines.len();
    let shown = cert.display();
    // What cannot be read, or does not fit the key, stands among the settings that do not hold.
    let Ok(chain) = tls::certificates(cert) else {
        return;
    };
    let Ok((_, certificate)) = X509Certificate::from_der(chain.first().map_or(&[], |it| it)) else {
        let found = format!("the certificate in {shown} cannot be read");
        return report.problem(
            CHECK,
            found,
            "put the server's own certificate first in the file",
        );
    };
    let left_s = left(&certificate, &shown.to_string(), report);
    if let Some(host) = public_host(settings)
        && !is_for(&certificate, &host)
    {
        let found =
            format!("the certificate in {shown} does not name {host}, where public_url points to");
        report.warning(CHECK, found, "get one that does");
    }
    others_may_read(key, report);
    if let Some(left_s) = left_s
        && report.lines.len() == before
    {
        report.ok(
            CHECK,
            format!(
                "the certificate in {shown} holds for {} days",
                left_s / DAY_S
            ),
        );
    }
}

/// Seconds that the certificate still holds; None: it does not, which is in the report.
fn left(certificate: &X509Certificate<'_>, shown: &str, report: &mut Report) -> Option<i64> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if validity.not_before.timestamp() > now {
        let found = format!(
            "the certificate in {shown} does not hold before {}",
            validity.not_before
        );
        report.problem(
            CHECK,
            found,
            "wait, set this machine's clock, or get another one",
        );
        return None;
    }
    let left_s = validity.not_after.timestamp() - now;
    let advice = "renew it, such as with `certbot renew`; Wharf sees the new files by itself";
    if left_s <= 0 {
        let found = format!("the certificate in {shown} ended at {}", validity.not_after);
        report.problem(CHECK, found, advice);
        return None;
    }
    if left_s < CERTIFICATE_LEFT_S_MIN {
        let found = format!("the certificate in {shown} ends at {}", validity.not_after);
        report.warning(CHECK, found, advice);
    }
    Some(left_s)
}

fn public_host(settings: &Settings) -> Option<String> {
    let url = url::Url::parse(&settings.public_url).ok()?;
    Some(url.host_str()?.to_ascii_lowercase())
}

/// Whether one of its alternative names is this host (RFC 6125, 6.4): a star stands for one label.
fn is_for(certificate: &X509Certificate<'_>, host: &str) -> bool {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return false;
    };
    names.value.general_names.iter().any(|name| match name {
        GeneralName::DNSName(name) => {
            let name = name.to_ascii_lowercase();
            let below = host.split_once('.').map(|(_, domain)| domain);
            name == host
                || name
                    .strip_prefix("*.")
                    .is_some_and(|domain| below == Some(domain))
        }
        GeneralName::IPAddress(bytes) => {
            let host = host.trim_matches(['[', ']']);
            match host.parse() {
                Ok(std::net::IpAddr::V4(address)) => address.octets() == **bytes,
                Ok(std::net::IpAddr::V6(address)) => address.octets() == **bytes,
                Err(_) => false,
            }
        }
        _ => false,
    })
}

fn others_may_read(key: &Path, report: &mut Report) {
    let shown = key.display();
    if let Ok(found) = std::fs::metadata(key)
        && found.mode() & 0o007 != 0
    {
        let found = format!(
            "everybody may read {shown}: its mode is {:o}",
            found.mode() & 0o777
        );
        report.warning(CHECK, found, format!("chmod o= {shown}"));
    }
}
