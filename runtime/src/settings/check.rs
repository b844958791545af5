//! What must hold of the settings beyond their types.

use super::Settings;
use shared::auth::signature::FileKeys;
use shared::domain::egress::AllowList;
use shared::domain::forwarded::TrustedProxies;
use shared::domain::schedule::Schedule;
use shared::limits::{
    CONNECTIONS_MAX, DRIVE_CALLS_PER_S_MAX, METRICS_TOKEN_BYTES_MIN, RECHECK_S_MAX,
    REFUND_WINDOW_S_MAX, SYNC_BYTES_MAX, SYNC_BYTES_MIN, SYNC_ROWS_MAX,
};

impl Settings {
    /// Adds a line for each rule that does not hold.
    pub(super) fn check(&self, wrong: &mut Vec<String>) {
        let mut require = |holds: bool, rule: &str| {
            if !holds {
                wrong.push(rule.to_owned());
            }
        };
        let is_postgres =
            |url: &str| url.starts_with("postgres://") || url.starts_with("postgresql://");
        require(
            self.database_url.is_empty() || is_postgres(&self.database_url),
            "database_url: is empty (SQLite) or begins with postgres://",
        );
        let is_http =
            |url: &str| url.is_empty() || url.starts_with("http://") || url.starts_with("https://");
        require(
            is_http(&self.public_url),
            "public_url: is an http or https URL",
        );
        require(
            is_http(&self.files.url),
            "files.url: is an http or https URL",
        );
        require(
            is_http(&self.worker.url),
            "worker.url: is an http or https URL",
        );
        require(
            self.media.concurrency >= 1,
            "media.concurrency: is at least 1",
        );
        require(
            self.media.task_timeout_s >= 1,
            "media.task_timeout_s: is at least 1",
        );
        require(
            self.media.clean_interval_s >= 1,
            "media.clean_interval_s: is at least 1",
        );
        let endpoint = self.proxy.endpoint.replace("{api_key}", "key");
        require(
            endpoint.is_empty() || (is_http(&endpoint) && url::Url::parse(&endpoint).is_ok()),
            "proxy.endpoint: is empty or an http or https URL",
        );
        require(self.queue.lease_s >= 1, "queue.lease_s: is at least 1");
        require(
            self.queue.backoff_initial_ms >= 0,
            "queue.backoff_initial_ms: is not negative",
        );
        require(
            self.queue.backoff_max_ms >= self.queue.backoff_initial_ms,
            "queue.backoff_max_ms: is at least queue.backoff_initial_ms",
        );
        require(
            self.queue.max_retries >= 0,
            "queue.max_retries: is not negative",
        );
        require(self.files.url_ttl_s >= 1, "files.url_ttl_s: is at least 1");
        require(
            (1..=CONNECTIONS_MAX).contains(&self.delivery.max_transfers),
            &format!("delivery.max_transfers: is between 1 and {CONNECTIONS_MAX}"),
        );
        if let Some(problem) = self.tls.problem() {
            require(false, &problem);
        }
        self.check_sync(&mut require);
        require(
            self.market.refund_window_s <= REFUND_WINDOW_S_MAX,
            &format!("market.refund_window_s: is at most {REFUND_WINDOW_S_MAX}"),
        );
        self.check_sharing(&mut require);
        let kids = &self.files.kids;
        require(
            kids.is_empty() || FileKeys::parse(kids).is_ok(),
            "files.kids: is empty (generated) or kid:hex,… with at least 32 digits each",
        );
        let secret = &self.payments.sandbox_secret;
        require(
            secret.is_empty() || secret.len() >= 32,
            "payments.sandbox_secret: is empty (generated) or has at least 32 characters",
        );
        let token = &self.metrics.token;
        require(
            token.is_empty() || token.len() >= METRICS_TOKEN_BYTES_MIN,
            "metrics.token: is empty (open to all) or has at least 16 characters",
        );
        let keys = &self.keys;
        for (name, key) in [
            ("users", &keys.users),
            ("projects", &keys.projects),
            ("sites", &keys.sites),
            ("admins", &keys.admins),
            ("worker", &keys.worker),
            ("cookies", &keys.cookies),
            ("callbacks", &keys.callbacks),
        ] {
            let rule = format!("keys.{name}: is empty (generated) or has at least 32 characters");
            require(key.is_empty() || key.len() >= 32, &rule);
        }
        if let Err(error) = TrustedProxies::parse(&self.trusted_proxies) {
            require(false, &format!("trusted_proxies: {}", error.message));
        }
        if let Err(error) = AllowList::parse(&self.egress.allow) {
            require(false, &format!("egress.allow: {}", error.message));
        }
    }
}

impl Settings {
    fn check_sync(&self, require: &mut impl FnMut(bool, &str)) {
        let (sync, site) = (&self.sync, &self.site);
        if let Some(problem) = sync.types.problem() {
            require(false, &format!("sync.types: {problem}"));
        }
        require(sync.lease_s >= 1, "sync.lease_s: is at least 1");
        require(
            (1..=SYNC_ROWS_MAX).contains(&sync.max_rows),
            &format!("sync.max_rows: is between 1 and {SYNC_ROWS_MAX}"),
        );
        require(
            (SYNC_BYTES_MIN..=SYNC_BYTES_MAX).contains(&sync.max_bytes),
            &format!("sync.max_bytes: is between {SYNC_BYTES_MIN} and {SYNC_BYTES_MAX}"),
        );
        require(sync.fail_max >= 1, "sync.fail_max: is at least 1");
        for (name, url) in [
            ("sync.apply_url", &sync.apply_url),
            ("site.upstream", &site.upstream),
            ("site.apply_url", &site.apply_url),
        ] {
            let is_url = url.is_empty()
                || url::Url::parse(url)
                    .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            require(is_url, &format!("{name}: is an http or https URL"));
        }
        require(
            site.mysql_url.is_empty() || site.mysql_url.starts_with("mysql://"),
            "site.mysql_url: begins with mysql://",
        );
        require(
            site.client_id.is_empty() == site.client_secret.is_empty(),
            "site.client_id and site.client_secret: are both given or neither",
        );
        require(site.interval_s != Some(0), "site.interval_s: is at least 1");
        if let Err(error) = Schedule::new(site.interval_s, &site.times) {
            require(false, &format!("site.times: {}", error.message));
        }
    }
}

impl Settings {
    fn check_sharing(&self, require: &mut impl FnMut(bool, &str)) {
        let drives = &self.drives;
        for (name, seconds) in [
            ("market.recheck_after_s", self.market.recheck_after_s.into()),
            ("drives.bad_interval_s", drives.bad_interval_s),
        ] {
            let rule = format!("{name}: is between 1 and {RECHECK_S_MAX}");
            require((1..=RECHECK_S_MAX).contains(&seconds), &rule);
        }
        for (name, base) in [
            ("drives.aliyun_base", &drives.aliyun_base),
            ("drives.baidu_base", &drives.baidu_base),
        ] {
            let is_base = url::Url::parse(base).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
            });
            require(is_base, &format!("{name}: is an http or https URL"));
        }
        require(
            (1..=DRIVE_CALLS_PER_S_MAX).contains(&drives.calls_per_s),
            &format!("drives.calls_per_s: is between 1 and {DRIVE_CALLS_PER_S_MAX}"),
        );
        let smtp = &self.smtp;
        for (section, initial, max) in [
            ("drives", drives.backoff_initial_ms, drives.backoff_max_ms),
            ("smtp", smtp.backoff_initial_ms, smtp.backoff_max_ms),
        ] {
            let rule = format!("{section}.backoff_initial_ms: is not negative");
            require(initial >= 0, &rule);
            let rule =
                format!("{section}.backoff_max_ms: is at least {section}.backoff_initial_ms");
            require(max >= initial, &rule);
        }
        // What is wrong is not shown: the URL holds a password.
        if let Err(problem) = crate::worker::mail::Outgoing::new(&self.smtp) {
            require(false, problem);
        }
    }
}
