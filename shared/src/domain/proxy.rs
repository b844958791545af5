//! Rented proxies (VA-5): which address an answer of the provider means, when the provider is left alone, and
//! which attempts go through a proxy at all.

use super::media::MediaUrl;
use crate::error::{Error, Result};
use crate::limits::{DIRECT_SITES_MAX, SITE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A rented HTTP proxy. Its password stands in no log: `Debug` and [`Rented::name`] leave it out.
#[derive(Clone, PartialEq, Eq)]
pub struct Rented {
    /// Without brackets.
    pub host: String,
    pub port: u16,
    /// User name and password.
    pub credentials: Option<(String, String)>,
}

impl std::fmt::Debug for Rented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rented({})", self.name())
    }
}

/// What a provider may answer in JSON, bare or inside `data` (an object, or a list whose first counts).
#[derive(Deserialize)]
struct Answer {
    proxy: Option<String>,
    ip: Option<String>,
    port: Option<Port>,
    username: Option<String>,
    password: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Data {
    One(Box<Answer>),
    Text(String),
    Many(Vec<Answer>),
}

impl Rented {
    /// Reads a provider's answer: `[scheme://][user:pass@]host:port` as text (its first line), or JSON with
    /// `proxy` holding that, or `ip`, `port` and perhaps `username`, `password`, also inside `data`. Errors:
    /// a sentence for the operator that repeats nothing of the answer.
    pub fn from_answer(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        // An IPv6 address begins with a bracket as a JSON list does.
        if text.starts_with('{')
            || text.starts_with('[') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
        {
            let data: Data =
                serde_json::from_str(text).map_err(|_| "the answer is JSON of another shape")?;
            return Self::from_data(data);
        }
        Self::from_text(text.lines().next().unwrap_or_default())
    }

    fn from_data(data: Data) -> Result<Self, &'static str> {
        match data {
            Data::Text(text) => Self::from_text(&text),
            Data::Many(many) => match many.into_iter().next() {
                Some(first) => Self::from_json(first),
                None => Err("the answer lists no proxy"),
            },
            Data::One(one) => Self::from_json(*one),
        }
    }

    fn from_json(answer: Answer) -> Result<Self, &'static str> {
        if let Some(text) = answer.proxy {
            return Self::from_text(&text);
        }
        if let (Some(host), Some(port)) = (answer.ip, answer.port) {
            let port = match port {
                Port::Number(port) => port,
                Port::Text(text) => text.parse().map_err(|_| "the port is no port")?,
            };
            let credentials = answer
                .username
                .map(|user| (user, answer.password.unwrap_or_default()));
            return Self::checked(&host, port, credentials);
        }
        match answer.data {
            Some(data) => Self::from_data(data),
            None => Err("the answer names no proxy"),
        }
    }

    fn from_text(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if !scheme.eq_ignore_ascii_case("http") {
            return Err("the proxy is no HTTP proxy");
        }
        let rest = rest.trim_end_matches('/');
        let (credentials, address) = match rest.rsplit_once('@') {
            Some((credentials, address)) => (Some(credentials), address),
            None => (None, rest),
        };
        let credentials = credentials.map(|text| {
            let (user, password) = text.split_once(':').unwrap_or((text, ""));
            (decoded(user), decoded(password))
        });
        let (host, port) = address.rsplit_once(':').ok_or("the proxy has no port")?;
        let port = port.parse().map_err(|_| "the port is no port")?;
        Self::checked(host, port, credentials)
    }

    fn checked(
        host: &str,
        port: u16,
        credentials: Option<(String, String)>,
    ) -> Result<Self, &'static str> {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let is_host = !host.is_empty()
            && host.len() <= 253
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-:_".contains(&byte));
        if !is_host || port == 0 {
            return Err("the proxy has no usable address");
        }
        let is_plain = |text: &str| text.len() <= 512 && !text.chars().any(char::is_control);
        if let Some((user, password)) = &credentials
            && !(is_plain(user) && is_plain(password) && !user.contains(':'))
        {
            return Err("the proxy's credentials are malformed");
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            credentials,
        })
    }

    /// `host:port`, for logs and histories.
    pub fn name(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Percent-decoded as in a URL; what is no encoding stays as it is.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .map_or_else(|_| text.to_owned(), |decoded| decoded.into_owned())
}

/// When attempts go through a rented proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Every attempt.
    Always,
    /// A task's first attempt goes directly; once the site has refused, the others do not.
    OnRefusal,
    Never,
}

impl Mode {
    pub const ALL: [Mode; 3] = [Self::Always, Self::OnRefusal, Self::Never];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnRefusal => "on_refusal",
            Self::Never => "never",
        }
    }

    /// Errors: 40001 for field `mode`.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| Error::invalid("mode", "The mode is one of always, on_refusal, never."))
    }
}

/// What an admin has decided; without a word, every attempt takes a proxy where a provider is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    /// Sites that are always reached directly, as in [`super::media::MediaUrl::site`].
    pub direct_sites: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Always,
            direct_sites: Vec::new(),
        }
    }
}

/// A site as an admin writes it: a host, perhaps with a port, in any case and with or without `www.`. Errors:
/// 40001 for field `direct_sites`.
fn direct_site(text: &str) -> Result<String> {
    let refuse = || {
        let message = "A site is a host such as example.com, or host:port.";
        Error::invalid("direct_sites", message)
    };
    // The URL parser knows what a host is, also an international one.
    let url = MediaUrl::parse(&format!("http://{text}/")).map_err(|_| refuse())?;
    let site = url.site();
    // The port of https is as usual as that of http, which the parser drops.
    let site = site.strip_suffix(":443").unwrap_or(&site);
    if text.contains(['/', '\\', '?', '#', '@']) || site.is_empty() || site.len() > SITE_BYTES_MAX {
        return Err(refuse());
    }
    Ok(site.to_owned())
}

impl Policy {
    /// From what an admin wrote, each site once. Errors: 40001 for field `direct_sites`.
    pub fn new(mode: Mode, direct_sites: &[String]) -> Result<Self> {
        if direct_sites.len() > DIRECT_SITES_MAX {
            let message = format!("The list holds more than {DIRECT_SITES_MAX} sites.");
            return Err(Error::invalid("direct_sites", message));
        }
        let sites = direct_sites.iter().map(|text| direct_site(text));
        let sites: BTreeSet<String> = sites.collect::<Result<_>>()?;
        Ok(Self {
            mode,
            direct_sites: sites.into_iter().collect(),
        })
    }

    /// Whether an attempt at this site takes a proxy. `was_refused`: the site has refused this task before.
    pub fn wants_proxy(&self, site: &str, was_refused: bool) -> bool {
        let is_direct = self.direct_sites.iter().any(|direct| {
            site == direct
                || site
                    .strip_suffix(direct.as_str())
                    .is_some_and(|rest| rest.ends_with('.'))
        });
        !is_direct
            && match self.mode {
                Mode::Always => true,
                Mode::OnRefusal => was_refused,
                Mode::Never => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Option<(String, String)>)> {
        let rented = Rented::from_answer(text).ok()?;
        Some((rented.name(), rented.credentials))
    }

    fn with(name: &str, user: &str, password: &str) -> Option<(String, Option<(String, String)>)> {
        Some((
            name.to_owned(),
            Some((user.to_owned(), password.to_owned())),
        ))
    }

    #[test]
    fn every_documented_answer_of_a_provider_is_understood() {
        let plain = Some(("1.2.3.4:8080".to_owned(), None));
        for text in [
            "1.2.3.4:8080",
            "http://1.2.3.4:8080\r\n5.6.7.8:1\n",
            r#"{"proxy":"1.2.3.4:8080"}"#,
            r#"{"code":0,"data":{"ip":"1.2.3.4","port":8080}}"#,
            r#"{"data":[{"ip":"1.2.3.4","port":"8080"},{"ip":"9.9.9.9","port":1}]}"#,
            r#"{"data":"1.2.3.4:8080"}"#,
            r#"[{"ip":"1.2.3.4","port":8080}]"#,
        ] {
            assert_eq!(read(text), plain, "{text}");
        }
        let named = with("proxy.example:3128", "u", "p@s:s");
        for text in [
            "http://u:p%40s%3As@proxy.example:3128/",
            "u:p@s:s@proxy.example:3128",
            r#"{"ip":"proxy.example","port":3128,"username":"u","password":"p@s:s"}"#,
        ] {
            assert_eq!(read(text), named, "{text}");
        }
        assert_eq!(read("[2001:db8::1]:80").unwrap().0, "[2001:db8::1]:80");
    }

    #[test]
    fn an_answer_that_names_no_http_proxy_is_refused_without_repeating_it() {
        for text in [
            "",
            "error: secret",
            "socks5://secret:1",
            "host:0",
            "host:99999",
            "host",
            "a b:80",
            "{}",
            "[]",
            "{",
            r#"{"ip":"1.2.3.4"}"#,
            r#"{"data":{}}"#,
            "u\n:p@h:1",
        ] {
            let error = Rented::from_answer(text).unwrap_err();
            assert!(!error.contains("secret"), "{text}: {error}");
        }
        let shown = format!("{:?}", Rented::from_answer("u:secret@h:1").unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn the_policy_decides_by_site_and_by_what_the_site_did() {
        let policy = |mode| Policy {
            mode,
            direct_sites: vec!["example.com".to_owned()],
        };
        assert!(policy(Mode::Always).wants_proxy("a.test", false));
        assert!(!policy(Mode::Always).wants_proxy("video.example.com", false));
        assert!(policy(Mode::Always).wants_proxy("notexample.com", false));
        assert!(!policy(Mode::OnRefusal).wants_proxy("a.test", false));
        assert!(policy(Mode::OnRefusal).wants_proxy("a.test", true));
        assert!(!policy(Mode::Never).wants_proxy("a.test", true));
    }

    #[test]
    fn a_policys_sites_are_hosts_in_their_normal_form() {
        let sites = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            Policy::new(Mode::Always, &texts).map(|policy| policy.direct_sites)
        };
        let good = [
            "WWW.Example.com",
            "example.com:443",
            "a.test:8080",
            "[::1]:81",
            "Bücher.example",
        ];
        let normal = [
            "[::1]:81",
            "a.test:8080",
            "example.com",
            "xn--bcher-kva.example",
        ];
        assert_eq!(sites(&good).unwrap(), normal);
        for bad in [
            "",
            "a b",
            "http://example.com",
            "example.com/x",
            "example.com/",
            "u@example.com",
            "a.test:99999",
            "a.test?x",
            "a.test#x",
            "a\\b",
        ] {
            assert!(sites(&[bad]).is_err(), "{bad}");
        }
        let label = "a".repeat(50);
        assert!(sites(&[&[label.as_str(); 6].join(".")]).is_err());
        assert!(sites(&vec!["a.test"; DIRECT_SITES_MAX + 1]).is_err());
    }
}
