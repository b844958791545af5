//! The cloud as its site sees it: registration, token, and the calls of the contract.

use super::super::Worker;
use crate::clock::now_ms;
use crate::egress::Client;
use crate::egress::client::{Bounds, ClientError};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::auth::seal::SealKey;
use shared::auth::secret;
use shared::limits::{GZIP_BYTES_MIN, SYNC_ENVELOPE_BYTES, SYNC_EXCHANGE_S_MAX};
use shared::store::{Database, site_state};
use shared::wire::gzip::{self, Bad};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// Why a call did not succeed. The texts hold nothing secret.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It may well succeed the next time; nothing is known of what it did.
    #[error("the cloud cannot be reached: {0}")]
    Unreachable(String),
    /// More than the cloud takes at once.
    #[error("the cloud does not take so much at once")]
    TooLarge,
    /// It took too long, perhaps for its size; nothing is known of what it did.
    #[error("the exchange with the cloud took too long")]
    TooSlow,
    /// The cloud answered with an error.
    #[error("the cloud answered {code}: {message}")]
    Refused {
        code: u16,
        message: String,
        data: serde_json::Value,
    },
    /// The fault is on our side.
    #[error("{0}")]
    Here(String),
}

impl Failure {
    /// Whether less at once may help.
    pub fn is_too_much(&self) -> bool {
        matches!(self, Self::TooLarge | Self::TooSlow)
    }
}

impl From<shared::Error> for Failure {
    fn from(error: shared::Error) -> Self {
        Self::Here(error.to_string())
    }
}

/// What the cloud gave this site.
#[derive(Clone, Serialize, Deserialize)]
struct Credentials {
    /// Empty until the cloud has said it, where the settings hold the credentials.
    site_id: String,
    client_id: String,
    client_secret: String,
    /// SHA-256 of the code that they were given for; another code in the settings is used anew.
    code_hash: String,
}

pub struct Upstream {
    base: String,
    client: Client,
    seal: SealKey,
    settings: crate::settings::Site,
    bytes_max: usize,
    token: Mutex<Option<String>>,
    /// Whether the cloud has said that it takes gzip.
    takes_gzip: AtomicBool,
}

/// An answer of the contract.
#[derive(Deserialize)]
struct Envelope<T> {
    code: u16,
    message: String,
    data: T,
}

impl Upstream {
    pub fn new(worker: &Worker) -> anyhow::Result<Self> {
        let settings = worker.settings.site.clone();
        Ok(Self {
            base: settings.upstream.trim_end_matches('/').to_owned(),
            client: super::client(worker),
            seal: SealKey::of_site(&worker.settings.keys.sites)?,
            bytes_max: worker.settings.sync.max_bytes,
            settings,
            token: Mutex::default(),
            takes_gzip: AtomicBool::new(false),
        })
    }

    /// One call with the site's token; a token that no longer counts is replaced once.
    pub async fn call<T: DeserializeOwned>(
        &self,
        database: &dyn Database,
        path: &str,
        body: Vec<u8>,
        wait: Duration,
    ) -> Result<T, Failure> {
        let body = Bytes::from(body);
        for is_last in [false, true] {
            let token = self.token(database).await?;
            let answer = self.post(path, Some(&token), body.clone(), wait).await?;
            if answer.status() == 401 && !is_last {
                self.token.lock().await.take();
                continue;
            }
            return read(&answer);
        }
        Err(Failure::Here("a token was refused twice".to_owned()))
    }

    async fn token(&self, database: &dyn Database) -> Result<String, Failure> {
        let mut kept = self.token.lock().await;
        if let Some(token) = &*kept {
            return Ok(token.clone());
        }
        #[derive(Deserialize)]
        struct Token {
            access_token: String,
        }
        let credentials = self.credentials(database).await?;
        let body = serde_json::json!({
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
        });
        let body = Bytes::from(body.to_string());
        let answer = self
            .post("/api/v1/auth/token", None, body, Duration::ZERO)
            .await?;
        if !answer.status().is_success() {
            return Err(refusal(&answer));
        }
        let token: Token = parse(answer.body())?;
        *kept = Some(token.access_token.clone());
        Ok(token.access_token)
    }

    /// The site's id, once it is known.
    pub async fn site_id(&self, database: &dyn Database) -> Result<String, Failure> {
        Ok(self.credentials(database).await?.site_id)
    }

    /// Those of the settings, those that were given before, or new ones for the code.
    async fn credentials(&self, database: &dyn Database) -> Result<Credentials, Failure> {
        let settings = &self.settings;
        if !settings.client_id.is_empty() {
            return Ok(Credentials {
                // Every run begins with a heartbeat, whose answer says it.
                site_id: site_state::get(database, site_state::SITE_ID)
                    .await?
                    .unwrap_or_default(),
                client_id: settings.client_id.clone(),
                client_secret: settings.client_secret.clone(),
                code_hash: String::new(),
            });
        }
        let code_hash = secret::sha256(&settings.code);
        let kept = match site_state::get(database, site_state::CREDENTIALS).await? {
            Some(sealed) => {
                let text = self.seal.open_text(site_state::CREDENTIALS, &sealed)?;
                Some(parse::<Credentials>(text.as_bytes())?)
            }
            None => None,
        };
        match kept {
            Some(kept)
                if !kept.client_id.is_empty()
                    && (settings.code.is_empty() || kept.code_hash == code_hash) =>
            {
                Ok(kept)
            }
            _ if settings.code.is_empty() => Err(Failure::Here(
                "the site has no credentials: set site.code to a code from `wharf admin site-code`"
                    .to_owned(),
            )),
            kept => self.register(database, kept, code_hash).await,
        }
    }

    /// The secret is ours and noted before it is sent: a registration whose answer is lost is simply repeated.
    async fn register(
        &self,
        database: &dyn Database,
        kept: Option<Credentials>,
        code_hash: String,
    ) -> Result<Credentials, Failure> {
        #[derive(Deserialize)]
        struct Registered {
            site_id: String,
            client_id: String,
            client_secret: String,
        }
        let begun = kept.filter(|kept| kept.client_id.is_empty() && kept.code_hash == code_hash);
        let mut credentials = match begun {
            Some(begun) => begun,
            None => Credentials {
                site_id: String::new(),
                client_id: String::new(),
                client_secret: secret::random()?,
                code_hash,
            },
        };
        self.keep(database, &credentials).await?;
        let mut body = serde_json::json!({
            "code": self.settings.code,
            "client_secret": credentials.client_secret,
        });
        if !self.settings.name.is_empty() {
            body["name"] = self.settings.name.as_str().into();
        }
        let body = Bytes::from(body.to_string());
        let answer = self
            .post("/api/v1/sync/register", None, body, Duration::ZERO)
            .await?;
        let registered: Registered = read(&answer)?;
        credentials.site_id = registered.site_id;
        credentials.client_id = registered.client_id;
        credentials.client_secret = registered.client_secret;
        self.keep(database, &credentials).await?;
        tracing::info!(site_id = credentials.site_id, "the site is registered");
        Ok(credentials)
    }

    async fn keep(
        &self,
        database: &dyn Database,
        credentials: &Credentials,
    ) -> Result<(), Failure> {
        let text =
            serde_json::to_string(credentials).map_err(|error| Failure::Here(error.to_string()))?;
        let sealed = self.seal.seal_text(site_state::CREDENTIALS, &text)?;
        site_state::set(database, site_state::CREDENTIALS, &sealed, now_ms()).await?;
        Ok(())
    }

    async fn post(
        &self,
        path: &str,
        token: Option<&str>,
        body: Bytes,
        wait: Duration,
    ) -> Result<Response<Bytes>, Failure> {
        let here = |error: &dyn std::fmt::Display| Failure::Here(error.to_string());
        let mut request = Request::post(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT_ENCODING, "gzip")
            .header("x-request-id", uuid::Uuid::now_v7().to_string());
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let is_worth_it = body.len() >= GZIP_BYTES_MIN && self.takes_gzip.load(Ordering::Relaxed);
        let body = match is_worth_it {
            true => {
                request = request.header(header::CONTENT_ENCODING, "gzip");
                Bytes::from(gzip::compress(&body))
            }
            false => body,
        };
        let request = request
            .body(Full::new(body))
            .map_err(|error| here(&error))?;
        let bounds = Bounds {
            time: Duration::from_secs(SYNC_EXCHANGE_S_MAX) + wait,
            // Head and results of a row are small beside a row, but there may be many small rows.
            body_bytes: 2 * self.bytes_max + SYNC_ENVELOPE_BYTES,
        };
        let answer = match self.client.send(request, bounds).await {
            Ok(answer) => answer,
            Err(ClientError::Timeout) => return Err(Failure::TooSlow),
            Err(ClientError::TooLarge) => return Err(Failure::TooLarge),
            Err(error) => return Err(Failure::Unreachable(error.to_string())),
        };
        let takes = answer.headers().get_all(header::ACCEPT_ENCODING).iter();
        if takes.into_iter().any(|value| value == "gzip") {
            self.takes_gzip.store(true, Ordering::Relaxed);
        }
        inflated(answer, bounds.body_bytes)
    }
}

fn inflated(answer: Response<Bytes>, bytes_max: usize) -> Result<Response<Bytes>, Failure> {
    let is_gzip = answer.headers().get(header::CONTENT_ENCODING);
    if is_gzip.is_none_or(|encoding| encoding != "gzip") {
        return Ok(answer);
    }
    let (head, body) = answer.into_parts();
    let inflated = gzip::inflate(&body, bytes_max).map_err(|bad| match bad {
        Bad::Damaged => Failure::Unreachable("the answer is damaged".to_owned()),
        Bad::TooLarge => Failure::TooLarge,
    })?;
    Ok(Response::from_parts(head, inflated.into()))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|_| Failure::Unreachable("the answer cannot be read".to_owned()))
}

fn read<T: DeserializeOwned>(answer: &Response<Bytes>) -> Result<T, Failure> {
    if !answer.status().is_success() {
        return Err(refusal(answer));
    }
    Ok(parse::<Envelope<T>>(answer.body())?.data)
}

/// What an answer that is no success says. One without an envelope comes from something in between.
fn refusal(answer: &Response<Bytes>) -> Failure {
    let status = answer.status().as_u16();
    if status == 413 {
        return Failure::TooLarge;
    }
    match serde_json::from_slice::<Envelope<serde_json::Value>>(answer.body()) {
        Ok(envelope) if status < 500 => Failure::Refused {
            code: envelope.code,
            message: envelope.message,
            data: envelope.data,
        },
        _ => Failure::Unreachable(format!("it answered {status}")),
    }
}
