//! Logging in to the admins' realm.

use shared::Result;
use shared::domain::account::{Audience, Email};
use shared::spin::http::{Answer, Call};
use shared::spin::login::{check_password, open_session};
use shared::wire::account::LoginRequest;
use spin_sdk::http::Method;

pub async fn login(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let request: LoginRequest = call.json().await?;
    let email = Email::parse(&request.email)?;
    let user = check_password(call, Audience::Admins, &email, &request.password).await?;
    Answer::ok(&open_session(call, &user).await?)
}
