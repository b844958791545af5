//! The settings: whether they hold, and what they leave open.

use super::Report;
use crate::settings::Settings;

pub(super) const CHECK: &str = "settings";

/// `wrong`: what does not hold of them.
pub(super) fn check(settings: &Settings, wrong: &[String], report: &mut Report) {
    for line in wrong {
        let advice = "nothing starts until this is put right; `wharf config show` says where a value comes from, \
                      once all hold";
        report.problem(CHECK, line, advice);
    }
    let before = report.lines.len();
    let is_public = !settings.listen.ip().is_loopback();
    let is_https = settings.public_url.starts_with("https://") || settings.tls.files().is_some();
    if is_public && settings.public_url.is_empty() {
        let found = format!(
            "public_url is not set: clients are told to come to {}",
            settings.public_url()
        );
        report.warning(
            CHECK,
            found,
            "set public_url to the address that clients use",
        );
    }
    if (is_public || !settings.public_url.is_empty()) && !is_https {
        let advice = "set tls.cert and tls.key, or put a proxy with a certificate in front and https:// into public_url";
        report.warning(CHECK, "clients speak HTTP without TLS", advice);
    }
    let is_behind_proxy =
        settings.public_url.starts_with("https://") && settings.tls.files().is_none();
    if is_behind_proxy && settings.trusted_proxies.is_empty() {
        let advice = "set trusted_proxies to the proxy's address; without it all clients share one, and its limit of \
                      failed logins";
        report.warning(
            CHECK,
            "there is a proxy in front, and trusted_proxies is empty",
            advice,
        );
    }
    if settings.payments.sandbox && (is_public || is_https) {
        let advice = "set payments.sandbox = false before others use the market";
        report.warning(
            CHECK,
            "payments.sandbox is on: whoever has an account pays with nothing",
            advice,
        );
    }
    if settings.metrics.token.is_empty() && is_public {
        let advice = "set metrics.token, or close /metrics in the proxy";
        report.warning(
            CHECK,
            "the figures at /metrics are open to whoever reaches the port",
            advice,
        );
    }
    if wrong.is_empty() && report.lines.len() == before {
        report.ok(CHECK, "they hold");
    }
}
