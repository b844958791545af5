//! Routes: `/api/v1/sync/pull`, `/api/v1/sync/ack`.

use serde_json::value::RawValue;
use shared::domain::batch::Bounds;
use shared::domain::record::{group_realm, site_realm};
use shared::limits::{SYNC_BATCH_ID_BYTES_MAX, SYNC_ENVELOPE_BYTES};
use shared::spin::caller::authenticate_site;
use shared::spin::http::{Answer, Call, answer};
use shared::spin::sync::{batch_id, check_epoch};
use shared::spin::{new_id, now_ms, number, worker};
use shared::store::batches::{self, Ask, Batch};
use shared::store::deliveries;
use shared::store::sites::Site;
use shared::wire::batch::{AckAnswer, AckRequest, PullAnswer, PullRequest, verdicts};
use shared::{Code, Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

async fn route(call: &mut Call) -> Result<Answer> {
    match call.segments().last().map(String::as_str) {
        Some("pull") => pull(call).await,
        Some("ack") => ack(call).await,
        _ => Err(Error::not_found("route")),
    }
}

/// Hands out a batch under a lease, waiting for rows as long as the caller wants to (DS-3, DS-10).
async fn pull(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let site = authenticate_site(call).await?;
    let request: PullRequest = call.json_if_any().await?;
    check_epoch(&site, request.epoch)?;
    let bounds = request.bounds(Bounds {
        rows: number("sync_max_rows").await?,
        bytes: number("sync_max_bytes").await?,
    })?;
    let pull_id = request.pull_id.as_deref().map(pull_id).transpose()?;
    let ends_at = now_ms().saturating_add_unsigned(request.wait_ms()?);
    let mut has_waited = false;
    loop {
        if let Some(batch) = take(call, &site, bounds, pull_id).await? {
            return hand_out(call, &batch).await;
        }
        let left_ms = u64::try_from(ends_at - now_ms()).unwrap_or(0);
        // The wait holds no connection. Where no worker can wait for us, or what came went to somebody else, the
        // caller asks again.
        call.release_database();
        let waits = left_ms > 0 && !has_waited;
        if !waits || !worker::wait_for_rows(&call.request_id, &site.site_id, left_ms).await {
            return Ok(Answer::ok(&PullAnswer::default())?.gzipped(call));
        }
        has_waited = true;
        // Whoever waited may be gone: revoked since, or restored, and then the rows are for its next life.
        let now = authenticate_site(call).await?;
        check_epoch(&now, Some(site.pulse.epoch))?;
    }
}

fn pull_id(text: &str) -> Result<&str> {
    match !text.is_empty() && text.len() <= SYNC_BATCH_ID_BYTES_MAX && !text.contains('\0') {
        true => Ok(text),
        false => Err(Error::invalid(
            "pull_id",
            format!("The pull_id has 1 to {SYNC_BATCH_ID_BYTES_MAX} bytes."),
        )),
    }
}

async fn take(
    call: &mut Call,
    site: &Site,
    bounds: Bounds,
    pull_id: Option<&str>,
) -> Result<Option<Batch>> {
    let realms = [group_realm(&site.group), site_realm(&site.site_id)];
    let ask = Ask {
        receiver: &site.site_id,
        realms: &realms,
        bounds,
        batch_id: new_id(),
        pull_id,
        lease_ms: number::<i64>("sync_lease_s").await? * 1000,
        fail_max: number("sync_fail_max").await?,
    };
    let database = call.database().await?;
    if let Some(pull_id) = pull_id
        && batches::is_spent(database, &site.site_id, pull_id).await?
    {
        return Ok(None);
    }
    batches::take(database, &ask, now_ms()).await
}

async fn hand_out(call: &mut Call, batch: &Batch) -> Result<Answer> {
    let database = call.database().await?;
    let leased = batches::rows(database, batch).await?;
    let more = deliveries::is_any_due(database, &batch.receiver, now_ms()).await?;
    let rows = leased.iter().map(|leased| {
        let json = leased.row.to_json()?;
        RawValue::from_string(json).map_err(Error::internal)
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    Ok(Answer::ok(&PullAnswer::new(batch, rows, more))?.gzipped(call))
}

/// Takes what became of the rows of a batch. Said again, it is answered again.
async fn ack(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let site = authenticate_site(call).await?;
    let bytes_max = number::<usize>("sync_max_bytes").await? + SYNC_ENVELOPE_BYTES;
    let (request, _) = call.json_or_gzip::<AckRequest>(bytes_max).await?;
    let batch_id = batch_id(&request.batch_id)?;
    let database = call.database().await?;
    let batch = batches::find(database, batch_id).await?;
    let batch = batch.ok_or_else(|| Error::not_found("batch"))?;
    if batch.receiver != site.site_id {
        return Err(Error::forbidden("batch"));
    }
    if batch.is_settled {
        return settled(&batch);
    }
    let named = batches::named(database, &batch).await?;
    let (verdicts, counts) = verdicts(&batch, &named, &request.results)?;
    let kept = serde_json::to_string(&counts).map_err(Error::internal)?;
    if batches::settle(database, &batch, &verdicts, Some(&kept), now_ms()).await? {
        return Answer::ok(&counts);
    }
    // The same ack was faster, or the batch was given up meanwhile.
    let batch = batches::find(database, batch_id).await?;
    settled(&batch.ok_or_else(|| Error::not_found("batch"))?)
}

fn settled(batch: &Batch) -> Result<Answer> {
    let given_up = || {
        let message = "This batch was given up; its rows come again in another.";
        Error::new(Code::Gone, message)
    };
    let kept = batch.answer.as_deref().ok_or_else(given_up)?;
    let counts: AckAnswer = serde_json::from_str(kept).map_err(Error::internal)?;
    Answer::ok(&counts)
}
