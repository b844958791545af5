//! Route: `/api/v1/download`.

use shared::auth::secret::sha256;
use shared::domain::account::Audience;
use shared::domain::media::{Format, LanguageTag, MediaUrl, Mode, Quality};
use shared::spin::caller::authenticate;
use shared::spin::http::{Answer, Call, answer};
use shared::spin::{new_id, now_ms, quota, worker};
use shared::store::tasks::{self, NewTask};
use shared::wire::media::{DownloadAnswer, DownloadRequest, DownloadSpec};
use shared::{Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, submit).await
}

async fn submit(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let user = authenticate(call, Audience::Users).await?;
    let idempotency_key = call.idempotency_key()?;
    let request: DownloadRequest = call.json().await?;
    let spec = spec_from(&request)?;
    let url = spec.media_url()?;
    worker::check_egress(&url).await?;
    let spec = serde_json::to_string(&spec).map_err(Error::internal)?;
    let now = now_ms();
    let task = NewTask {
        task_id: new_id(),
        kind: "video",
        owner_id: user.user_id.clone(),
        name: url.redacted(),
        request_hash: sha256(&spec),
        spec,
        idempotency_key,
        request_id: call.request_id.clone(),
        site: url.site(),
        quota: Some(quota::place(&user, now).await?),
        callback: None,
        now,
    };
    let task_id = tasks::submit(call.database().await?, &task).await?;
    Answer::json(
        202,
        &DownloadAnswer {
            history_id: task_id.clone(),
            task_id,
        },
    )
}

fn spec_from(request: &DownloadRequest) -> Result<DownloadSpec> {
    let mode = match request.mode.as_str() {
        "quick_download" => Mode::QuickDownload,
        "archive" => Mode::Archive,
        _ => {
            return Err(Error::invalid(
                "mode",
                "The mode is quick_download or archive.",
            ));
        }
    };
    let quality = request.quality.as_deref().unwrap_or("best");
    let wanted = Quality::parse(quality)?;
    let default_format = if wanted == Quality::Audio {
        "m4a"
    } else {
        "mp4"
    };
    Ok(DownloadSpec {
        url: MediaUrl::parse(&request.url)?.as_str().to_owned(),
        mode,
        quality: quality.to_owned(),
        format: Format::parse(request.format.as_deref().unwrap_or(default_format), wanted)?,
        subtitles: LanguageTag::parse_all(request.subtitles.as_deref().unwrap_or_default())?,
        thumbnail: request.thumbnail.unwrap_or(false),
        metadata: request.metadata.unwrap_or(false),
    })
}
