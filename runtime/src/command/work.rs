//! `wharf work`: the worker alone, beside `wharf serve` or real Spin (PF-3).

use super::parts::{self, Front};
use crate::metrics::requests::Requests;
use crate::metrics::{self, Metrics};
use crate::server::tls::Tls;
use crate::settings::Flags;
use crate::worker::http;

pub async fn run(flags: &Flags) -> anyhow::Result<()> {
    // Resident memory is counted in pieces of 2 MiB where the allocator gets huge pages, and a worker that needs
    // 35 MiB for an export has 80 (DC-7). A kernel that does not know the switch has no huge pages either.
    let _ = nix::sys::prctl::set_thp_disable(true);
    let settings = parts::settings(flags)?;
    let shutdown = parts::shutdown()?;
    let tls = Tls::open(&settings.tls)?;
    let listen = flags.listen.unwrap_or(settings.worker.listen);
    let (listener, address) = parts::bind(listen).await?;
    let internal = match tls {
        Some(_) => Some(parts::bind(settings.worker.internal_listen).await?.0),
        None => None,
    };
    let handle = parts::database(&settings).await?;
    let worker = parts::worker(&settings, &handle).await?;
    let requests = Requests::default();
    let own = http::router(worker.clone(), &requests);
    let own = http::alone(own, &requests);
    let internal = internal.map(|listener| (listener, http::internal(worker.clone(), &requests)));
    let metrics = Metrics::new(&settings, &handle, requests, None, Some(&worker));
    let router = own.merge(metrics::router(metrics));
    parts::announce(&settings.local_url(address));
    let front = Front {
        listener,
        router,
        tls,
        internal,
    };
    parts::serve_and_work(front, &worker, shutdown).await;
    Ok(())
}
