//! Real yt-dlp and ffmpeg against a small media server on loopback.

use super::*;
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
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::OnceCell;

/// What one server knows: the clips, and the ranges it was asked for.
struct Site {
    clips: tempfile::TempDir,
    ranges: Mutex<Vec<String>>,
}

struct Stage {
    ytdlp: Ytdlp,
    base: String,
    site: Arc<Site>,
    folder: tempfile::TempDir,
}

async fn tools() -> Tools {
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

async fn ffmpeg(tools: &Tools, folder: &std::path::Path, arguments: &str) {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let status = crate::process::run(tools.ffmpeg.as_ref().unwrap(), &arguments, folder)
        .await
        .unwrap();
    assert!(status.success());
}

async fn stage() -> Stage {
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
        .route("/fake.mp4", get(|| async { typed("video/mp4", "<!DOCTYPE html><html>no</html>") }))
        .route("/empty.mp4", get(|| async { typed("video/mp4", "") }))
        .route("/live.m3u8", get(|| async { typed("application/vnd.apple.mpegurl", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nclips/index0.ts\n") }))
        .route("/gap.m3u8", get(|| async { typed("application/vnd.apple.mpegurl", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nclips/index0.ts\n#EXTINF:1,\nclips/none.ts\n#EXT-X-ENDLIST\n") }))
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
    let ytdlp = Ytdlp::new(tools, proxy, folder.path().join("scratch"));
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
    fn url(&self, path: &str) -> MediaUrl {
        MediaUrl::parse(&format!("{}{path}", self.base)).unwrap()
    }

    fn job(&self, path: &str, quality: Quality, format: Format) -> DownloadJob {
        DownloadJob {
            task_id: "task".into(),
            url: self.url(path),
            quality,
            format,
            folder: self.folder.path().join("task"),
            max_bytes: 4 * 1024 * 1024,
            upstream: None,
        }
    }

    async fn get(
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

    async fn mp4(&self, path: &str) -> Result<Downloaded, Failure> {
        match self.get(path, Quality::Best, Format::Mp4).await.0 {
            Ok(downloaded) => Ok(downloaded),
            Err(DownloadError::Failure(failure)) => Err(failure),
            Err(DownloadError::Cancelled) => unreachable!(),
        }
    }
}

#[tokio::test]
async fn a_plain_file_a_page_and_hls_become_what_was_asked_for() {
    let stage = stage().await;
    for (path, quality, format) in [
        ("/clips/clip.mp4?token=1", Quality::Best, Format::Mp4),
        ("/page", Quality::Height(240), Format::Mkv),
        ("/clips/index.m3u8", Quality::Best, Format::Mp4),
        ("/clips/index.m3u8", Quality::Audio, Format::Mp3),
        ("/clips/clip.mp4", Quality::Audio, Format::M4a),
        ("/clips/old.webm", Quality::Best, Format::Webm),
        ("/clips/old.webm", Quality::Best, Format::Mp4),
        ("/clips/clip.mp4", Quality::Best, Format::Webm),
    ] {
        let (result, seen) = stage.get(path, quality, format).await;
        let file = result.unwrap_or_else(|error| panic!("{path} {format:?}: {error:?}"));
        assert_eq!(file.extension, format.extension(), "{path}");
        assert!(file.size > 1000 && !file.title.is_empty());
        let last = seen.last().unwrap();
        assert_eq!(
            (last.stage.as_str(), last.percent),
            ("finishing", 99.0),
            "{path}"
        );
        assert!(seen.iter().any(|progress| progress.stage == "downloading"));
        tokio::fs::remove_dir_all(stage.folder.path().join("task"))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_parse_tells_formats_from_playlists_streams_and_pages() {
    let stage = stage().await;
    let page = stage.ytdlp.parse(&stage.url("/page"), None).await.unwrap();
    assert!(page.title.starts_with("A page"), "{page:?}");
    assert_eq!(page.formats[0].ext, "mp4");
    let hls = stage
        .ytdlp
        .parse(&stage.url("/clips/index.m3u8"), None)
        .await
        .unwrap();
    assert_eq!(
        (hls.extractor.as_str(), hls.duration.is_some()),
        ("generic", true)
    );
    for (path, code) in [
        ("/two", "playlist"),
        ("/live.m3u8", "live_stream"),
        ("/text", "unsupported_url"),
        ("/status/404", "not_found"),
        ("/status/429", "rate_limited"),
        ("/away", "blocked_address"),
    ] {
        let failure = stage.ytdlp.parse(&stage.url(path), None).await.unwrap_err();
        assert_eq!(failure.code, code, "{path}: {failure:?}");
    }
    let local = MediaUrl::parse("http://[::ffff:127.0.0.1]/x").unwrap();
    assert_eq!(
        stage.ytdlp.parse(&local, None).await.unwrap_err().code,
        "blocked_address"
    );
}

#[tokio::test]
async fn every_failure_of_a_site_has_its_code() {
    let stage = stage().await;
    for (path, code, retryable) in [
        ("/status/404", "not_found", false),
        ("/status/403", "forbidden", false),
        ("/status/503", "server_error", true),
        ("/text", "unsupported_url", false),
        ("/two", "playlist", false),
        ("/live.m3u8", "live_stream", false),
        ("/gap.m3u8", "not_found", false),
        ("/away", "blocked_address", false),
        ("/fake.mp4", "not_media", false),
        ("/empty.mp4", "empty_file", false),
        ("/truncated.mp4", "truncated", true),
    ] {
        let failure = stage.mp4(path).await.unwrap_err();
        assert_eq!(
            (failure.code, failure.retryable),
            (code, retryable),
            "{path}: {failure:?}"
        );
        tokio::fs::remove_dir_all(stage.folder.path().join("task"))
            .await
            .unwrap();
    }
    let fake = stage
        .get("/fake.mp4", Quality::Audio, Format::Mp3)
        .await
        .0
        .unwrap_err();
    assert!(matches!(fake, DownloadError::Failure(failure) if failure.code == "not_media"));
}

#[tokio::test]
async fn a_file_that_grows_beyond_the_limit_is_stopped_while_it_comes() {
    let stage = stage().await;
    let failure = stage.mp4("/endless.mp4").await.unwrap_err();
    assert_eq!((failure.code, failure.retryable), ("too_large", false));
    let mut job = stage.job("/clips/clip.mp4", Quality::Best, Format::Mp4);
    job.max_bytes = 1000;
    let error = stage
        .ytdlp
        .download(job, |_| {}, CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, DownloadError::Failure(failure) if failure.code == "too_large"));
}

#[tokio::test]
async fn a_part_is_continued_and_a_half_conversion_is_not_believed() {
    let stage = stage().await;
    let clip = tokio::fs::read(stage.site.clips.path().join("clip.mp4"))
        .await
        .unwrap();
    let folder = stage.folder.path().join("task");
    tokio::fs::create_dir_all(&folder).await.unwrap();
    tokio::fs::write(folder.join("media.mp4.part"), &clip[..clip.len() / 2])
        .await
        .unwrap();
    let file = stage.mp4("/clips/clip.mp4").await.unwrap();
    assert_eq!(tokio::fs::read(&file.path).await.unwrap(), clip);
    assert_eq!(
        *stage.site.ranges.lock().unwrap(),
        [format!("{}-", clip.len() / 2)]
    );

    // kill -9 during a conversion leaves the source and a piece of the target.
    tokio::fs::write(folder.join("media.webm"), b"half")
        .await
        .unwrap();
    let file = stage
        .get("/clips/clip.mp4", Quality::Best, Format::Webm)
        .await
        .0
        .unwrap();
    assert!(file.size > 1000);
}

#[tokio::test]
async fn cancelling_is_not_a_failure_and_ends_the_process() {
    let stage = stage().await;
    let cancel = CancellationToken::new();
    let mut job = stage.job("/endless.mp4", Quality::Best, Format::Mp4);
    job.max_bytes = u64::MAX;
    let trigger = cancel.clone();
    let on_progress = move |progress: Progress| {
        if progress.stage == "downloading" {
            trigger.cancel();
        }
    };
    let attempt = stage.ytdlp.download(job, on_progress, cancel);
    fn can_be_spawned(_: &impl Send) {}
    can_be_spawned(&attempt);
    let error = attempt.await.unwrap_err();
    assert_eq!(error, DownloadError::Cancelled);
    let part = stage.folder.path().join("task").join("media.mp4.part");
    let size = tokio::fs::metadata(&part).await.unwrap().len();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(tokio::fs::metadata(&part).await.unwrap().len(), size);
}
