//! Users as admins see and change them (VA-16, ID-5).

use super::time::rfc3339;
use crate::domain::account::Role;
use crate::domain::quota::own_limit;
use crate::domain::short_json::ShortJson;
use crate::error::{Error, Result};
use crate::store::users::{Change, User};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// One user.
#[derive(Clone, Debug, Serialize)]
pub struct UserItem {
    pub user_id: String,
    pub email: String,
    pub nickname: String,
    /// `user` or `vip`.
    pub role: &'static str,
    /// Until when he is VIP by what he paid, whatever `role` says; `None` when he is not.
    pub vip_expire_time: Option<String>,
    /// Downloads a day; `None`: what the level gives.
    pub daily_limit: Option<i64>,
    /// Places of today's quota that are taken.
    pub daily_used: i64,
    pub blocked: bool,
    pub created_at: String,
}

impl UserItem {
    pub fn new(user: User, vip_expires_at: Option<i64>, daily_used: i64) -> Self {
        Self {
            user_id: user.user_id,
            email: user.email,
            nickname: user.nickname,
            role: user.role.as_str(),
            vip_expire_time: vip_expires_at.map(rfc3339),
            daily_limit: user.daily_limit,
            daily_used,
            blocked: user.blocked_at.is_some(),
            created_at: rfc3339(user.created_at),
        }
    }
}

/// `PUT /admin/api/v1/users/{user_id}`; a field that is left out stays as it is.
#[derive(Debug, Deserialize)]
pub struct UserChangeRequest {
    #[serde(default, deserialize_with = "present")]
    role: Option<ShortJson>,
    #[serde(default, deserialize_with = "present")]
    daily_limit: Option<ShortJson>,
    #[serde(default, deserialize_with = "present")]
    blocked: Option<ShortJson>,
}

/// Tells `null` from what is left out.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ShortJson>, D::Error> {
    ShortJson::deserialize(deserializer).map(Some)
}

impl UserChangeRequest {
    /// Errors: 40001 naming the field.
    pub fn change(&self) -> Result<Change> {
        let role = self.role.as_ref().map(|value| {
            // What is no text is no role.
            Role::parse_level(value.0.as_str().unwrap_or_default())
        });
        let daily_limit = self.daily_limit.as_ref().map(|value| match &value.0 {
            Value::Null => Ok(None),
            // What is no whole number is out of bounds.
            value => own_limit(value.as_i64().unwrap_or(-1)).map(Some),
        });
        let is_blocked = self.blocked.as_ref().map(|value| {
            value
                .0
                .as_bool()
                .ok_or_else(|| Error::invalid("blocked", "blocked is true or false."))
        });
        Ok(Change {
            role: role.transpose()?,
            daily_limit: daily_limit.transpose()?,
            is_blocked: is_blocked.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(body: &str) -> Result<Change> {
        crate::wire::body::read_object::<UserChangeRequest>(body.as_bytes())?.change()
    }

    #[test]
    fn null_is_the_levels_limit_and_a_field_left_out_stays() {
        let none = change("{}").unwrap();
        assert_eq!(
            (none.role, none.daily_limit, none.is_blocked),
            (None, None, None)
        );
        let all = change(r#"{"role":"vip","daily_limit":null,"blocked":true}"#).unwrap();
        assert_eq!(
            (all.role, all.daily_limit, all.is_blocked),
            (Some(Role::Vip), Some(None), Some(true))
        );
        assert_eq!(
            change(r#"{"daily_limit":7}"#).unwrap().daily_limit,
            Some(Some(7))
        );
    }

    #[test]
    fn what_does_not_fit_names_its_field() {
        for (field, values) in [
            ("role", ["\"admin\"", "null", "1"]),
            ("daily_limit", ["-1", "1.5", "\"5\""]),
            ("blocked", ["null", "\"yes\"", "0"]),
        ] {
            for value in values {
                let error = change(&format!(r#"{{"{field}":{value}}}"#)).unwrap_err();
                assert_eq!(error.data.unwrap()["field"], field, "{value}");
            }
        }
    }
}
