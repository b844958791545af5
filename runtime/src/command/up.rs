//! `wharf up`: runner and worker in one process on one port.

use super::parts::{self, Front};
use crate::metrics::requests::Requests;
use crate::metrics::{self, Metrics};
use crate::server::{self, tls::Tls};
use crate::settings::{Flags, plain_url};
use crate::worker::http;
use anyhow::bail;
use shared::domain::forwarded::TrustedProxies;
use std::net::SocketAddr;

/// `is_shop`: it is meant to be a shop's server, and a forgotten setting must not make a cloud of it.
pub async fn run(flags: &Flags, is_shop: bool) -> anyhow::Result<()> {
    let mut settings = parts::settings(flags)?;
    if is_shop && !settings.site.is_one() {
        bail!("A shop's server needs site.upstream, the URL of its cloud.");
    }
    let shutdown = parts::shutdown()?;
    let tls = Tls::open(&settings.tls)?;
    let manifest = parts::manifest()?;
    let (listener, address) = parts::bind(settings.listen).await?;
    settings.listen = address;
    parts::build(&manifest).await?;
    let handle = parts::database(&settings).await?;
    let public = settings.public_url();
    let files_url = match settings.files.url.as_str() {
        "" => &public,
        url => url,
    };
    // With TLS the components' calls get a port of their own, on loopback: the certificate is made out to a
    // public name.
    let internal = match tls {
        Some(_) => Some(parts::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?),
        None => None,
    };
    let worker_url = plain_url(internal.as_ref().map_or(address, |(_, address)| *address));
    let requests = Requests::default();
    let (host, worker) = tokio::try_join!(
        parts::host(
            &settings,
            &handle,
            manifest,
            &worker_url,
            files_url,
            &requests
        ),
        parts::worker(&settings, &handle),
    )?;
    let own = http::router(worker.clone(), &requests);
    let internal =
        internal.map(|(listener, _)| (listener, http::internal(worker.clone(), &requests)));
    let metrics = Metrics::new(&settings, &handle, requests, Some(&host), Some(&worker));
    let router = server::with_host(own.merge(metrics::router(metrics)), host);
    let proxies = TrustedProxies::parse(&settings.trusted_proxies)?;
    let router = server::behind(router, proxies);
    parts::announce(&public);
    let front = Front {
        listener,
        router,
        tls,
        internal,
    };
    parts::serve_and_work(front, &worker, shutdown).await;
    Ok(())
}
