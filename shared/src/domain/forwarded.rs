//! Which address a request came from when reverse proxies stand in front.

use crate::error::{Error, Result};
use ipnet::IpNet;
use std::net::IpAddr;

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// From addresses and CIDRs. Errors: 40001 naming the entry.
    pub fn parse(entries: &[String]) -> Result<Self> {
        let networks = entries.iter().map(|entry| {
            let network = entry
                .parse::<IpNet>()
                .or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
            let wrong = |_: std::net::AddrParseError| {
                let message = format!("{entry:?} is no address and no CIDR");
                Error::invalid("trusted_proxies", message)
            };
            network.map_err(wrong)
        });
        Ok(Self(networks.collect::<Result<_>>()?))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The address nearest to us that is no trusted proxy. `forwarded` is what stands in the request, first
    /// to last; what a client wrote there itself lies beyond the first address that we do not trust.
    pub fn client(&self, peer: IpAddr, forwarded: &[&str]) -> IpAddr {
        let hops = forwarded.iter().flat_map(|value| value.split(','));
        let mut client = peer;
        for hop in hops.map(str::trim).collect::<Vec<_>>().into_iter().rev() {
            if !self.trusts(client) {
                break;
            }
            match hop.parse() {
                Ok(address) => client = address,
                Err(_) => break,
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let entries: Vec<String> = trusted.iter().map(|entry| entry.to_string()).collect();
        let proxies = TrustedProxies::parse(&entries).unwrap();
        proxies.client(peer.parse().unwrap(), forwarded).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let proxy = ["10.0.0.0/8"];
        assert_eq!(client(&[], "10.0.0.1", &["198.51.100.7"]), "10.0.0.1");
        assert_eq!(
            client(&proxy, "203.0.113.9", &["198.51.100.7"]),
            "203.0.113.9"
        );
        assert_eq!(
            client(&proxy, "10.0.0.1", &["198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(client(&proxy, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_a_client_wrote_itself_does_not_count() {
        let proxy = ["10.0.0.1", "2001:db8::/32"];
        let forged = "1.1.1.1, 198.51.100.7";
        assert_eq!(client(&proxy, "10.0.0.1", &[forged]), "198.51.100.7");
        assert_eq!(
            client(
                &proxy,
                "10.0.0.1",
                &["1.1.1.1", "198.51.100.7, 2001:db8::1"]
            ),
            "198.51.100.7"
        );
        assert_eq!(
            client(&proxy, "::ffff:10.0.0.1", &["not an address"]),
            "::ffff:10.0.0.1"
        );
    }

    #[test]
    fn what_is_no_network_is_refused() {
        assert!(TrustedProxies::parse(&["localhost".to_owned()]).is_err());
    }
}
