//! JWT (ID-2, ID-3): HS256 pinned, one key per audience.

use crate::domain::account::{Audience, Role};
use crate::error::{Code, Error, Result};
use crate::limits::{ACCESS_TOKEN_S, CLIENT_TOKEN_S, REFRESH_TOKEN_S};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

/// What a token is good for; one is never taken for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    Access,
    Refresh,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user, project or site.
    pub sub: String,
    pub aud: String,
    /// The session, or of a machine client the client itself, whose row decides whether the token still counts.
    pub sid: String,
    pub purpose: Purpose,
    /// Of a refresh token: the rotation that it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Seconds since the epoch.
    pub iat: i64,
    pub exp: i64,
}

/// Whom a pair of tokens is for.
pub struct Subject<'a> {
    pub audience: Audience,
    pub user_id: &'a str,
    pub role: Role,
    pub session_id: &'a str,
}

/// An access token and the refresh token of `rotation`.
pub fn issue_pair(
    key: &str,
    subject: &Subject<'_>,
    rotation: i64,
    now_s: i64,
) -> Result<(String, String)> {
    let claims = |purpose, lifetime_s, rotation| Claims {
        sub: subject.user_id.to_owned(),
        aud: subject.audience.as_str().to_owned(),
        sid: subject.session_id.to_owned(),
        purpose,
        rotation,
        role: Some(subject.role.as_str().to_owned()),
        iat: now_s,
        exp: now_s + lifetime_s,
    };
    Ok((
        sign(key, &claims(Purpose::Access, ACCESS_TOKEN_S, None))?,
        sign(
            key,
            &claims(Purpose::Refresh, REFRESH_TOKEN_S, Some(rotation)),
        )?,
    ))
}

/// The access token of a project or a site. It counts from `tokens_from_s` on: of a client whose tokens ended
/// within this second, it is dated to the next.
pub fn issue_client(
    key: &str,
    audience: Audience,
    id: &str,
    tokens_from_s: i64,
    now_s: i64,
) -> Result<String> {
    let iat = now_s.max(tokens_from_s);
    let claims = Claims {
        sub: id.to_owned(),
        aud: audience.as_str().to_owned(),
        sid: id.to_owned(),
        purpose: Purpose::Access,
        rotation: None,
        role: None,
        iat,
        exp: iat + CLIENT_TOKEN_S,
    };
    sign(key, &claims)
}

/// Signs claims with the audience's key.
pub fn sign(key: &str, claims: &Claims) -> Result<String> {
    let key = EncodingKey::from_secret(key.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).map_err(Error::internal)
}

/// Checks signature, algorithm, audience, purpose and time. Errors: 40101, 40102.
pub fn verify(
    key: &str,
    token: &str,
    audience: Audience,
    purpose: Purpose,
    now_s: i64,
) -> Result<Claims> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[audience.as_str()]);
    // The clock is an argument here, so the library's own look at it is left out.
    validation.validate_exp = false;
    let key = DecodingKey::from_secret(key.as_bytes());
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map_err(|cause| bad_token().with_cause(cause))?
        .claims;
    if claims.purpose != purpose {
        return Err(bad_token());
    }
    if claims.exp <= now_s {
        return Err(Error::new(Code::ExpiredToken, "The token has expired."));
    }
    Ok(claims)
}

/// 40101 in one wording for every way a token can be bad.
pub fn bad_token() -> Error {
    Error::new(Code::BadToken, "The token is missing or not valid.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject<'static> {
        Subject {
            audience: Audience::Users,
            user_id: "u",
            role: Role::User,
            session_id: "s",
        }
    }

    #[test]
    fn a_token_counts_only_for_its_audience_purpose_key_and_time() {
        let (access, refresh) = issue_pair("key", &subject(), 3, 100).unwrap();
        let check = |key, token: &str, audience, purpose, now| {
            verify(key, token, audience, purpose, now).map_err(|e| e.code)
        };
        assert!(check("key", &access, Audience::Users, Purpose::Access, 101).is_ok());
        let claims = check("key", &refresh, Audience::Users, Purpose::Refresh, 101).unwrap();
        assert_eq!(claims.rotation, Some(3));
        let bad = Err(Code::BadToken);
        assert_eq!(
            check("key", &access, Audience::Admins, Purpose::Access, 101).map(drop),
            bad
        );
        assert_eq!(
            check("key", &access, Audience::Users, Purpose::Refresh, 101).map(drop),
            bad
        );
        assert_eq!(
            check("other", &access, Audience::Users, Purpose::Access, 101).map(drop),
            bad
        );
        assert_eq!(
            check(
                "key",
                &access,
                Audience::Users,
                Purpose::Access,
                100 + ACCESS_TOKEN_S
            )
            .map(drop),
            Err(Code::ExpiredToken)
        );
    }

    #[test]
    fn a_projects_token_is_dated_to_when_its_projects_tokens_count() {
        for (tokens_from_s, iat) in [(50, 100), (101, 101)] {
            let token = issue_client("key", Audience::Projects, "p", tokens_from_s, 100).unwrap();
            let verify = |now| verify("key", &token, Audience::Projects, Purpose::Access, now);
            let claims = verify(100).unwrap();
            assert_eq!((claims.sub.as_str(), claims.iat), ("p", iat));
            assert!(verify(iat + CLIENT_TOKEN_S - 1).is_ok());
            assert!(verify(iat + CLIENT_TOKEN_S).is_err());
        }
    }
}
