//! Requests by component and status, and how long they took. Everything is looked up once per component
//! and status; after that a request costs two additions and a short lock.

use http::{Response, StatusCode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::OnceLock;
use std::time::Duration;

/// The component of paths that no component has.
pub const NO_COMPONENT: &str = "none";
/// The component of the worker's own routes.
pub const WORKER: &str = "worker";
/// The component that says with [`CACHE_HEADER`] whether it answered from its cache.
const PARSE: &str = "parse";
/// `hit` or `miss`.
const CACHE_HEADER: &str = "x-cache";

/// Upper bounds, seconds: from a row read to the limit of a request.
const BUCKETS_S: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
const STATUS_MIN: usize = 100;
/// The last one is for what is no status of HTTP (RFC 9110, 15).
const STATUSES: usize = 501;

type Histograms = Family<[(&'static str, String); 1], Histogram, fn() -> Histogram>;

/// The requests of all components. Clones share the counts.
#[derive(Clone)]
pub struct Requests {
    total: Family<[(&'static str, String); 2], Counter>,
    duration: Histograms,
    parse_cache: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            total: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS_S)),
            parse_cache: Family::default(),
        }
    }
}

impl Requests {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests answered", self.total.clone());
        registry.register(
            "http_request_duration_seconds",
            "From a request's head to its answer's head",
            self.duration.clone(),
        );
        registry.register(
            "parse_cache_requests",
            "Parse requests by whether a kept answer served them",
            self.parse_cache.clone(),
        );
    }

    /// Where the requests of this component are counted. The names of components come from `spin.toml`.
    pub fn of(&self, component: &str) -> ComponentRequests {
        let cache = |result| self.parse_cache.get_or_create_owned(&[("result", result)]);
        let requests = ComponentRequests {
            component: component.to_owned(),
            total: self.total.clone(),
            by_status: (0..STATUSES).map(|_| OnceLock::new()).collect(),
            duration: self
                .duration
                .get_or_create_owned(&[("component", component.to_owned())]),
            cache: (component == PARSE).then(|| Cache {
                hits: cache("hit"),
                misses: cache("miss"),
            }),
        };
        // Series that begin with their first error would hide it from `rate`.
        for status in [StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR] {
            requests.counter(status);
        }
        requests.counter(StatusCode::SERVICE_UNAVAILABLE);
        requests
    }

    /// Which share of parse requests a kept answer served so far, 0 before the first. `None` where the
    /// component does not run.
    pub fn cache_hit_rate(&self) -> Option<f64> {
        let count = |result| Some(self.parse_cache.get(&[("result", result)])?.get() as f64);
        let (hits, misses) = (count("hit")?, count("miss")?);
        Some(hits / (hits + misses).max(1.0))
    }
}

/// The requests of one component.
pub struct ComponentRequests {
    component: String,
    total: Family<[(&'static str, String); 2], Counter>,
    by_status: Box<[OnceLock<Counter>]>,
    duration: Histogram,
    cache: Option<Cache>,
}

struct Cache {
    hits: Counter,
    misses: Counter,
}

impl ComponentRequests {
    /// Counts an answer.
    pub fn record<B>(&self, response: &Response<B>, elapsed: Duration) {
        self.counter(response.status()).inc();
        self.duration.observe(elapsed.as_secs_f64());
        if let Some(cache) = &self.cache {
            match response.headers().get(CACHE_HEADER).map(AsRef::as_ref) {
                Some(b"hit") => drop(cache.hits.inc()),
                Some(b"miss") => drop(cache.misses.inc()),
                _ => {}
            }
        }
    }

    fn counter(&self, status: StatusCode) -> &Counter {
        let index = usize::from(status.as_u16()) - STATUS_MIN;
        self.by_status[index.min(STATUSES - 1)].get_or_init(|| {
            let status = if index < STATUSES - 1 {
                status.as_str().to_owned()
            } else {
                "other".to_owned()
            };
            let labels = [("component", self.component.clone()), ("status", status)];
            self.total.get_or_create_owned(&labels)
        })
    }
}
