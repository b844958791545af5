//! Logging in, the same for both realms: throttled per account and address, silent about whether an
//! account exists (ID-6).

use super::caller::key_variable;
use super::http::Call;
use super::{new_id, now_ms, variable};
use crate::auth::token::{self, Subject};
use crate::auth::{password, secret};
use crate::domain::account::{Audience, Email};
use crate::error::{Code, Error, Result};
use crate::limits::{
    ACCESS_TOKEN_S, LOGIN_FAILURES_PER_ACCOUNT_MAX, LOGIN_FAILURES_PER_ADDRESS_MAX, REFRESH_TOKEN_S,
};
use crate::store::users::User;
use crate::store::{logins, sessions, users};
use crate::wire::account::TokensAnswer;

/// Checks address and password. Errors: 40103, 42901 with `Retry-After`, 40301 for a blocked account.
pub async fn check_password(
    call: &mut Call,
    audience: Audience,
    email: &Email,
    text: &str,
) -> Result<User> {
    let now = now_ms();
    let account = format!(
        "account:{}:{}",
        audience.as_str(),
        secret::sha256(email.as_str())
    );
    let address = format!("address:{}:{}", audience.as_str(), call.client_address());
    let database = call.database().await?;
    count_failure(database, &account, LOGIN_FAILURES_PER_ACCOUNT_MAX, now).await?;
    count_failure(database, &address, LOGIN_FAILURES_PER_ADDRESS_MAX, now).await?;
    let user = users::find_by_email(database, audience, email.as_str()).await?;
    if !password::verify(text, user.as_ref().map(|user| user.password_hash.as_str())) {
        return Err(wrong_credentials());
    }
    logins::clear(database, &account).await?;
    logins::forgive(database, &address).await?;
    let user = user.ok_or_else(wrong_credentials)?;
    // Said only to whoever knows the password.
    match user.blocked_at {
        None => Ok(user),
        Some(_) => Err(Error::new(Code::Forbidden, "This account is blocked.")),
    }
}

/// Counts one more failure of a subject, until it turns out to be none. Errors: 42901 where it is one too
/// many.
pub(super) async fn count_failure(
    database: &dyn crate::store::Database,
    subject: &str,
    failures_max: i64,
    now: i64,
) -> Result<()> {
    let (failures, window_ends) = logins::count(database, subject, now).await?;
    if failures <= failures_max {
        return Ok(());
    }
    Err(too_many_failures(window_ends, now))
}

/// 42901 until the window ends.
pub(super) fn too_many_failures(window_ends: i64, now: i64) -> Error {
    let wait_s = u64::try_from((window_ends - now) / 1000 + 1).unwrap_or(1);
    Error::new(
        Code::RateLimited,
        "Too many failed logins; please wait and try again.",
    )
    .with_retry_after(wait_s)
}

fn wrong_credentials() -> Error {
    Error::new(
        Code::WrongCredentials,
        "The e-mail address or the password is wrong.",
    )
}

/// Opens a session and issues its first pair of tokens.
pub async fn open_session(call: &mut Call, user: &User) -> Result<TokensAnswer> {
    let now = now_ms();
    let session_id = new_id();
    let expires_at = now + REFRESH_TOKEN_S * 1000;
    let database = call.database().await?;
    if !sessions::open(database, &session_id, user, now, expires_at).await? {
        return Err(wrong_credentials());
    }
    tokens(user, &session_id, 0, now / 1000).await
}

/// The pair of tokens of a session's `rotation`.
pub async fn tokens(
    user: &User,
    session_id: &str,
    rotation: i64,
    now_s: i64,
) -> Result<TokensAnswer> {
    let key = variable(key_variable(user.audience)).await?;
    let subject = Subject {
        audience: user.audience,
        user_id: &user.user_id,
        role: user.role,
        session_id,
    };
    let (access_token, refresh_token) = token::issue_pair(&key, &subject, rotation, now_s)?;
    Ok(TokensAnswer {
        user_id: None,
        access_token,
        refresh_token,
        token_type: "Bearer",
        expires_in: ACCESS_TOKEN_S,
    })
}
