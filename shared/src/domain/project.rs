//! A project of the download center: its name, its group, its limits, the hosts it may name (DC-1, DC-12).

use crate::error::{Error, Result};
use crate::limits::{
    PROJECT_BYTES_MAX, PROJECT_HOSTS_MAX, PROJECT_NAME_CHARS_MAX, PROJECT_ROWS_MAX,
    PROJECT_TASKS_MAX,
};
use std::fmt;
use url::{Host, Url};

/// The group of a project that was given none.
pub const DEFAULT_GROUP: &str = "default";

/// The name of a project or of its group: 1 to 100 characters, no control characters, no blanks around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Errors: 40001 naming `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let text = text.trim();
        let length = text.chars().count();
        if (1..=PROJECT_NAME_CHARS_MAX).contains(&length) && !text.chars().any(char::is_control) {
            return Ok(Self(text.to_owned()));
        }
        let message = format!(
            "{field} is 1 to {PROJECT_NAME_CHARS_MAX} characters without control characters."
        );
        Err(Error::invalid(field, message))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How much a project may do; `None`: what the settings give everyone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Exports that run at once.
    pub max_tasks: Option<i64>,
    /// Rows of one export.
    pub max_rows: Option<i64>,
    /// Bytes of a finished file.
    pub max_bytes: Option<i64>,
}

impl Limits {
    /// Errors: 40001 naming the field that is out of bounds.
    pub fn new(
        max_tasks: Option<i64>,
        max_rows: Option<i64>,
        max_bytes: Option<i64>,
    ) -> Result<Self> {
        Ok(Self {
            max_tasks: max_tasks.map(Self::max_tasks).transpose()?,
            max_rows: max_rows.map(Self::max_rows).transpose()?,
            max_bytes: max_bytes.map(Self::max_bytes).transpose()?,
        })
    }

    /// Errors: 40001 for field `max_tasks`.
    pub fn max_tasks(number: i64) -> Result<i64> {
        bounded("max_tasks", number, PROJECT_TASKS_MAX)
    }

    /// Errors: 40001 for field `max_rows`.
    pub fn max_rows(number: i64) -> Result<i64> {
        bounded("max_rows", number, PROJECT_ROWS_MAX)
    }

    /// Errors: 40001 for field `max_bytes`.
    pub fn max_bytes(number: i64) -> Result<i64> {
        bounded("max_bytes", number, PROJECT_BYTES_MAX)
    }
}

fn bounded(field: &str, number: i64, max: i64) -> Result<i64> {
    if (1..=max).contains(&number) {
        return Ok(number);
    }
    Err(Error::invalid(
        field,
        format!("{field} is a whole number from 1 to {max}."),
    ))
}

/// The hosts that a project's `source_url` and `callback` may name. Names only: the egress door decides
/// about the addresses behind them as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<AllowedHost>);

impl AllowedHosts {
    /// Each entry is `host`, `host:port`, `*.host` or `*.host:port`; a host is a name or an address.
    /// Errors: 40001 for field `hosts`, naming the entry.
    pub fn parse<T: AsRef<str>>(entries: &[T]) -> Result<Self> {
        if entries.len() > PROJECT_HOSTS_MAX {
            let message = format!("A project has {PROJECT_HOSTS_MAX} hosts at the most.");
            return Err(Error::invalid("hosts", message));
        }
        let mut hosts = Vec::new();
        for entry in entries {
            let host = AllowedHost::parse(entry.as_ref())?;
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        Ok(Self(hosts))
    }

    /// Whether a URL's scheme is http or https and its host and port are among these.
    pub fn allows(&self, url: &Url) -> bool {
        self.0.iter().any(|host| host.allows(url))
    }

    /// The entries in their normal form.
    pub fn to_texts(&self) -> Vec<String> {
        self.0.iter().map(AllowedHost::to_string).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct AllowedHost {
    /// Lower case, punycode, without the trailing dot.
    host: Host<String>,
    /// Whether this is about the names below the host, and not about itself.
    is_wildcard: bool,
    /// None: any, as in the egress rules.
    port: Option<u16>,
}

impl AllowedHost {
    fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let wrong = || {
            let message = format!("{text:?} is not host, host:port or *.host.");
            Error::invalid("hosts", message)
        };
        let (is_wildcard, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (host, port) = match rest.rsplit_once(':') {
            // The colons of an address in brackets begin no port.
            Some((host, digits)) if !rest.ends_with(']') => {
                (host, Some(port(digits).ok_or_else(wrong)?))
            }
            _ => (rest, None),
        };
        // Percent-encoded, a host could be read in two ways.
        if host.contains(['%', '*']) {
            return Err(wrong());
        }
        let host = normal(Host::parse(host).map_err(|_| wrong())?);
        let is_well_formed = match &host {
            Host::Domain(name) => !name.split('.').any(str::is_empty),
            _ => true,
        };
        let is_below_a_domain = matches!(&host, Host::Domain(name) if name.contains('.'));
        if !is_well_formed || (is_wildcard && !is_below_a_domain) {
            return Err(wrong());
        }
        Ok(Self {
            host,
            is_wildcard,
            port,
        })
    }

    fn allows(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return false;
        };
        let fits_port = self.port.is_none_or(|allowed| allowed == port);
        matches!(url.scheme(), "http" | "https") && fits_port && self.names(host.to_owned())
    }

    fn names(&self, host: Host<String>) -> bool {
        let host = normal(host);
        match (&self.host, &host) {
            (Host::Domain(above), Host::Domain(name)) if self.is_wildcard => name
                .strip_suffix(above.as_str())
                .is_some_and(|below| below.len() > 1 && below.ends_with('.')),
            (allowed, host) => !self.is_wildcard && allowed == host,
        }
    }
}

/// Port 0 is none.
fn port(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| *port != 0);
    port.filter(|_| is_number)
}

fn normal(host: Host<String>) -> Host<String> {
    match host {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            Host::Domain(name.to_ascii_lowercase())
        }
        address => address,
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_wildcard {
            f.write_str("*.")?;
        }
        self.host.fmt(f)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allows(entry: &str, url: &str) -> bool {
        let hosts = AllowedHosts::parse(&[entry]).unwrap();
        hosts.allows(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_host_without_a_port_has_all_of_them() {
        for url in [
            "http://shop.example/x",
            "https://SHOP.example:443/",
            "https://shop.example./?q",
            "http://shop.example:443/",
            "http://shop.example:8080/",
        ] {
            assert!(allows("Shop.Example.", url), "{url}");
        }
        for url in [
            "http://a.shop.example/",
            "http://shop.example.evil/",
            "http://notshop.example/",
            "http://shop.example@evil.example/",
            "ftp://shop.example/",
            "http://1.2.3.4/",
        ] {
            assert!(!allows("shop.example", url), "{url}");
        }
    }

    #[test]
    fn a_port_is_that_port_alone() {
        assert!(allows("shop.example:8443", "https://shop.example:8443/"));
        assert!(!allows("shop.example:8443", "https://shop.example/"));
        assert!(allows("127.0.0.1:9000", "http://127.1:9000/"));
        assert!(!allows("127.0.0.1:9000", "http://127.0.0.1:9001/"));
        assert!(allows("[::1]:9000", "http://[::1]:9000/"));
        assert!(allows("[::1]", "http://[0:0::1]/"));
        assert!(!allows("[::1]", "http://[::2]/"));
    }

    #[test]
    fn an_asterisk_is_for_names_below_and_not_for_the_name_itself() {
        assert!(allows("*.shop.example", "http://a.shop.example/"));
        assert!(allows("*.shop.example", "https://b.a.shop.example/"));
        assert!(allows("*.shop.example:81", "http://a.shop.example:81/"));
        for url in [
            "http://shop.example/",
            "http://.shop.example/",
            "http://evilshop.example/",
        ] {
            assert!(!allows("*.shop.example", url), "{url}");
        }
    }

    #[test]
    fn a_name_in_any_script_is_the_same_host() {
        assert!(allows("例子.测试", "http://xn--fsqu00a.xn--0zwm56d/"));
        assert!(allows("xn--fsqu00a.xn--0zwm56d", "http://例子.测试/"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for entry in [
            "",
            "*",
            "*.",
            "*.com",
            "*.*.example.com",
            "a.*.example.com",
            "*.127.0.0.1",
            "http://shop.example",
            "shop.example/",
            "user@shop.example",
            "shop example",
            "shop.example:",
            "shop.example:0",
            "shop.example:65536",
            "shop.example:+80",
            "shop.example:80:80",
            "::1",
            "shop%2eexample",
            "shop..example",
            ".shop.example",
            "10.0.0.0/8",
        ] {
            let error = AllowedHosts::parse(&[entry]).unwrap_err();
            assert_eq!(error.data.unwrap()["field"], "hosts", "{entry:?}");
        }
        let many: Vec<String> = (0..=PROJECT_HOSTS_MAX).map(|n| format!("h{n}")).collect();
        assert!(AllowedHosts::parse(&many).is_err());
        AllowedHosts::parse(&many[1..]).unwrap();
    }

    #[test]
    fn entries_are_kept_once_and_in_their_normal_form() {
        let entries = [
            "A.example:80",
            "a.example:80",
            "*.B.example.",
            "[0::1]:9",
            "0x7f.1",
        ];
        let hosts = AllowedHosts::parse(&entries).unwrap();
        let normal = ["a.example:80", "*.b.example", "[::1]:9", "127.0.0.1"];
        assert_eq!(hosts.to_texts(), normal);
        assert_eq!(AllowedHosts::parse(&normal).unwrap(), hosts);
        assert!(!AllowedHosts::default().allows(&Url::parse("http://a.example/").unwrap()));
    }

    #[test]
    fn names_and_limits_are_bounded() {
        assert_eq!(Name::parse("name", " 财务 ").unwrap().as_str(), "财务");
        for bad in ["", "  ", "a\nb", "a\0"] {
            let error = Name::parse("group", bad).unwrap_err();
            assert_eq!(error.data.unwrap()["field"], "group", "{bad:?}");
        }
        assert!(Name::parse("name", &"x".repeat(PROJECT_NAME_CHARS_MAX + 1)).is_err());
        for (field, limits) in [
            ("max_tasks", Limits::new(Some(0), None, None)),
            ("max_rows", Limits::new(None, Some(-1), None)),
            ("max_bytes", Limits::new(Some(1), Some(1), Some(i64::MAX))),
        ] {
            assert_eq!(limits.unwrap_err().data.unwrap()["field"], field);
        }
        Limits::new(Some(1), Some(PROJECT_ROWS_MAX), None).unwrap();
    }

    proptest! {
        #[test]
        fn an_entry_allows_itself_or_is_refused(text in "[*a-z0-9.:\\[\\]%é-]{0,20}") {
            if let Ok(hosts) = AllowedHosts::parse(&[&text]) {
                let normal = hosts.to_texts();
                prop_assert_eq!(&AllowedHosts::parse(&normal).unwrap(), &hosts);
                let url = format!("http://{}/", normal[0].replace('*', "a"));
                prop_assert!(hosts.allows(&Url::parse(&url).unwrap()), "{}", url);
            }
        }
    }
}
