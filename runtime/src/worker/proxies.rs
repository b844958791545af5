//! Rented proxies (VA-5): one of a third party's for each attempt that wants one, behind a breaker. The proxy
//! is bound to its attempt: every connection of it goes through that one, and no other attempt shares it.

use super::Worker;
use crate::clock::now_ms;
use crate::egress::client::Bounds;
use crate::egress::{Client, Door, Upstream};
use crate::settings::Settings;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use shared::domain::breaker::{Breaker, State};
use shared::domain::egress::AllowList;
use shared::domain::proxy::Rented;
use shared::domain::task::Failure;
use shared::limits::{PROXY_ANSWER_BYTES_MAX, PROXY_CALL_MS_MAX};
use shared::store::proxies::{self, ProxyEvent};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What goes into an endpoint's `{api_key}`.
const KEY_PLACE: &str = "{api_key}";

/// The provider, if one is configured.
pub struct Proxies {
    provider: Option<Provider>,
    breaker: Mutex<Breaker>,
    calls: Calls,
}

/// What became of the calls to the provider, since the start.
#[derive(Debug, Default)]
pub struct Calls {
    pub succeeded: AtomicU64,
    pub failed: AtomicU64,
    /// Not made, because the breaker was open.
    pub withheld: AtomicU64,
}

struct Provider {
    client: Client,
    endpoint: Uri,
    bearer: Option<header::HeaderValue>,
}

/// Why there is no proxy.
#[derive(Debug, PartialEq, Eq)]
pub enum NoProxy {
    /// The call failed: a retryable failure of the attempt.
    Failed(Failure),
    /// The breaker is open: the attempt need not begin for so many milliseconds.
    NotNow { wait_ms: i64 },
}

impl Proxies {
    /// The operator's own endpoint is opened in the door with the settings; the proxies that it names are
    /// not.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let provider = match settings.proxy.endpoint.as_str() {
            "" => None,
            endpoint => Some(Provider::new(endpoint, settings)?),
        };
        Ok(Self {
            provider,
            breaker: Mutex::default(),
            calls: Calls::default(),
        })
    }

    pub fn is_configured(&self) -> bool {
        self.provider.is_some()
    }

    pub fn breaker(&self) -> State {
        self.lock().state()
    }

    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the provider for a proxy, [`PROXY_CALL_MS_MAX`] at the most.
    pub async fn rent(&self) -> Result<Rented, NoProxy> {
        let Some(provider) = &self.provider else {
            return Err(NoProxy::Failed(unavailable()));
        };
        if let Err(wait_ms) = self.lock().admit(now_ms()) {
            self.calls.withheld.fetch_add(1, Ordering::Relaxed);
            return Err(NoProxy::NotNow { wait_ms });
        }
        // An admitted call is always answered to the breaker, also when its attempt is cancelled.
        let mut call = Admitted {
            proxies: self,
            is_success: false,
        };
        match provider.ask().await {
            Ok(rented) => {
                call.is_success = true;
                Ok(rented)
            }
            Err(cause) => {
                tracing::warn!(cause, "the provider gave no proxy");
                Err(NoProxy::Failed(unavailable()))
            }
        }
    }
}

fn unavailable() -> Failure {
    Failure::retryable("proxy_unavailable", "No proxy could be had for this site.")
}

/// One call that the breaker let through.
struct Admitted<'a> {
    proxies: &'a Proxies,
    is_success: bool,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let counter = match self.is_success {
            true => &self.proxies.calls.succeeded,
            false => &self.proxies.calls.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let mut breaker = self.proxies.lock();
        let before = breaker.state();
        breaker.record(now_ms(), self.is_success);
        if before.as_str() != breaker.state().as_str() {
            tracing::warn!(
                state = breaker.state().as_str(),
                "the breaker in front of the proxies' provider changed"
            );
        }
    }
}

impl Provider {
    fn new(endpoint: &str, settings: &Settings) -> anyhow::Result<Self> {
        let key = &settings.proxy.api_key;
        let encoded: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
        let url = url::Url::parse(&endpoint.replace(KEY_PLACE, &encoded))?;
        let is_placed = endpoint.contains(KEY_PLACE) || key.is_empty();
        let bearer = match is_placed {
            true => None,
            false => {
                let mut value = header::HeaderValue::try_from(format!("Bearer {key}"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let mut entries = settings.egress.allow.clone();
        if let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) {
            entries.push(format!("{host}:{port}"));
        }
        Ok(Self {
            client: Client::new(Door::new(AllowList::parse(&entries)?)),
            endpoint: url.as_str().parse()?,
            bearer,
        })
    }

    /// Errors: a cause for the log that holds neither key nor password.
    async fn ask(&self) -> Result<Rented, String> {
        let mut request = Request::get(self.endpoint.clone()).header(header::ACCEPT, "*/*");
        if let Some(bearer) = &self.bearer {
            request = request.header(header::AUTHORIZATION, bearer.clone());
        }
        let request = request
            .body(Full::<Bytes>::default())
            .map_err(|error| error.to_string())?;
        let bounds = Bounds {
            time: Duration::from_millis(PROXY_CALL_MS_MAX),
            body_bytes: PROXY_ANSWER_BYTES_MAX,
        };
        let answer = self.client.send(request, bounds).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answered {}", answer.status().as_u16()));
        }
        let text = std::str::from_utf8(answer.body()).map_err(|_| "it answered no text")?;
        Ok(Rented::from_answer(text)?)
    }
}

impl From<Rented> for Upstream {
    fn from(rented: Rented) -> Self {
        Self {
            host: rented.host,
            port: rented.port,
            credentials: rented.credentials,
        }
    }
}

/// What a proxy is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct Purpose<'a> {
    /// The task and its attempt; `None`: a parse.
    pub attempt: Option<(&'a str, i64)>,
    pub site: &'a str,
    /// The site has refused this task before.
    pub was_refused: bool,
}

impl Worker {
    /// The proxy that the policy wants for this purpose; `None`: go directly.
    pub(super) async fn rent_proxy(&self, purpose: Purpose<'_>) -> Result<Option<Rented>, NoProxy> {
        if !self.proxies.is_configured() || !self.wants_proxy(purpose).await {
            return Ok(None);
        }
        let rented = self.proxies.rent().await;
        if let Err(NoProxy::Failed(failure)) = &rented {
            self.note_proxy(purpose, None, failure.code).await;
        }
        rented.map(Some)
    }

    /// Whether attempts at this site would take a proxy once the site has refused one.
    pub(super) async fn has_proxy_for(&self, site: &str) -> bool {
        let purpose = Purpose {
            attempt: None,
            site,
            was_refused: true,
        };
        self.proxies.is_configured() && self.wants_proxy(purpose).await
    }

    async fn wants_proxy(&self, purpose: Purpose<'_>) -> bool {
        match proxies::policy(&*self.database).await {
            Ok(policy) => policy.wants_proxy(purpose.site, purpose.was_refused),
            Err(error) => {
                // Going directly would show this machine's address to a site that must not see it.
                tracing::error!(%error, "could not read the proxies' policy");
                true
            }
        }
    }

    /// Keeps what a proxy was used for; losing such a line is no failure.
    pub(super) async fn note_proxy(
        &self,
        purpose: Purpose<'_>,
        proxy: Option<&str>,
        outcome: &str,
    ) {
        let event = ProxyEvent {
            event_id: uuid::Uuid::now_v7().to_string(),
            at: now_ms(),
            worker_id: self.id.clone(),
            task_id: purpose.attempt.map(|(task_id, _)| task_id.to_owned()),
            attempt: purpose.attempt.map(|(_, attempt)| attempt),
            site: purpose.site.to_owned(),
            proxy: proxy.map(str::to_owned),
            outcome: outcome.to_owned(),
        };
        if let Err(error) = proxies::record(&*self.database, &event).await {
            tracing::warn!(%error, "could not keep the use of a proxy");
        }
    }
}
