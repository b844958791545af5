//! A small media server on loopback, and yt-dlp allowed to reach it.

use super::super::{DownloadError, DownloadJob, Downloaded, Ytdlp};
use crate::egress::{Door, ForwardProxy};
use crate::tools::Tools;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::StreamExt;
use shared::domain::egress::AllowList;
use shared::domain::media::{Format, MediaUrl, Quality};
use shared::domain::task::Failure;
use shared::wire::task::Progress;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// What one server knows: the clips, and the ranges it was asked for.
pub(super) struct Site {
    pub(super) clips: tempfile::TempDir,
    pub(super) ranges: Mutex<Vec<String>>,
}

pub(super) struct Stage {
    pub(super) ytdlp: Ytdlp,
    base: String,
    pub(super) site: Arc<Site>,
    pub(super) folder: tempfile::TempDir,
}

pub(super) async fn tools() -> Tools {
    static TOOLS: OnceCell<Tools> = OnceCell::const_new();
    let found = async {
        let setting = |name| std::env::var_os(name).map(std::path::PathBuf::from);
        let data = std::env::temp_dir().join("wharf-test-data");
        let report = Tools::find_or_set_up(
            setting("WHARF_MEDIA_YTDLP"),
            setting("WHARF_MEDIA_FFMPEG"),
            &data,
        )
        .await;
        assert!(
            report.notes.iter().all(|note| !note.is_problem),
            "{:?}",
            report.notes
        );
        report.tools
    };
    TOOLS.get_or_init(|| found).await.clone()
}

pub(super) async fn ffmpeg(tools: &Tools, folder: &std::path::Path, arguments: &str) {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let status = crate::process::run(tools.now().ffmpeg.as_ref().unwrap(), &arguments, folder)
        .await
        .unwrap();
    assert!(status.success());
}

pub(super) async fn stage() -> Stage {
    let tools = tools().await;
    let clips = tempfile::tempdir().unwrap();
    let make = "-v error -f lavfi -i testsrc2=s=320x240:d=3 -f lavfi -i sine=d=3 -c:v libx264 -g 25 -c:a aac -movflags +faststart clip.mp4";
    ffmpeg(&tools, clips.path(), make).await;
    ffmpeg(
        &tools,
        clips.path(),
        "-v error -i clip.mp4 -c copy -f hls -hls_time 1 -hls_playlist_type vod index.m3u8",
    )
    .await;
    ffmpeg(
        &tools,
        clips.path(),
        "-v error -i clip.mp4 -t 1 -c:v libvpx -c:a libvorbis old.webm",
    )
    .await;
    let site = Arc::new(Site {
        clips,
        ranges: Mutex::default(),
    });
    let routes = Router::new()
        .route("/clips/{name}", get(clip))
        .route("/page", get(|| async { html("<video src=\"/clips/clip.mp4\"></video>") }))
        .route("/two", get(|| async { html("<video src=\"/clips/clip.mp4\"></video><video src=\"/clips/b.mp4\"></video>") }))
        .route("/text", get(|| async { html("hello") }))
        .route("/members.mp4", get(members))
        .route("/words.mp4", get(|| async { typed("video/mp4", "no picture, only words") }))
        .route("/late", get(|| async { html("<video src=\"/status/403\"></video>") }))
        .route("/fake.mp4", get(|| async { typed("video/mp4", "<!DOCTYPE html><html>no</html>") }))
        .route("/empty.mp4", get(|| async { typed("video/mp4", "") }))
        .route("/live.m3u8", get(|| async { typed("application/vnd.apple.mpegurl", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nclips/index0.ts\n") }))
        .route("/gap.m3u8", get(|| async { typed("application/vnd.apple.mpegurl", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nclips/index0.ts\n#EXTINF:1,\nclips/none.ts\n#EXT-X-ENDLIST\n") }))
        .route("/disguised.mp4", get(disguised))
        .route("/status/{code}", get(|UrlPath(code): UrlPath<u16>| async move { StatusCode::from_u16(code).unwrap() }))
        .route("/away", get(|| async { Redirect::temporary("http://169.254.169.254/latest/meta-data/") }))
        .route("/truncated.mp4", get(truncated))
        .route("/endless.mp4", get(endless))
        .with_state(site.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let door = Door::new(AllowList::parse(&[format!("127.0.0.1:{port}")]).unwrap());
    let proxy = Arc::new(ForwardProxy::start(door).await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path().join("scratch");
    let ytdlp = Ytdlp::open(tools, proxy, scratch).await.unwrap();
    Stage {
        ytdlp,
        base: format!("http://127.0.0.1:{port}"),
        site,
        folder,
    }
}

fn typed(kind: &'static str, body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

fn html(body: &str) -> Response {
    axum::response::Html(format!(
        "<html><head><title>A page</title></head><body>{body}</body></html>"
    ))
    .into_response()
}

async fn clip(
    State(site): State<Arc<Site>>,
    UrlPath(name): UrlPath<String>,
    headers: HeaderMap,
) -> Response {
    let Ok(bytes) = tokio::fs::read(site.clips.path().join(&name)).await else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match name.rsplit('.').next() {
        Some("ts") => "video/mp2t",
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("webm") => "video/webm",
        _ => "video/mp4",
    };
    let range = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok());
    let from = range.and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse::<usize>()
            .ok()
    });
    let Some(from) = from.filter(|from| *from > 0 && *from < bytes.len()) else {
        return ([(header::CONTENT_TYPE, kind)], bytes).into_response();
    };
    site.ranges.lock().unwrap().push(format!("{from}-"));
    let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_RANGE, range),
    ];
    (StatusCode::PARTIAL_CONTENT, headers, bytes[from..].to_vec()).into_response()
}

/// The clip, for whoever the site knows.
async fn members(state: State<Arc<Site>>, headers: HeaderMap) -> Response {
    let cookie = headers.get(header::COOKIE).map(|cookie| cookie.as_bytes());
    if cookie != Some(b"session=good") {
        return StatusCode::FORBIDDEN.into_response();
    }
    clip(state, UrlPath("clip.mp4".to_owned()), headers).await
}

/// A playlist that calls itself a video and names a file of this machine.
async fn disguised(State(site): State<Arc<Site>>) -> Response {
    let file = site.clips.path().join("index0.ts");
    let body = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
        file.display()
    );
    ([(header::CONTENT_TYPE, "video/mp4")], body).into_response()
}

async fn truncated(State(site): State<Arc<Site>>) -> Response {
    let bytes = tokio::fs::read(site.clips.path().join("clip.mp4"))
        .await
        .unwrap();
    let half = Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
    let frames = futures_util::stream::iter([Ok(half), Err(std::io::Error::other("cut"))]);
    let headers = [
        (header::CONTENT_TYPE, "video/mp4".to_owned()),
        (header::CONTENT_LENGTH, bytes.len().to_string()),
    ];
    // The first half must be out before the break.
    let frames = frames.then(|frame| async move {
        if frame.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        frame
    });
    (headers, Body::from_stream(frames)).into_response()
}

async fn endless(State(site): State<Arc<Site>>) -> Response {
    let bytes = Bytes::from(
        tokio::fs::read(site.clips.path().join("clip.mp4"))
            .await
            .unwrap(),
    );
    let frames = futures_util::stream::repeat(bytes).then(|frame| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok::<_, std::io::Error>(frame)
    });
    (
        [(header::CONTENT_TYPE, "video/mp4")],
        Body::from_stream(frames),
    )
        .into_response()
}

impl Stage {
    pub(super) fn url(&self, path: &str) -> MediaUrl {
        MediaUrl::parse(&format!("{}{path}", self.base)).unwrap()
    }

    pub(super) fn job(&self, path: &str, quality: Quality, format: Format) -> DownloadJob {
        DownloadJob {
            task_id: "task".into(),
            url: self.url(path),
            quality,
            format,
            subtitles: Vec::new(),
            thumbnail: false,
            metadata: false,
            folder: self.folder.path().join("task"),
            max_bytes: 4 * 1024 * 1024,
            upstream: None,
            cookies: None,
        }
    }

    pub(super) async fn get(
        &self,
        path: &str,
        quality: Quality,
        format: Format,
    ) -> (Result<Downloaded, DownloadError>, Vec<Progress>) {
        let mut seen = Vec::new();
        let job = self.job(path, quality, format);
        let result = self
            .ytdlp
            .download(
                job,
                |progress| seen.push(progress),
                CancellationToken::new(),
            )
            .await;
        assert!(seen.is_sorted_by(|a, b| a.percent <= b.percent), "{seen:?}");
        (result, seen)
    }

    pub(super) async fn mp4(&self, path: &str) -> Result<Downloaded, Failure> {
        match self.get(path, Quality::Best, Format::Mp4).await.0 {
            Ok(downloaded) => Ok(downloaded),
            Err(DownloadError::Failure(failure)) => Err(failure),
            Err(DownloadError::Cancelled) => unreachable!(),
        }
    }
}
