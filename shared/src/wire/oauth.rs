//! The client-credentials grant (RFC 6749, 4.4; ID-4): the client's name and secret come as HTTP Basic, in
//! a form or in JSON. The answer is bare, without the envelope. A refusal is the envelope with `error` and
//! `error_description` (RFC 6749, 5.2) beside its fields, so that either kind of client reads it.

use super::body::read_object;
use super::envelope::Failed;
use crate::error::{Code, Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// `POST /api/v1/auth/token`, understood.
#[derive(Clone)]
pub struct TokenRequest {
    pub client_id: String,
    pub client_secret: String,
}

/// The parameters in the body; others are ignored.
#[derive(Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    grant_type: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    client_secret: Option<String>,
}

/// RFC 6749, 5.1.
#[derive(Clone, Debug, Serialize)]
pub struct TokenAnswer {
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i64,
}

/// RFC 6749, 5.2.
#[derive(Serialize)]
struct RefusalAnswer<'a> {
    error: &'static str,
    error_description: &'a str,
    #[serde(flatten)]
    envelope: Failed<'a>,
}

const UNSUPPORTED_GRANT: &str = "unsupported_grant_type";

impl TokenRequest {
    /// From the headers `Authorization` and `Content-Type` and the body. Errors: 40001 and 40002
    /// (`invalid_request`, `unsupported_grant_type`), 40103 (`invalid_client`).
    pub fn read(
        authorization: Option<&str>,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Self> {
        let parameters = Parameters::read(content_type, body)?;
        match parameters.grant_type.as_deref() {
            Some("client_credentials") => {}
            Some(_) => {
                return Err(
                    Error::invalid("grant_type", "The grant is client_credentials.")
                        .with_cause(UNSUPPORTED_GRANT),
                );
            }
            None => return Err(Error::invalid("grant_type", "grant_type is missing.")),
        }
        let (client_id, client_secret) = match authorization.and_then(basic) {
            None => (parameters.client_id, parameters.client_secret),
            // More than one way to name oneself is none (RFC 6749, 2.3).
            Some(_) if parameters.client_secret.is_some() => {
                let message = "The secret stands in the Authorization header and in the body.";
                return Err(Error::invalid("client_secret", message));
            }
            Some(credentials) => {
                let (client_id, client_secret) = decoded(credentials).ok_or_else(wrong_client)?;
                if parameters.client_id.is_some_and(|it| it != client_id) {
                    let message = "Authorization header and body name different clients.";
                    return Err(Error::invalid("client_id", message));
                }
                (Some(client_id), Some(client_secret))
            }
        };
        Ok(Self {
            client_id: client_id.ok_or_else(wrong_client)?,
            client_secret: client_secret.ok_or_else(wrong_client)?,
        })
    }
}

impl Parameters {
    fn read(content_type: Option<&str>, body: &[u8]) -> Result<Self> {
        let media_type = content_type.unwrap_or_default().split(';').next();
        match media_type
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
            .as_str()
        {
            "application/json" => read_object(body),
            "application/x-www-form-urlencoded" | "" => Self::from_form(body),
            _ => Err(Error::invalid(
                "Content-Type",
                "The body is application/x-www-form-urlencoded or application/json.",
            )),
        }
    }

    fn from_form(body: &[u8]) -> Result<Self> {
        let mut parameters = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            let place = match name.as_ref() {
                "grant_type" => &mut parameters.grant_type,
                "client_id" => &mut parameters.client_id,
                "client_secret" => &mut parameters.client_secret,
                _ => continue,
            };
            if place.is_some() {
                return Err(Error::invalid(&name, format!("{name} comes twice.")));
            }
            // One without a value counts as left out (RFC 6749, 3.2).
            *place = Some(value.into_owned()).filter(|value| !value.is_empty());
        }
        Ok(parameters)
    }
}

/// What stands behind the scheme Basic; None for another scheme.
fn basic(authorization: &str) -> Option<&str> {
    let (scheme, credentials) = authorization.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then_some(credentials.trim())
}

/// Name and secret, each of them form-encoded before they are joined (RFC 6749, 2.3.1).
fn decoded(credentials: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(credentials).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (client_id, client_secret) = text.split_once(':')?;
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        Some(percent_decode_str(&text).decode_utf8().ok()?.into_owned())
    };
    Some((decode(client_id)?, decode(client_secret)?))
}

/// Whether `Authorization` names a client, so that a refusal says how it is done.
pub fn is_basic(authorization: Option<&str>) -> bool {
    authorization.and_then(basic).is_some()
}

/// 40103, one wording for every way in which a client is not known.
pub fn wrong_client() -> Error {
    let message = "The client is unknown, disabled, or its secret is wrong.";
    Error::new(Code::WrongCredentials, message)
}

/// The body of a refusal.
pub fn refusal(error: &Error) -> serde_json::Result<Vec<u8>> {
    let word = match error.code {
        Code::WrongCredentials => "invalid_client",
        // RFC 6749 has no word for it here; this one is of the authorization endpoint (4.1.2.1).
        Code::RateLimited => "temporarily_unavailable",
        _ if error.cause.as_deref() == Some(UNSUPPORTED_GRANT) => UNSUPPORTED_GRANT,
        _ => "invalid_request",
    };
    serde_json::to_vec(&RefusalAnswer {
        error: word,
        error_description: &error.message,
        envelope: Failed::new(error),
    })
}

#[cfg(test)]
mod tests;
