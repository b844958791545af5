//! Register, login, refresh, profile, password.

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

#[derive(Debug, Deserialize)]
pub struct ProfileRequest {
    pub nickname: String,
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
    pub role: &'static str,
    pub created_at: String,
}
