//! Register, login, refresh, profile, password.

use crate::domain::account::{Email, nickname};
use crate::domain::resource::lines;
use crate::error::{Error, Result};
use crate::limits::USER_BIO_CHARS_MAX;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
pub struct RegisterRequest {
    pub email: String,
    pub password: String,
    #[serde(default)]
    pub nickname: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct LoginRequest {
    pub email: String,
    pub password: String,
}

#[derive(Debug, Deserialize)]
pub struct RefreshRequest {
    pub refresh_token: String,
}

/// `PUT /api/v1/auth/profile`; a field that is left out stays as it is.
#[derive(Debug, Deserialize)]
pub struct ProfileRequest {
    #[serde(default)]
    nickname: Option<String>,
    #[serde(default)]
    bio: Option<String>,
}

impl ProfileRequest {
    /// Nickname and bio. Errors: 40001 naming the field; a request without both names `nickname`.
    pub fn change(&self, email: &Email) -> Result<(Option<String>, Option<String>)> {
        if self.nickname.is_none() && self.bio.is_none() {
            return Err(Error::invalid(
                "nickname",
                "Neither nickname nor bio is given.",
            ));
        }
        let name = |text: &str| nickname(Some(text), email);
        let bio = |text: &str| lines("bio", text, USER_BIO_CHARS_MAX);
        Ok((
            self.nickname.as_deref().map(name).transpose()?,
            self.bio.as_deref().map(bio).transpose()?,
        ))
    }
}

#[derive(Debug, Deserialize)]
pub struct PasswordRequest {
    pub old_password: String,
    pub new_password: String,
}

#[derive(Debug, Serialize)]
pub struct TokensAnswer {
    /// Only in the answer to a registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    pub access_token: String,
    pub refresh_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds until the access token ends.
    pub expires_in: i64,
}

#[derive(Debug, Serialize)]
pub struct ProfileAnswer {
    pub user_id: String,
    pub email: String,
    pub nickname: String,
    /// What they write of themselves.
    pub bio: String,
    pub role: &'static str,
    pub created_at: String,
}
