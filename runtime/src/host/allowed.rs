//! `allowed_outbound_hosts`: `scheme://host[:port]`, where each part may be `*`, the host `*.domain`,
//! an address, a network or `self`, the port a range `a..b`
//! (<https://spinframework.dev/v3/http-outbound#granting-http-permissions-to-components>).

use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::Range;
use url::Host;

/// The hosts that one component may reach.
#[derive(Debug, Default)]
pub struct AllowedHosts(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    /// `None`: any.
    scheme: Option<String>,
    host: HostRule,
    /// `None`: any.
    ports: Option<Range<u32>>,
}

#[derive(Debug)]
enum HostRule {
    Any,
    OneSelf,
    Subdomains(String),
    Exactly(Host),
    Network(IpNet),
}

impl AllowedHosts {
    /// Adds one rule with its variables filled in; one that an empty variable emptied grants nothing.
    pub fn add(&mut self, rule: &str) -> Result<(), String> {
        if !["", "http://", "https://"].contains(&rule) {
            self.0.push(Rule::parse(rule)?);
        }
        Ok(())
    }

    /// Whether the component may connect there; the port defaults to the scheme's.
    pub fn allows(&self, scheme: &str, host: &str, port: Option<u16>) -> bool {
        let Ok(host) = Host::parse(host) else {
            return false;
        };
        let port = port.or_else(|| well_known_port(scheme));
        self.0.iter().any(|rule| {
            rule.scheme.as_deref().is_none_or(|only| only == scheme)
                && rule.host.allows(&host)
                && match (&rule.ports, port) {
                    (None, _) => true,
                    (Some(ports), Some(port)) => ports.contains(&port.into()),
                    (Some(_), None) => false,
                }
        })
    }

    /// Whether the component may call the application's own routes.
    pub fn allows_self(&self) -> bool {
        self.0.iter().any(|rule| {
            matches!(rule.host, HostRule::Any | HostRule::OneSelf)
                && !matches!(rule.scheme.as_deref(), Some(scheme) if !scheme.starts_with("http"))
        })
    }
}

impl Rule {
    fn parse(rule: &str) -> Result<Self, String> {
        let (scheme, rest) = rule
            .trim()
            .split_once("://")
            .ok_or_else(|| format!("\"{rule}\" has no scheme, such as `https://`"))?;
        if scheme != "*"
            && !scheme
                .chars()
                .all(|character| character.is_ascii_alphabetic())
        {
            return Err(format!("\"{rule}\": a scheme has letters only"));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = split_port(rest);
        let ports = match port {
            Some("*") => None,
            Some(port) => Some(parse_ports(port).ok_or_else(|| {
                format!("\"{rule}\": \"{port}\" is neither a port, a range `a..b` nor `*`")
            })?),
            None => Some(single(well_known_port(scheme).ok_or_else(|| {
                format!("\"{rule}\" needs a port, since its scheme has no usual one")
            })?)),
        };
        Ok(Self {
            scheme: (scheme != "*").then(|| scheme.to_owned()),
            host: HostRule::parse(host).ok_or_else(|| {
                format!("\"{rule}\": \"{host}\" is not a host, `*.domain`, network, `self` or `*`")
            })?,
            ports,
        })
    }
}

impl HostRule {
    fn parse(host: &str) -> Option<Self> {
        if let Ok(network) = host.parse() {
            return Some(Self::Network(network));
        }
        Some(match host {
            "*" => Self::Any,
            "self" | "self.alt" => Self::OneSelf,
            _ => match host.strip_prefix("*.") {
                Some(domain) => match Host::parse(domain).ok()? {
                    Host::Domain(domain) => Self::Subdomains(format!(".{domain}")),
                    _ => return None,
                },
                // Calls between components do not exist in this application.
                None if host.ends_with(".spin.internal") || host.contains(['*', '/']) => {
                    return None;
                }
                None => Self::Exactly(Host::parse(host).ok()?),
            },
        })
    }

    fn allows(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::OneSelf, _) => false,
            (Self::Subdomains(suffix), Host::Domain(domain)) => domain.ends_with(suffix),
            (Self::Subdomains(_), _) => false,
            (Self::Exactly(only), host) => only == host,
            (Self::Network(network), Host::Ipv4(address)) => {
                network.contains(&IpAddr::V4(*address))
            }
            (Self::Network(network), Host::Ipv6(address)) => {
                network.contains(&IpAddr::V6(*address))
            }
            (Self::Network(_), Host::Domain(_)) => false,
        }
    }
}

/// The port behind the last colon, unless that stands inside an IPv6 address.
fn split_port(rest: &str) -> (&str, Option<&str>) {
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains([']', '/']) => {
            (host, (!port.is_empty()).then_some(port))
        }
        _ => (rest, None),
    }
}

fn parse_ports(port: &str) -> Option<Range<u32>> {
    match port.split_once("..") {
        Some((first, end)) => {
            Some(first.parse::<u16>().ok()?.into()..end.parse::<u16>().ok()?.into())
        }
        None => Some(single(port.parse().ok()?)),
    }
}

fn single(port: u16) -> Range<u32> {
    u32::from(port)..u32::from(port) + 1
}

fn well_known_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "postgres" => Some(5432),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(rules: &[&str]) -> AllowedHosts {
        let mut allowed = AllowedHosts::default();
        for rule in rules {
            allowed.add(rule).expect("a good rule");
        }
        allowed
    }

    #[test]
    fn only_what_is_granted_is_reached() {
        let hosts = allowed(&[
            "http://127.0.0.1:3000",
            "https://*.example.org",
            "postgres://*:*",
        ]);
        assert!(hosts.allows("http", "127.0.0.1", Some(3000)));
        assert!(!hosts.allows("http", "127.0.0.1", None));
        assert!(!hosts.allows("https", "127.0.0.1", Some(3000)));
        assert!(hosts.allows("https", "a.example.org", None));
        assert!(!hosts.allows("https", "example.org", None));
        assert!(!hosts.allows("https", "evilexample.org", None));
        assert!(hosts.allows("postgres", "db", Some(5433)));
        assert!(!hosts.allows_self());
    }

    #[test]
    fn networks_ranges_and_self_are_understood() {
        let hosts = allowed(&[
            "http://10.0.0.0/8:8000..8002",
            "http://self",
            "http://[::1]:80",
        ]);
        assert!(hosts.allows("http", "10.1.2.3", Some(8001)));
        assert!(!hosts.allows("http", "10.1.2.3", Some(8002)));
        assert!(!hosts.allows("http", "11.1.2.3", Some(8001)));
        assert!(hosts.allows("http", "[::1]", None));
        assert!(hosts.allows_self());
        assert!(allowed(&["*://*:*"]).allows("https", "anything", None));
    }

    #[test]
    fn bad_rules_say_what_is_wrong() {
        let mut hosts = AllowedHosts::default();
        for rule in [
            "example.org",
            "*",
            "ftp://x",
            "http://a*b",
            "http://x:y",
            "http://x/path",
        ] {
            assert!(hosts.add(rule).is_err(), "{rule}");
        }
        assert!(hosts.add("http://").is_ok());
    }
}
