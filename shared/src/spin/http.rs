//! The handler prelude: one [`Call`] in, one [`Answer`] out, every failure an envelope (PF-6).
//!
//! A component's handler is `answer(request, route)`; `route` looks at the path, then at the method,
//! then does what its noun needs. Answers always carry their length: without it a host writes head and
//! body apart, which costs 40 ms on a kept-alive connection.

use crate::domain::request_id::is_request_id;
use crate::error::{Code, Error, Result};
use crate::limits::{BODY_BYTES_MAX, BODY_DRAINED_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX};
use crate::store::Database;
use crate::store::users::User;
use crate::wire::envelope;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use serde::de::DeserializeOwned;
use spin_sdk::http::{HeaderMap, Method, Request, Response, StatusCode};

/// What a handler answers.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// `data` in the envelope of success.
    pub fn json(status: u16, data: &impl serde::Serialize) -> Result<Self> {
        Ok(Self {
            status,
            headers: vec![("content-type", "application/json".into())],
            body: envelope::success(data).map_err(Error::internal)?,
        })
    }

    pub fn ok(data: &impl serde::Serialize) -> Result<Self> {
        Self::json(200, data)
    }

    /// Success with nothing to say: `data` is `{}`.
    pub fn done() -> Result<Self> {
        Self::ok(&serde_json::json!({}))
    }

    /// JSON without the envelope, where a specification says what it is.
    pub fn bare(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".into())],
            body,
        }
    }

    /// The same; no cache keeps it, for it holds a secret.
    pub fn unkept(mut self) -> Self {
        self.headers.push(("cache-control", "no-store".to_owned()));
        self
    }

    /// 307: the same request, there.
    pub fn elsewhere(location: String) -> Self {
        Self {
            status: 307,
            headers: vec![
                ("location", location),
                ("cache-control", "no-store".to_owned()),
            ],
            body: Vec::new(),
        }
    }

    pub(super) fn failure(error: &Error) -> Self {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        if let Some(seconds) = error.retry_after_s {
            headers.push(("retry-after", seconds.to_string()));
        }
        if let Some(allow) = error.data.as_ref().and_then(|data| data["allow"].as_str()) {
            headers.push(("allow", allow.to_owned()));
        }
        Self {
            status: error.code.status(),
            headers,
            body: envelope::failure(error),
        }
    }
}

/// One request and what answering it needs.
pub struct Call {
    pub method: Method,
    pub request_id: String,
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    request: Option<Request>,
    database: Option<Box<dyn Database>>,
}

/// Runs a handler and turns whatever comes of it into an answer.
pub async fn answer(
    request: Request,
    route: impl AsyncFnOnce(&mut Call) -> Result<Answer>,
) -> Response<Full<Bytes>> {
    let mut call = Call::new(request);
    let routed = match call.check_query() {
        Ok(()) => route(&mut call).await,
        Err(error) => Err(error),
    };
    let answer = match routed {
        Ok(answer) => answer,
        Err(error) => {
            log_failure(&call, &error);
            Answer::failure(&error)
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(answer.body.clone())));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-length", answer.body.len().into());
    let named = answer.headers.into_iter().chain([
        ("x-request-id", call.request_id),
        ("x-content-type-options", "nosniff".to_owned()),
    ]);
    for (name, value) in named {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    response
}

/// Failures of ours go to the log with their cause; the caller's own are the runner's access log.
fn log_failure(call: &Call, error: &Error) {
    if error.code.status() >= 500 {
        let line = serde_json::json!({
            "level": "error",
            "message": error.message,
            "code": error.code.number(),
            "cause": error.cause,
            "request_id": call.request_id,
            "path": call.path,
        });
        eprintln!("{line}");
    }
}

/// Who changed what in the admins' realm: one line, after it is done. `subject` holds nothing secret.
pub fn log_change(call: &Call, admin: &User, action: &str, subject: serde_json::Value) {
    let line = serde_json::json!({
        "level": "info",
        "message": "an admin changed something",
        "action": action,
        "admin_id": admin.user_id,
        "subject": subject,
        "request_id": call.request_id,
        "path": call.path,
    });
    eprintln!("{line}");
}

impl Call {
    fn new(request: Request) -> Self {
        let headers = request.headers().clone();
        let request_id = headers
            .get("x-request-id")
            .and_then(|value| value.to_str().ok())
            .filter(|id| is_request_id(id))
            .map_or_else(super::new_id, str::to_owned);
        let query = request.uri().query().unwrap_or_default();
        Self {
            method: request.method().clone(),
            request_id,
            path: request.uri().path().to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            headers,
            request: Some(request),
            database: None,
        }
    }

    /// PostgreSQL keeps no NUL in a text, and no parameter of ours has one.
    fn check_query(&self) -> Result<()> {
        match self.query.iter().find(|(_, value)| value.contains('\0')) {
            Some((name, _)) => Err(Error::invalid(
                name,
                "The parameter contains a NUL character.",
            )),
            None => Ok(()),
        }
    }

    /// The path's segments; `/api/v1/tasks/x` is `["api", "v1", "tasks", "x"]`.
    pub fn segments(&self) -> Vec<String> {
        self.path
            .trim_start_matches('/')
            .split('/')
            .map(str::to_owned)
            .collect()
    }

    /// 40501 unless the method is one of these. `HEAD` passes where `GET` does.
    pub fn allow(&self, methods: &[Method]) -> Result<()> {
        let wanted = match &self.method {
            method if *method == Method::HEAD => &Method::GET,
            method => method,
        };
        if methods.contains(wanted) {
            return Ok(());
        }
        let allow: Vec<&str> = methods.iter().map(Method::as_str).collect();
        Err(Error::new(
            Code::MethodNotAllowed,
            format!("This route takes {}.", allow.join(", ")),
        )
        .with_data(serde_json::json!({ "allow": allow.join(", ") })))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The address that the host saw, without its port; of IPv6 the /64, which is one household.
    pub fn client_address(&self) -> String {
        let address = self.header("spin-client-addr").unwrap_or("unknown");
        match address.parse::<std::net::SocketAddr>() {
            Ok(std::net::SocketAddr::V6(socket)) => match socket.ip().to_ipv4_mapped() {
                Some(mapped) => mapped.to_string(),
                None => {
                    let [a, b, c, d, ..] = socket.ip().segments();
                    format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
                }
            },
            Ok(socket) => socket.ip().to_string(),
            Err(_) => address.to_owned(),
        }
    }

    /// The `Idempotency-Key`. Errors: 40001 when it is empty, too long or not printable ASCII.
    pub fn idempotency_key(&self) -> Result<Option<String>> {
        let Some(value) = self.headers.get("idempotency-key") else {
            return Ok(None);
        };
        value
            .to_str()
            .ok()
            .filter(|key| !key.is_empty() && key.len() <= IDEMPOTENCY_KEY_BYTES_MAX)
            .map(|key| Some(key.to_owned()))
            .ok_or_else(|| {
                Error::invalid(
                    "Idempotency-Key",
                    "The Idempotency-Key is 1 to 200 printable ASCII characters.",
                )
            })
    }

    /// Gives the connection back before something slow that needs none, so that slow callers and slow
    /// sites do not use up the pool.
    pub fn release_database(&mut self) {
        self.database = None;
    }

    /// The whole body, at most 4 MiB. Errors: 41301.
    pub async fn body(&mut self) -> Result<Bytes> {
        self.body_up_to(BODY_BYTES_MAX).await
    }

    /// The whole body, at most so many bytes. Errors: 41301.
    pub async fn body_up_to(&mut self, bytes_max: usize) -> Result<Bytes> {
        self.release_database();
        let too_large = || {
            let mib = bytes_max.div_ceil(1024 * 1024);
            Error::new(
                Code::TooLarge,
                format!("The body is larger than {mib} MiB."),
            )
        };
        let Some(request) = self.request.take() else {
            return Ok(Bytes::new());
        };
        let mut body = request.into_body();
        let mut kept = BytesMut::new();
        let mut received = 0;
        while let Some(frame) = body.frame().await {
            let broken_off = |_| {
                Error::new(
                    Code::MalformedJson,
                    "The body ended before it was complete.",
                )
            };
            let Ok(data) = frame.map_err(broken_off)?.into_data() else {
                continue;
            };
            received += data.len();
            if received <= bytes_max {
                kept.extend_from_slice(&data);
            } else if received > bytes_max.max(BODY_DRAINED_BYTES_MAX) {
                break;
            }
        }
        if received > bytes_max {
            return Err(too_large());
        }
        Ok(kept.freeze())
    }

    /// The body as JSON. Errors: 41501 for another content type, 40002 for what is no JSON, 40001 for
    /// JSON of another shape.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        self.check_content_type()?;
        let body = self.body().await?;
        crate::wire::body::read_object(&body)
    }

    /// The body as JSON where it may be left out. Errors: as [`Call::json`].
    pub async fn json_if_any<T: DeserializeOwned + Default>(&mut self) -> Result<T> {
        let checked = self.check_content_type();
        let body = self.body().await?;
        if body.is_empty() {
            return Ok(T::default());
        }
        checked?;
        crate::wire::body::read_object(&body)
    }

    /// The body as text that is to be read as JSON. Errors: 41501, 40002 for what is not UTF-8 or holds a NUL.
    pub async fn json_text(&mut self) -> Result<String> {
        self.check_content_type()?;
        let body = self.body().await?;
        String::from_utf8(body.into())
            .ok()
            .filter(|text| !text.contains('\0'))
            .ok_or_else(|| Error::new(Code::MalformedJson, "The body is not well-formed JSON."))
    }

    /// Errors: 41501 unless the body is JSON.
    pub(super) fn check_content_type(&self) -> Result<()> {
        let media_type = self.header("content-type").map(|content_type| {
            let media_type = content_type.split(';').next().unwrap_or_default();
            media_type.trim().to_ascii_lowercase()
        });
        if media_type.is_none_or(|media_type| media_type == "application/json") {
            return Ok(());
        }
        Err(Error::new(
            Code::UnsupportedMediaType,
            "The body must be application/json.",
        ))
    }

    /// The database, opened when first asked for.
    pub async fn database(&mut self) -> Result<&dyn Database> {
        if self.database.is_none() {
            self.database = Some(super::database::open().await?);
        }
        self.database
            .as_deref()
            .ok_or_else(|| Error::internal("the database was not opened"))
    }
}
