//! Text in XML 1.0, as Office Open XML wants it (ECMA-376 part 1, 22.9.2.19, `ST_Xstring`).

use std::borrow::Cow;

/// What a byte of a text asks of the one who writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    /// `& < >`, and the control characters.
    Special,
    /// Perhaps a text that looks like an escape.
    Underscore,
    /// Perhaps the first byte of U+FFFE or U+FFFF, which XML does not know.
    Edge,
}

const CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 0x20 {
        classes[byte] = Class::Special;
        byte += 1;
    }
    // XML allows both in a text and keeps them.
    classes[b'\t' as usize] = Class::Plain;
    classes[b'\n' as usize] = Class::Plain;
    classes[b'&' as usize] = Class::Special;
    classes[b'<' as usize] = Class::Special;
    classes[b'>' as usize] = Class::Special;
    classes[b'_' as usize] = Class::Underscore;
    classes[0xEF] = Class::Edge;
    classes
}

/// Writes a text as the content of an element. Control characters become `_x0001_`, and what already looks
/// like such an escape keeps its meaning as `_x005F_x0001_`. CR LF is a line end, LF.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let class = CLASSES[usize::from(*byte)];
        if class == Class::Plain {
            continue;
        }
        let (replacement, length): (Cow<'static, [u8]>, usize) = match class {
            // Excel's own line end is LF; a CR would show in its cell.
            Class::Special if bytes[at..].starts_with(b"\r\n") => (Cow::Borrowed(b""), 1),
            Class::Special => (special(*byte), 1),
            Class::Underscore if looks_escaped(&bytes[at..]) => (Cow::Borrowed(b"_x005F_"), 1),
            Class::Edge if bytes[at..].starts_with(b"\xEF\xBF\xBE") => {
                (Cow::Borrowed(b"_xFFFE_"), 3)
            }
            Class::Edge if bytes[at..].starts_with(b"\xEF\xBF\xBF") => {
                (Cow::Borrowed(b"_xFFFF_"), 3)
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(&replacement);
        from = at + length;
    }
    out.extend_from_slice(&bytes[from..]);
}

/// Writes a text as the value of an attribute in double quotes.
pub fn escape_attribute(text: &str, out: &mut Vec<u8>) {
    let from = out.len();
    escape(text, out);
    if out[from..]
        .iter()
        .any(|byte| matches!(byte, b'"' | b'\t' | b'\n'))
    {
        let escaped = out.split_off(from);
        for byte in escaped {
            match byte {
                b'"' => out.extend_from_slice(b"&quot;"),
                b'\t' => out.extend_from_slice(b"&#9;"),
                b'\n' => out.extend_from_slice(b"&#10;"),
                byte => out.push(byte),
            }
        }
    }
}

/// Whether an element with this content needs `xml:space="preserve"` to keep it.
pub fn needs_preserve(text: &str) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t' | b'\n' | b'\r'));
    is_space(text.as_bytes().first()) || is_space(text.as_bytes().last())
}

fn special(byte: u8) -> Cow<'static, [u8]> {
    match byte {
        b'&' => Cow::Borrowed(b"&amp;"),
        b'<' => Cow::Borrowed(b"&lt;"),
        b'>' => Cow::Borrowed(b"&gt;"),
        control => Cow::Owned(format!("_x{control:04X}_").into_bytes()),
    }
}

/// Whether this begins with `_xHHHH_`.
fn looks_escaped(bytes: &[u8]) -> bool {
    matches!(bytes, [b'_', b'x' | b'X', digits @ .., ] if digits.len() >= 5
        && digits[..4].iter().all(u8::is_ascii_hexdigit)
        && digits[4] == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn markup_and_control_characters_are_escaped() {
        for (text, expected) in [
            ("", ""),
            ("姓名，\"x\" 'y'\t\n", "姓名，\"x\" 'y'\t\n"),
            ("<a> & b", "&lt;a&gt; &amp; b"),
            ("\u{0}\u{1f}\r", "_x0000__x001F__x000D_"),
            ("a\r\nb\n\r", "a\nb\n_x000D_"),
            ("_x000D_", "_x005F_x000D_"),
            ("__x00zz_ _x1234", "__x00zz_ _x1234"),
            ("a_x00e9_b", "a_x005F_x00e9_b"),
            ("\u{fffe}\u{ffff}\u{fffd}！", "_xFFFE__xFFFF_\u{fffd}！"),
            ("\u{7f}\u{10ffff}", "\u{7f}\u{10ffff}"),
        ] {
            assert_eq!(escaped(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_attribute_keeps_quotes_and_lines() {
        let mut out = Vec::new();
        escape_attribute("\"a\"\n<b>", &mut out);
        assert_eq!(out, b"&quot;a&quot;&#10;&lt;b&gt;");
    }

    #[test]
    fn outer_space_needs_to_be_preserved() {
        for text in [" a", "a ", "a\n", "\t"] {
            assert!(needs_preserve(text), "{text:?}");
        }
        for text in ["", "a b", "a\nb"] {
            assert!(!needs_preserve(text), "{text:?}");
        }
    }
}
