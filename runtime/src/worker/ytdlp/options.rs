//! The options that go to yt-dlp's input, one a line. All are ours; a user chooses among qualities and
//! formats, never among options (VA-14).

use shared::domain::media::{Format, Quality};
use shared::limits::{YTDLP_PROGRESS_MS, YTDLP_RETRIES, YTDLP_SOCKET_S_MAX};
use std::path::Path;

/// How our lines in yt-dlp's output begin.
pub(super) const SEEN: &str = "wharf-seen ";
pub(super) const PLANNED: &str = "wharf-planned ";
pub(super) const MOVED: &str = "wharf-moved ";
pub(super) const PROGRESS: &str = "wharf-progress ";
pub(super) const STEP: &str = "wharf-step ";

/// Only what passes our HTTP proxy and yt-dlp's native downloaders; no rtmp, no websockets.
const PROTOCOLS: &str = "[protocol~='^(https?|m3u8|m3u8_native|http_dash_segments|ism|f4m)$']";

/// ffmpeg reads the downloaded files and nothing else: a file that claims to be a video but is a
/// playlist must not make it open other files or addresses.
const FFMPEG_INPUT: &str = "-protocol_whitelist file,pipe,fd -format_whitelist mov,mp4,matroska,webm,mpegts,mpeg,mpegvideo,aac,mp3,ac3,eac3,ogg,flac,wav,avi,flv,asf,h264,hevc";

/// Everything in yt-dlp that can run ffmpeg under these options; input arguments have no common name.
const POSTPROCESSORS: [&str; 10] = [
    "Merger",
    "VideoRemuxer",
    "VideoConvertor",
    "ExtractAudio",
    "FixupM3u8",
    "FixupM4a",
    "FixupStretched",
    "FixupTimestamp",
    "FixupDuration",
    "FixupDuplicateMoov",
];

/// An options file in the making; every value is quoted for yt-dlp's `shlex`.
struct Options(String);

impl Options {
    fn flag(&mut self, name: &str) {
        self.0.push_str(name);
        self.0.push('\n');
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.push_str(name);
        self.0.push_str(" '");
        self.0.push_str(&value.replace('\'', r#"'"'"'"#));
        self.0.push_str("'\n");
    }
}

fn common(proxy_url: &str) -> Options {
    let mut options = Options(String::new());
    for name in [
        "--no-plugin-dirs",
        "--no-cache-dir",
        "--no-remote-components",
        "--no-playlist",
        "--no-exec",
        "--abort-on-error",
    ] {
        options.flag(name);
    }
    options.set("--color", "no_color");
    options.set("--xff", "never");
    options.set("--proxy", proxy_url);
    options.set("--socket-timeout", &YTDLP_SOCKET_S_MAX.to_string());
    options.set("--extractor-retries", &YTDLP_RETRIES.to_string());
    // Two entries tell a playlist from a video; nobody needs the other thousands.
    options.set("--playlist-items", "1:2");
    options
}

/// Options that print one JSON document about the URL.
pub(super) fn parse(proxy_url: &str) -> Vec<u8> {
    let mut options = common(proxy_url);
    options.flag("--flat-playlist");
    options.flag("--dump-single-json");
    // The choice does not matter here, but having none would be an error.
    options.set("--format", "b*/bv*/ba*");
    options.0.into_bytes()
}

/// Options that download `media.<format>` into the working directory and report in lines of ours.
pub(super) fn download(
    proxy_url: &str,
    ffmpeg: &Path,
    quality: Quality,
    format: Format,
) -> Vec<u8> {
    let mut options = common(proxy_url);
    options.flag("--abort-on-unavailable-fragments");
    options.flag("--continue");
    options.flag("--part");
    options.flag("--no-mtime");
    options.flag("--newline");
    options.flag("--progress");
    for name in ["--retries", "--fragment-retries", "--file-access-retries"] {
        options.set(name, &YTDLP_RETRIES.to_string());
    }
    options.set("--downloader", "native");
    options.set(
        "--break-match-filters",
        "!is_live & live_status!=?is_upcoming & n_entries<=?1",
    );
    options.set("--output", "media.%(ext)s");
    options.set("--ffmpeg-location", &ffmpeg.to_string_lossy());
    for name in POSTPROCESSORS {
        options.set(
            "--postprocessor-args",
            &format!("{name}+ffmpeg_i:{FFMPEG_INPUT}"),
        );
    }
    select(&mut options, quality, format);
    report(&mut options);
    options.0.into_bytes()
}

/// Which streams, and into which container.
fn select(options: &mut Options, quality: Quality, format: Format) {
    let p = PROTOCOLS;
    let extension = format.extension();
    if format.is_audio() || quality == Quality::Audio {
        options.set("--format", &format!("ba{p}/b*{p}"));
        options.set(
            "--format-sort",
            &format!(
                "acodec:{}",
                if format == Format::M4a { "aac" } else { "mp3" }
            ),
        );
        options.flag("--extract-audio");
        options.set("--audio-format", extension);
        return;
    }
    options.set("--format", &format!("bv*{p}+ba{p}/b{p}/bv*{p}/b*{p}"));
    let resolution = match quality {
        Quality::Height(lines) => format!("res:{lines}"),
        _ => "res".to_owned(),
    };
    match format {
        Format::Webm => {
            options.set("--format-sort", &format!("{resolution},ext:webm:webm"));
            // Streams that webm cannot hold go to mkv first and are encoded anew.
            options.set("--merge-output-format", "webm/mkv");
            options.set("--recode-video", "webm");
            options.set(
                "--postprocessor-args",
                "VideoConvertor+ffmpeg_o:-deadline realtime -cpu-used 8 -row-mt 1",
            );
        }
        Format::Mp4 => {
            options.set("--format-sort", &format!("{resolution},ext:mp4:m4a"));
            options.set("--merge-output-format", "mp4");
            // A single webm file may hold VP8 or Vorbis, which mp4 cannot; everything else is copied.
            options.set(
                "--use-postprocessor",
                "FFmpegVideoConvertor:preferedformat=webm>mp4",
            );
            options.set("--remux-video", "mp4");
        }
        _ => {
            options.set("--format-sort", &resolution);
            options.set("--merge-output-format", extension);
            options.set("--remux-video", extension);
        }
    }
}

fn report(options: &mut Options) {
    options.set(
        "--progress-delta",
        &format!("{:.3}", YTDLP_PROGRESS_MS as f64 / 1000.0),
    );
    options.set(
        "--print",
        &format!("pre_process:{SEEN}%(.{{live_status,is_live}})j"),
    );
    options.set(
        "--print",
        &format!("before_dl:{PLANNED}%(.{{format_id,filesize,filesize_approx}})j %(requested_formats.:.{{format_id,filesize,filesize_approx}}|[])j"),
    );
    options.set(
        "--print",
        &format!("after_move:{MOVED}%(.{{title,ext,filepath}})j"),
    );
    options.set(
        "--progress-template",
        &format!("download:{PROGRESS}%(progress.{{status,downloaded_bytes,total_bytes,total_bytes_estimate,speed,fragment_index,fragment_count}})j %(info.format_id)j"),
    );
    options.set(
        "--progress-template",
        &format!("postprocess:{STEP}%(progress.{{status,postprocessor}})j"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        let mut options = Options(String::new());
        options.set("--proxy", "x' --exec 'rm");
        assert_eq!(options.0, "--proxy 'x'\"'\"' --exec '\"'\"'rm'\n");
    }

    #[test]
    fn every_download_carries_the_flags_that_keep_it_inside() {
        for (quality, format) in [
            (Quality::Best, Format::Mp4),
            (Quality::Height(720), Format::Webm),
            (Quality::Height(240), Format::Mkv),
            (Quality::Audio, Format::Mp3),
        ] {
            let text =
                String::from_utf8(download("http://p", Path::new("/f"), quality, format)).unwrap();
            for flag in [
                "--no-exec",
                "--no-plugin-dirs",
                "--no-remote-components",
                "--proxy 'http://p'",
                "protocol_whitelist",
                "--abort-on-unavailable-fragments",
            ] {
                assert!(text.contains(flag), "{flag} is missing for {format:?}");
            }
        }
    }
}
