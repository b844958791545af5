//! The right of one attempt to use the forward proxy, and what the proxy remembers of it.

use super::door::EgressError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// A rented HTTP proxy that an attempt goes through. Its own address passes the door too.
#[derive(Clone, PartialEq, Eq)]
pub struct Upstream {
    pub host: String,
    pub port: u16,
    /// User name and password for HTTP Basic.
    pub credentials: Option<(String, String)>,
}

/// Leaves the credentials out, so that no log can hold them (VA-5).
impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upstream({}:{})", self.host, self.port)
    }
}

/// Why the proxy itself refused or gave up on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Egress(EgressError),
    /// More bytes came than the ticket admits.
    Overdrawn,
    /// The rented proxy refused or broke the exchange.
    Upstream,
    /// The site broke the exchange or does not speak HTTP.
    Broken,
    /// The site reset a connection in the middle of an answer.
    Reset,
}

/// What one ticket admits; shared by all its connections.
pub(super) struct Admission {
    task_id: String,
    upstream: Option<Upstream>,
    received_bytes: AtomicU64,
    /// What all tickets together received.
    total_bytes: Arc<AtomicU64>,
    limit_bytes: AtomicU64,
    refusal: Mutex<Option<Refusal>>,
    revoked: CancellationToken,
}

impl Admission {
    pub(super) fn task_id(&self) -> &str {
        &self.task_id
    }

    pub(super) fn upstream(&self) -> Option<&Upstream> {
        self.upstream.as_ref()
    }

    /// Cancelled when the ticket is dropped.
    pub(super) fn revocation(&self) -> CancellationToken {
        self.revoked.clone()
    }

    /// Counts bytes that came from outside; false when the ticket is overdrawn.
    pub(super) fn count(&self, bytes: u64) -> bool {
        self.total_bytes.fetch_add(bytes, Ordering::Relaxed);
        let received = self.received_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let admitted = received <= self.limit_bytes.load(Ordering::Relaxed);
        if !admitted {
            self.remember(Refusal::Overdrawn);
        }
        admitted
    }

    pub(super) async fn revoked(&self) {
        self.revoked.cancelled().await;
    }

    /// Remembers an answer that broke off, when it was a reset and no early end.
    pub(super) fn broke_off(&self, error: &(dyn std::error::Error + 'static)) {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let io = error.downcast_ref::<std::io::Error>();
            if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionReset) {
                return self.remember(Refusal::Reset);
            }
            cause = error.source();
        }
    }

    /// Keeps the latest refusal, but never lets one that decides the task be covered by a vaguer one.
    pub(super) fn remember(&self, refusal: Refusal) {
        let mut kept = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        let decides = |refusal| {
            matches!(
                refusal,
                Refusal::Egress(EgressError::Blocked) | Refusal::Overdrawn
            )
        };
        if kept.is_none_or(|kept| !decides(kept)) || decides(refusal) {
            *kept = Some(refusal);
        }
    }
}

/// The right of one attempt to use the proxy; dropping it revokes the credentials and cuts what is open.
pub struct ProxyTicket {
    admission: Arc<Admission>,
    authorization: String,
    url: String,
    tickets: Arc<Tickets>,
}

impl ProxyTicket {
    /// `http://user:password@127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Bytes that came in from outside so far.
    pub fn received_bytes(&self) -> u64 {
        self.admission.received_bytes.load(Ordering::Relaxed)
    }

    /// From now on, at most so many bytes in all may come in.
    pub fn limit_bytes(&self, bytes: u64) {
        self.admission.limit_bytes.store(bytes, Ordering::Relaxed);
    }

    /// What the proxy refused last, a blocked address before anything else.
    pub fn refusal(&self) -> Option<Refusal> {
        *self
            .admission
            .refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ProxyTicket {
    fn drop(&mut self) {
        self.admission.revoked.cancel();
        self.tickets.out().remove(&self.authorization);
    }
}

/// The tickets that are out, by the value of `Proxy-Authorization`.
#[derive(Default)]
pub(super) struct Tickets {
    out: Mutex<HashMap<String, Arc<Admission>>>,
    received_bytes: Arc<AtomicU64>,
}

impl Tickets {
    /// A ticket with fresh random credentials for the proxy at `address`. Errors: no randomness.
    pub(super) fn admit(
        self: &Arc<Self>,
        task_id: &str,
        upstream: Option<Upstream>,
        address: SocketAddr,
    ) -> std::io::Result<ProxyTicket> {
        let mut secret = [0u8; 24];
        getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
        let password = hex::encode(secret);
        let authorization = basic("wharf", &password);
        let admission = Arc::new(Admission {
            task_id: task_id.to_owned(),
            upstream,
            received_bytes: AtomicU64::new(0),
            total_bytes: self.received_bytes.clone(),
            limit_bytes: AtomicU64::new(u64::MAX),
            refusal: Mutex::new(None),
            revoked: CancellationToken::new(),
        });
        self.out().insert(authorization.clone(), admission.clone());
        Ok(ProxyTicket {
            admission,
            authorization,
            url: format!("http://wharf:{password}@{address}"),
            tickets: self.clone(),
        })
    }

    pub(super) fn find(&self, authorization: &str) -> Option<Arc<Admission>> {
        self.out().get(authorization).cloned()
    }

    /// Bytes that came in from outside on all tickets so far.
    pub(super) fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    fn out(&self) -> MutexGuard<'_, HashMap<String, Arc<Admission>>> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of an HTTP Basic header (RFC 7617).
pub(super) fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{user}:{password}"))
    )
}
