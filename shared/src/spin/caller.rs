//! Who calls: the bearer token, checked against its audience's key and its session's row.

use super::http::Call;
use super::{now_ms, variable};
use crate::auth::token::{self, Claims, Purpose};
use crate::domain::account::{Audience, Role};
use crate::error::{Code, Error, Result};
use crate::store::projects::{self, Project};
use crate::store::sessions;
use crate::store::sites::{self, Site};
use crate::store::tickets::Bearer;
use crate::store::users::User;

/// The variable that holds an audience's key.
pub fn key_variable(audience: Audience) -> &'static str {
    match audience {
        Audience::Users => "users_key",
        Audience::Projects => "projects_key",
        Audience::Sites => "sites_key",
        Audience::Admins => "admins_key",
    }
}

/// The person behind the request. Errors: 40101, 40102.
pub async fn authenticate(call: &mut Call, audience: Audience) -> Result<User> {
    Ok(authenticate_session(call, audience).await?.0)
}

/// As [`authenticate`] where visitors are welcome too: `None` without a token. Errors: 40101, 40102 for a bad one.
pub async fn authenticate_if_any(call: &mut Call, audience: Audience) -> Result<Option<User>> {
    match call.header("authorization") {
        None => Ok(None),
        Some(_) => authenticate(call, audience).await.map(Some),
    }
}

/// As [`authenticate`], with the session's id.
pub async fn authenticate_session(call: &mut Call, audience: Audience) -> Result<(User, String)> {
    let now = now_ms();
    let claims = claims(call, audience, now / 1000).await?;
    let user = sessions::user_of(call.database().await?, &claims.sid, now)
        .await?
        .filter(|user| user.user_id == claims.sub && user.audience == audience);
    Ok((user.ok_or_else(token::bad_token)?, claims.sid))
}

/// As [`authenticate`] for the admins' realm, with the role it needs; an admin may do what a reviewer may.
pub async fn authenticate_admin(call: &mut Call, role: Role) -> Result<User> {
    let user = authenticate(call, Audience::Admins).await?;
    if user.role == Role::Admin || user.role == role {
        Ok(user)
    } else {
        Err(Error::new(
            Code::Forbidden,
            "This needs an admin's account.",
        ))
    }
}

/// The project behind the request. Errors: 40101, also for a disabled one; 40102.
pub async fn authenticate_project(call: &mut Call) -> Result<Project> {
    Ok(project_of_token(call).await?.0)
}

/// With when the token was issued, milliseconds.
async fn project_of_token(call: &mut Call) -> Result<(Project, i64)> {
    let claims = claims(call, Audience::Projects, now_ms() / 1000).await?;
    let issued_at = claims.iat * 1000;
    let project = projects::of_token(call.database().await?, &claims.sub, issued_at).await?;
    Ok((project.ok_or_else(token::bad_token)?, issued_at))
}

/// The site behind the request, of which is noted that it was heard of. Errors: 40101, also for a revoked
/// one; 40102.
pub async fn authenticate_site(call: &mut Call) -> Result<Site> {
    let now = now_ms();
    let claims = claims(call, Audience::Sites, now / 1000).await?;
    let database = call.database().await?;
    let site = sites::of_token(database, &claims.sub, claims.iat * 1000).await?;
    let site = site.ok_or_else(token::bad_token)?;
    sites::touch(database, &site, now).await?;
    Ok(site)
}

/// Who has tasks: a user has downloads, a project has exports.
#[derive(Clone, Debug)]
pub struct Owner {
    /// As in a task's `owner_id`.
    pub owner_id: String,
    pub bearer: Bearer,
}

/// The user or the project behind the request. Errors: 40101, 40102.
pub async fn authenticate_owner(call: &mut Call) -> Result<Owner> {
    match authenticate_session(call, Audience::Users).await {
        Ok((user, session_id)) => Ok(Owner {
            owner_id: user.user_id,
            bearer: Bearer::Session(session_id),
        }),
        // What is no user's token may be a project's.
        Err(error) if error.code == Code::BadToken => {
            let (project, issued_at) = project_of_token(call).await?;
            Ok(Owner {
                owner_id: project.project_id.clone(),
                bearer: Bearer::Project {
                    project_id: project.project_id,
                    issued_at,
                },
            })
        }
        Err(error) => Err(error),
    }
}

async fn claims(call: &Call, audience: Audience, now_s: i64) -> Result<Claims> {
    let (scheme, token) = call
        .header("authorization")
        .and_then(|value| value.split_once(' '))
        .ok_or_else(token::bad_token)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(token::bad_token());
    }
    let key = variable(key_variable(audience)).await?;
    token::verify(&key, token.trim(), audience, Purpose::Access, now_s)
}
