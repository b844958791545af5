//! A look at SQL text, as far as the adapters need it.

/// The first word of a statement, behind white space and comments.
pub fn first_word(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, rest)| rest);
        } else {
            break;
        }
        rest = rest.trim_start();
    }
    let end = rest
        .find(|character: char| !character.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    &rest[..end]
}

/// Whether the statement begins with one of these words.
pub fn begins_with(sql: &str, words: &[&str]) -> bool {
    let first = first_word(sql);
    words.iter().any(|word| first.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_found_behind_comments() {
        assert_eq!(first_word("  select 1"), "select");
        assert_eq!(first_word("-- why\n/* more */ Update x"), "Update");
        assert!(begins_with("-- x\nbegin", &["BEGIN"]));
        assert_eq!(first_word("/* open"), "");
        assert_eq!(first_word(""), "");
    }
}
