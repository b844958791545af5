//! Sites register, and machine clients obtain tokens (ID-4), throttled per client and address as logins are (ID-6).

use super::caller::key_variable;
use super::http::{Answer, Call};
use super::login::{count_failure, too_many_failures};
use super::{now_ms, variable};
use crate::auth::{secret, token};
use crate::domain::account::Audience;
use crate::domain::client::ClientId;
use crate::error::{Code, Error, Result};
use crate::limits::{
    CLIENT_TOKEN_S, LOGIN_FAILURES_PER_ACCOUNT_MAX, LOGIN_FAILURES_PER_ADDRESS_MAX,
};
use crate::store::sites::{self, Registered};
use crate::store::{Database, logins, projects};
use crate::wire::oauth::{self, TokenAnswer, TokenRequest, wrong_client};
use crate::wire::site::{RegisterAnswer, RegisterRequest, code_over, wrong_code};
use spin_sdk::http::Method;

/// `POST /api/v1/auth/token`: the client-credentials grant. What the client is to blame for is answered as
/// RFC 6749 has it, anything else as everywhere.
pub async fn grant_token(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let body = call.body().await?;
    let header = |name| call.header(name).map(str::to_owned);
    let (authorization, content_type) = (header("authorization"), header("content-type"));
    let read = TokenRequest::read(authorization.as_deref(), content_type.as_deref(), &body);
    let issued = match read {
        Ok(request) => issue_token(call, &request).await,
        Err(error) => Err(error),
    };
    let mut answer = match issued {
        Ok(token) => Answer::bare(200, serde_json::to_vec(&token).map_err(Error::internal)?),
        Err(error) if error.code.status() < 500 => Answer {
            body: oauth::refusal(&error).map_err(Error::internal)?,
            ..Answer::failure(&error)
        },
        Err(error) => return Err(error),
    };
    if answer.status == 401 && oauth::is_basic(authorization.as_deref()) {
        let challenge = "Basic realm=\"wharf\", charset=\"UTF-8\"";
        answer
            .headers
            .push(("www-authenticate", challenge.to_owned()));
    }
    answer.headers.push(("pragma", "no-cache".to_owned()));
    Ok(answer.unkept())
}

/// `POST /api/v1/sync/register`: a site's one-time code becomes its credentials (DS-13). Errors: 40103 for a code
/// that nobody made, 41001 for one that is used or over, 42901 with `Retry-After`.
pub async fn register_site(call: &mut Call) -> Result<Answer> {
    let request: RegisterRequest = call.json().await?;
    let throttle = Throttle::new("site-code", &request.code, call);
    let now = now_ms();
    let database = call.database().await?;
    throttle.check(database, now).await?;
    let registered = match request.registration(now) {
        Ok((new, secret)) => (sites::register(database, &new).await?, secret),
        Err(error) if error.code == Code::WrongCredentials => {
            (Registered::UnknownCode, String::new())
        }
        Err(error) => return Err(error),
    };
    match registered {
        (Registered::Done { site, client_id }, client_secret) => {
            let answer = RegisterAnswer {
                site_id: site.site_id,
                client_id,
                client_secret,
                epoch: site.pulse.epoch,
            };
            Ok(Answer::ok(&answer)?.unkept())
        }
        (Registered::CodeOver, _) => Err(code_over()),
        (Registered::UnknownCode, _) => {
            throttle.count(database, now).await?;
            Err(wrong_code())
        }
    }
}

/// Checks a client's secret and gives it a token. Errors: 40103, also for a disabled client; 42901 with
/// `Retry-After`.
async fn issue_token(call: &mut Call, request: &TokenRequest) -> Result<TokenAnswer> {
    let throttle = Throttle::new("client", &request.client_id, call);
    let now = now_ms();
    let database = call.database().await?;
    let has_failed = throttle.check(database, now).await?;
    let client = Client::find(database, &request.client_id, now).await?;
    let hashes = client.as_ref().map(|found| found.secret_hashes.as_slice());
    if !secret::is_one_of(&request.client_secret, hashes.unwrap_or_default()) {
        throttle.count(database, now).await?;
        return Err(wrong_client());
    }
    if has_failed {
        logins::clear(database, &throttle.subject).await?;
    }
    match client {
        Some(client) if client.may_have_tokens => client.token(now).await,
        _ => Err(wrong_client()),
    }
}

/// Who obtains tokens, whichever kind it is.
struct Client {
    audience: Audience,
    id: String,
    /// Of the secrets that are good.
    secret_hashes: Vec<String>,
    /// Tokens issued before do not count, milliseconds.
    tokens_from: i64,
    may_have_tokens: bool,
}

impl Client {
    async fn find(database: &dyn Database, client_id: &str, now: i64) -> Result<Option<Self>> {
        match ClientId::parse(client_id) {
            None => Ok(None),
            Some(ClientId::Project(client_id)) => {
                let found = projects::find_by_client(database, &client_id, now).await?;
                Ok(found.map(|found| Self {
                    audience: Audience::Projects,
                    secret_hashes: found.secret_hashes,
                    tokens_from: found.project.tokens_from,
                    may_have_tokens: found.project.disabled_at.is_none(),
                    id: found.project.project_id,
                }))
            }
            Some(ClientId::Site(client_id)) => {
                let found = sites::find_by_client(database, &client_id).await?;
                Ok(found.map(|(site, secret_hash)| Self {
                    audience: Audience::Sites,
                    secret_hashes: vec![secret_hash],
                    tokens_from: site.tokens_from,
                    may_have_tokens: site.revoked_at.is_none(),
                    id: site.site_id,
                }))
            }
        }
    }

    async fn token(&self, now: i64) -> Result<TokenAnswer> {
        let key = variable(key_variable(self.audience)).await?;
        let (from_s, now_s) = (self.tokens_from / 1000, now / 1000);
        Ok(TokenAnswer {
            access_token: token::issue_client(&key, self.audience, &self.id, from_s, now_s)?,
            token_type: "Bearer",
            expires_in: CLIENT_TOKEN_S,
        })
    }
}

/// Who has failed how often. A login counts before it looks at the password; here only failures write, for
/// clients ask often and many at once, and secrets of 256 bits are not guessed in the meantime.
pub(super) struct Throttle {
    subject: String,
    address: String,
}

impl Throttle {
    /// For what the caller names, of this kind.
    pub(super) fn new(kind: &str, named: &str, call: &Call) -> Self {
        Self {
            subject: format!("{kind}:{}", secret::sha256(named)),
            address: format!("{kind}-address:{}", call.client_address()),
        }
    }

    fn subjects(&self) -> [(&str, i64); 2] {
        [
            (&self.subject, LOGIN_FAILURES_PER_ACCOUNT_MAX),
            (&self.address, LOGIN_FAILURES_PER_ADDRESS_MAX),
        ]
    }

    /// Whether what is named has failed before. Errors: 42901 where it or the address has none left.
    pub(super) async fn check(&self, database: &dyn Database, now: i64) -> Result<bool> {
        let mut has_failed = false;
        for (subject, failures_max) in self.subjects() {
            let (failures, window_ends) = logins::failures(database, subject, now).await?;
            if failures >= failures_max {
                return Err(too_many_failures(window_ends, now));
            }
            has_failed |= failures > 0 && subject == self.subject;
        }
        Ok(has_failed)
    }

    /// Counts a failure. Errors: 42901 where it is one too many.
    pub(super) async fn count(&self, database: &dyn Database, now: i64) -> Result<()> {
        for (subject, failures_max) in self.subjects() {
            count_failure(database, subject, failures_max, now).await?;
        }
        Ok(())
    }
}
