//! The options that go to yt-dlp's input, one a line, and the URL behind them. All are ours; a user chooses
//! among qualities, formats and languages, never among options (VA-14).

use super::Failure;
use super::access::Access;
use super::download::DownloadJob;
use shared::domain::media::{Format, LanguageTag, MediaUrl, Quality};
use shared::limits::{YTDLP_PROGRESS_MS, YTDLP_RETRIES, YTDLP_SOCKET_S_MAX};

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
pub(super) const READ_MEDIA: &str = "-protocol_whitelist file,pipe,fd -format_whitelist mov,mp4,matroska,webm,mpegts,mpeg,mpegvideo,aac,mp3,ac3,eac3,ogg,flac,wav,avi,flv,asf,h264,hevc";
/// The same for embedding: chapters come in a file of yt-dlp's own making.
const READ_CHAPTERS: &str = ",ffmetadata";
/// Pictures and texts are read in the run that fetches them, and nothing else is.
const READ_PICTURES: &str = "-protocol_whitelist file,pipe,fd -format_whitelist image2,gif";
const READ_SUBTITLES: &str = "-protocol_whitelist file,pipe,fd -format_whitelist webvtt,srt,ass";

/// Everything in yt-dlp that can run ffmpeg under the options of a download; input arguments have no common
/// name.
const POSTPROCESSORS: [&str; 11] = [
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
    "Metadata",
];

/// Fields that yt-dlp would embed and that hold the page's address with its query, or a whole page of text.
/// They would stand on ffmpeg's command line too.
const NOT_EMBEDDED: [&str; 4] = ["purl", "comment", "description", "synopsis"];

/// Where the first run leaves what it read of the page, beside the folder of the extras.
const PAGE: &str = "page";

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

    /// The options with the URL behind them. It begins with `http`, so it is no option.
    fn of(mut self, url: &MediaUrl) -> Vec<u8> {
        self.set("", url.as_str());
        self.0.into_bytes()
    }
}

fn common(access: &Access) -> Result<Options, Failure> {
    let mut options = Options(String::new());
    for name in [
        "--no-plugin-dirs",
        "--no-cache-dir",
        "--no-remote-components",
        "--no-playlist",
        "--no-exec",
        "--no-js-runtimes",
    ] {
        options.flag(name);
    }
    for runtime in &access.abilities()?.javascript {
        options.set("--js-runtimes", runtime);
    }
    options.set("--color", "no_color");
    options.set("--xff", "never");
    options.set("--proxy", access.ticket.url());
    if let Some(cookies) = access.cookies() {
        options.set("--cookies", &cookies.to_string_lossy());
    }
    if access.impersonates {
        // Any browser.
        options.set("--impersonate", "");
    }
    options.set("--socket-timeout", &YTDLP_SOCKET_S_MAX.to_string());
    options.set("--extractor-retries", &YTDLP_RETRIES.to_string());
    // Two entries tell a playlist from a video; nobody needs the other thousands.
    options.set("--playlist-items", "1:2");
    Ok(options)
}

/// Options that print one JSON document about the URL.
pub(super) fn parse(access: &Access, url: &MediaUrl) -> Result<Vec<u8>, Failure> {
    let mut options = common(access)?;
    options.flag("--abort-on-error");
    options.flag("--flat-playlist");
    options.flag("--dump-single-json");
    // The choice does not matter here, but having none would be an error.
    options.set("--format", "b*/bv*/ba*");
    Ok(options.of(url))
}

/// Options that download `media.<format>` into the working directory and report in lines of ours.
pub(super) fn download(access: &Access, job: &DownloadJob) -> Result<Vec<u8>, Failure> {
    let mut options = common(access)?;
    options.flag("--abort-on-error");
    options.flag("--abort-on-unavailable-fragments");
    options.flag("--continue");
    options.flag("--part");
    options.flag("--no-mtime");
    options.flag("--newline");
    options.flag("--progress");
    native(&mut options);
    options.set(
        "--break-match-filters",
        "!is_live & live_status!=?is_upcoming & n_entries<=?1",
    );
    options.set("--output", "media.%(ext)s");
    options.set("--ffmpeg-location", &access.ffmpeg()?.to_string_lossy());
    for name in POSTPROCESSORS {
        let more = if name == "Metadata" {
            READ_CHAPTERS
        } else {
            ""
        };
        let arguments = format!("{name}+ffmpeg_i:{READ_MEDIA}{more}");
        options.set("--postprocessor-args", &arguments);
    }
    select(&mut options, job.quality, job.format);
    if job.metadata {
        embed(&mut options);
    }
    if job.wants_extras() {
        options.flag("--write-info-json");
        options.set("--output", &format!("infojson:{PAGE}"));
    }
    report(&mut options);
    Ok(options.of(&job.url))
}

/// yt-dlp's own downloaders. ffmpeg's is cut off: it would show URL and cookies on its command line.
fn native(options: &mut Options) {
    for name in ["--retries", "--fragment-retries", "--file-access-retries"] {
        options.set(name, &YTDLP_RETRIES.to_string());
    }
    options.set("--downloader", "native");
    options.set(
        "--downloader-args",
        "ffmpeg_i:-protocol_whitelist file,pipe,fd",
    );
}

/// Title, uploader, date and chapters into the file.
fn embed(options: &mut Options) {
    options.flag("--embed-metadata");
    options.flag("--embed-chapters");
    options.flag("--no-embed-info-json");
    for field in NOT_EMBEDDED {
        options.set("--parse-metadata", &format!(":(?P<meta_{field}>)"));
    }
}

/// Options that fetch `extra.<language>.vtt` into the working directory, which lies in that of the download.
pub(super) fn subtitles(access: &Access, languages: &[LanguageTag]) -> Result<Vec<u8>, Failure> {
    let mut options = beside(
        access,
        &format!("SubtitlesConvertor+ffmpeg_i:{READ_SUBTITLES}"),
    )?;
    let languages: Vec<&str> = languages.iter().map(LanguageTag::as_str).collect();
    options.flag("--write-subs");
    // What a machine wrote is better than nothing; what people wrote comes first.
    options.flag("--write-auto-subs");
    options.set("--sub-langs", &languages.join(","));
    options.set("--sub-format", "vtt/srt/ass/ttml/best");
    options.set("--convert-subs", "vtt");
    Ok(options.0.into_bytes())
}

/// Options that fetch `extra.jpg`, as [`subtitles`].
pub(super) fn thumbnail(access: &Access) -> Result<Vec<u8>, Failure> {
    let mut options = beside(
        access,
        &format!("ThumbnailsConvertor+ffmpeg_i:{READ_PICTURES}"),
    )?;
    options.flag("--write-thumbnail");
    options.set("--convert-thumbnails", "jpg");
    Ok(options.0.into_bytes())
}

/// A run that reads the page from the first run's notes and leaves the video alone.
fn beside(access: &Access, ffmpeg_arguments: &str) -> Result<Options, Failure> {
    let mut options = common(access)?;
    options.flag("--ignore-errors");
    options.flag("--skip-download");
    options.flag("--no-progress");
    options.flag("--quiet");
    native(&mut options);
    options.set("--load-info-json", &format!("../{PAGE}.info.json"));
    options.set("--format", "b*/bv*/ba*");
    options.set("--output", "extra.%(ext)s");
    options.set("--ffmpeg-location", &access.ffmpeg()?.to_string_lossy());
    options.set("--postprocessor-args", ffmpeg_arguments);
    Ok(options)
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
        let url = MediaUrl::parse("http://example.com/'--exec'x?a=';b").unwrap();
        let text = String::from_utf8(Options(String::new()).of(&url)).unwrap();
        assert_eq!(
            text,
            " 'http://example.com/'\"'\"'--exec'\"'\"'x?a=%27;b'\n"
        );
    }
}
