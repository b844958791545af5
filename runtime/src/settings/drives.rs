//! The sections `drives` and `smtp`.

use serde::{Deserialize, Serialize};

/// The drives' share APIs (SH-9).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drives {
    pub aliyun_base: String,
    pub baidu_base: String,
    /// How far apart two `bad` must lie before a resource is invalidated, seconds.
    pub bad_interval_s: u64,
    /// Calls to one drive, of one worker, a second; so many may also come at once.
    pub calls_per_s: u32,
    /// The wait after a first uncertain answer, milliseconds.
    pub backoff_initial_ms: i64,
    /// The longest wait, milliseconds.
    pub backoff_max_ms: i64,
}

/// Where mail is handed in (SH-14).
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Smtp {
    /// `smtps://user:password@host`, `smtp://…?tls=required`, `smtp://…`; empty: mail waits.
    pub url: String,
    /// `Name <address>` or an address.
    pub from: String,
    /// The wait after a first failure, milliseconds.
    pub backoff_initial_ms: i64,
    /// The longest wait, milliseconds.
    pub backoff_max_ms: i64,
}

/// The URL holds a password.
impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Smtp(…)")
    }
}

impl Default for Drives {
    fn default() -> Self {
        Self {
            aliyun_base: "https://api.aliyundrive.com".to_owned(),
            baidu_base: "https://pan.baidu.com".to_owned(),
            bad_interval_s: 600,
            calls_per_s: 2,
            backoff_initial_ms: 30_000,
            backoff_max_ms: 900_000,
        }
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            url: String::new(),
            from: String::new(),
            backoff_initial_ms: 30_000,
            backoff_max_ms: 3 * 3600 * 1000,
        }
    }
}
