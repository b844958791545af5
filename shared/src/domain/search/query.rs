//! What somebody searches for.

use super::normal::normal;
use crate::error::{Error, Result};
use crate::limits::{SEARCH_QUERY_CHARS_MAX, SEARCH_RUNS_MAX};

/// The runs of a query, none of which is part of another. None at all: everything is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    runs: Vec<String>,
}

impl Query {
    /// Nothing in the text is an operator. Errors: 40001 for field `q`, when it is too long or has too many words.
    pub fn parse(text: &str) -> Result<Self> {
        if text.chars().count() > SEARCH_QUERY_CHARS_MAX {
            let message = format!("q has at most {SEARCH_QUERY_CHARS_MAX} characters.");
            return Err(Error::invalid("q", message));
        }
        let query = Self::new(normal(text).split_whitespace().map(str::to_owned).collect());
        if query.runs.len() > SEARCH_RUNS_MAX {
            let message = format!("q has at most {SEARCH_RUNS_MAX} words.");
            return Err(Error::invalid("q", message));
        }
        Ok(query)
    }

    /// Of these runs, without those that others imply.
    pub(super) fn new(all: Vec<String>) -> Self {
        let mut runs: Vec<String> = Vec::with_capacity(all.len());
        for run in all {
            if !runs.iter().any(|other| other.contains(&run)) {
                runs.retain(|other| !run.contains(other.as_str()));
                runs.push(run);
            }
        }
        Self { runs }
    }

    pub fn runs(&self) -> &[String] {
        &self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_its_runs_and_nothing_is_an_operator() {
        for (text, runs) in [
            ("", &[][..]),
            ("\"*-(", &[]),
            ("Rust  編程", &["rust", "编程"]),
            ("NEAR(a b)", &["near", "b"]),
            ("title:x OR y", &["title", "x", "or", "y"]),
            ("ab abc ab", &["abc"]),
        ] {
            assert_eq!(Query::parse(text).unwrap().runs(), runs, "{text}");
        }
    }

    #[test]
    fn a_query_is_bounded() {
        assert!(Query::parse(&"学".repeat(SEARCH_QUERY_CHARS_MAX)).is_ok());
        assert!(Query::parse(&"学".repeat(SEARCH_QUERY_CHARS_MAX + 1)).is_err());
        assert!(Query::parse("a b c d e f g h i j k l m n o p q").is_err());
    }
}
