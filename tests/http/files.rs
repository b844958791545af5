//! Delivery: `/api/v1/download/file`, `/api/v1/files/{task_id}`, `/files/…` with a signature (VA-8).

use crate::{shared, sqlite};
use reqwest::Method;
use tests::{Answer, TestApp, User, clip, media};

pub struct Finished<'a> {
    pub user: User<'a>,
    pub task_id: String,
    /// A temporary URL.
    pub url: String,
}

/// A finished download of this route.
pub async fn finished<'a>(app: &'a TestApp, name: &str) -> Finished<'a> {
    let user = app.user().await;
    let (task_id, _) = user.submit(&media().shelf().url(name)).await;
    user.succeeded(&task_id).await;
    let url = user.file_url(&task_id).await;
    Finished { user, task_id, url }
}

async fn with_header(app: &TestApp, url: &str, name: &str, value: &str) -> Answer {
    app.anonymous()
        .send(Method::GET, url, |request| request.header(name, value))
        .await
}

#[tokio::test]
async fn a_temporary_url_gives_the_file_without_a_token() {
    let done = finished(shared(), "clip.mp4").await;
    let anonymous = shared().anonymous();
    let answer = anonymous.get(&done.url).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert!(answer.body == clip().bytes, "the file differs");
    assert_eq!(answer.header("content-type"), "video/mp4");
    assert_eq!(
        answer.header("content-length"),
        clip().bytes.len().to_string()
    );
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("etag"), format!("\"{}\"", clip().sha256));
    assert!(
        answer
            .header("content-disposition")
            .contains("filename=\"clip.mp4\""),
        "{:?}",
        answer.headers
    );
    assert!(done.url.starts_with(shared().base()), "{}", done.url);
}

#[tokio::test]
async fn the_owner_gets_the_file_under_its_permanent_url() {
    let done = finished(shared(), "clip.mp4").await;
    let answer = done.user.file_of_task(&done.task_id).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert!(answer.body == clip().bytes, "the file differs");
}

#[tokio::test]
async fn a_file_of_a_task_that_has_not_finished_is_a_conflict() {
    let app = sqlite().start();
    let user = app.user().await;
    let shelf = media().shelf();
    let (task_id, history_id) = user.submit(&shelf.url("slow.mp4")).await;
    user.sign(&task_id).await.refused(40901);
    user.file_of_task(&task_id).await.refused(40901);
    user.file_of_history(&history_id).await.refused(40901);
    shelf.release();
    user.succeeded(&task_id).await;
    user.file_url(&task_id).await;
}

#[tokio::test]
async fn a_history_id_is_needed() {
    let user = shared().user().await;
    user.get("/api/v1/download/file")
        .await
        .refused_field("history_id");
}

#[tokio::test]
async fn ranges_are_served_as_asked() {
    let done = finished(shared(), "clip.mp4").await;
    let whole = &clip().bytes;
    let size = whole.len();
    for (range, first, last) in [
        ("bytes=0-0".to_owned(), 0, 0),
        ("bytes=100-299".to_owned(), 100, 299),
        (format!("bytes={}-", size - 10), size - 10, size - 1),
        ("bytes=-7".to_owned(), size - 7, size - 1),
        (format!("bytes=5-{}", size * 2), 5, size - 1),
        (format!("bytes=-{}", size * 2), 0, size - 1),
    ] {
        let answer = with_header(shared(), &done.url, "range", &range).await;
        assert_eq!(answer.status, 206, "{range}: {answer}");
        assert_eq!(
            answer.header("content-range"),
            format!("bytes {first}-{last}/{size}")
        );
        assert_eq!(
            answer.header("content-length"),
            (last + 1 - first).to_string()
        );
        assert!(
            answer.body == whole.slice(first..=last),
            "{range}: other bytes"
        );
    }
    let answer = with_header(shared(), &done.url, "range", &format!("bytes={size}-")).await;
    assert_eq!(answer.status, 416, "{answer}");
    assert_eq!(answer.header("content-range"), format!("bytes */{size}"));
    // What is no byte range is ignored (RFC 9110, 14.2).
    for range in [
        "lines=1-2",
        "bytes=x-y",
        "bytes=9-3",
        "bytes=-",
        "bytes=0-1,9-3",
    ] {
        let answer = with_header(shared(), &done.url, "range", range).await;
        assert_eq!(answer.status, 200, "{range}: {answer}");
    }
    let answer = with_header(shared(), &done.url, "range", "bytes=-0").await;
    assert_eq!(answer.status, 416, "{answer}");
}

/// The parts of a `multipart/byteranges` answer: `Content-Range` and bytes.
fn parts_of(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let kind = answer.header("content-type");
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=");
    let boundary = boundary.unwrap_or_else(|| panic!("{kind}"));
    assert_eq!(
        answer.header("content-length"),
        answer.body.len().to_string()
    );
    let mut rest = answer.body.as_ref();
    let mut parts = Vec::new();
    let first = format!("--{boundary}\r\n");
    let mut before = first.as_bytes();
    let next = format!("\r\n--{boundary}\r\n");
    while let Some(part) = rest.strip_prefix(before) {
        before = next.as_bytes();
        let end = part.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = part.split_at(end.expect("a head"));
        let head = String::from_utf8_lossy(head).to_lowercase();
        assert!(head.contains("content-type: video/mp4"), "{head}");
        let range = head.split("content-range: ").nth(1).expect("a range");
        let range = range.split("\r\n").next().expect("a line").to_owned();
        let ends: Vec<usize> = range
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect();
        let (bytes, after) = body[4..].split_at(ends[1] + 1 - ends[0]);
        parts.push((range, bytes.to_owned()));
        rest = after;
    }
    assert_eq!(rest, format!("\r\n--{boundary}--\r\n").as_bytes());
    parts
}

#[tokio::test]
async fn several_ranges_come_as_parts_of_one_answer() {
    let done = finished(shared(), "clip.mp4").await;
    let whole = &clip().bytes;
    let size = whole.len();
    let large = 700_000;
    for (range, expected) in [
        ("bytes=0-0,-1", vec![(0, 0), (size - 1, size - 1)]),
        ("bytes=500-599, 0-9", vec![(500, 599), (0, 9)]),
        ("bytes=0-9,20-29,5-12", vec![(0, 12), (20, 29)]),
        (
            "bytes=0-699999,1000000-",
            vec![(0, large - 1), (1_000_000, size - 1)],
        ),
    ] {
        let answer = with_header(shared(), &done.url, "range", range).await;
        assert_eq!(answer.status, 206, "{range}: {answer}");
        assert_eq!(answer.header("content-range"), "");
        assert_eq!(answer.header("etag"), format!("\"{}\"", clip().sha256));
        let expected: Vec<(String, Vec<u8>)> = expected
            .into_iter()
            .map(|(first, last)| {
                let bytes = whole.slice(first..=last).to_vec();
                (format!("bytes {first}-{last}/{size}"), bytes)
            })
            .collect();
        assert!(parts_of(&answer) == expected, "{range}: other parts");
    }
    // One part is left of these.
    for range in [
        "bytes=0-9,10-19",
        "bytes=5-19,0-9",
        "bytes=0-19,99999999-,-0",
    ] {
        let answer = with_header(shared(), &done.url, "range", range).await;
        assert_eq!(answer.status, 206, "{range}: {answer}");
        assert_eq!(answer.header("content-range"), format!("bytes 0-19/{size}"));
        assert!(answer.body == whole.slice(0..20), "{range}: other bytes");
    }
}

#[tokio::test]
async fn more_ranges_than_are_worth_it_give_the_whole() {
    let done = finished(shared(), "clip.mp4").await;
    let many: Vec<String> = (0..100).map(|n| format!("{0}-{0}", 2 * n)).collect();
    for range in [&many.join(","), "0-,0-", "0-,-1,0-0"] {
        let range = format!("bytes={range}");
        let answer = with_header(shared(), &done.url, "range", &range).await;
        assert_eq!(answer.status, 200, "{range}");
        assert!(answer.body == clip().bytes, "{range}: other bytes");
    }
    let answer = with_header(shared(), &done.url, "range", "bytes=99999999-,-0").await;
    assert_eq!(answer.status, 416, "{answer}");
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let done = finished(shared(), "clip.mp4").await;
    let etag = format!("\"{}\"", clip().sha256);
    for value in [
        etag.clone(),
        format!("W/{etag}"),
        "*".to_owned(),
        format!("\"x\", {etag}"),
    ] {
        let answer = with_header(shared(), &done.url, "if-none-match", &value).await;
        assert_eq!(answer.status, 304, "{value}: {answer}");
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("etag"), etag);
    }
    let answer = with_header(shared(), &done.url, "if-none-match", "\"other\"").await;
    assert_eq!(answer.status, 200, "{}", answer.status);
    let modified = answer.header("last-modified").to_owned();
    for (since, status) in [
        (modified.as_str(), 304),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 304),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("yesterday", 200),
    ] {
        let answer = with_header(shared(), &done.url, "if-modified-since", since).await;
        assert_eq!(answer.status, status, "{since}");
    }
    // The ETag counts where both are there (RFC 9110, 13.1.3).
    let answer = shared()
        .anonymous()
        .send(Method::GET, &done.url, |request| {
            request
                .header("if-none-match", "\"other\"")
                .header("if-modified-since", &modified)
        })
        .await;
    assert_eq!(answer.status, 200, "{}", answer.status);
}

#[tokio::test]
async fn a_range_is_served_only_of_the_file_that_the_client_knows() {
    let done = finished(shared(), "clip.mp4").await;
    let ask = async |if_range: &str| {
        let answer = shared().anonymous();
        answer
            .send(Method::GET, &done.url, |request| {
                request
                    .header("range", "bytes=0-9")
                    .header("if-range", if_range)
            })
            .await
            .status
    };
    assert_eq!(ask(&format!("\"{}\"", clip().sha256)).await, 206);
    assert_eq!(ask("\"other\"").await, 200);
    assert_eq!(ask(&format!("W/\"{}\"", clip().sha256)).await, 200);
    let whole = shared().anonymous().get(&done.url).await;
    assert_eq!(ask(whole.header("last-modified")).await, 206);
    assert_eq!(ask("Fri, 01 Jan 2100 00:00:00 GMT").await, 200);
}

#[tokio::test]
async fn a_client_that_wants_another_copy_gets_none() {
    let done = finished(shared(), "clip.mp4").await;
    for (name, value, status) in [
        ("if-match", format!("\"{}\"", clip().sha256), 200),
        ("if-match", "*".to_owned(), 200),
        ("if-match", "\"other\"".to_owned(), 412),
        ("if-match", format!("W/\"{}\"", clip().sha256), 412),
        (
            "if-unmodified-since",
            "Thu, 01 Jan 1970 00:00:00 GMT".to_owned(),
            412,
        ),
        (
            "if-unmodified-since",
            "Fri, 01 Jan 2100 00:00:00 GMT".to_owned(),
            200,
        ),
    ] {
        let answer = with_header(shared(), &done.url, name, &value).await;
        assert_eq!(answer.status, status, "{name}: {value}: {answer}");
    }
}

#[tokio::test]
async fn a_signed_url_is_good_for_its_own_name_only() {
    let done = finished(shared(), "clip.mp4").await;
    let other = done.url.replace("/clip.mp4?", "/page.html?");
    assert_ne!(other, done.url);
    shared().anonymous().get(&other).await.refused(40401);
}

#[tokio::test]
async fn head_shows_the_headers_of_get_alone() {
    let done = finished(shared(), "clip.mp4").await;
    let get = shared().anonymous().get(&done.url).await;
    let head = shared()
        .anonymous()
        .send(Method::HEAD, &done.url, |request| {
            request.header("range", "bytes=0-9")
        })
        .await;
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
    for name in get.headers.keys() {
        let differs = matches!(name.as_str(), "date" | "x-request-id");
        assert!(
            differs || head.headers.get(name) == get.headers.get(name),
            "{name}: {head:?}"
        );
    }
}

#[tokio::test]
async fn a_chinese_title_becomes_a_safe_name_in_both_forms() {
    let done = finished(shared(), "page").await;
    let task = done.user.task(&done.task_id).await.ok();
    let name = task["result"]["file_name"].as_str().expect("a name");
    assert!(
        name.contains("海上的风") && name.ends_with(".mp4"),
        "{name}"
    );
    assert!(!name.contains('/'), "{name}");
    let answer = shared().anonymous().get(&done.url).await;
    assert_eq!(answer.status, 200, "{answer}");
    let disposition = answer.header("content-disposition");
    assert!(disposition.starts_with("attachment"), "{disposition}");
    // RFC 5987: UTF-8, percent-encoded.
    assert!(
        disposition.contains("filename*=UTF-8''%E6%B5%B7%E4%B8%8A%E7%9A%84%E9%A3%8E"),
        "{disposition}"
    );
}

#[tokio::test]
async fn a_changed_signature_opens_nothing() {
    let done = finished(shared(), "clip.mp4").await;
    let anonymous = shared().anonymous();
    let (path, query) = done.url.split_once('?').expect("a query");
    let parameters: Vec<(&str, &str)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let with = |name: &str, value: &str| {
        let pairs: Vec<String> = parameters
            .iter()
            .map(|(key, old)| format!("{key}={}", if *key == name { value } else { old }))
            .collect();
        format!("{path}?{}", pairs.join("&"))
    };
    let other = finished(shared(), "clip.mp4").await;
    let other_path = other.url.split_once('?').expect("a query").0;
    for url in [
        with("expires", "99999999999"),
        with("expires", "x"),
        with("kid", "other"),
        with("signature", ""),
        with("signature", &"0".repeat(64)),
        path.to_owned(),
        format!("{other_path}?{query}"),
    ] {
        let answer = anonymous.get(&url).await;
        assert!(
            matches!(answer.code, 40101 | 40301 | 40001 | 40401),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_temporary_url_ends_after_its_time() {
    let app = sqlite().config("files = { url_ttl_s = 1 }").start();
    let done = finished(&app, "clip.mp4").await;
    let answer = tests::eventually("the URL ends", tests::PATIENCE, async || {
        let answer = app.anonymous().get(&done.url).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    answer.refused(41001);
}

#[tokio::test]
async fn a_temporary_url_survives_a_restart() {
    let mut app = sqlite().start();
    let done = finished(&app, "clip.mp4").await;
    let (_, path) = done.url.split_once("/files/").expect("a file's URL");
    let path = format!("/files/{path}");
    app.stop();
    app.restart();
    let answer = app.anonymous().get(&path).await;
    assert!(answer.body == clip().bytes, "{}", answer.status);
}

#[tokio::test]
async fn what_is_no_files_url_is_refused_in_the_envelope() {
    let anonymous = shared().anonymous();
    for path in [
        "/files/x/y",
        "/files/%ff/%fe",
        "/files/x/y?expires=1&kid=k1&signature=zz",
        "/files/x/y?expires=x&kid=k1&signature=zz",
        "/files/x/y?expires=%ff&expires=1&kid=k1&signature=zz",
        "/files/..%2f..%2fetc/passwd?expires=1&kid=k1&signature=zz",
    ] {
        let answer = anonymous.get(path).await;
        assert!(matches!(answer.code, 40001 | 40301 | 40401), "{answer}");
    }
}
