//! Accounts of people: users, and the admins and reviewers of the other realm.

use super::{Database, Dialect, Row, Value};
use crate::domain::account::{Audience, Role};
use crate::domain::page::Page;
use crate::error::{Code, Error, Result};

#[derive(Clone, Debug)]
pub struct User {
    pub user_id: String,
    pub audience: Audience,
    pub email: String,
    pub password_hash: String,
    pub nickname: String,
    pub role: Role,
    /// Downloads a day; `None`: what the level gives (VA-11).
    pub daily_limit: Option<i64>,
    /// Since when the account may not be used.
    pub blocked_at: Option<i64>,
    pub created_at: i64,
}

const COLUMNS: &str = "user_id, audience, email, password_hash, nickname, role, daily_limit, blocked_at, \
     created_at";

pub(super) fn user_from(row: &Row) -> Result<User> {
    Ok(User {
        user_id: row.get("user_id")?,
        audience: Audience::parse(&row.get::<String>("audience")?)?,
        email: row.get("email")?,
        password_hash: row.get("password_hash")?,
        nickname: row.get("nickname")?,
        role: Role::parse(&row.get::<String>("role")?)?,
        daily_limit: row.get("daily_limit")?,
        blocked_at: row.get("blocked_at")?,
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

/// What a user says of themselves; `None` leaves it.
pub async fn set_profile(
    database: &dyn Database,
    user_id: &str,
    nickname: Option<&str>,
    bio: Option<&str>,
    now: i64,
) -> Result<()> {
    database
        .execute(
            "UPDATE users SET nickname = COALESCE($2, nickname), bio = COALESCE($3, bio), updated_at = $4 \
             WHERE user_id = $1",
            &[user_id.into(), nickname.into(), bio.into(), now.into()],
        )
        .await?;
    Ok(())
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

/// Users by address, those whose address begins with `prefix`, and how many there are.
pub async fn list(database: &dyn Database, prefix: &str, page: Page) -> Result<(Vec<User>, i64)> {
    // A range instead of LIKE: an index serves it, and no character of the prefix means anything. SQLite
    // compares bytes; PostgreSQL does where it is told to, and has the index users_by_email for that.
    let email = match database.dialect() {
        Dialect::Sqlite => "email",
        Dialect::Postgres => "email COLLATE \"C\"",
    };
    let clause = format!("audience = 'users' AND {email} >= $1 AND {email} < $2");
    let range: [Value; 2] = [prefix.into(), format!("{prefix}\u{10ffff}").into()];
    let total = database
        .query(
            &format!("SELECT COUNT(*) AS total FROM users WHERE {clause}"),
            &range,
        )
        .await?
        .first()
        .map_or(Ok(0), |row| row.get("total"))?;
    let sql =
        format!("SELECT {COLUMNS} FROM users WHERE {clause} ORDER BY {email} LIMIT $3 OFFSET $4");
    let [from, to] = range;
    let rows = database
        .query(&sql, &[from, to, page.limit().into(), page.offset().into()])
        .await?;
    Ok((rows.iter().map(user_from).collect::<Result<_>>()?, total))
}

/// How many users there are.
pub async fn count(database: &dyn Database) -> Result<i64> {
    let rows = database
        .query(
            "SELECT COUNT(*) AS total FROM users WHERE audience = 'users'",
            &[],
        )
        .await?;
    rows.first().map_or(Ok(0), |row| row.get("total"))
}

/// What an admin may change of a user; `None` leaves it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    pub role: Option<Role>,
    /// `Some(None)`: what the level gives.
    pub daily_limit: Option<Option<i64>>,
    /// Blocking ends, in the same statement, every session, and cancels what is queued or runs without
    /// charging the quota (trigger `users_block`).
    pub is_blocked: Option<bool>,
}

/// Changes a user. `None` when there is no such user.
pub async fn change(
    database: &dyn Database,
    user_id: &str,
    change: Change,
    now: i64,
) -> Result<Option<User>> {
    let mut sets = vec!["updated_at = $2".to_owned()];
    let mut values: Vec<Value> = vec![user_id.into(), now.into()];
    if let Some(role) = change.role {
        values.push(role.as_str().into());
        sets.push(format!("role = ${}", values.len()));
    }
    if let Some(limit) = change.daily_limit {
        values.push(limit.into());
        sets.push(format!("daily_limit = ${}", values.len()));
    }
    match change.is_blocked {
        Some(true) => sets
            .push("blocked_at = COALESCE(blocked_at, $2), generation = generation + 1".to_owned()),
        Some(false) => sets.push("blocked_at = NULL".to_owned()),
        None => {}
    }
    let sql = format!(
        "UPDATE users SET {} WHERE user_id = $1 AND audience = 'users' RETURNING {COLUMNS}",
        sets.join(", ")
    );
    let rows = database.query(&sql, &values).await?;
    rows.first().map(user_from).transpose()
}
