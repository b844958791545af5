//! Route: `/api/v1/parse`.

use shared::auth::secret::sha256;
use shared::domain::account::Audience;
use shared::domain::media::MediaUrl;
use shared::spin::caller::authenticate;
use shared::spin::http::{Answer, Call, answer};
use shared::spin::now_ms;
use shared::spin::worker;
use shared::store::parses;
use shared::wire::media::{ParseAnswer, ParseRequest};
use shared::{Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, parse).await
}

async fn parse(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    authenticate(call, Audience::Users).await?;
    let request: ParseRequest = call.json().await?;
    let url = MediaUrl::parse(&request.url)?;
    worker::check_egress(&url).await?;
    let database = call.database().await?;
    let kept = parses::find(database, &sha256(url.as_str()), now_ms()).await?;
    call.release_database();
    let (mut answer, cache) = match kept {
        Some(kept) => {
            let kept: ParseAnswer = serde_json::from_str(&kept).map_err(Error::internal)?;
            (Answer::ok(&kept)?, "hit")
        }
        None => (worker::parse(&call.request_id, &url).await?, "miss"),
    };
    // The runner counts these.
    answer.headers.push(("x-cache", cache.to_owned()));
    Ok(answer)
}
