//! From what yt-dlp says and what the proxy refused to one sentence for the user. The sentences are
//! ours: yt-dlp's own may hold URLs with tokens and paths of this machine.

use crate::egress::{EgressError, Refusal};
use shared::domain::egress::blocked;
use shared::domain::task::{Failure, Lack};
use std::fmt::Display;

/// Our own fault; the cause goes to the log.
pub(super) fn internal(cause: impl Display) -> Failure {
    tracing::error!(%cause, "yt-dlp could not be run");
    Failure::retryable("internal", "Something went wrong on our side.")
}

pub(super) fn tool_missing(tool: &str) -> Failure {
    Failure::permanent(
        "tool_missing",
        format!("{tool} is not installed on this server; its operator knows how to add it."),
    )
}

pub(super) fn playlist() -> Failure {
    Failure::permanent(
        "playlist",
        "This URL is a playlist; please give the URL of one video.",
    )
}

pub(super) fn live_stream() -> Failure {
    Failure::permanent(
        "live_stream",
        "This is a live or upcoming stream; it can be fetched when it is over.",
    )
}

pub(super) fn too_large() -> Failure {
    Failure::permanent("too_large", "The file is larger than this server accepts.")
}

pub(super) fn empty_file() -> Failure {
    Failure::permanent("empty_file", "The site sent an empty file.")
}

pub(super) fn not_media() -> Failure {
    Failure::permanent(
        "not_media",
        "The site sent a page or a list instead of a video.",
    )
}

pub(super) fn timed_out() -> Failure {
    Failure::retryable("timeout", "The site did not answer in time.")
}

/// A stream that only ffmpeg could fetch, which we do not let out.
pub(super) fn unreadable_stream() -> Failure {
    Failure::permanent(
        "no_format",
        "The video is encrypted in a way that this server cannot read.",
    )
}

fn network() -> Failure {
    Failure::retryable("network", "The site could not be reached.")
}

fn conversion() -> Failure {
    Failure::permanent(
        "conversion_failed",
        "The video could not be converted to the wanted format; another format may work.",
    )
}

/// What ended an attempt, from yt-dlp's diagnostics and the ticket's refusal.
pub(super) fn classify(stderr: &str, refusal: Option<Refusal>) -> Failure {
    match refusal {
        Some(Refusal::Egress(EgressError::Blocked)) => return blocked(),
        Some(Refusal::Overdrawn) => return too_large(),
        _ => {}
    }
    let text = decisive(stderr).to_lowercase();
    let mut failure = match http_status(&text) {
        Some(403) if is_of_media(&text) => expired_address(),
        Some(status) => by_status(status, refusal),
        None => by_text(&text, refusal).unwrap_or_else(|| {
            Failure::retryable(
                "download_failed",
                "The download failed for a reason that is not known.",
            )
        }),
    };
    // What is gone or no video would not be there with anything else either.
    if matches!(
        failure.code,
        "forbidden" | "no_format" | "rate_limited" | "download_failed"
    ) {
        failure.lacks = lacks(&stderr.to_lowercase());
    }
    failure
}

/// Whether the page was read and the video's own address refused.
fn is_of_media(text: &str) -> bool {
    text.contains("unable to download video data") || text.contains("[download] got error")
}

/// A site gives its videos addresses that hold for a while; the next attempt reads the page anew.
fn expired_address() -> Failure {
    Failure::retryable(
        "forbidden",
        "The site refused the video's own address (HTTP 403), which may have expired.",
    )
    .by_refusal()
}

/// What yt-dlp says, in warnings too, that the site wanted; whether it was there is not looked at.
fn lacks(text: &str) -> Vec<Lack> {
    let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    let unsolved = has(&[
        "no supported javascript runtime could be found",
        "n challenge solving failed",
        "signature solving failed",
    ]);
    let unscripted = has(&["challenge solver"]);
    let unlike_a_browser = has(&[
        "cloudflare anti-bot challenge",
        "no impersonate target is available",
        "impersonate targets are available",
        "requires browser impersonation",
    ]);
    let unknown_to_the_site = has(&[
        "use --cookies",
        "not a bot",
        "members-only",
        "private video",
        "registered users",
    ]);
    let elsewhere = has(&[
        "geo restrict",
        "geo-restrict",
        "with --proxy",
        "in your country",
    ]);
    [
        (unsolved, Lack::JavascriptRuntime),
        (unsolved || unscripted, Lack::ChallengeSolver),
        (unlike_a_browser, Lack::Impersonation),
        (unknown_to_the_site, Lack::Cookies),
        (elsewhere, Lack::Proxy),
    ]
    .into_iter()
    .filter_map(|(wanted, lack)| wanted.then_some(lack))
    .collect()
}

/// The error lines; after a crash, which prints none, the last line.
fn decisive(stderr: &str) -> String {
    let errors: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("ERROR:"))
        .collect();
    if errors.is_empty() {
        let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
        return last.unwrap_or_default().to_owned();
    }
    errors.join("\n")
}

/// The status of `HTTP Error 404: Not Found` or `Tunnel connection failed: 403 Forbidden`, lower case.
fn http_status(text: &str) -> Option<u16> {
    ["http error ", "tunnel connection failed: "]
        .iter()
        .find_map(|before| {
            let after = &text[text.find(before)? + before.len()..];
            after.get(..3)?.parse().ok()
        })
}

fn by_status(status: u16, refusal: Option<Refusal>) -> Failure {
    match (status, refusal) {
        // Our own proxy said it, not the site.
        (502 | 504, Some(Refusal::Egress(EgressError::Timeout))) => timed_out(),
        (502 | 504, Some(Refusal::Egress(_) | Refusal::Broken)) => network(),
        (502 | 504, Some(Refusal::Upstream)) => {
            Failure::retryable("proxy_failed", "The proxy on the way to the site failed.")
        }
        (404 | 410, _) => Failure::permanent(
            "not_found",
            format!("The site has nothing at this URL (HTTP {status})."),
        ),
        (408, _) => timed_out(),
        (429, _) => Failure::retryable("rate_limited", "The site asks us to slow down (HTTP 429).")
            .by_refusal(),
        (500..=599, _) => Failure::retryable(
            "server_error",
            format!("The site has a problem of its own (HTTP {status})."),
        ),
        _ => {
            let failure = Failure::permanent(
                "forbidden",
                format!("The site refuses to give this out (HTTP {status})."),
            );
            // 451 is what some sites answer in some countries.
            match status {
                403 | 451 => failure.by_refusal(),
                _ => failure,
            }
        }
    }
}

/// The needles stand in yt-dlp's own messages and in Python's; the first match decides.
fn by_text(text: &str, refusal: Option<Refusal>) -> Option<Failure> {
    let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    let failure = if has(&["no space left on device", "errno 28", "disk quota exceeded"]) {
        Failure::retryable("disk_full", "This server's disk is full.")
    } else if has(&["file:// urls are disabled", "unsupported url scheme"]) {
        blocked()
    } else if has(&["did not get any data blocks", "downloaded file is empty"]) {
        empty_file()
    } else if has(&[
        "bytes, expected",
        "more expected",
        "incompleteread",
        "incomplete read",
        "content too short",
        "fragment",
    ]) {
        match refusal {
            // Behind the door a reset reaches yt-dlp as an early end.
            Some(Refusal::Reset) => network(),
            _ => Failure::retryable("truncated", "The site sent less than it announced."),
        }
    } else if has(&[
        "ffmpeg not found",
        "ffmpeg is not installed",
        "ffprobe and ffmpeg not found",
    ]) {
        tool_missing("ffmpeg")
    } else if has(&["drm protected", "drm protection"]) {
        Failure::permanent("drm_protected", "This video is protected by DRM.")
    } else if has(&[
        "live event",
        "live stream",
        "premieres in",
        "not currently live",
        "is upcoming",
    ]) {
        live_stream()
    } else if has(&["not a bot", "captcha", "has been rate-limited"]) {
        Failure::permanent("forbidden", "The site takes this server for a robot.").by_refusal()
    } else if has(&[
        "geo restrict",
        "geo-restrict",
        "available in your country",
        "available in your location",
        "available from your location",
        "available in your region",
        "use a vpn or a proxy",
    ]) {
        Failure::permanent("forbidden", "The site shows this only in some countries.").by_refusal()
    } else if has(&[
        "private video",
        "sign in",
        "log in",
        "login",
        "logged-in",
        "members-only",
        "registered users",
        "use --cookies",
    ]) {
        Failure::permanent("forbidden", "The site shows this only to members.")
    } else if has(&["unsupported url", "is not a valid url"]) {
        Failure::permanent(
            "unsupported_url",
            "There is no video at this URL that we know how to fetch.",
        )
    } else if has(&[
        "video unavailable",
        "has been removed",
        "does not exist",
        "no longer available",
    ]) {
        Failure::permanent("not_found", "The site no longer has this video.")
    } else if has(&[
        "no video formats found",
        "requested format is not available",
    ]) {
        Failure::permanent(
            "no_format",
            "The site offers no format of this video that we can fetch.",
        )
    } else if has(&["postprocessing", "conversion failed", "audio conversion"]) {
        conversion()
    } else if has(&["timed out", "timeout"]) {
        timed_out()
    } else if has(&[
        "name or service not known",
        "getaddrinfo",
        "connection refused",
        "connection reset",
        "reset by peer",
        "unreachable",
        "remotedisconnected",
        "remote end closed",
        "eof occurred",
        "ssl",
        "broken pipe",
        "transporterror",
    ]) {
        network()
    } else {
        return None;
    };
    Some(failure)
}

/// A diagnostic for the log: URLs lose what follows `?` (PF-8).
pub(super) fn redacted(stderr: &str) -> String {
    let text = decisive(stderr);
    let mut kept = String::with_capacity(text.len());
    let mut in_query = false;
    for character in text.chars() {
        match character {
            '?' => {
                kept.push_str("?…");
                in_query = true;
            }
            // Quotes and brackets may stand in a query as they are.
            _ if character.is_whitespace() => {
                in_query = false;
                kept.push(character);
            }
            _ if !in_query => kept.push(character),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(stderr: &str) -> (&'static str, bool) {
        let failure = classify(stderr, None);
        (failure.code, failure.retryable)
    }

    /// The lines are from real runs of yt-dlp 2026.10.26.
    #[test]
    fn what_yt_dlp_says_decides_the_code_and_whether_to_try_again() {
        for (line, expected) in [
            (
                "ERROR: [generic] 404: Unable to download webpage: HTTP Error 404: Not Found (caused by <HTTPError 404: Not Found>)",
                ("not_found", false),
            ),
            (
                "ERROR: [generic] x: Unable to download webpage: HTTP Error 410: Gone (caused by <HTTPError 410: Gone>)",
                ("not_found", false),
            ),
            (
                "ERROR: [generic] 403: Unable to download webpage: HTTP Error 403: Forbidden (caused by <HTTPError 403: Forbidden>)",
                ("forbidden", false),
            ),
            (
                "ERROR: [generic] 429: Unable to download webpage: HTTP Error 429: Too Many Requests (caused by <HTTPError 429: Too Many Requests>)",
                ("rate_limited", true),
            ),
            (
                "ERROR: [generic] 500: Unable to download webpage: HTTP Error 500: Internal Server Error (caused by <HTTPError 500: Internal Server Error>)",
                ("server_error", true),
            ),
            (
                "WARNING: [generic] Falling back on generic information extractor\nERROR: Unsupported URL: http://127.0.0.1:8899/text",
                ("unsupported_url", false),
            ),
            (
                "\n\nERROR: Did not get any data blocks",
                ("empty_file", false),
            ),
            (
                "ERROR: [download] Got error: Downloaded 95929 bytes, expected 191859 bytes. Giving up after 1 retries",
                ("truncated", true),
            ),
            (
                "ERROR: [download] Got error: timed out. Giving up after 1 retries",
                ("timeout", true),
            ),
            (
                "ERROR: [generic] x: Unable to download webpage: [Errno -2] Name or service not known (caused by TransportError('[Errno -2] Name or service not known'))",
                ("network", true),
            ),
            (
                "ERROR: [generic] x: Unable to download webpage: [Errno 111] Connection refused (caused by TransportError('[Errno 111] Connection refused'))",
                ("network", true),
            ),
            (
                "ERROR: Postprocessing:   Stream #0:1 -> #0:1 (copy)",
                ("conversion_failed", false),
            ),
            (
                "Traceback (most recent call last):\n  File \"x\", line 1\nyt_dlp.networking.exceptions.RequestError: file:// URLs are disabled by default in yt-dlp for security reasons. Use --enable-file-urls to enable at your own risk.",
                ("blocked_address", false),
            ),
            (
                "ERROR: unable to write data: [Errno 28] No space left on device",
                ("disk_full", true),
            ),
            ("ERROR: something new", ("download_failed", true)),
            ("", ("download_failed", true)),
        ] {
            assert_eq!(code(line), expected, "{line}");
        }
    }

    #[test]
    fn a_refusal_of_this_address_is_told_from_other_failures() {
        for (line, refused) in [
            (
                "ERROR: [generic] x: Unable to download webpage: HTTP Error 403: Forbidden",
                true,
            ),
            (
                "ERROR: [generic] x: Unable to download webpage: HTTP Error 429: Too Many Requests",
                true,
            ),
            (
                "ERROR: [generic] x: Unable to download webpage: HTTP Error 451: Unavailable For Legal Reasons",
                true,
            ),
            (
                "ERROR: [youtube] x: Sign in to confirm you\u{2019}re not a bot. Use --cookies-from-browser or --cookies for the authentication.",
                true,
            ),
            (
                "ERROR: [x] y: This video is not available from your location due to geo restriction\nYou might want to use a VPN or a proxy server (with --proxy) to workaround.",
                true,
            ),
            (
                "ERROR: [youtube] x: The uploader has not made this video available in your country",
                true,
            ),
            (
                "ERROR: [generic] x: Unable to download webpage: HTTP Error 401: Unauthorized",
                false,
            ),
            (
                "ERROR: [generic] x: Unable to download webpage: HTTP Error 404: Not Found",
                false,
            ),
            (
                "ERROR: [x] y: This video is only available for registered users. Use --cookies-from-browser or --cookies for the authentication.",
                false,
            ),
            (
                "ERROR: [download] Got error: timed out. Giving up after 1 retries",
                false,
            ),
        ] {
            assert_eq!(classify(line, None).refused, refused, "{line}");
        }
    }

    /// The lines are yt-dlp 2026.10.26's.
    #[test]
    fn what_a_site_wanted_is_heard_in_errors_and_warnings() {
        for (stderr, expected) in [
            (
                "WARNING: [youtube] No supported JavaScript runtime could be found. Only deno is enabled by default; to use another runtime add  --js-runtimes RUNTIME[:PATH]  to your command/config.\nERROR: [youtube] x: Requested format is not available. Use --list-formats for a list of available formats",
                vec![Lack::JavascriptRuntime, Lack::ChallengeSolver],
            ),
            (
                "WARNING: [youtube] x: n challenge solving failed: Some formats may be missing. Ensure you have a supported JavaScript runtime and challenge solver script distribution installed.\nERROR: [youtube] x: Requested format is not available.",
                vec![Lack::JavascriptRuntime, Lack::ChallengeSolver],
            ),
            (
                "ERROR: [generic] Got HTTP Error 403 caused by Cloudflare anti-bot challenge; see  https://github.com/yt-dlp/yt-dlp#impersonation  for how to install the required impersonation dependency, and try again with  --extractor-args \"generic:impersonate\"",
                vec![Lack::Impersonation],
            ),
            (
                "WARNING: [x] The extractor is attempting impersonation, but no impersonate target is available. If you encounter errors, then see  https://github.com/yt-dlp/yt-dlp#impersonation\nERROR: [x] y: Unable to download webpage: HTTP Error 403: Forbidden",
                vec![Lack::Impersonation],
            ),
            (
                "ERROR: [youtube] x: Sign in to confirm you\u{2019}re not a bot. Use --cookies-from-browser or --cookies for the authentication.",
                vec![Lack::Cookies],
            ),
            (
                "ERROR: [x] y: This video is only available for registered users. Use --cookies, --cookies-from-browser, --username and --password",
                vec![Lack::Cookies],
            ),
            (
                "ERROR: [x] y: This video is not available from your location due to geo restriction\nThis video is available in France.\nYou might want to use a VPN or a proxy server (with --proxy) to workaround.",
                vec![Lack::Proxy],
            ),
            (
                "ERROR: [generic] x: Unable to download webpage: HTTP Error 403: Forbidden",
                vec![],
            ),
            (
                "WARNING: [youtube] No supported JavaScript runtime could be found.\nERROR: [youtube] x: Video unavailable",
                vec![],
            ),
        ] {
            assert_eq!(classify(stderr, None).lacks, expected, "{stderr}");
        }
    }

    #[test]
    fn a_refused_address_of_the_video_is_tried_again_and_a_refused_page_is_not() {
        for (line, expected) in [
            (
                "ERROR: unable to download video data: HTTP Error 403: Forbidden",
                ("forbidden", true),
            ),
            (
                "ERROR: [download] Got error: HTTP Error 403: Forbidden. Giving up after 1 retries",
                ("forbidden", true),
            ),
            (
                "ERROR: [generic] x: Unable to download webpage: HTTP Error 403: Forbidden",
                ("forbidden", false),
            ),
        ] {
            assert_eq!(code(line), expected, "{line}");
            assert!(classify(line, None).refused);
        }
    }

    #[test]
    fn a_refusal_of_the_proxy_is_not_taken_for_the_sites_word() {
        let forbidden = "ERROR: [generic] x: Unable to download webpage: HTTP Error 403: Forbidden";
        let refusal = Some(Refusal::Egress(EgressError::Blocked));
        assert_eq!(classify(forbidden, refusal).code, "blocked_address");
        let gateway = "ERROR: [generic] x: Unable to download webpage: Tunnel connection failed: 502 Bad Gateway";
        assert_eq!(
            classify(gateway, Some(Refusal::Egress(EgressError::Unresolved))).code,
            "network"
        );
        assert_eq!(
            classify(gateway, Some(Refusal::Upstream)).code,
            "proxy_failed"
        );
        assert_eq!(classify(gateway, None).code, "server_error");
        let early = "ERROR: [download] Got error: 95929 bytes read, 95930 more expected. Giving up after 1 retries";
        assert_eq!(classify(early, Some(Refusal::Reset)).code, "network");
        assert_eq!(classify(early, Some(Refusal::Broken)).code, "truncated");
    }

    #[test]
    fn neither_message_nor_log_holds_a_query() {
        let line = "ERROR: Unsupported URL: https://example.com/a?token=secret&x=1 (see 'http://b/?k=secret')";
        assert!(!classify(line, None).message.contains("example"));
        assert_eq!(
            redacted(line),
            "ERROR: Unsupported URL: https://example.com/a?… (see 'http://b/?…"
        );
        let brackets = "ERROR: Unsupported URL: https://e.com/a?x=(1)'\"&token=secret";
        assert_eq!(
            redacted(brackets),
            "ERROR: Unsupported URL: https://e.com/a?…"
        );
    }
}
