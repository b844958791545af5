//! Versions of yt-dlp, which are dates.

use crate::error::{Error, Result};
use std::fmt;

/// The oldest yt-dlp whose options we use.
pub const OLDEST: Version = Version([2026, 7, 4, 0]);

/// `2026.10.26`; a nightly build has a fourth part. Leading zeros do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u32; 4]);

impl Version {
    /// None for what is no version.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = [0; 4];
        let mut count = 0;
        for part in text.split('.') {
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            *parts.get_mut(count).filter(|_| is_number)? = part.parse().ok()?;
            count += 1;
        }
        (count >= 3).then_some(Self(parts))
    }
}

/// As pip names it: without leading zeros.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, day, build] = self.0;
        write!(f, "{year}.{month}.{day}")?;
        match build {
            0 => Ok(()),
            build => write!(f, ".{build}"),
        }
    }
}

/// What an admin may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The newest that the Python index has.
    Latest,
    Exactly(Version),
}

impl Release {
    /// `latest` or a version that is not older than [`OLDEST`]. Errors: 40001 for field `version`.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        Version::read(text)
            .filter(|version| *version >= OLDEST)
            .map(Self::Exactly)
            .ok_or_else(|| {
                let message = format!("The version is latest, or {OLDEST} or newer.");
                Error::invalid("version", message)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_dates_in_order() {
        assert!(Version::read("2026.10.26").unwrap() > OLDEST);
        assert!(Version::read("2026.07.04.232811").unwrap() > OLDEST);
        assert!(Version::read("2025.12.31").unwrap() < OLDEST);
        assert_eq!(Version::read("2026.07.04").unwrap().to_string(), "2026.7.4");
        for text in [
            "ffmpeg version 5",
            "2026.7",
            "2026.7.4.1.1",
            "2026.7.",
            "+1.2.3",
            "",
        ] {
            assert_eq!(Version::read(text), None, "{text}");
        }
    }

    #[test]
    fn an_admin_asks_for_the_latest_or_for_one_that_we_can_use() {
        assert_eq!(Release::parse("latest").unwrap(), Release::Latest);
        assert!(matches!(
            Release::parse("2026.10.26"),
            Ok(Release::Exactly(_))
        ));
        for text in [
            "",
            "2026.7.3",
            "newest",
            "2026.10.26; --index-url http://x",
            "../x",
        ] {
            assert!(Release::parse(text).is_err(), "{text}");
        }
    }
}
