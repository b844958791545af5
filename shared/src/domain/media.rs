//! What a caller may ask of a video: a URL, a mode, a quality, a format (VA-2, VA-14).

use super::web_url;
use crate::error::{Error, Result};
use crate::limits::{LANGUAGE_TAG_BYTES_MAX, SUBTITLES_MAX};
use serde::{Deserialize, Serialize};
use url::Url;

/// An absolute `http` or `https` URL with a host, no user name, no password and no control character,
/// in the WHATWG normal form (lower-case host, IDN as punycode, default port dropped) and without its
/// fragment. It never begins with `-`, so it is no option to any program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaUrl(Url);

impl MediaUrl {
    /// Parses what a caller sent. Errors: 40001 for field `url`.
    pub fn parse(text: &str) -> Result<Self> {
        web_url::parse("url", text).map(Self)
    }

    pub fn as_url(&self) -> &Url {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// What limits per site count by: the host without `www.`, with its port where that is not the scheme's.
    pub fn site(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        let host = host.strip_prefix("www.").unwrap_or(host);
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// The URL without its query, for logs (PF-8).
    pub fn redacted(&self) -> String {
        let mut url = self.0.clone();
        let had_query = url.query().is_some();
        url.set_query(None);
        if had_query {
            format!("{url}?…")
        } else {
            url.into()
        }
    }
}

/// How long the file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Kept for `media.quick_ttl_s`, a day by default.
    QuickDownload,
    /// Kept until its owner deletes it.
    Archive,
}

/// The wanted height, or sound alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    Best,
    /// At most so many lines, with fallback to the next best.
    Height(u32),
    Audio,
}

const HEIGHTS: [u32; 8] = [4320, 2160, 1440, 1080, 720, 480, 360, 240];

impl Quality {
    /// `best`, `audio` or one of `4320p` … `240p`. Errors: 40001 for field `quality`.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "best" => return Ok(Self::Best),
            "audio" => return Ok(Self::Audio),
            _ => {}
        }
        text.strip_suffix('p')
            .and_then(|lines| lines.parse().ok())
            .filter(|lines| HEIGHTS.contains(lines))
            .map(Self::Height)
            .ok_or_else(|| {
                Error::invalid(
                    "quality",
                    "The quality is one of best, 4320p, 2160p, 1440p, 1080p, 720p, 480p, 360p, 240p, audio.",
                )
            })
    }
}

/// The container of the finished file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Mp4,
    Webm,
    Mkv,
    Mp3,
    M4a,
}

impl Format {
    pub fn is_audio(self) -> bool {
        matches!(self, Self::Mp3 | Self::M4a)
    }

    /// The file extension, which is also yt-dlp's name of the container.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Webm => "webm",
            Self::Mkv => "mkv",
            Self::Mp3 => "mp3",
            Self::M4a => "m4a",
        }
    }

    /// `mp4`, `webm`, `mkv`, `mp3` or `m4a`; it must suit the quality. Errors: 40001 for field `format`.
    pub fn parse(text: &str, quality: Quality) -> Result<Self> {
        let format = match text {
            "mp4" => Self::Mp4,
            "webm" => Self::Webm,
            "mkv" => Self::Mkv,
            "mp3" => Self::Mp3,
            "m4a" => Self::M4a,
            _ => {
                return Err(Error::invalid(
                    "format",
                    "The format is one of mp4, webm, mkv, mp3, m4a.",
                ));
            }
        };
        if format.is_audio() != (quality == Quality::Audio) {
            return Err(Error::invalid(
                "format",
                "mp3 and m4a go with quality audio, the other formats with a video quality.",
            ));
        }
        Ok(format)
    }
}

/// The language of a subtitle as the site names it, such as `en` or `zh-Hans`: 1 to
/// [`LANGUAGE_TAG_BYTES_MAX`] letters, digits and hyphens, no hyphen first, and not `all`, which means
/// something else to yt-dlp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LanguageTag(String);

impl LanguageTag {
    /// None for what is no tag.
    pub fn read(text: &str) -> Option<Self> {
        let is_tag = (1..=LANGUAGE_TAG_BYTES_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !text.starts_with('-')
            && !text.eq_ignore_ascii_case("all");
        is_tag.then(|| Self(text.to_owned()))
    }

    /// What a caller asked for, each language once. Errors: 40001 for field `subtitles`.
    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>> {
        if texts.len() > SUBTITLES_MAX {
            let message =
                format!("At most {SUBTITLES_MAX} languages of subtitles can be asked for.");
            return Err(Error::invalid("subtitles", message));
        }
        let mut tags: Vec<Self> = Vec::new();
        for text in texts {
            let Some(tag) = Self::read(text) else {
                return Err(Error::invalid(
                    "subtitles",
                    "A language is a tag such as en or zh-Hans: 1 to 16 letters, digits and hyphens.",
                ));
            };
            if !tags.iter().any(|other| other.0.eq_ignore_ascii_case(text)) {
                tags.push(tag);
            }
        }
        Ok(tags)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LanguageTag {
    type Error = &'static str;

    fn try_from(text: String) -> std::result::Result<Self, &'static str> {
        Self::read(&text).ok_or("no language tag")
    }
}

impl From<LanguageTag> for String {
    fn from(tag: LanguageTag) -> Self {
        tag.0
    }
}

/// What is kept beside a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExtraKind {
    /// WebVTT in one language.
    Subtitles,
    /// A JPEG picture.
    Thumbnail,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_urls_are_media_urls() {
        for text in [
            "--exec=touch /tmp/x",
            "file:///etc/passwd",
            "data:text/html,x",
            "ytsearch:x",
            "http://user:secret@example.com/",
            "http://user@example.com/",
            "http://example.com/a\nb",
            "http:// example.com/",
            "http://",
            "//example.com/x",
            "",
        ] {
            assert!(MediaUrl::parse(text).is_err(), "{text:?} was accepted");
        }
        let long = format!("http://example.com/{}", "a".repeat(64 * 1024));
        assert!(MediaUrl::parse(&long).is_err());
    }

    #[test]
    fn a_media_url_is_kept_in_its_normal_form() {
        let url = MediaUrl::parse("HTTP://Bücher.Example:80/a?token=1#t=10").unwrap();
        assert_eq!(url.as_str(), "http://xn--bcher-kva.example/a?token=1");
        assert_eq!(url.redacted(), "http://xn--bcher-kva.example/a?…");
    }

    #[test]
    fn a_site_is_the_host_with_a_port_that_is_not_the_usual_one() {
        let site = |text| MediaUrl::parse(text).unwrap().site();
        assert_eq!(site("https://www.Example.com:443/a"), "example.com");
        assert_eq!(site("http://example.com:8080/"), "example.com:8080");
        assert_eq!(site("http://[::1]/"), "[::1]");
    }

    #[test]
    fn a_language_is_a_tag_and_nothing_that_yt_dlp_reads_otherwise() {
        let tags = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            LanguageTag::parse_all(&texts)
        };
        assert_eq!(tags(&["en", "zh-Hans", "EN"]).unwrap().len(), 2);
        for text in [
            "",
            "all",
            "ALL",
            "-en",
            ".*",
            "en,de",
            "en_US",
            "a b",
            "abcdefghijklmnopq",
        ] {
            assert!(tags(&[text]).is_err(), "{text}");
        }
        assert!(tags(&["en"; 9]).is_err());
        assert!(serde_json::from_str::<LanguageTag>("\".*\"").is_err());
    }

    #[test]
    fn a_format_suits_its_quality() {
        assert!(Format::parse("mp3", Quality::Best).is_err());
        assert!(Format::parse("mp4", Quality::Audio).is_err());
        assert_eq!(Format::parse("m4a", Quality::Audio).unwrap(), Format::M4a);
        assert_eq!(Quality::parse("1080p").unwrap(), Quality::Height(1080));
        assert!(Quality::parse("1081p").is_err());
    }
}
