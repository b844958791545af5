//! Routes: `/admin/api/v1/cookies`, `/admin/api/v1/cookies/:site`.
//!
//! Apart from the other admin routes because it alone holds the key that seals jars.

use serde_json::json;
use shared::auth::seal::SealKey;
use shared::domain::account::Role;
use shared::domain::cookies::{Jar, Site};
use shared::limits::OPERATOR_ITEMS_MAX;
use shared::spin::caller::authenticate_admin;
use shared::spin::http::{Answer, Call, answer, log_change};
use shared::spin::{now_ms, variable};
use shared::store::cookies;
use shared::wire::cookies::{JarItem, JarsAnswer};
use shared::{Code, Error, Result};
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
        ["cookies"] => list(call).await,
        ["cookies", site] => one(call, site).await,
        _ => Err(Error::not_found("route")),
    }
}

async fn list(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Admin).await?;
    let jars = cookies::list(call.database().await?, OPERATOR_ITEMS_MAX).await?;
    Answer::ok(&JarsAnswer {
        items: jars.into_iter().map(JarItem::from).collect(),
    })
}

async fn one(call: &mut Call, site: &str) -> Result<Answer> {
    call.allow(&[Method::PUT, Method::DELETE])?;
    let admin = authenticate_admin(call, Role::Admin).await?;
    let site = Site::parse(site)?;
    let subject = json!({ "site": site.as_str() });
    if call.method == Method::DELETE {
        if !cookies::remove(call.database().await?, site.as_str()).await? {
            return Err(Error::not_found("cookie jar"));
        }
        log_change(call, &admin, "remove_cookies", subject);
        return Answer::done();
    }
    let jar = read_jar(call).await?.of_site(&site)?;
    let kept = cookies::Jar {
        site: site.as_str().to_owned(),
        cookies: i64::try_from(jar.count()).map_err(Error::internal)?,
        expires_at: jar.expires_at(),
        updated_at: now_ms(),
        updated_by: admin.email.clone(),
    };
    let sealed = SealKey::from_setting(&variable("cookies_key").await?)?.seal(&site, &jar)?;
    cookies::keep(call.database().await?, &kept, &sealed).await?;
    log_change(call, &admin, "keep_cookies", subject);
    Answer::ok(&JarItem::from(kept))
}

/// The body as a jar. Errors: 41501 for JSON and forms, 40001 for what is no jar.
async fn read_jar(call: &mut Call) -> Result<Jar> {
    let content_type = call.header("content-type").unwrap_or("text/plain");
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("text/plain") {
        let message = "The body is a cookie jar as text/plain.";
        return Err(Error::new(Code::UnsupportedMediaType, message));
    }
    let body = call.body().await?;
    let text = std::str::from_utf8(&body)
        .map_err(|_| Error::invalid("cookies", "The jar is no UTF-8 text."))?;
    Jar::parse(text)
}
