//! Placeholders in the text of a cell: `{name}` is a scalar, `{.field}` a field of the unnamed list,
//! `{list.field}` one of a named list; `\{` and `\}` are braces.

use crate::limits::{PLACEHOLDER_CHARS_MAX, TEMPLATE_MALFORMED_MAX};

/// A piece of a cell's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Text(String),
    Scalar(String),
    /// The list's name is empty for the unnamed list.
    Field {
        list: String,
        name: String,
    },
}

/// A cell's text, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub tokens: Vec<Token>,
    /// What looks like a placeholder and is none, as it is written; it stays text.
    pub malformed: Vec<String>,
}

impl Parsed {
    /// The placeholder that the whole cell consists of.
    pub fn only(&self) -> Option<&Token> {
        match self.tokens.as_slice() {
            [token @ (Token::Scalar(_) | Token::Field { .. })] => Some(token),
            _ => None,
        }
    }

    /// The lists whose fields stand in the cell, each once.
    pub fn lists(&self) -> Vec<&str> {
        let mut lists = Vec::new();
        for token in &self.tokens {
            if let Token::Field { list, .. } = token
                && !lists.contains(&list.as_str())
            {
                lists.push(list.as_str());
            }
        }
        lists
    }
}

/// Whether a text can hold a placeholder or an escape.
pub fn is_marked(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'{' | b'}'))
}

/// Takes a text apart.
pub fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '{']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(brace) = rest
            .strip_prefix('\\')
            .and_then(|after| after.chars().next().filter(|c| matches!(c, '{' | '}')))
        {
            plain.push(brace);
            rest = &rest[2..];
        } else if rest.starts_with('\\') {
            plain.push('\\');
            rest = &rest[1..];
        } else {
            let (token, length) = placeholder(rest);
            match token {
                Some(token) => {
                    push_plain(&mut parsed.tokens, &mut plain);
                    parsed.tokens.push(token);
                }
                None => {
                    if parsed.malformed.len() < TEMPLATE_MALFORMED_MAX {
                        let start = rest[..length].chars().take(PLACEHOLDER_CHARS_MAX);
                        parsed.malformed.push(start.collect());
                    }
                    plain.push_str(&rest[..length]);
                }
            }
            rest = &rest[length..];
        }
    }
    plain.push_str(rest);
    push_plain(&mut parsed.tokens, &mut plain);
    parsed
}

fn push_plain(tokens: &mut Vec<Token>, plain: &mut String) {
    if !plain.is_empty() {
        tokens.push(Token::Text(std::mem::take(plain)));
    }
}

/// The placeholder at the start of a text that begins with a brace, if it is one, and its length in bytes.
fn placeholder(text: &str) -> (Option<Token>, usize) {
    let end = text[1..].find(['{', '}']).map(|at| at + 1);
    match end {
        Some(end) if text.as_bytes()[end] == b'}' => (named(&text[1..end]), end + 1),
        // Another one begins before this one ends, or it never ends.
        Some(end) => (None, end),
        None => (None, text.len()),
    }
}

fn named(inside: &str) -> Option<Token> {
    match inside.trim().split_once('.') {
        None => is_name(inside.trim()).then(|| Token::Scalar(inside.trim().to_owned())),
        Some((list, name)) => {
            ((list.is_empty() || is_name(list)) && is_name(name)).then(|| Token::Field {
                list: list.to_owned(),
                name: name.to_owned(),
            })
        }
    }
}

/// Names are the keys of JSON objects, so nearly everything can stand in one.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= PLACEHOLDER_CHARS_MAX
        && name.trim() == name
        && !name
            .chars()
            .any(|c| c.is_control() || matches!(c, '.' | '"' | '\'' | '\\' | ',' | ':' | ';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Token {
        Token::Text(text.to_owned())
    }

    fn scalar(name: &str) -> Token {
        Token::Scalar(name.to_owned())
    }

    fn field(list: &str, name: &str) -> Token {
        Token::Field {
            list: list.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_text_is_taken_apart() {
        for (written, expected) in [
            ("{name}", vec![scalar("name")]),
            ("{.数量}", vec![field("", "数量")]),
            ("{ list.field }", vec![field("list", "field")]),
            (
                "{a}/{b.c} x",
                vec![scalar("a"), text("/"), field("b", "c"), text(" x")],
            ),
            (r"\{a\}{b}\x", vec![text("{a}"), scalar("b"), text(r"\x")]),
            ("plain }", vec![text("plain }")]),
            ("", vec![]),
        ] {
            let parsed = parse(written);
            assert_eq!(parsed.tokens, expected, "{written}");
            assert!(parsed.malformed.is_empty(), "{written}");
        }
    }

    #[test]
    fn what_is_malformed_stays_text() {
        for (written, malformed) in [
            ("{}", vec!["{}"]),
            ("{a", vec!["{a"]),
            ("{a.b.c}", vec!["{a.b.c}"]),
            ("{.}", vec!["{.}"]),
            (r#"{"a":1}"#, vec![r#"{"a":1}"#]),
            ("{a{.b}", vec!["{a"]),
        ] {
            let parsed = parse(written);
            assert_eq!(parsed.malformed, malformed, "{written}");
        }
        assert_eq!(parse("{a{.b}").tokens, [text("{a"), field("", "b")]);
        assert_eq!(parse("{}").tokens, [text("{}")]);
    }

    #[test]
    fn a_cell_of_one_placeholder_is_told_from_mixed_text() {
        assert_eq!(parse("{a}").only(), Some(&scalar("a")));
        assert_eq!(parse("{a} ").only(), None);
        assert_eq!(parse("a").only(), None);
        assert_eq!(parse("{x.a}{x.b}{.c}").lists(), ["x", ""]);
    }
}
