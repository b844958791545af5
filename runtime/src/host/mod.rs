//! The bundled runner: serves what `spin.toml` describes, without Spin.
//!
//! **Invariant:** nothing that a component or a client does reaches beyond its own request: a component
//! has the grants of the manifest only, its instance serves one request at a time, and memory, computing
//! time and waiting are bounded (`tests/runner.rs`).

mod allowed;
mod answer;
pub mod build;
pub mod capability;
mod engine;
pub mod headers;
mod instance;
mod load;
pub mod manifest;
mod output;
mod routes;
mod template;

pub use instance::InstanceLimits;
pub use load::HostOptions;

use crate::metrics::requests::{self, ComponentRequests};
use axum::body::Body;
use capability::postgres::Pools;
use http::{HeaderValue, Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use instance::{ComponentHandler, Fault, Job, RequestState};
use routes::{RouteMatch, Routes};
use shared::limits::{
    BODY_DRAINED_BYTES_MAX, INSTANCE_WAIT_MS_MAX, LARGE_BODIES_MAX, SMALL_BODY_BYTES_MAX,
    SMALL_BODY_MS_MAX,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::handler::{
    ExpirationError, InstantiationError, ProxyHandler, Response as ComponentResponse,
    TrapOrPanicError,
};
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;

type Handler = ProxyHandler<ComponentHandler>;

/// What a route leads to.
#[derive(Clone)]
struct Target {
    handler: Handler,
    requests: Arc<ComponentRequests>,
}

/// A loaded application.
pub struct Host {
    routes: Routes<Target>,
    /// Paths that no component has.
    unrouted: ComponentRequests,
    slots: Arc<Semaphore>,
    instances: usize,
    postgres: Arc<Pools>,
    large_bodies: Arc<Semaphore>,
    application: capability::outbound_http::Application,
}

impl Host {
    /// Compiles and links everything that the manifest names. All misconfigurations are reported in
    /// one error, each with its component and the fix.
    pub async fn load(options: HostOptions) -> anyhow::Result<Arc<Self>> {
        Self::load_with(options, InstanceLimits::default()).await
    }

    /// [`Host::load`] with other limits than those of `shared::limits`.
    pub async fn load_with(
        options: HostOptions,
        limits: InstanceLimits,
    ) -> anyhow::Result<Arc<Self>> {
        let slots = Arc::new(Semaphore::new(limits.instances));
        let instances = limits.instances;
        let application = capability::outbound_http::Application::default();
        let postgres = Arc::<Pools>::default();
        let unrouted = options.requests.of(requests::NO_COMPONENT);
        let routes = load::load(options, limits, &application, &postgres).await?;
        let host = Arc::new(Self {
            routes,
            unrouted,
            slots,
            instances,
            postgres,
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES_MAX)),
            application,
        });
        // The first one counts; nobody else sets it.
        let _ = host.application.set(Arc::downgrade(&host));
        Ok(host)
    }

    /// Route and component of every trigger.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.routes
            .iter()
            .map(|route| (route.raw.as_str(), route.component.as_str()))
    }

    /// Component instances at work, and how many there may be.
    pub fn instances(&self) -> (usize, usize) {
        let free = self.slots.available_permits();
        (self.instances.saturating_sub(free), self.instances)
    }

    /// The components' connections to PostgreSQL; none where they use SQLite.
    pub fn database_pool(&self) -> crate::database::Pool {
        self.postgres.connections()
    }

    /// Lets the component of the request's path answer it. Every fault becomes an envelope.
    pub async fn handle(&self, mut request: Request<Body>, client: SocketAddr) -> Response<Body> {
        let started = Instant::now();
        let id = headers::request_id(request.headers_mut());
        let path = request.uri().path().to_owned();
        let (response, requests) = match self.routes.find(&path) {
            Some(found) => {
                let response = self.answer(request, client, &found, id).await;
                (response, &*found.route.target.requests)
            }
            None => (answer::no_such_route(id), &self.unrouted),
        };
        requests.record(&response, started.elapsed());
        response
    }

    async fn answer(
        &self,
        request: Request<Body>,
        client: SocketAddr,
        found: &RouteMatch<'_, Target>,
        id: HeaderValue,
    ) -> Response<Body> {
        let (request, _large) = match self.receive(request).await {
            Ok(received) => received,
            Err(error) => return answer::from_error(error, id),
        };
        let Some(slot) = self.slot().await else {
            tracing::error!(component = found.route.component, request_id = ?id,
                cause = "all instances are busy", "the request is turned away");
            return answer::busy(id);
        };
        match self.run(request, client, found, &id, slot).await {
            Ok(response) => response,
            Err(error) => answer::from_error(error, id),
        }
    }

    /// Waits for a small body before an instance is taken, so that clients who promise one and send nothing
    /// hold no instance; only so many large or unannounced ones are under way at once.
    async fn receive(
        &self,
        request: Request<Body>,
    ) -> Result<(Request<Body>, Option<OwnedSemaphorePermit>), shared::Error> {
        if request.body().is_end_stream() {
            return Ok((request, None));
        }
        let announced = request.body().size_hint().exact();
        if announced.is_some_and(|length| length > BODY_DRAINED_BYTES_MAX as u64) {
            let message = "The body is larger than 16 MiB.";
            return Err(shared::Error::new(shared::Code::TooLarge, message));
        }
        if announced.is_none_or(|length| length > SMALL_BODY_BYTES_MAX as u64) {
            let permit = self.large_bodies.clone().try_acquire_owned();
            let busy = |_| shared::Error::busy(answer::RETRY_S, "too many large bodies at once");
            return Ok((request, Some(permit.map_err(busy)?)));
        }
        let (parts, body) = request.into_parts();
        let patience = Duration::from_millis(SMALL_BODY_MS_MAX);
        let received = axum::body::to_bytes(body, SMALL_BODY_BYTES_MAX);
        match tokio::time::timeout(patience, received).await {
            Ok(Ok(bytes)) => Ok((Request::from_parts(parts, Body::from(bytes)), None)),
            Ok(Err(_)) | Err(_) => Err(shared::Error::new(
                shared::Code::MalformedJson,
                "The body ended before it was complete.",
            )),
        }
    }

    async fn slot(&self) -> Option<Arc<OwnedSemaphorePermit>> {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            return Some(Arc::new(slot));
        }
        let wait = Duration::from_millis(INSTANCE_WAIT_MS_MAX);
        let slot = tokio::time::timeout(wait, self.slots.clone().acquire_owned()).await;
        slot.ok()?.ok().map(Arc::new)
    }

    async fn run(
        &self,
        request: Request<Body>,
        client: SocketAddr,
        found: &RouteMatch<'_, Target>,
        id: &HeaderValue,
        slot: Arc<OwnedSemaphorePermit>,
    ) -> Result<Response<Body>, shared::Error> {
        let (mut parts, body) = request.into_parts();
        headers::prepare(&mut parts.headers, &mut parts.uri, found, client);
        let body = body
            .map_err(|_| wasmtime_wasi_http::Error::ConnectionTerminated)
            .boxed_unsync();
        let state = RequestState::new(id.to_str().unwrap_or_default().to_owned());
        let job = Job {
            request: state.clone(),
            slot: slot.clone(),
        };
        let request = Request::from_parts(parts, body);
        let caller = Caller(Some(state.clone()));
        let handled = found.route.target.handler.handle(job, request).await;
        caller.has_waited();
        match handled {
            Ok(response) => {
                state.set_answered();
                Ok(answer::stream(response, slot))
            }
            Err(error) => Err(explain(error, &state, &found.route.component)),
        }
    }
}

/// Whoever waits for an answer; one that goes before it leaves a request that needs none any more.
struct Caller(Option<Arc<RequestState>>);

impl Caller {
    fn has_waited(mut self) {
        self.0 = None;
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(request) = &self.0 {
            request.set_answered();
        }
    }
}

/// Turns the end of a request without an answer into our error; logs what nobody else has logged.
fn explain(error: wasmtime::Error, state: &RequestState, component: &str) -> shared::Error {
    let request_id = &state.id;
    if error.is::<TrapOrPanicError>() || error.is::<ExpirationError>() {
        return match state.fault() {
            Fault::Deadline => {
                let cause = "no answer in time";
                tracing::error!(component, request_id, cause, "the component failed");
                shared::Error::busy(answer::RETRY_S, cause)
            }
            // These were logged with their cause when the instance ended.
            Fault::Cpu => shared::Error::busy(answer::RETRY_S, "computed for too long"),
            Fault::Memory | Fault::None => shared::Error::internal("trap"),
        };
    }
    if let Some(refused) = error.downcast_ref::<ErrorCode>()
        && let Some(answer) = answer::of_malformed(refused)
    {
        return answer;
    }
    if let Some(error) = error.downcast_ref::<InstantiationError<Job>>() {
        let cause = format!("{:#}", error.error);
        tracing::error!(
            component,
            request_id,
            cause,
            "the component cannot be started"
        );
        return if error.error.is::<wasmtime::PoolConcurrencyLimitError>() {
            shared::Error::busy(answer::RETRY_S, cause)
        } else {
            shared::Error::internal(cause)
        };
    }
    let cause = format!("{error:#}");
    tracing::error!(component, request_id, cause, "the component failed");
    shared::Error::internal(cause)
}

/// What a component answers with.
type Answer = ComponentResponse;
