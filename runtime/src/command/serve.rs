//! `wharf serve`: the HTTP surface alone; workers run elsewhere on the same database.

use super::parts;
use crate::metrics::requests::Requests;
use crate::metrics::{self, Metrics};
use crate::server::{self, tls::Tls};
use crate::settings::Flags;
use crate::worker::http;
use axum::Router;
use axum::routing::get;
use shared::domain::forwarded::TrustedProxies;

pub async fn run(flags: &Flags) -> anyhow::Result<()> {
    let mut settings = parts::settings(flags)?;
    let shutdown = parts::shutdown()?;
    let tls = Tls::open(&settings.tls)?;
    let manifest = parts::manifest()?;
    let (listener, address) = parts::bind(settings.listen).await?;
    settings.listen = address;
    parts::build(&manifest).await?;
    let handle = parts::database(&settings).await?;
    let (worker_url, files_url) = (settings.worker_url(), settings.worker_files_url());
    let requests = Requests::default();
    let host = parts::host(
        &settings,
        &handle,
        manifest,
        &worker_url,
        &files_url,
        &requests,
    )
    .await?;
    let metrics = Metrics::new(&settings, &handle, requests, Some(&host), None);
    let own = Router::new().route("/health", get(http::health));
    let router = server::with_host(own.merge(metrics::router(metrics)), host);
    let proxies = TrustedProxies::parse(&settings.trusted_proxies)?;
    let router = server::behind(router, proxies);
    parts::announce(&settings.local_url(address));
    server::serve(listener, router, tls, shutdown).await;
    Ok(())
}
