//! Machine clients obtain tokens (ID-4), throttled per client and address as logins are (ID-6).

use super::caller::key_variable;
use super::http::{Answer, Call};
use super::login::{count_failure, too_many_failures};
use super::{now_ms, variable};
use crate::auth::{secret, token};
use crate::domain::account::Audience;
use crate::domain::client::ClientId;
use crate::error::{Error, Result};
use crate::limits::{
    LOGIN_FAILURES_PER_ACCOUNT_MAX, LOGIN_FAILURES_PER_ADDRESS_MAX, PROJECT_TOKEN_S,
};
use crate::store::projects::{self, Project};
use crate::store::{Database, logins};
use crate::wire::oauth::{self, TokenAnswer, TokenRequest, wrong_client};
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

/// Checks a client's secret and gives it a token. Errors: 40103, also for a disabled client; 42901 with
/// `Retry-After`.
async fn issue_token(call: &mut Call, request: &TokenRequest) -> Result<TokenAnswer> {
    let throttle = Throttle {
        client: format!("client:{}", secret::sha256(&request.client_id)),
        address: format!("client-address:{}", call.client_address()),
    };
    let now = now_ms();
    let database = call.database().await?;
    let has_failed = throttle.check(database, now).await?;
    let project = match ClientId::parse(&request.client_id) {
        Some(ClientId::Project(client_id)) => {
            projects::find_by_client(database, &client_id, now).await?
        }
        None => None,
    };
    let hashes = project.as_ref().map(|found| found.secret_hashes.as_slice());
    if !secret::is_one_of(&request.client_secret, hashes.unwrap_or_default()) {
        throttle.count(database, now).await?;
        return Err(wrong_client());
    }
    if has_failed {
        logins::clear(database, &throttle.client).await?;
    }
    match project {
        Some(found) if found.project.disabled_at.is_none() => of_project(&found.project, now).await,
        _ => Err(wrong_client()),
    }
}

async fn of_project(project: &Project, now: i64) -> Result<TokenAnswer> {
    let key = variable(key_variable(Audience::Projects)).await?;
    let from_s = project.tokens_from / 1000;
    Ok(TokenAnswer {
        access_token: token::issue_project(&key, &project.project_id, from_s, now / 1000)?,
        token_type: "Bearer",
        expires_in: PROJECT_TOKEN_S,
    })
}

/// Who has failed how often. A login counts before it looks at the password; here only failures write, for
/// clients ask often and many at once, and secrets of 256 bits are not guessed in the meantime.
struct Throttle {
    client: String,
    address: String,
}

impl Throttle {
    fn subjects(&self) -> [(&str, i64); 2] {
        [
            (&self.client, LOGIN_FAILURES_PER_ACCOUNT_MAX),
            (&self.address, LOGIN_FAILURES_PER_ADDRESS_MAX),
        ]
    }

    /// Whether the client has failed before. Errors: 42901 where client or address has none left.
    async fn check(&self, database: &dyn Database, now: i64) -> Result<bool> {
        let mut has_failed = false;
        for (subject, failures_max) in self.subjects() {
            let (failures, window_ends) = logins::failures(database, subject, now).await?;
            if failures >= failures_max {
                return Err(too_many_failures(window_ends, now));
            }
            has_failed |= failures > 0 && subject == self.client;
        }
        Ok(has_failed)
    }

    /// Counts a failure. Errors: 42901 where it is one too many.
    async fn count(&self, database: &dyn Database, now: i64) -> Result<()> {
        for (subject, failures_max) in self.subjects() {
            count_failure(database, subject, failures_max, now).await?;
        }
        Ok(())
    }
}
