//! Who a person is: audience, role, e-mail address, password, nickname (ID-1, ID-3, ID-5).

use crate::error::{Error, Result};
use crate::limits::{EMAIL_BYTES_MAX, NICKNAME_CHARS_MAX, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};

/// Whom a token is for. Each audience has its own key; a token of one is refused by the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Users,
    Projects,
    Sites,
    Admins,
}

impl Audience {
    pub const ALL: [Audience; 4] = [Self::Users, Self::Projects, Self::Sites, Self::Admins];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Projects => "projects",
            Self::Sites => "sites",
            Self::Admins => "admins",
        }
    }

    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|audience| audience.as_str() == text)
            .ok_or_else(|| Error::internal(format!("unknown audience {text}")))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    User,
    Vip,
    Reviewer,
    Admin,
}

impl Role {
    pub const ALL: [Role; 4] = [Self::User, Self::Vip, Self::Reviewer, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Vip => "vip",
            Self::Reviewer => "reviewer",
            Self::Admin => "admin",
        }
    }

    /// Errors: 40001 for field `role`.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| Error::invalid("role", "The role is one of user, vip, reviewer, admin."))
    }

    /// The level of a user, `user` or `vip` (ID-5). Errors: 40001 for field `role`.
    pub fn parse_level(text: &str) -> Result<Self> {
        [Self::User, Self::Vip]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| Error::invalid("role", "The role of a user is user or vip."))
    }

    /// Reviewers and admins live in a realm of their own.
    pub fn audience(self) -> Audience {
        match self {
            Self::User | Self::Vip => Audience::Users,
            Self::Reviewer | Self::Admin => Audience::Admins,
        }
    }
}

/// An address in lower case, good enough to be one account's name; whether mail arrives there is
/// the mail server's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Errors: 40001 for field `email`.
    pub fn parse(text: &str) -> Result<Self> {
        let trimmed = text.trim();
        let well_formed = trimmed.len() <= EMAIL_BYTES_MAX
            && !trimmed
                .chars()
                .any(|c| c.is_control() || c.is_whitespace() || "<>()[],;:\\\"".contains(c))
            && matches!(trimmed.split_once('@'), Some((local, domain))
                if !local.is_empty() && is_domain(domain));
        if well_formed {
            Ok(Self(trimmed.to_lowercase()))
        } else {
            Err(Error::invalid("email", "This is not an e-mail address."))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_domain(domain: &str) -> bool {
    domain.contains('.')
        && !domain.contains('@')
        && domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

/// A password that may be set: 8 characters and more, letters and digits, at most bcrypt's 72 bytes.
pub struct Password<'a>(&'a str);

impl<'a> Password<'a> {
    /// Errors: 40001 naming `field`.
    pub fn parse(field: &str, text: &'a str) -> Result<Self> {
        if text.len() > PASSWORD_BYTES_MAX {
            return Err(Error::invalid(
                field,
                "The password is longer than 72 bytes.",
            ));
        }
        let long_enough = text.chars().count() >= PASSWORD_CHARS_MIN;
        let has_letter = text.chars().any(char::is_alphabetic);
        let has_digit = text.chars().any(char::is_numeric);
        // bcrypt ends at a NUL byte.
        if long_enough && has_letter && has_digit && !text.contains('\0') {
            Ok(Self(text))
        } else {
            Err(Error::invalid(
                field,
                "The password needs at least 8 characters with letters and digits.",
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        self.0
    }
}

/// A name that others see; the address's local part where none was given.
pub fn nickname(text: Option<&str>, email: &Email) -> Result<String> {
    let given = text.map(str::trim).filter(|name| !name.is_empty());
    let name = given.unwrap_or_else(|| email.as_str().split('@').next().unwrap_or_default());
    if given.is_some() && name.chars().count() > NICKNAME_CHARS_MAX {
        return Err(Error::invalid(
            "nickname",
            "The nickname is longer than 64 characters.",
        ));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::invalid(
            "nickname",
            "The nickname contains control characters.",
        ));
    }
    Ok(name.chars().take(NICKNAME_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_needs_eight_characters_with_letters_and_digits() {
        for bad in ["", "short1", "onlyletters", "1234567890", "with\0nul123"] {
            assert!(Password::parse("password", bad).is_err(), "{bad:?}");
        }
        assert!(Password::parse("password", &format!("a1{}", "x".repeat(71))).is_err());
        assert!(Password::parse("password", "密码密码密码一2").is_ok());
    }

    #[test]
    fn a_users_level_is_no_role_of_the_admins_realm() {
        assert_eq!(Role::parse_level("vip").unwrap(), Role::Vip);
        for bad in ["admin", "reviewer", "VIP", ""] {
            assert!(Role::parse_level(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_is_kept_in_lower_case() {
        assert_eq!(
            Email::parse(" Ada@Example.COM ").unwrap().as_str(),
            "ada@example.com"
        );
        for bad in [
            "",
            "a",
            "a@b",
            "@b.c",
            "a@.c",
            "a b@c.d",
            "a@b.c\n<x@y.z>",
            "a@@b.c",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }
}
