//! The names that machine clients obtain tokens under (ID-4).

/// Hexadecimal digits behind the prefix.
pub const CLIENT_DIGITS: usize = 32;

/// Which kind of client it is stands in the name itself; sites will be another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientId {
    /// `project-` and 32 hexadecimal digits.
    Project(String),
}

const PROJECT: &str = "project-";

impl ClientId {
    /// A project's, from 32 hexadecimal digits that are its own.
    pub fn of_project(digits: &str) -> Self {
        Self::Project(format!("{PROJECT}{digits}"))
    }

    /// None for what was never given out.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PROJECT)?;
        let is_ours = digits.len() == CLIENT_DIGITS
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_ours.then(|| Self::Project(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Project(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_out_is_a_client() {
        let made = ClientId::of_project(&"0f".repeat(16));
        assert_eq!(ClientId::parse(made.as_str()), Some(made));
        for bad in ["", "project-", "project-0f", "site-0f", "project-\0"] {
            assert_eq!(ClientId::parse(bad), None, "{bad:?}");
        }
        let upper = format!("project-{}", "0F".repeat(16));
        assert_eq!(ClientId::parse(&upper), None);
    }
}
