//! The id that a caller may give its request (PF-8).

use crate::limits::REQUEST_ID_BYTES_MAX;

/// Whether the text is safe in a header and in a log line: 1 to 128 letters, digits and `- _ . :`.
pub fn is_request_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= REQUEST_ID_BYTES_MAX
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_short_and_plain() {
        assert!(is_request_id("01a20296-446f-7037_x.y:z"));
        for bad in ["", "a b", "a\nb", "é", "{}", &"x".repeat(129)] {
            assert!(!is_request_id(bad), "{bad:?}");
        }
    }
}
