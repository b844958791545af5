//! What is shared: its state, and the texts that people write about it (SH-7, SH-8, SH-10).

use crate::error::{Error, Result};
use crate::limits::{REASON_CHARS_MAX, RESOURCE_BIO_CHARS_MAX, RESOURCE_TITLE_CHARS_MAX};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for a reviewer.
    Pending,
    Ok,
    /// Its link is dead: two separated checks said so.
    Invalidated,
    Rejected,
    TakenDown,
}

impl State {
    const ALL: [State; 5] = [
        Self::Pending,
        Self::Ok,
        Self::Invalidated,
        Self::Rejected,
        Self::TakenDown,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ok => "ok",
            Self::Invalidated => "invalidated",
            Self::Rejected => "rejected",
            Self::TakenDown => "taken_down",
        }
    }

    /// As the store has it; another word is our own bug.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::internal(format!("unknown state {text}")))
    }

    /// Whether everybody may see it (SH-8).
    pub fn is_public(self) -> bool {
        matches!(self, Self::Ok | Self::Invalidated)
    }
}

/// A title: one line, 1 to 200 characters. Errors: 40001 for field `title`.
pub fn title(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > RESOURCE_TITLE_CHARS_MAX {
        let message = format!("The title has 1 to {RESOURCE_TITLE_CHARS_MAX} characters.");
        return Err(Error::invalid("title", message));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(
            "title",
            "The title contains control characters.",
        ));
    }
    Ok(text.to_owned())
}

/// A description, at most 5,000 characters in lines. Errors: 40001 for field `bio`.
pub fn bio(text: &str) -> Result<String> {
    lines("bio", text, RESOURCE_BIO_CHARS_MAX)
}

/// Why something is reported or decided, at most 1,000 characters. Errors: 40001 for field `reason`.
pub fn reason(text: &str) -> Result<String> {
    lines("reason", text, REASON_CHARS_MAX)
}

/// A text of several lines, trimmed. Errors: 40001 for `field`.
pub fn lines(field: &str, text: &str, chars_max: usize) -> Result<String> {
    let text = text.trim();
    if text.chars().count() > chars_max {
        let message = format!("The text is longer than {chars_max} characters.");
        return Err(Error::invalid(field, message));
    }
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(Error::invalid(
            field,
            "The text contains control characters.",
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_and_a_bio_has_many() {
        assert_eq!(title("  Rust 课程 ").unwrap(), "Rust 课程");
        assert!(title(&"课".repeat(200)).is_ok());
        for bad in ["", "  ", "a\nb", "a\0b", &"课".repeat(201)] {
            assert!(title(bad).is_err(), "{bad:?}");
        }
        assert_eq!(bio(" a\n\tb ").unwrap(), "a\n\tb");
        assert!(bio("a\0b").is_err() && bio(&"b".repeat(5_001)).is_err());
    }

    #[test]
    fn what_waits_or_was_refused_is_nobodys_to_see() {
        let public = State::ALL.into_iter().filter(|state| state.is_public());
        assert_eq!(public.collect::<Vec<_>>(), [State::Ok, State::Invalidated]);
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()).unwrap(), state);
        }
    }
}
