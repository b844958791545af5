//! File names from titles (VA-7), and how a download is named to a browser (VA-8).

use crate::limits::FILE_NAME_BYTES_MAX;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use unicode_normalization::UnicodeNormalization;

/// `attr-char` of RFC 5987: everything else is percent-encoded.
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Names that Windows keeps for devices, with or without an extension.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Makes one harmless path component of a title: NFC, no separators, control, format (bidi) or reserved
/// characters, no leading or trailing dots and spaces, no device name, at most
/// [`FILE_NAME_BYTES_MAX`], never empty.
pub fn sanitise(title: &str) -> String {
    sanitise_as("video", title)
}

/// The same for a file of another kind, whose word stands where nothing is left, and in front of a device's name.
pub fn sanitise_as(kind: &str, title: &str) -> String {
    let cleaned: String = title
        .nfc()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c if c.is_control() || is_invisible(c) => ' ',
            c => c,
        })
        .collect();
    let words: Vec<&str> = cleaned.split_whitespace().collect();
    let joined = words.join(" ");
    let mut name = joined.trim_matches(['.', ' ']).to_owned();
    truncate(&mut name, FILE_NAME_BYTES_MAX);
    let trimmed = name.trim_end_matches(['.', ' ']).to_owned();
    let stem = trimmed.split('.').next().unwrap_or_default();
    if trimmed.is_empty() || DEVICES.contains(&stem.to_ascii_lowercase().as_str()) {
        format!("{kind} {trimmed}").trim_end().to_owned()
    } else {
        trimmed
    }
}

/// Where a file that accompanies another lies: `archive/u/d/Title_id.mp4` is the path of `Title.mp4`, so
/// `Title.en.vtt` is at `archive/u/d/Title_id.en.vtt`. None when the name does not go with the other.
pub fn beside(file_path: &str, file_name: &str, extra_name: &str) -> Option<String> {
    let (stem, _) = file_name.rsplit_once('.')?;
    let suffix = extra_name.strip_prefix(stem)?.strip_prefix('.')?;
    let (path_stem, _) = file_path.rsplit_once('.')?;
    Some(format!("{path_stem}.{suffix}"))
}

/// Zero-width, directional and other format characters, with which a name can look like another.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

fn truncate(name: &mut String, bytes_max: usize) {
    if name.len() > bytes_max {
        let mut end = bytes_max;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
    }
}

/// `Content-Disposition: attachment` with an ASCII fallback and the UTF-8 name (RFC 6266, RFC 5987).
pub fn content_disposition(name: &str) -> String {
    let ascii: String = name
        .chars()
        .map(|c| match c {
            ' '..='~' if !matches!(c, '"' | '\\' | '%') => c,
            _ => '_',
        })
        .collect();
    format!(
        "attachment; filename=\"{ascii}\"; filename*=UTF-8''{}",
        utf8_percent_encode(name, NOT_ATTR_CHAR)
    )
}

/// A name as one segment of a URL's path.
pub fn as_path_segment(name: &str) -> String {
    utf8_percent_encode(name, NOT_ATTR_CHAR).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_title_never_becomes_a_path() {
        assert_eq!(sanitise("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(sanitise("a\u{202E}gpj.exe"), "a gpj.exe");
        assert_eq!(sanitise("  .hidden. "), "hidden");
        assert_eq!(sanitise("CON.mp4"), "video CON.mp4");
        assert_eq!(sanitise("\0\n"), "video");
        assert_eq!(sanitise("中文标题：第1集"), "中文标题：第1集");
    }

    #[test]
    fn what_accompanies_a_file_lies_beside_it() {
        let path = "archive/u/20260101/a.b_0197.mp4";
        assert_eq!(
            beside(path, "a.b.mp4", "a.b.zh-Hans.vtt").as_deref(),
            Some("archive/u/20260101/a.b_0197.zh-Hans.vtt")
        );
        assert_eq!(
            beside("tmp/0197/a.mp4", "a.mp4", "a.jpg").as_deref(),
            Some("tmp/0197/a.jpg")
        );
        assert_eq!(beside(path, "a.b.mp4", "other.vtt"), None);
    }

    #[test]
    fn a_download_is_named_for_old_and_new_browsers() {
        assert_eq!(
            content_disposition("夜 \"x\".mp4"),
            "attachment; filename=\"_ _x_.mp4\"; filename*=UTF-8''%E5%A4%9C%20%22x%22.mp4"
        );
    }

    proptest! {
        #[test]
        fn any_title_gives_one_harmless_component(title in ".{0,400}") {
            let name = sanitise(&title);
            prop_assert!(!name.is_empty() && name.len() <= FILE_NAME_BYTES_MAX + 6);
            prop_assert!(!name.contains(['/', '\\', '\0']) && name != "." && name != "..");
            prop_assert!(!name.starts_with('.') && !name.ends_with(['.', ' ']));
        }
    }
}
