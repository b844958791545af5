//! `GET /files/{task_id}/{file_name}`: the finished file, streamed from disk, for whoever holds a signed
//! URL that has not expired (VA-8). Ranges and conditions as RFC 9110 has them.

use super::reply::Failure;
use crate::clock::now_ms;
use crate::worker::Worker;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shared::auth::signature::Signature;
use shared::domain::file_name::content_disposition;
use shared::domain::task::Status;
use shared::limits::DELIVERY_CHUNK_BYTES;
use shared::store::tasks::{self, Task};
use shared::wire::task::{TaskAnswer, TaskResult};
use shared::{Code, Error};
use std::collections::HashMap;
use std::io::SeekFrom;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

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
    let copy = Copy {
        etag: format!("\"{}\"", result.sha256),
        modified: modified(task.finished_at.unwrap_or(task.updated_at)),
        length,
    };
    let mut response = copy.answer(file, &headers, method == Method::HEAD).await?;
    let has_file = !response.status().is_client_error();
    describe(response.headers_mut(), &copy, has_file.then_some(&result));
    Ok(response)
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

/// What conditions and ranges are held against.
struct Copy {
    etag: String,
    modified: SystemTime,
    length: u64,
}

impl Copy {
    async fn answer(&self, file: File, headers: &HeaderMap, head: bool) -> Result<Response, Error> {
        if self.is_refused_by(headers) {
            return Ok(StatusCode::PRECONDITION_FAILED.into_response());
        }
        if self.is_known_to(headers) {
            return Ok(StatusCode::NOT_MODIFIED.into_response());
        }
        // Ranges are for GET alone (RFC 9110, 14.2).
        let wanted = if head {
            Wanted::All
        } else {
            self.range(headers)
        };
        match wanted {
            Wanted::All => Ok(self
                .send(file, 0, self.length, StatusCode::OK, head)
                .await?),
            Wanted::Part(first, last) => {
                let count = last - first + 1;
                let partial = StatusCode::PARTIAL_CONTENT;
                let mut response = self.send(file, first, count, partial, head).await?;
                let range = format!("bytes {first}-{last}/{}", self.length);
                set(response.headers_mut(), header::CONTENT_RANGE, &range);
                Ok(response)
            }
            Wanted::Nothing => {
                let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
                let range = format!("bytes */{}", self.length);
                set(response.headers_mut(), header::CONTENT_RANGE, &range);
                Ok(response)
            }
        }
    }

    async fn send(
        &self,
        mut file: File,
        first: u64,
        count: u64,
        status: StatusCode,
        head: bool,
    ) -> Result<Response, Error> {
        let body = if head {
            Body::empty()
        } else {
            file.seek(SeekFrom::Start(first))
                .await
                .map_err(Error::internal)?;
            Body::from_stream(ReaderStream::with_capacity(
                file.take(count),
                DELIVERY_CHUNK_BYTES,
            ))
        };
        let mut response = (status, body).into_response();
        set(
            response.headers_mut(),
            header::CONTENT_LENGTH,
            &count.to_string(),
        );
        Ok(response)
    }

    /// `If-None-Match`, else `If-Modified-Since` (RFC 9110, 13.2.2).
    fn is_known_to(&self, headers: &HeaderMap) -> bool {
        if let Some(tags) = text(headers, header::IF_NONE_MATCH) {
            return tags
                .split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == "*" || tag == self.etag);
        }
        text(headers, header::IF_MODIFIED_SINCE)
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .is_some_and(|since| self.modified <= since)
    }

    /// One range; a list of several is answered with the whole, as RFC 9110, 14.2 allows, and so is what
    /// is no range at all.
    fn range(&self, headers: &HeaderMap) -> Wanted {
        let Some(range) = text(headers, header::RANGE) else {
            return Wanted::All;
        };
        if let Some(condition) = text(headers, header::IF_RANGE) {
            let same_date =
                httpdate::parse_http_date(condition).is_ok_and(|at| at == self.modified);
            if condition != self.etag && !same_date {
                return Wanted::All;
            }
        }
        let Some((first, last)) = range
            .strip_prefix("bytes=")
            .and_then(|range| range.trim().split_once('-'))
        else {
            return Wanted::All;
        };
        match (bound(first), bound(last)) {
            (Bound::Open, Bound::At(0)) => Wanted::Nothing,
            (Bound::Open, Bound::At(count)) if self.length > 0 => {
                Wanted::Part(self.length.saturating_sub(count), self.length - 1)
            }
            (Bound::At(first), Bound::At(last)) if first > last => Wanted::All,
            (Bound::At(first), Bound::Open | Bound::At(_)) if first >= self.length => {
                Wanted::Nothing
            }
            (Bound::At(first), Bound::Open) => Wanted::Part(first, self.length - 1),
            (Bound::At(first), Bound::At(last)) => Wanted::Part(first, last.min(self.length - 1)),
            _ => Wanted::All,
        }
    }

    /// `If-Match`, else `If-Unmodified-Since`: whether the client wants another copy than this.
    fn is_refused_by(&self, headers: &HeaderMap) -> bool {
        if let Some(tags) = text(headers, header::IF_MATCH) {
            let mut tags = tags.split(',').map(str::trim);
            return !tags.any(|tag| tag == "*" || tag == self.etag);
        }
        text(headers, header::IF_UNMODIFIED_SINCE)
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .is_some_and(|since| self.modified > since)
    }
}

/// One side of a range.
enum Bound {
    Open,
    At(u64),
    Malformed,
}

/// A number beyond what we count in is beyond every file, too.
fn bound(text: &str) -> Bound {
    if text.is_empty() {
        Bound::Open
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        Bound::At(text.parse().unwrap_or(u64::MAX))
    } else {
        Bound::Malformed
    }
}

enum Wanted {
    All,
    /// First and last byte, both included.
    Part(u64, u64),
    Nothing,
}

fn describe(headers: &mut HeaderMap, copy: &Copy, result: Option<&TaskResult>) {
    set(headers, header::ACCEPT_RANGES, "bytes");
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    let Some(result) = result else { return };
    let extension = result.file_name.rsplit('.').next().unwrap_or_default();
    let media_type = match extension {
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "vtt" => "text/vtt; charset=utf-8",
        "jpg" => "image/jpeg",
        _ => "application/octet-stream",
    };
    set(headers, header::CONTENT_TYPE, media_type);
    set(headers, header::ETAG, &copy.etag);
    set(
        headers,
        header::LAST_MODIFIED,
        &httpdate::fmt_http_date(copy.modified),
    );
    set(headers, header::CACHE_CONTROL, "private, no-cache");
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(
        headers,
        header::CONTENT_DISPOSITION,
        &content_disposition(&result.file_name),
    );
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// HTTP dates know whole seconds.
fn modified(at_ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(at_ms / 1000).unwrap_or(0))
}
