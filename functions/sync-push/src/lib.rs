//! Route: `/api/v1/sync/push`.

use shared::auth::secret::sha256;
use shared::domain::record::Sender;
use shared::limits::SYNC_ENVELOPE_BYTES;
use shared::spin::caller::authenticate_site;
use shared::spin::http::{Answer, Call, answer};
use shared::spin::sync::{accept, batch_id, check_epoch};
use shared::spin::{now_ms, number};
use shared::store::pushes;
use shared::wire::record::{PushAnswer, PushRequest};
use shared::{Code, Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, push).await
}

/// Takes a batch of a site's rows; the answer has a result a row (DS-2).
async fn push(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let site = authenticate_site(call).await?;
    let bytes_max = number::<usize>("sync_max_bytes").await? + SYNC_ENVELOPE_BYTES;
    let (request, body) = call.json_or_gzip::<PushRequest>(bytes_max).await?;
    let batch_id = batch_id(&request.batch_id)?;
    check_epoch(&site, request.epoch)?;
    let hash = sha256(&body);
    drop(body);
    if let Some((earlier, kept)) =
        pushes::find(call.database().await?, &site.site_id, batch_id).await?
    {
        if earlier != hash {
            return Err(Error::new(
                Code::IdempotencyKeyReused,
                "This batch_id was used for other rows.",
            ));
        }
        let kept: PushAnswer = serde_json::from_str(&kept).map_err(Error::internal)?;
        return Ok(Answer::ok(&kept)?.gzipped(call));
    }
    let sender = Sender::Site {
        site_id: &site.site_id,
        group: &site.group,
    };
    let results = accept(call, sender, site.pulse.epoch, &request.rows).await?;
    let answer = PushAnswer {
        batch_id: batch_id.to_owned(),
        results,
    };
    // Without it the rows would be answered as repeated ones; they are safe already.
    let kept = serde_json::to_string(&answer).map_err(Error::internal)?;
    let database = call.database().await?;
    pushes::insert(database, &site.site_id, batch_id, &hash, &kept, now_ms()).await?;
    Ok(Answer::ok(&answer)?.gzipped(call))
}
