//! Routes: `/api/v1/auth/register`, `/api/v1/auth/login`, `/api/v1/auth/refresh`, `/api/v1/auth/logout`,
//! `/api/v1/auth/profile`, `/api/v1/auth/password`, `/api/v1/auth/token`.

use shared::auth::password;
use shared::auth::token::{self, Purpose};
use shared::domain::account::{Audience, Email, Password, Role, nickname};
use shared::spin::caller::authenticate;
use shared::spin::client;
use shared::spin::http::{Answer, Call, answer};
use shared::spin::login::{check_password, open_session, tokens};
use shared::spin::{new_id, now_ms, variable};
use shared::store::accounts;
use shared::store::sessions::{self, Rotation};
use shared::store::users::{self, User};
use shared::wire::account::{
    LoginRequest, PasswordRequest, ProfileAnswer, ProfileRequest, RefreshRequest, RegisterRequest,
};
use shared::wire::time::rfc3339;
use shared::{Error, Result, limits};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

async fn route(call: &mut Call) -> Result<Answer> {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().skip(3).map(String::as_str).collect();
    match path.as_slice() {
        ["register"] => register(call).await,
        ["login"] => login(call).await,
        ["refresh"] => refresh(call).await,
        ["logout"] => logout(call).await,
        ["profile"] => profile(call).await,
        ["password"] => change_password(call).await,
        ["token"] => client::grant_token(call).await,
        _ => Err(Error::not_found("route")),
    }
}

async fn register(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let request: RegisterRequest = call.json().await?;
    let email = Email::parse(&request.email)?;
    let user = User {
        user_id: new_id(),
        audience: Audience::Users,
        nickname: nickname(request.nickname.as_deref(), &email)?,
        email: email.as_str().to_owned(),
        password_hash: password::hash(&Password::parse("password", &request.password)?)?,
        role: Role::User,
        daily_limit: None,
        blocked_at: None,
        created_at: now_ms(),
    };
    users::insert(call.database().await?, &user).await?;
    let mut tokens = open_session(call, &user).await?;
    tokens.user_id = Some(user.user_id);
    Answer::json(201, &tokens)
}

async fn login(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let request: LoginRequest = call.json().await?;
    let email = Email::parse(&request.email)?;
    let user = check_password(call, Audience::Users, &email, &request.password).await?;
    Answer::ok(&open_session(call, &user).await?)
}

async fn refresh(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let request: RefreshRequest = call.json().await?;
    let now = now_ms();
    let claims = token::verify(
        &variable("users_key").await?,
        &request.refresh_token,
        Audience::Users,
        Purpose::Refresh,
        now / 1000,
    )?;
    let used = claims.rotation.ok_or_else(token::bad_token)?;
    let expires_at = now + limits::REFRESH_TOKEN_S * 1000;
    let database = call.database().await?;
    match sessions::rotate(database, &claims.sid, used, now, expires_at).await? {
        Rotation::Rotated { user_id, rotation } => {
            let user = users::find(database, &user_id).await?;
            let user = user.ok_or_else(token::bad_token)?;
            Answer::ok(&tokens(&user, &claims.sid, rotation, now / 1000).await?)
        }
        Rotation::Reused | Rotation::Ended => Err(token::bad_token()),
    }
}

async fn logout(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let user = authenticate(call, Audience::Users).await?;
    sessions::revoke_all(call.database().await?, &user.user_id, now_ms()).await?;
    Answer::done()
}

async fn profile(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET, Method::PUT])?;
    let user = authenticate(call, Audience::Users).await?;
    let now = now_ms();
    if call.method == Method::PUT {
        let request: ProfileRequest = call.json().await?;
        let (name, bio) = request.change(&Email::parse(&user.email)?)?;
        let database = call.database().await?;
        let (name, bio) = (name.as_deref(), bio.as_deref());
        users::set_profile(database, &user.user_id, name, bio, now).await?;
    }
    let account = accounts::find(call.database().await?, &user.user_id, now).await?;
    let account = account.ok_or_else(token::bad_token)?;
    Answer::ok(&ProfileAnswer {
        user_id: user.user_id,
        email: user.email,
        nickname: account.nickname,
        bio: account.bio,
        role: account.role.as_str(),
        created_at: rfc3339(user.created_at),
    })
}

async fn change_password(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::PUT])?;
    let user = authenticate(call, Audience::Users).await?;
    let request: PasswordRequest = call.json().await?;
    let new = Password::parse("new_password", &request.new_password)?;
    let email = Email::parse(&user.email)?;
    check_password(call, Audience::Users, &email, &request.old_password).await?;
    let new_hash = password::hash(&new)?;
    let database = call.database().await?;
    let replaced = users::replace_password(
        database,
        &user.user_id,
        &user.password_hash,
        &new_hash,
        now_ms(),
    );
    if replaced.await? {
        Answer::done()
    } else {
        Err(token::bad_token())
    }
}
