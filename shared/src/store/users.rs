//! Accounts of people: users, and the admins and reviewers of the other realm.

use super::{Database, Row};
use crate::domain::account::{Audience, Role};
use crate::error::{Code, Error, Result};

#[derive(Clone, Debug)]
pub struct User {
    pub user_id: String,
    pub audience: Audience,
    pub email: String,
    pub password_hash: String,
    pub nickname: String,
    pub role: Role,
    pub created_at: i64,
}

const COLUMNS: &str = "user_id, audience, email, password_hash, nickname, role, created_at";

pub(super) fn user_from(row: &Row) -> Result<User> {
    Ok(User {
        user_id: row.get("user_id")?,
        audience: Audience::parse(&row.get::<String>("audience")?)?,
        email: row.get("email")?,
        password_hash: row.get("password_hash")?,
        nickname: row.get("nickname")?,
        role: Role::parse(&row.get::<String>("role")?)?,
        created_at: row.get("created_at")?,
    })
}

/// Adds an account. Errors: 40901 when the address is taken in this audience.
pub async fn insert(database: &dyn Database, user: &User) -> Result<()> {
    let rows = database
        .query(
            "INSERT INTO users (user_id, audience, email, password_hash, nickname, role, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
             ON CONFLICT (audience, email) DO NOTHING RETURNING user_id",
            &[
                user.user_id.as_str().into(),
                user.audience.as_str().into(),
                user.email.as_str().into(),
                user.password_hash.as_str().into(),
                user.nickname.as_str().into(),
                user.role.as_str().into(),
                user.created_at.into(),
            ],
        )
        .await?;
    if rows.is_empty() {
        return Err(Error::new(
            Code::Conflict,
            "An account with this e-mail address exists already.",
        )
        .with_data(serde_json::json!({ "field": "email" })));
    }
    Ok(())
}

pub async fn find_by_email(
    database: &dyn Database,
    audience: Audience,
    email: &str,
) -> Result<Option<User>> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE audience = $1 AND email = $2");
    let rows = database
        .query(&sql, &[audience.as_str().into(), email.into()])
        .await?;
    rows.first().map(user_from).transpose()
}

pub async fn find(database: &dyn Database, user_id: &str) -> Result<Option<User>> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE user_id = $1");
    let rows = database.query(&sql, &[user_id.into()]).await?;
    rows.first().map(user_from).transpose()
}

pub async fn set_nickname(
    database: &dyn Database,
    user_id: &str,
    nickname: &str,
    now: i64,
) -> Result<Option<User>> {
    let sql = format!(
        "UPDATE users SET nickname = $2, updated_at = $3 WHERE user_id = $1 RETURNING {COLUMNS}"
    );
    let rows = database
        .query(&sql, &[user_id.into(), nickname.into(), now.into()])
        .await?;
    rows.first().map(user_from).transpose()
}

/// Replaces the password and revokes all sessions in one statement (ID-2), only where `old_hash` is still
/// the current one, so that of two changes at once one is refused. Returns whether it did.
pub async fn replace_password(
    database: &dyn Database,
    user_id: &str,
    old_hash: &str,
    new_hash: &str,
    now: i64,
) -> Result<bool> {
    let changed = database
        .execute(
            "UPDATE users SET password_hash = $3, generation = generation + 1, updated_at = $4 \
             WHERE user_id = $1 AND password_hash = $2",
            &[user_id.into(), old_hash.into(), new_hash.into(), now.into()],
        )
        .await?;
    Ok(changed == 1)
}
