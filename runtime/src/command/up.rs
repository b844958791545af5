//! `wharf up`: runner and worker in one process on one port.

use super::parts;
use crate::metrics::requests::Requests;
use crate::metrics::{self, Metrics};
use crate::server;
use crate::settings::Flags;
use crate::worker::http;
use anyhow::bail;
use shared::domain::forwarded::TrustedProxies;

/// `is_shop`: it is meant to be a shop's server, and a forgotten setting must not make a cloud of it.
pub async fn run(flags: &Flags, is_shop: bool) -> anyhow::Result<()> {
    let mut settings = parts::settings(flags)?;
    if is_shop && !settings.site.is_one() {
        bail!("A shop's server needs site.upstream, the URL of its cloud.");
    }
    let shutdown = parts::shutdown()?;
    let manifest = parts::manifest()?;
    let (listener, address) = parts::bind(settings.listen).await?;
    settings.listen = address;
    parts::build(&manifest).await?;
    let handle = parts::database(&settings).await?;
    let local = parts::local_url(address);
    let public = match settings.public_url.as_str() {
        "" => &local,
        url => url,
    };
    let files_url = match settings.files.url.as_str() {
        "" => public,
        url => url,
    };
    let requests = Requests::default();
    let (host, worker) = tokio::try_join!(
        parts::host(&settings, &handle, manifest, &local, files_url, &requests),
        parts::worker(&settings, &handle),
    )?;
    let own = http::router(worker.clone(), &requests);
    let metrics = Metrics::new(&settings, &handle, requests, Some(&host), Some(&worker));
    let router = server::with_host(own.merge(metrics::router(metrics)), host);
    let proxies = TrustedProxies::parse(&settings.trusted_proxies)?;
    let router = server::behind(router, proxies);
    parts::announce(public);
    parts::serve_and_work(listener, router, &worker, shutdown).await;
    Ok(())
}
