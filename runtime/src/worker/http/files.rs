//! `GET /files/{task_id}/{file_name}`: the finished file, streamed from disk, for whoever holds a signed
//! URL that has not expired (VA-8). Ranges and conditions as RFC 9110 has them, places and bandwidth as the
//! operator set them (VA-9).

mod conditions;
mod content;

use super::reply::Failure;
use crate::clock::now_ms;
use crate::worker::Worker;
use crate::worker::delivery;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use conditions::Validators;
use content::Content;
use shared::auth::signature::Signature;
use shared::domain::file_name::content_disposition;
use shared::domain::task::Status;
use shared::store::tasks::{self, Task};
use shared::wire::task::{TaskAnswer, TaskResult};
use shared::{Code, Error};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::fs::File;

pub async fn deliver(
    State(worker): State<Arc<Worker>>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Path((task_id, file_name)) = path.map_err(|_| Error::not_found("file"))?;
    let Query(query) = query.map_err(|_| Error::invalid("query", "The query is malformed."))?;
    let signature = signature_from(&query)?;
    let now = now_ms();
    worker.file_keys.verify(&task_id, &signature, now / 1000)?;
    let task = tasks::find(&*worker.database, &task_id)
        .await?
        .ok_or_else(|| Error::not_found("file"))?;
    let (result, path) = finished(&task, now)?;
    let named = result.named(&path, &file_name);
    let (result, path) = named.ok_or_else(|| Error::not_found("file"))?;
    let path = worker.settings.data_dir.join(path);
    let file = match File::open(&path).await {
        Ok(file) => file,
        Err(error) => {
            // The row promises a file: somebody removed it by hand.
            tracing::error!(%error, task_id, "the file of a finished task is missing");
            return Err(Error::new(Code::Gone, "The file is no longer there.").into());
        }
    };
    let length = file.metadata().await.map_err(Error::internal)?.len();
    let finished_at = task.finished_at.unwrap_or(task.updated_at);
    let delivered = Delivered {
        owner_id: &task.owner_id,
        name: &result.file_name,
        length,
        validators: Validators::new(&result.sha256, finished_at),
    };
    Ok(delivered.answer(&worker, file, &method, &headers).await?)
}

fn signature_from(query: &HashMap<String, String>) -> Result<Signature, Error> {
    let take = |name: &str| {
        query
            .get(name)
            .cloned()
            .ok_or_else(|| Error::new(Code::Forbidden, "This URL is not signed."))
    };
    Ok(Signature {
        expires: take("expires")?
            .parse()
            .map_err(|_| Error::invalid("expires", "expires is a number of seconds."))?,
        kid: take("kid")?,
        signature: take("signature")?,
    })
}

/// The result and the path of a task whose file may be had. Errors: 41001, 40401.
fn finished(task: &Task, now: i64) -> Result<(TaskResult, String), Error> {
    let is_over = task.expires_at.is_some_and(|end| end <= now);
    match task.status {
        Status::Succeeded if !is_over => {}
        Status::Succeeded | Status::Expired => {
            return Err(Error::new(Code::Gone, "The file's time is over."));
        }
        _ => return Err(Error::not_found("file")),
    }
    let result = TaskAnswer::from_task(task)?.result;
    result
        .zip(task.file_path.clone())
        .ok_or_else(|| Error::internal("a finished task without file"))
}

/// The file that is asked for.
struct Delivered<'a> {
    owner_id: &'a str,
    name: &'a str,
    /// Bytes.
    length: u64,
    validators: Validators,
}

impl Delivered<'_> {
    async fn answer(
        &self,
        worker: &Worker,
        file: File,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response, Error> {
        if let Some(status) = self.validators.refuse(headers) {
            let is_known = status == StatusCode::NOT_MODIFIED;
            return Ok(self.describe(status.into_response(), is_known));
        }
        let selection = self.validators.select(method, headers, self.length);
        let Some(content) = Content::of(selection, self.length, content::media_type(self.name))
        else {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            let range = format!("bytes */{}", self.length);
            set(&mut response, header::CONTENT_RANGE, &range);
            return Ok(self.describe(response, false));
        };
        let (status, length) = (content.status, content.length());
        // Headers alone take no place from those who fetch files.
        let body = if method == Method::HEAD {
            Body::empty()
        } else {
            let transfer = worker.delivery.begin(self.owner_id)?;
            delivery::body(transfer, file.into_std().await, content.pieces)
        };
        let mut response = (status, body).into_response();
        set(&mut response, header::CONTENT_TYPE, &content.media_type);
        set(&mut response, header::CONTENT_LENGTH, &length.to_string());
        if let Some(range) = content.range {
            set(&mut response, header::CONTENT_RANGE, &range);
        }
        Ok(self.describe(response, true))
    }

    /// Adds what every answer says, and with `is_copy` what belongs to the file.
    fn describe(&self, mut response: Response, is_copy: bool) -> Response {
        set(&mut response, header::ACCEPT_RANGES, "bytes");
        set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        if is_copy {
            let modified = httpdate::fmt_http_date(self.validators.modified);
            let disposition = content_disposition(self.name);
            for (name, value) in [
                (header::ETAG, self.validators.etag.as_str()),
                (header::LAST_MODIFIED, &modified),
                (header::CACHE_CONTROL, "private, no-cache"),
                (header::CONTENT_DISPOSITION, &disposition),
            ] {
                set(&mut response, name, value);
            }
        }
        response
    }
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
