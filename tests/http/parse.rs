//! `POST /api/v1/parse` (VA-1) and what is no media URL (VA-14).

use crate::shared;
use serde_json::json;
use tests::media;

#[tokio::test]
async fn a_video_file_is_parsed_and_the_second_answer_comes_from_the_cache() {
    let shelf = media().shelf();
    let url = shelf.url("clip.mp4");
    let user = shared().user().await;
    let first = user.parse(&url).await.ok();
    assert_eq!(first["title"], "clip");
    assert_eq!(first["extractor"], "generic");
    let formats = first["formats"].as_array().expect("a list");
    assert_eq!(formats.len(), 1, "{first:#}");
    assert_eq!(formats[0]["ext"], "mp4");
    assert!(formats[0]["format_id"].is_string(), "{first:#}");
    let requests = shelf.seen().len();
    assert!(requests > 0, "nobody asked the media server");

    // The normal form is what counts, also for another user.
    let again = url.replacen("http://", "HTTP://", 1) + "#t=5";
    let other = shared().user().await;
    assert_eq!(other.parse(&again).await.ok(), first);
    assert_eq!(shelf.seen().len(), requests);
}

#[tokio::test]
async fn a_page_with_an_embedded_video_is_parsed_with_its_title() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let answer = user.parse(&shelf.url("page")).await.ok();
    let title = answer["title"].as_str().expect("a title");
    assert!(title.contains("海上的风"), "{answer:#}");
    assert!(!answer["formats"].as_array().expect("a list").is_empty());
}

#[tokio::test]
async fn the_languages_of_subtitles_are_named() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let answer = user.parse(&shelf.url("ladder/main.m3u8")).await.ok();
    assert_eq!(answer["subtitles"], json!(["de", "en"]), "{answer:#}");
    assert_eq!(answer["formats"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn an_hls_video_is_parsed() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let answer = user.parse(&shelf.url("hls/index.m3u8")).await.ok();
    assert!(
        !answer["formats"].as_array().expect("a list").is_empty(),
        "{answer:#}"
    );
}

#[tokio::test]
async fn what_cannot_be_fetched_as_one_video_has_its_own_clear_error() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let cases = [
        ("playlist", "playlist"),
        ("live.m3u8", "live_stream"),
        ("html.mp4", "unsupported_url"),
        ("404.mp4", "not_found"),
        ("403.mp4", "forbidden"),
    ];
    for (name, reason) in cases {
        let answer = user.parse(&shelf.url(name)).await.refused(42201);
        assert_eq!(answer.data["reason"], reason, "{name}: {answer}");
        assert!(!answer.message.contains(shelf.url("").as_str()), "{answer}");
    }
}

#[tokio::test]
async fn a_failed_parse_is_not_kept() {
    let shelf = media().shelf();
    shelf.fail(1);
    let user = shared().user().await;
    let answer = user.parse(&shelf.url("flaky.mp4")).await;
    assert_ne!(answer.status, 200, "{answer}");
    user.parse(&shelf.url("flaky.mp4")).await.ok();
}

#[tokio::test]
async fn what_is_no_plain_web_address_is_refused_at_the_edge() {
    let user = shared().user().await;
    let long = format!("http://example.com/{}", "a".repeat(64 * 1024));
    let urls = [
        "",
        "--exec=touch /tmp/wharf-was-here",
        "-o/tmp/x",
        "file:///etc/passwd",
        "data:video/mp4;base64,AAAA",
        "ytsearch:x",
        "ftp://example.com/a.mp4",
        "javascript:alert(1)",
        "http://user:secret@example.com/",
        "http://user@example.com/",
        "http://example.com/a\nb",
        "http://example.com/\u{0}",
        "http://",
        "//example.com/a",
        "example.com",
        "http://exa mple.com/",
        "http://[::1",
        "http://example.com:99999/",
        &long,
    ];
    for url in urls {
        user.parse(url).await.refused_field("url");
        user.download(url).await.refused_field("url");
    }
    for body in [
        json!({}),
        json!({ "url": 7 }),
        json!({ "url": null }),
        json!({ "url": ["a"] }),
    ] {
        user.post("/api/v1/parse", &body).await.refused(40001);
        user.post("/api/v1/download", &body).await.refused(40001);
    }
}

/// Every notation of an address that the egress door must not open, with the forbidden listener's port
/// where one can be given.
const INNER_HOSTS: [&str; 18] = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0.0.0.0",
    "localhost",
    "LOCALHOST.",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
];

#[tokio::test]
async fn inner_addresses_are_refused_in_every_notation() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let mut urls: Vec<String> = INNER_HOSTS
        .iter()
        .map(|host| shelf.forbidden_url(host, "clip.mp4"))
        .collect();
    urls.extend(
        [
            "http://169.254.169.254/latest/meta-data/",
            "http://[fd00:ec2::254]/latest/meta-data/",
            "http://[fe80::1]/x.mp4",
            "http://10.0.0.1/x.mp4",
            "http://172.16.0.1/x.mp4",
            "http://192.168.1.1/x.mp4",
            "http://100.64.0.1/x.mp4",
        ]
        .map(str::to_owned),
    );
    let tries = urls.iter().map(|url| user.parse(url));
    for answer in futures_util::future::join_all(tries).await {
        // Refused on sight (40001) or by the egress door (42201).
        match answer.code {
            40001 => answer.refused_field("url"),
            _ => answer.refused(42201),
        };
    }
    assert_eq!(shelf.seen(), [], "the forbidden listener was reached");
}

#[tokio::test]
async fn a_redirect_to_an_inner_address_is_refused() {
    let shelf = media().shelf();
    let user = shared().user().await;
    for name in ["redirect-metadata", "redirect-loopback"] {
        let answer = user.parse(&shelf.url(name)).await.refused(42201);
        assert_eq!(answer.data["reason"], "blocked_address", "{answer}");
    }
    assert_eq!(shelf.seen_of("clip.mp4"), [], "the redirect was followed");
}

#[tokio::test]
async fn an_international_name_is_accepted_in_its_ascii_form() {
    let user = shared().user().await;
    // The name does not exist; what matters is that it is tried, as punycode, and fails cleanly.
    let answer = user.parse("http://bücher.invalid/film.mp4").await;
    answer.refused(42201);
}

#[tokio::test]
async fn no_option_reaches_the_extractor() {
    let shelf = media().shelf();
    let user = shared().user().await;
    let mark = std::env::temp_dir().join(format!("wharf-{}", tests::unique()));
    // Legal in a URL's path; yt-dlp must take it as the URL that it is.
    let url = shelf.url(&format!("--exec=touch%20{}", mark.display()));
    let answer = user.parse(&url).await;
    assert_ne!(answer.status, 200, "{answer}");
    assert!(!mark.exists(), "an option was executed");
}

#[tokio::test]
async fn parsing_needs_a_token() {
    let shelf = media().shelf();
    shared()
        .anonymous()
        .parse(&shelf.url("clip.mp4"))
        .await
        .refused(40101);
    assert_eq!(shelf.seen(), []);
}
