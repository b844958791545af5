//! Resolves a name once, keeps the permitted addresses and connects to one of exactly those, so that a
//! name that changes its mind between check and use (DNS rebinding) gains nothing (VA-14).

use shared::domain::egress::AllowList;
use shared::limits::{ADDRESSES_MAX, CONNECT_MS_MAX, RESOLVE_MS_MAX};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// Why there is no connection. The texts hold no address, so they may reach the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    #[error("the address is not on the public internet")]
    Blocked,
    #[error("the name has no address")]
    Unresolved,
    #[error("the host cannot be reached")]
    Unreachable,
    #[error("the host did not answer in time")]
    Timeout,
}

/// The egress rules of this process.
#[derive(Clone, Debug, Default)]
pub struct Door {
    allow: AllowList,
}

impl Door {
    pub fn new(allow: AllowList) -> Self {
        Self { allow }
    }

    pub fn allow_list(&self) -> &AllowList {
        &self.allow
    }

    /// The permitted addresses of `host` (a name, or an address without brackets), IPv4 first, at most
    /// [`ADDRESSES_MAX`]. Errors: `Blocked` when it has addresses but none that is permitted.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, EgressError> {
        let limit = Duration::from_millis(RESOLVE_MS_MAX);
        let found = timeout(limit, lookup_host((host, port)))
            .await
            .map_err(|_| EgressError::Timeout)?
            .map_err(|_| EgressError::Unresolved)?;
        let found: Vec<SocketAddr> = found.collect();
        if found.is_empty() {
            return Err(EgressError::Unresolved);
        }
        let named = self.allow.allows_host(host, port);
        let mut permitted: Vec<SocketAddr> = found
            .into_iter()
            .filter(|address| named || self.allow.permits(address.ip(), port))
            .collect();
        permitted.sort_by_key(SocketAddr::is_ipv6);
        permitted.dedup();
        permitted.truncate(ADDRESSES_MAX);
        if permitted.is_empty() {
            return Err(EgressError::Blocked);
        }
        Ok(permitted)
    }

    /// Resolves once and connects to one of the permitted addresses, [`CONNECT_MS_MAX`] for each.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, EgressError> {
        let addresses = self.resolve(host, port).await?;
        let mut last = EgressError::Unreachable;
        for address in addresses {
            match timeout(
                Duration::from_millis(CONNECT_MS_MAX),
                TcpStream::connect(address),
            )
            .await
            {
                Ok(Ok(stream)) => {
                    // Small writes of both sides are passed on as they come.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(_)) => last = EgressError::Unreachable,
                Err(_) => last = EgressError::Timeout,
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_private_address_is_refused_in_every_notation_the_resolver_knows() {
        let door = Door::default();
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "localhost",
            "::1",
            "169.254.169.254",
        ] {
            let refusal = door.connect(host, 1).await.unwrap_err();
            assert!(
                matches!(refusal, EgressError::Blocked | EgressError::Unresolved),
                "{host}: {refusal:?}"
            );
        }
        assert_eq!(
            door.connect("127.0.0.1", 1).await.unwrap_err(),
            EgressError::Blocked
        );
    }

    #[tokio::test]
    async fn an_allowed_address_is_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let door = Door::new(AllowList::parse(&[format!("127.0.0.1:{port}")]).unwrap());
        door.connect("127.0.0.1", port).await.unwrap();
        door.connect("localhost", port).await.unwrap();
    }
}
