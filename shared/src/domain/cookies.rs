//! Cookie jars in the Netscape format, as browsers' extensions and yt-dlp write them:
//! `domain ⇥ subdomains ⇥ path ⇥ secure ⇥ expires ⇥ name ⇥ value`, one cookie a line, `#HttpOnly_` before
//! the domain of one that scripts may not see.

use super::media::MediaUrl;
use crate::error::{Error, Result};
use crate::limits::{COOKIE_BYTES_MAX, COOKIE_JAR_BYTES_MAX, COOKIES_MAX};
use std::fmt;

const HTTP_ONLY: &str = "#HttpOnly_";
const HEADER: &str = "# Netscape HTTP Cookie File\n";

/// The name under which a jar is kept: a host name of at least two labels, or an address, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site(String);

impl Site {
    /// `example.com`; a leading `www.` or dot is dropped. Errors: 40001 for field `site`.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = || Error::invalid("site", "The site is a host name such as example.com.");
        // The URL parser knows what a host is, also an international one.
        let url = MediaUrl::parse(&format!("http://{}/", text.trim_start_matches('.')));
        let url = url.map_err(|_| refuse())?;
        let host = url.as_url().host_str().unwrap_or_default();
        let name = host.strip_prefix("www.").unwrap_or(host);
        // A path, a port or a query would have changed the URL.
        if url.as_url().port().is_some()
            || url.as_url().path() != "/"
            || url.as_url().query().is_some()
            || !name.contains(['.', ':'])
            || name.ends_with('.')
        {
            return Err(refuse());
        }
        Ok(Self(name.to_owned()))
    }

    /// The sites whose jars a URL may use, its own host first: `a.b.example.com`, `b.example.com`,
    /// `example.com`.
    pub fn of(url: &MediaUrl) -> Vec<Self> {
        let Some(host) = url.as_url().host() else {
            return Vec::new();
        };
        let url::Host::Domain(host) = host else {
            return vec![Self(url.as_url().host_str().unwrap_or_default().to_owned())];
        };
        let mut sites = Vec::new();
        let mut rest = host.strip_prefix("www.").unwrap_or(host);
        while rest.contains('.') {
            sites.push(Self(rest.to_owned()));
            rest = rest.split_once('.').map_or("", |(_, parent)| parent);
        }
        sites
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a cookie of this domain (without its leading dot) is the site's own or a subdomain's.
    fn holds(&self, domain: &str) -> bool {
        domain
            .strip_suffix(self.0.as_str())
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    }
}

/// One line of a jar.
#[derive(Clone, PartialEq, Eq)]
struct Cookie {
    http_only: bool,
    /// Lower case, without a leading dot.
    domain: String,
    subdomains: bool,
    path: String,
    secure: bool,
    /// Seconds since 1970; None for a session's cookie.
    expires_at_s: Option<i64>,
    name: String,
    value: String,
}

/// The cookies of a jar. What they are worth is never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Jar(Vec<Cookie>);

impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jar({} cookies)", self.0.len())
    }
}

impl Jar {
    /// Reads a jar of at most [`COOKIE_JAR_BYTES_MAX`] and [`COOKIES_MAX`]. Errors: 40001 for field
    /// `cookies`, naming the line but never what stands in it.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |message: String| Err(Error::invalid("cookies", message));
        if text.len() > COOKIE_JAR_BYTES_MAX {
            return refuse(format!(
                "The jar is larger than {COOKIE_JAR_BYTES_MAX} bytes."
            ));
        }
        let mut cookies = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let is_comment = line.starts_with('#') && !line.starts_with(HTTP_ONLY);
            if is_comment || line.trim().is_empty() {
                continue;
            }
            match Cookie::parse(line) {
                Some(cookie) => cookies.push(cookie),
                None => {
                    let number = index + 1;
                    return refuse(format!(
                        "Line {number} is no cookie in the Netscape format: seven fields with tabs between them."
                    ));
                }
            }
            if cookies.len() > COOKIES_MAX {
                return refuse(format!("The jar holds more than {COOKIES_MAX} cookies."));
            }
        }
        if cookies.is_empty() {
            return refuse("The jar holds no cookie.".to_owned());
        }
        Ok(Self(cookies))
    }

    /// The cookies of this site and its subdomains alone. Errors: 40001 for field `cookies` when there is
    /// none.
    pub fn of_site(mut self, site: &Site) -> Result<Self> {
        self.0.retain(|cookie| site.holds(&cookie.domain));
        if self.0.is_empty() {
            let message = format!("The jar holds no cookie of {}.", site.as_str());
            return Err(Error::invalid("cookies", message));
        }
        Ok(self)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// When the first of them ends, milliseconds since 1970; None when all are a session's.
    pub fn expires_at(&self) -> Option<i64> {
        let ends = self.0.iter().filter_map(|cookie| cookie.expires_at_s);
        ends.min().map(|seconds| seconds.saturating_mul(1000))
    }

    /// The file for yt-dlp, and what is sealed.
    pub fn to_netscape(&self) -> String {
        let mut text = HEADER.to_owned();
        for cookie in &self.0 {
            cookie.write(&mut text);
        }
        text
    }
}

impl Cookie {
    fn parse(line: &str) -> Option<Self> {
        if line.len() > COOKIE_BYTES_MAX {
            return None;
        }
        let http_only = line.starts_with(HTTP_ONLY);
        let line = line.strip_prefix(HTTP_ONLY).unwrap_or(line);
        let fields: Vec<&str> = line.split('\t').collect();
        let [domain, subdomains, path, secure, expires, name, value] = fields.try_into().ok()?;
        let is_dotted = domain.starts_with('.');
        let domain = domain.trim_start_matches('.').to_ascii_lowercase();
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        let is_plain = |text: &str| !text.chars().any(char::is_control);
        let sound = !domain.is_empty()
            && domain.chars().all(is_host)
            && path.starts_with('/')
            && !(name.is_empty() && value.is_empty())
            && [path, name, value].into_iter().all(is_plain);
        sound.then_some(Self {
            http_only,
            domain,
            subdomains: flag(subdomains)? || is_dotted,
            path: path.to_owned(),
            secure: flag(secure)?,
            expires_at_s: seconds(expires)?,
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }

    fn write(&self, text: &mut String) {
        let word = |flag: bool| if flag { "TRUE" } else { "FALSE" };
        // Python's cookie jar insists that the dot and the flag agree.
        let fields = [
            if self.http_only { HTTP_ONLY } else { "" },
            if self.subdomains { "." } else { "" },
            &self.domain,
            "\t",
            word(self.subdomains),
            "\t",
            &self.path,
            "\t",
            word(self.secure),
            "\t",
            &self.expires_at_s.unwrap_or(0).to_string(),
            "\t",
            &self.name,
            "\t",
            &self.value,
            "\n",
        ];
        text.extend(fields);
    }
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "TRUE" => Some(true),
        "FALSE" => Some(false),
        _ => None,
    }
}

/// Whole seconds, of which some browsers write a fraction; empty and 0 are a session.
fn seconds(text: &str) -> Option<Option<i64>> {
    let whole = text.split('.').next().unwrap_or_default();
    if text.is_empty() {
        return Some(None);
    }
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds: i64 = whole.parse().ok().filter(|_| is_number)?;
    Some((seconds > 0).then_some(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JAR: &str = "# Netscape HTTP Cookie File\r\n\r\n\
        .example.com\tTRUE\t/\tTRUE\t1800000000\tsession\tgood\r\n\
        #HttpOnly_www.example.com\tFALSE\t/a\tFALSE\t0\tid\ta=b c\n\
        .example.com\tTRUE\t/\tTRUE\t1790000000.5\tsoon\t\n\
        tracker.example.net\tFALSE\t/\tFALSE\t1700000000\tt\t1\n\
        notexample.com\tFALSE\t/\tFALSE\t\tt\t1\n";

    fn site(text: &str) -> Site {
        Site::parse(text).unwrap()
    }

    #[test]
    fn a_jar_gives_up_the_cookies_of_its_site_alone() {
        let jar = Jar::parse(JAR).unwrap();
        assert_eq!(
            (jar.count(), jar.expires_at()),
            (5, Some(1_700_000_000_000))
        );
        let own = jar.clone().of_site(&site("Example.com")).unwrap();
        assert_eq!(
            (own.count(), own.expires_at()),
            (3, Some(1_790_000_000_000))
        );
        assert_eq!(
            own.to_netscape(),
            "# Netscape HTTP Cookie File\n\
             .example.com\tTRUE\t/\tTRUE\t1800000000\tsession\tgood\n\
             #HttpOnly_www.example.com\tFALSE\t/a\tFALSE\t0\tid\ta=b c\n\
             .example.com\tTRUE\t/\tTRUE\t1790000000\tsoon\t\n"
        );
        assert_eq!(Jar::parse(&own.to_netscape()).unwrap(), own);
        assert!(jar.clone().of_site(&site("example.org")).is_err());
        assert_eq!(jar.of_site(&site("www.example.com")).unwrap().count(), 3);
        assert_eq!(format!("{own:?}"), "Jar(3 cookies)");
    }

    #[test]
    fn what_is_no_jar_is_refused_without_repeating_it() {
        let long = format!(
            "a.b\tFALSE\t/\tFALSE\t0\tn\t{}",
            "v".repeat(COOKIE_BYTES_MAX)
        );
        let many = "a.b\tFALSE\t/\tFALSE\t0\tn\tsecret\n".repeat(COOKIES_MAX + 1);
        for text in [
            "",
            "# only a comment\n",
            "[{\"domain\":\"secret\"}]",
            "a.b FALSE / FALSE 0 n secret",
            "a.b\tFALSE\t/\tFALSE\t0\tn",
            "a.b\tFALSE\t/\tFALSE\t0\tn\tsecret\tmore",
            "a.b\tyes\t/\tFALSE\t0\tn\tsecret",
            "a.b\tFALSE\tsecret\tFALSE\t0\tn\tsecret",
            "a.b\tFALSE\t/\tFALSE\t-1\tn\tsecret",
            "a.b\tFALSE\t/\tFALSE\t0\tn\tsecret\u{0}",
            "a b\tFALSE\t/\tFALSE\t0\tn\tsecret",
            long.as_str(),
            many.as_str(),
        ] {
            let error = Jar::parse(text).unwrap_err();
            assert!(!error.message.contains("secret"), "{}", error.message);
        }
        assert!(Jar::parse(&" ".repeat(COOKIE_JAR_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_url_uses_the_jar_of_its_host_or_of_one_above() {
        let sites = |url: &str| -> Vec<String> {
            let url = MediaUrl::parse(url).unwrap();
            let sites = Site::of(&url).into_iter();
            sites.map(|site| site.as_str().to_owned()).collect()
        };
        assert_eq!(
            sites("https://www.a.example.com/x"),
            ["a.example.com", "example.com"]
        );
        assert_eq!(sites("http://127.0.0.1:8080/x"), ["127.0.0.1"]);
        assert_eq!(sites("http://[::1]/x"), ["[::1]"]);
        assert_eq!(
            site(".WWW.Bücher.example").as_str(),
            "xn--bcher-kva.example"
        );
        for text in [
            "",
            "com",
            "a b.c",
            "example.com/x",
            "example.com:80x",
            "u@example.com",
            "example.com?x",
        ] {
            assert!(Site::parse(text).is_err(), "{text}");
        }
    }
}
