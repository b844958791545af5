//! Where the parts are reached, as it follows from the settings.

use super::Settings;
use std::net::SocketAddr;

impl Settings {
    /// `http://host:port`, or https with TLS, that this machine reaches, also where the socket listens on every
    /// address.
    pub fn local_url(&self, address: SocketAddr) -> String {
        let scheme = match self.tls.files() {
            Some(_) => "https",
            None => "http",
        };
        format!("{scheme}://{}", reachable(address))
    }

    /// How clients reach the service, without a slash at the end.
    pub fn public_url(&self) -> String {
        match self.public_url.trim_end_matches('/') {
            "" => self.local_url(self.listen),
            url => url.to_owned(),
        }
    }

    /// Where components reach a worker that is another process.
    pub fn worker_url(&self) -> String {
        match self.worker.url.as_str() {
            // The certificate is made out to a public name, and they would look for this address in it.
            "" if self.tls.files().is_some() => plain_url(self.worker.internal_listen),
            "" => plain_url(self.worker.listen),
            url => url.to_owned(),
        }
    }

    /// Where clients reach the files of a worker that is another process.
    pub fn worker_files_url(&self) -> String {
        match (self.files.url.as_str(), self.worker.url.as_str()) {
            ("", "") => self.local_url(self.worker.listen),
            ("", url) | (url, _) => url.to_owned(),
        }
    }
}

/// `http://host:port` that this machine reaches.
pub fn plain_url(address: SocketAddr) -> String {
    format!("http://{}", reachable(address))
}

fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        match address {
            SocketAddr::V4(_) => address.set_ip(std::net::Ipv4Addr::LOCALHOST.into()),
            SocketAddr::V6(_) => address.set_ip(std::net::Ipv6Addr::LOCALHOST.into()),
        }
    }
    address
}
