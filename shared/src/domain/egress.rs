//! Which addresses the product may connect to on a caller's behalf (VA-14, DC-12).
//!
//! Sources: RFC 6890 and the IANA IPv4 and IPv6 Special-Purpose Address Registries. Where a registry
//! calls a block globally reachable for an infrastructure service only, the block is refused all the same.

use crate::domain::task::Failure;
use crate::error::{Error, Result};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Url};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

const REFUSED_V4: [Ipv4Net; 16] = [
    v4(0, 0, 0, 0, 8),        // "this network", RFC 791
    v4(10, 0, 0, 0, 8),       // private, RFC 1918
    v4(100, 64, 0, 0, 10),    // shared by carriers (and a cloud's metadata), RFC 6598
    v4(127, 0, 0, 0, 8),      // loopback, RFC 1122
    v4(168, 63, 129, 16, 32), // a cloud's platform channel on a public address
    v4(169, 254, 0, 0, 16),   // link-local and cloud metadata, RFC 3927
    v4(172, 16, 0, 0, 12),    // private, RFC 1918
    v4(192, 0, 0, 0, 24),     // protocol assignments (and a cloud's metadata), RFC 6890
    v4(192, 0, 2, 0, 24),     // documentation, RFC 5737
    v4(192, 88, 99, 0, 24),   // former 6to4 relays, RFC 7526
    v4(192, 168, 0, 0, 16),   // private, RFC 1918
    v4(198, 18, 0, 0, 15),    // benchmarking, RFC 2544
    v4(198, 51, 100, 0, 24),  // documentation, RFC 5737
    v4(203, 0, 113, 0, 24),   // documentation, RFC 5737
    v4(224, 0, 0, 0, 4),      // multicast, RFC 5771
    v4(240, 0, 0, 0, 4),      // reserved and broadcast, RFC 1112, RFC 919
];

/// Everything else lies outside of what IANA hands out: loopback, unspecified, IPv4-mapped and
/// -compatible, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard (100::/64), unique local, link-local,
/// site-local, multicast.
const UNICAST_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

const REFUSED_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 0, 23), // protocol assignments: Teredo, benchmarking, ORCHID …, RFC 2928
    v6(0x2001, 0xdb8, 0, 32), // documentation, RFC 3849
    v6(0x2002, 0, 0, 16), // 6to4, embeds an IPv4 address, RFC 3056
    v6(0x3fff, 0, 0, 20), // documentation, RFC 9637
];

/// True for an address that any machine on the public internet can be reached at. Addresses that embed
/// an IPv4 address are refused whatever they embed.
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !REFUSED_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            UNICAST_V6.contains(&address) && !REFUSED_V6.iter().any(|net| net.contains(&address))
        }
    }
}

/// What the operator opens although it is not global (`egress.allow`). Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    target: Target,
    /// None: any port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// Lower case, punycode, without the trailing dot.
    Name(String),
    Net(IpNet),
}

impl AllowList {
    /// Each entry is a host (`media.example`), `host:port`, an address, `address:port`, `[v6]:port` or a
    /// CIDR. Errors: 40001 for field `egress.allow`, naming the entry.
    pub fn parse(entries: &[String]) -> Result<Self> {
        entries
            .iter()
            .map(|entry| parse_entry(entry.trim()))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// True where the operator named this host; its addresses are then not looked at.
    pub fn allows_host(&self, host: &str, port: u16) -> bool {
        let host = normal_name(host);
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|allowed| allowed == port)
                && matches!(&entry.target, Target::Name(name) if *name == host)
        })
    }

    /// True where the operator named this address or a block around it.
    pub fn allows_ip(&self, address: IpAddr, port: u16) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|allowed| allowed == port)
                && matches!(&entry.target, Target::Net(net) if net.contains(&address))
        })
    }

    /// The rule of the egress door for one resolved address.
    pub fn permits(&self, address: IpAddr, port: u16) -> bool {
        is_global(address) || self.allows_ip(address, port)
    }
}

fn normal_name(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn parse_entry(text: &str) -> Result<Entry> {
    if let Ok(net) = text.parse::<IpNet>() {
        return Ok(Entry {
            target: Target::Net(net.trunc()),
            port: None,
        });
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Ok(Entry {
            target: Target::Net(socket.ip().to_canonical().into()),
            port: Some(socket.port()),
        });
    }
    let refuse = || {
        Error::invalid(
            "egress.allow",
            format!("{text:?} is not a host, host:port, address, address:port, [v6]:port or CIDR."),
        )
    };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Entry {
            target: Target::Net(address.to_canonical().into()),
            port: None,
        });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => {
            (host, Some(port.parse::<u16>().map_err(|_| refuse())?))
        }
        _ => (text, None),
    };
    let target = match Host::parse(host).map_err(|_| refuse())? {
        Host::Ipv4(address) => Target::Net(IpAddr::V4(address).into()),
        Host::Ipv6(address) => Target::Net(IpAddr::V6(address).to_canonical().into()),
        Host::Domain(name) => {
            let name = normal_name(&name);
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            if name.is_empty() || !name.chars().all(fits) {
                return Err(refuse());
            }
            Target::Name(name)
        }
    };
    Ok(Entry { target, port })
}

/// The failure that a refused address ends in.
pub fn blocked() -> Failure {
    Failure::permanent(
        "blocked_address",
        "This address is not on the public internet, so it is not fetched.",
    )
}

/// Refuses at once what needs no resolving: a host that is an address in any notation (the `url` crate
/// has turned decimal, octal, hexadecimal and short forms into an address already) or `localhost`.
/// Names are judged by the door, when they are resolved. Errors: `blocked_address`, permanent.
pub fn check_literal(url: &Url, allow: &AllowList) -> Result<(), Failure> {
    let port = url.port_or_known_default().unwrap_or(0);
    let permitted = match url.host() {
        Some(Host::Ipv4(address)) => allow.permits(address.into(), port),
        Some(Host::Ipv6(address)) => allow.permits(address.into(), port),
        Some(Host::Domain(name)) => {
            let plain = normal_name(name);
            let is_local = plain == "localhost" || plain.ends_with(".localhost");
            !is_local
                || allow.allows_host(name, port)
                || allow.allows_ip(Ipv4Addr::LOCALHOST.into(), port)
                || allow.allows_ip(Ipv6Addr::LOCALHOST.into(), port)
        }
        None => false,
    };
    if permitted { Ok(()) } else { Err(blocked()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allow(entries: &[&str]) -> AllowList {
        let entries: Vec<String> = entries.iter().map(|entry| entry.to_string()).collect();
        AllowList::parse(&entries).unwrap()
    }

    #[test]
    fn only_public_addresses_are_global() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_global(text.parse().unwrap()), "{text} passed");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450::1",
        ] {
            assert!(is_global(text.parse().unwrap()), "{text} was refused");
        }
    }

    #[test]
    fn literals_in_every_notation_are_refused_at_once() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]:80/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[fd00:ec2::254]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://localhost/",
            "http://LOCALHOST.:8080/",
            "https://a.localhost/",
            "http://①②⑦.0.0.1/",
            "http://0/",
        ] {
            let failure =
                check_literal(&Url::parse(text).unwrap(), &AllowList::default()).unwrap_err();
            assert_eq!(
                (failure.code, failure.retryable),
                ("blocked_address", false),
                "{text}"
            );
        }
        for text in [
            "https://example.com/",
            "http://8.8.8.8/",
            "http://[2606:4700::1111]/",
        ] {
            check_literal(&Url::parse(text).unwrap(), &AllowList::default()).unwrap();
        }
    }

    #[test]
    fn the_allow_list_opens_what_it_names_and_no_more() {
        let list = allow(&[
            "media.example",
            "Shop.Example:8443",
            "127.0.0.1:9000",
            "10.1.0.0/16",
            "[::1]:80",
            "fd00::5",
        ]);
        assert!(list.allows_host("MEDIA.example.", 1));
        assert!(!list.allows_host("x.media.example", 1));
        assert!(list.allows_host("shop.example", 8443) && !list.allows_host("shop.example", 443));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(list.allows_ip(ip("127.0.0.1"), 9000) && !list.allows_ip(ip("127.0.0.1"), 9001));
        assert!(list.allows_ip(ip("::ffff:127.0.0.1"), 9000));
        assert!(list.allows_ip(ip("10.1.255.1"), 1) && !list.allows_ip(ip("10.2.0.1"), 1));
        assert!(list.allows_ip(ip("::1"), 80) && !list.allows_ip(ip("::1"), 81));
        assert!(list.allows_ip(ip("fd00::5"), 7) && !list.allows_ip(ip("fd00::6"), 7));
        let url = Url::parse("http://localhost:9000/").unwrap();
        check_literal(&url, &list).unwrap();
        for bad in [
            "",
            "http://x/",
            "a b",
            "host:99999",
            "10.0.0.0/33",
            "*.example",
            "host:",
        ] {
            assert!(
                AllowList::parse(&[bad.to_owned()]).is_err(),
                "{bad:?} was accepted"
            );
        }
    }

    proptest! {
        #[test]
        fn an_address_that_embeds_ipv4_is_never_global(bits: u32) {
            let [a, b, c, d] = bits.to_be_bytes();
            let (high, low) = ((bits >> 16) as u16, bits as u16);
            let v4 = Ipv4Addr::new(a, b, c, d);
            for address in [
                v4.to_ipv6_mapped(),
                v4.to_ipv6_compatible(),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
            ] {
                prop_assert!(!is_global(address.into()));
            }
        }

        #[test]
        fn std_agrees_that_a_global_address_is_not_special(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified();
            prop_assert!(!(special && is_global(address.into())));
        }

        #[test]
        fn entries_never_panic(text in ".{0,40}") {
            let _ = AllowList::parse(&[text]);
        }
    }
}
