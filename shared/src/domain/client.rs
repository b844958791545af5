//! The names that machine clients obtain tokens under (ID-4).

/// Hexadecimal digits behind the prefix.
pub const CLIENT_DIGITS: usize = 32;

/// Which kind of client it is stands in the name itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientId {
    /// `project-` and 32 hexadecimal digits.
    Project(String),
    /// `site-` and 32 hexadecimal digits.
    Site(String),
}

const PROJECT: &str = "project-";
const SITE: &str = "site-";

impl ClientId {
    /// A project's, from 32 hexadecimal digits that are its own.
    pub fn of_project(digits: &str) -> Self {
        Self::Project(format!("{PROJECT}{digits}"))
    }

    /// A site's, from 32 hexadecimal digits that are its own.
    pub fn of_site(digits: &str) -> Self {
        Self::Site(format!("{SITE}{digits}"))
    }

    /// None for what was never given out.
    pub fn parse(text: &str) -> Option<Self> {
        let has_digits_behind = |prefix| {
            text.strip_prefix(prefix).is_some_and(|digits: &str| {
                let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                digits.len() == CLIENT_DIGITS && digits.bytes().all(is_digit)
            })
        };
        if has_digits_behind(PROJECT) {
            Some(Self::Project(text.to_owned()))
        } else if has_digits_behind(SITE) {
            Some(Self::Site(text.to_owned()))
        } else {
            None
        }
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Project(text) | Self::Site(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_out_is_a_client() {
        for made in [
            ClientId::of_project(&"0f".repeat(16)),
            ClientId::of_site(&"0f".repeat(16)),
        ] {
            assert_eq!(ClientId::parse(made.as_str()), Some(made));
        }
        for bad in [
            "",
            "project-",
            "project-0f",
            "site-",
            "site-0f",
            "project-\0",
        ] {
            assert_eq!(ClientId::parse(bad), None, "{bad:?}");
        }
        for prefix in ["project-", "site-", "other-"] {
            let upper = format!("{prefix}{}", "0F".repeat(16));
            assert_eq!(ClientId::parse(&upper), None);
        }
    }
}
