//! What the media server answers. Under `/t/{shelf}/`:
//!
//! | name | behaviour |
//! | --- | --- |
//! | `clip.mp4`, `*.clip.mp4` | the clip, with `Range`; any name before it |
//! | `large.mp4` | the clip with 18 MiB of nothing behind it, 20 MiB in all; with `Range` |
//! | `hls/…` | the clip as HLS |
//! | `page` | HTML with a `<video>` of the clip and a Chinese title |
//! | `slow.mp4` | a third of the clip at once, then slowly until released; with `Range` |
//! | `crawl.mp4` | the same, but the last fifth so slowly that it ends when it is released |
//! | `stall.mp4` | a few bytes, then nothing until released |
//! | `truncated.mp4`, `reset.mp4` | half of what was promised; the latter ends in a TCP reset |
//! | `endless.mp4` | a body without end and without length |
//! | `empty.mp4`, `html.mp4` | no byte; an HTML page under a video's name |
//! | `404.mp4`, `403.mp4`, `500.mp4` | that status |
//! | `tardy.mp4` | 500 after [`TARDY`] |
//! | `members.mp4` | 403 without the cookie `session=member`, else the clip |
//! | `picky.mp4` | 403 or 429 as often as the test asked for, then the clip |
//! | `flaky.mp4` | 500 as often as the test asked for, then the clip |
//! | `redirect-metadata`, `redirect-loopback` | 302 to 169.254.169.254; to the forbidden listener |
//! | `ladder/…` | the clip as HLS in three heights with English subtitles (`main.m3u8`), and a picture |
//! | `film` | HTML with the ladder, a title, that picture, English subtitles and German ones that are not there |
//! | `chapters` | HTML that describes the clip as JSON-LD, with three chapters of two seconds |
//! | `unpictured` | HTML with the clip, and a picture that is not there |
//! | `text.mp4` | text that calls itself a video |
//! | `key.m3u8` | HLS whose key is a file of the machine that reads it |
//! | `refusing` | HTML with a video that is refused |
//! | `challenge.mp4` | 403 with a challenge for what does not look like a browser, else the clip |
//! | `playlist`, `live.m3u8` | an RSS feed of two videos; a live HLS playlist |

use crate::clips::{clip, hls_folder, ladder_folder, large_clip};
use crate::media_server::{Seen, Shelf, Shelves};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// Bytes of one piece of a slow body, and the pause before it: 80 KiB/s.
const SLOW: (usize, Duration) = (8 * 1024, Duration::from_millis(100));
/// Likewise of what crawls, in the last fifth.
const CRAWL: (usize, Duration) = (256, Duration::from_millis(500));
/// The beginning of what stalls.
const FEW_BYTES: usize = 8 * 1024;
/// Between what arrives and the break of the connection, so that the reset does not overtake the bytes.
const BREAK_PAUSE: Duration = Duration::from_secs(1);

/// Before a failure that takes its time.
const TARDY: Duration = Duration::from_secs(3);

#[derive(Clone)]
struct Server {
    shelves: Shelves,
    forbidden: SocketAddr,
}

/// Serves the good, the resetting and the forbidden listener for ever.
pub(crate) async fn serve(listeners: [TcpListener; 3], forbidden: SocketAddr, shelves: Shelves) {
    let app = Router::new()
        .route("/t/{shelf}/{*name}", axum::routing::any(answer))
        .with_state(Server { shelves, forbidden });
    let [good, resetting, closed] =
        listeners.map(|listener| tokio::net::TcpListener::from_std(listener).expect("a listener"));
    let resetting = axum::serve::ListenerExt::tap_io(resetting, |stream| {
        // Closing with unsent or unread data discarded is what sends RST instead of FIN.
        let _best_effort = stream.set_zero_linger();
    });
    let (_good, _resetting, _closed) = tokio::join!(
        axum::serve(good, app.clone()),
        axum::serve(resetting, app.clone()),
        axum::serve(closed, app),
    );
}

async fn answer(
    State(server): State<Server>,
    Path((token, name)): Path<(String, String)>,
    request: Request,
) -> Response {
    let shelf = {
        let shelves = server.shelves.lock().expect("nobody panics in here");
        shelves.get(&token).cloned()
    };
    let Some(shelf) = shelf else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let range = request.headers().get(header::RANGE);
    shelf.record(Seen {
        method: request.method().to_string(),
        name: name.clone(),
        range: range
            .and_then(|range| range.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
    });
    let headers = request.headers();
    match name.as_str() {
        "slow.mp4" => slow(headers, &shelf, false),
        "crawl.mp4" => slow(headers, &shelf, true),
        "stall.mp4" => stall(&shelf),
        "truncated.mp4" | "reset.mp4" => broken(),
        "endless.mp4" => endless(),
        "empty.mp4" => video(Body::empty()),
        "html.mp4" => page("<html><title>Not a video</title><p>Nothing here.</p></html>"),
        "404.mp4" => StatusCode::NOT_FOUND.into_response(),
        "403.mp4" => StatusCode::FORBIDDEN.into_response(),
        "500.mp4" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "tardy.mp4" => {
            tokio::time::sleep(TARDY).await;
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        "members.mp4" if !is_member(headers) => StatusCode::FORBIDDEN.into_response(),
        "members.mp4" => ranged(headers, clip().bytes.clone()),
        "picky.mp4" if shelf.takes_a_failure() => shelf.refusal().into_response(),
        "picky.mp4" => ranged(headers, clip().bytes.clone()),
        "flaky.mp4" if shelf.takes_a_failure() => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "flaky.mp4" => ranged(headers, clip().bytes.clone()),
        "redirect-metadata" => redirect("http://169.254.169.254/latest/meta-data/"),
        "redirect-loopback" => redirect(&format!("http://{}/t/{token}/clip.mp4", server.forbidden)),
        "page" => page(
            "<html><head><title>海上的风 / 第1集</title></head>\
             <body><video src=\"clip.mp4\"></video></body></html>",
        ),
        "film" => pictured(
            &shelf.url("ladder/picture.png"),
            "<source src=\"ladder/main.m3u8\" type=\"application/x-mpegURL\">\
             <track kind=\"subtitles\" srclang=\"en\" src=\"ladder/en.vtt\">\
             <track kind=\"subtitles\" srclang=\"de\" src=\"ladder/none.vtt\">",
        ),
        "chapters" => axum::response::Html(described(&shelf.url("clip.mp4"))).into_response(),
        "unpictured" => pictured(
            &shelf.url("ladder/none.png"),
            "<source src=\"clip.mp4\" type=\"video/mp4\">",
        ),
        "refusing" => page(
            "<html><head><title>Refusing</title></head>\
             <body><video src=\"403.mp4\"></video></body></html>",
        ),
        "text.mp4" => video(Body::from("All words, no pictures. ".repeat(200))),
        "key.m3u8" => playlist(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n\
             #EXT-X-KEY:METHOD=AES-128,URI=\"file:///etc/hostname\"\n\
             #EXTINF:2.0,\nhls/segment0.ts\n#EXT-X-ENDLIST\n",
        ),
        "challenge.mp4" if !headers.contains_key("sec-ch-ua") => {
            (StatusCode::FORBIDDEN, [("cf-mitigated", "challenge")]).into_response()
        }
        "challenge.mp4" => ranged(headers, clip().bytes.clone()),
        "playlist" => feed(&shelf),
        "live.m3u8" => live(),
        "large.mp4" => ranged(headers, large_clip()),
        name if name.ends_with("clip.mp4") => ranged(headers, clip().bytes.clone()),
        name => match name.split_once('/') {
            Some(("hls", name)) => from_disk(headers, hls_folder().join(name)).await,
            Some(("ladder", name)) => from_disk(headers, ladder_folder().join(name)).await,
            _ => StatusCode::NOT_FOUND.into_response(),
        },
    }
}

fn is_member(headers: &HeaderMap) -> bool {
    let cookies = headers
        .get(header::COOKIE)
        .and_then(|value| value.to_str().ok());
    cookies.is_some_and(|cookies| cookies.contains("session=member"))
}

fn video(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "video/mp4")], body).into_response()
}

fn page(html: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

fn pictured(picture: &str, media: &str) -> Response {
    let html = format!(
        "<html><head><title>海上的风</title><meta property=\"og:image\" content=\"{picture}\"></head>\
         <body><video>{media}</video></body></html>"
    );
    axum::response::Html(html).into_response()
}

/// A page whose video stands in its metadata alone (schema.org `VideoObject`, its parts `Clip`s).
fn described(video: &str) -> String {
    let chapters = ["Ebb", "Slack", "Flood"].into_iter().enumerate();
    let chapters = chapters.map(|(n, name)| {
        let (start, end) = (2 * n, 2 * n + 2);
        json!({ "@type": "Clip", "name": name, "startOffset": start, "endOffset": end })
    });
    let object = json!({
        "@context": "https://schema.org", "@type": "VideoObject", "name": "Tides", "duration": "PT6S",
        "contentUrl": video, "hasPart": chapters.collect::<Vec<_>>(),
    });
    format!(
        "<html><head><title>Tides</title><script type=\"application/ld+json\">{object}</script></head>\
         <body></body></html>"
    )
}

fn redirect(to: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, to.to_owned())]).into_response()
}

/// The first byte that is wanted and whether the request has a range; `bytes=a-` and `bytes=a-b`.
fn wanted(headers: &HeaderMap, size: usize) -> Option<(usize, usize)> {
    let range = headers.get(header::RANGE)?.to_str().ok()?;
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let last = last
        .parse()
        .map_or(size - 1, |last: usize| last.min(size - 1));
    Some((first.parse().ok()?, last))
}

/// Status and headers for a range of a body of this size, with the range itself.
fn head(headers: &HeaderMap, size: usize) -> (axum::http::response::Builder, usize, usize) {
    let answer = Response::builder()
        .header(header::CONTENT_TYPE, "video/mp4")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, "\"the-clip\"");
    match wanted(headers, size) {
        Some((first, _)) if first >= size => {
            let answer = answer
                .status(StatusCode::RANGE_NOT_SATISFIABLE)
                .header(header::CONTENT_RANGE, format!("bytes */{size}"));
            (answer, size, size)
        }
        Some((first, last)) => {
            let answer = answer
                .status(StatusCode::PARTIAL_CONTENT)
                .header(
                    header::CONTENT_RANGE,
                    format!("bytes {first}-{last}/{size}"),
                )
                .header(header::CONTENT_LENGTH, last + 1 - first);
            (answer, first, last + 1)
        }
        None => (answer.header(header::CONTENT_LENGTH, size), 0, size),
    }
}

fn ranged(headers: &HeaderMap, bytes: Bytes) -> Response {
    let (answer, first, end) = head(headers, bytes.len());
    answer
        .body(Body::from(bytes.slice(first..end)))
        .expect("valid headers")
}

fn slow(headers: &HeaderMap, shelf: &Shelf, crawls: bool) -> Response {
    let bytes = clip().bytes.clone();
    let (answer, first, end) = head(headers, bytes.len());
    let at_once = (bytes.len() / 3).clamp(first, end);
    let last_fifth = bytes.len() / 5 * 4;
    let released = shelf.releases();
    let pieces = stream::unfold((first, released), move |(at, released)| {
        let bytes = bytes.clone();
        async move {
            if at >= end {
                return None;
            }
            let is_released = *released.borrow();
            let next = if is_released {
                end
            } else if at < at_once {
                at_once
            } else {
                let (piece, pause) = match crawls && at >= last_fifth {
                    true => CRAWL,
                    false => SLOW,
                };
                tokio::time::sleep(pause).await;
                end.min(at + piece)
            };
            Some((
                Ok::<_, std::io::Error>(bytes.slice(at..next)),
                (next, released),
            ))
        }
    });
    answer
        .body(Body::from_stream(pieces))
        .expect("valid headers")
}

fn stall(shelf: &Shelf) -> Response {
    let bytes = clip().bytes.clone();
    let mut released = shelf.releases();
    let rest = bytes.slice(FEW_BYTES..);
    let size = bytes.len();
    let first = stream::iter([Ok::<_, std::io::Error>(bytes.slice(..FEW_BYTES))]);
    let body = first.chain(stream::once(async move {
        let _released = released.wait_for(|released| *released).await;
        Ok(rest)
    }));
    let mut answer = video(Body::from_stream(body));
    answer
        .headers_mut()
        .insert(header::CONTENT_LENGTH, size.into());
    answer
}

/// Promises the clip, sends half of it, and breaks the connection.
fn broken() -> Response {
    let bytes = clip().bytes.clone();
    let size = bytes.len();
    let half = stream::iter([Ok(bytes.slice(..size / 2))]);
    let body = half.chain(stream::once(async {
        tokio::time::sleep(BREAK_PAUSE).await;
        Err(std::io::Error::other(
            "the connection breaks here on purpose",
        ))
    }));
    let mut answer = video(Body::from_stream(body));
    answer
        .headers_mut()
        .insert(header::CONTENT_LENGTH, size.into());
    answer
}

fn endless() -> Response {
    let piece = clip().bytes.slice(..256 * 1024);
    let body =
        stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())).then(async |piece| {
            tokio::time::sleep(Duration::from_millis(10)).await;
            piece
        });
    video(Body::from_stream(body))
}

async fn from_disk(headers: &HeaderMap, path: std::path::PathBuf) -> Response {
    let Ok(bytes) = tokio::fs::read(&path).await else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut answer = ranged(headers, bytes.into());
    let extension = path.extension().and_then(std::ffi::OsStr::to_str);
    let kind = match extension {
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("vtt") => "text/vtt",
        Some("png") => "image/png",
        _ => "video/mp2t",
    };
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, kind.parse().expect("a header value"));
    answer
}

fn feed(shelf: &Shelf) -> Response {
    let item = |n: u32| {
        let url = shelf.url(&format!("{n}.clip.mp4"));
        format!("<item><title>Part {n}</title><link>{url}</link></item>")
    };
    let feed = format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>A series</title>{}{}</channel></rss>",
        item(1),
        item(2)
    );
    ([(header::CONTENT_TYPE, "application/rss+xml")], feed).into_response()
}

fn live() -> Response {
    playlist(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n\
         #EXTINF:2.0,\nhls/segment0.ts\n#EXTINF:2.0,\nhls/segment1.ts\n",
    )
}

fn playlist(text: &'static str) -> Response {
    let kind = "application/vnd.apple.mpegurl";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
