//! Real yt-dlp and ffmpeg against a small media server on loopback.

mod site;

use super::{DownloadError, options};
use shared::domain::cookies::Jar;
use shared::domain::media::{Format, MediaUrl, Quality};
use shared::wire::task::Progress;
use site::{ffmpeg, stage, tools};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

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
    let page = stage
        .ytdlp
        .parse(&stage.url("/page"), None, None)
        .await
        .unwrap();
    assert!(page.title.starts_with("A page"), "{page:?}");
    assert_eq!(page.formats[0].ext, "mp4");
    let hls = stage
        .ytdlp
        .parse(&stage.url("/clips/index.m3u8"), None, None)
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
        let failure = stage
            .ytdlp
            .parse(&stage.url(path), None, None)
            .await
            .unwrap_err();
        assert_eq!(failure.code, code, "{path}: {failure:?}");
    }
    let local = MediaUrl::parse("http://[::ffff:127.0.0.1]/x").unwrap();
    assert_eq!(
        stage
            .ytdlp
            .parse(&local, None, None)
            .await
            .unwrap_err()
            .code,
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
        ("/words.mp4", "not_media", false),
        ("/late", "forbidden", true),
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
async fn a_video_that_names_files_of_this_machine_does_not_get_them() {
    let stage = stage().await;
    for (quality, format) in [
        (Quality::Best, Format::Mp4),
        (Quality::Best, Format::Mkv),
        (Quality::Audio, Format::Mp3),
    ] {
        let error = stage.get("/disguised.mp4", quality, format).await.0;
        let Err(DownloadError::Failure(failure)) = error else {
            panic!("{error:?}")
        };
        assert_eq!((failure.code, failure.retryable), ("not_media", false));
    }
}

#[tokio::test]
async fn picture_and_sound_of_two_streams_are_merged_under_one_progress() {
    let stage = stage().await;
    let clips = stage.site.clips.path();
    let tools = tools().await;
    ffmpeg(
        &tools,
        clips,
        "-v error -i clip.mp4 -an -c copy -f hls -hls_time 1 -hls_playlist_type vod v.m3u8",
    )
    .await;
    ffmpeg(
        &tools,
        clips,
        "-v error -i clip.mp4 -vn -c copy -f hls -hls_time 1 -hls_playlist_type vod a.m3u8",
    )
    .await;
    let main = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"a.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=320x240,CODECS=\"avc1.42c01e,mp4a.40.2\",AUDIO=\"a\"\nv.m3u8\n";
    tokio::fs::write(clips.join("main.m3u8"), main)
        .await
        .unwrap();
    for format in [Format::Mp4, Format::Mkv] {
        let path = "/clips/main.m3u8";
        let (result, seen) = stage.get(path, Quality::Height(720), format).await;
        let file = result.unwrap();
        assert_eq!(file.extension, format.extension());
        let first_stream = seen
            .iter()
            .rfind(|p| p.stage == "downloading" && p.percent < 95.0);
        assert!(
            first_stream.is_some_and(|progress| progress.percent > 0.0),
            "{seen:?}"
        );
        let downloaded = seen.iter().filter_map(|progress| progress.downloaded_bytes);
        assert!(downloaded.max().unwrap() as u64 > file.size / 2);
        tokio::fs::remove_dir_all(stage.folder.path().join("task"))
            .await
            .unwrap();
    }
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

#[tokio::test]
async fn every_download_carries_the_flags_that_keep_it_inside() {
    let stage = stage().await;
    let url = stage.url("/clips/clip.mp4");
    let access = stage.ytdlp.admit("task", &url, None, None).await.unwrap();
    for (quality, format) in [
        (Quality::Best, Format::Mp4),
        (Quality::Height(720), Format::Webm),
        (Quality::Height(240), Format::Mkv),
        (Quality::Audio, Format::Mp3),
    ] {
        let job = stage.job("/clips/clip.mp4", quality, format);
        for options in [
            options::download(&access, &job).unwrap(),
            options::subtitles(&access, &[]).unwrap(),
            options::thumbnail(&access).unwrap(),
        ] {
            let text = String::from_utf8(options).unwrap();
            for flag in [
                "--no-exec",
                "--no-plugin-dirs",
                "--no-remote-components",
                "--proxy 'http://wharf:",
                "protocol_whitelist file,pipe,fd",
                "--downloader 'native'",
            ] {
                assert!(text.contains(flag), "{flag} is missing for {format:?}");
            }
        }
    }
    let argv = format!("{:?}", access.argv().unwrap());
    assert!(
        !argv.contains("http") && argv.contains("--ignore-config"),
        "{argv}"
    );
}

#[tokio::test]
async fn a_jar_opens_what_a_site_keeps_for_members_and_leaves_no_file() {
    let stage = stage().await;
    let url = stage.url("/members.mp4");
    let refused = stage.ytdlp.parse(&url, None, None).await.unwrap_err();
    assert_eq!((refused.code, refused.refused), ("forbidden", true));
    let jar = Jar::parse("127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tgood\n").unwrap();
    stage.ytdlp.parse(&url, None, Some(&jar)).await.unwrap();

    let mut job = stage.job("/members.mp4", Quality::Best, Format::Mp4);
    job.cookies = Some(jar.clone());
    let cancel = CancellationToken::new();
    stage.ytdlp.download(job, |_| {}, cancel).await.unwrap();

    // Also when the attempt fails, and when it is cancelled.
    for (path, cancelled) in [("/status/404", false), ("/members.mp4", true)] {
        let mut job = stage.job(path, Quality::Best, Format::Mp4);
        job.cookies = Some(jar.clone());
        let cancel = CancellationToken::new();
        if cancelled {
            cancel.cancel();
        }
        stage.ytdlp.download(job, |_| {}, cancel).await.unwrap_err();
    }
    let mut left = Vec::new();
    let mut open = vec![stage.folder.path().to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => open.push(entry.path()),
                false => left.push(entry.path()),
            }
        }
    }
    for path in left {
        let text = std::fs::read(&path).unwrap();
        let holds = text.windows(12).any(|part| part == b"session\tgood");
        assert!(!holds, "{} holds the jar", path.display());
    }
}
