//! What is no good token (ID-2, ID-3): none, malformed, unsigned, of another audience, expired, forged.

use crate::{shared, sqlite};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{TestApp, User};

const NOW_S: i64 = 4_000_000_000;

/// The claims of this user's own access token.
fn claims_of(user: &User<'_>) -> Value {
    let payload = user.token().split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&base64url(payload)).expect("JSON")
}

/// Decodes base64url without padding (RFC 7515).
fn base64url(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes() {
        let value = DIGITS
            .iter()
            .position(|known| *known == digit)
            .expect("a digit");
        bits = (bits << 6) | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

fn sign(algorithm: Algorithm, key: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(key.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("a token")
}

/// The signing key of this audience, as it stands in the data folder.
fn key(app: &TestApp, audience: &str) -> String {
    let keys = std::fs::read_to_string(app.data().join("keys.toml")).expect("keys.toml");
    let keys: toml::Table = keys.parse().expect("TOML");
    match keys.get(audience).and_then(toml::Value::as_str) {
        Some(key) => key.to_owned(),
        None => panic!(
            "no key {audience} in keys.toml, only {:?}",
            keys.keys().collect::<Vec<_>>()
        ),
    }
}

#[tokio::test]
async fn what_is_no_bearer_token_is_refused() {
    let user = shared().user().await;
    let good = user.token().to_owned();
    let anonymous = shared().anonymous();
    for header in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer x".to_owned(),
        "Bearer a.b.c".to_owned(),
        "Bearer ..".to_owned(),
        format!("Basic {good}"),
        good.clone(),
        format!("Bearer {good}x"),
        format!("Bearer {}", &good[..good.len() - 2]),
        format!("Bearer {good} {good}"),
        format!("Bearer {}", "a".repeat(6000)),
    ] {
        let answer = anonymous
            .send(Method::GET, "/api/v1/auth/profile", |request| {
                request.header("authorization", &header)
            })
            .await;
        answer.refused(40101);
    }
    // The scheme's name has no case (RFC 9110, 11.1).
    let answer = anonymous
        .send(Method::GET, "/api/v1/auth/profile", |request| {
            request.header("authorization", format!("bearer {good}"))
        })
        .await;
    answer.ok();
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let user = shared().user().await;
    let payload = user.token().split('.').nth(1).expect("a JWT");
    // {"alg":"none","typ":"JWT"} and {"alg":"None"}
    for header in ["eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", "eyJhbGciOiJOb25lIn0"] {
        for signature in ["", "x"] {
            let token = format!("{header}.{payload}.{signature}");
            shared().caller(&token).profile().await.refused(40101);
        }
    }
}

#[tokio::test]
async fn a_token_signed_with_another_key_or_algorithm_is_refused() {
    let user = shared().user().await;
    let claims = claims_of(&user);
    let right = key(shared(), "users");
    for token in [
        sign(Algorithm::HS256, "another key", &claims),
        sign(Algorithm::HS256, "", &claims),
        sign(Algorithm::HS512, &right, &claims),
        sign(Algorithm::HS384, &right, &claims),
        sign(Algorithm::HS256, &key(shared(), "admins"), &claims),
    ] {
        shared().caller(&token).profile().await.refused(40101);
    }
    // The same claims under the right key are good, so that the cases above fail for their reason.
    let token = sign(Algorithm::HS256, &right, &claims);
    shared().caller(&token).profile().await.ok();
}

#[tokio::test]
async fn a_token_of_another_audience_is_refused() {
    let user = shared().user().await;
    let right = key(shared(), "users");
    for audience in [
        json!("projects"),
        json!("sites"),
        json!("admins"),
        json!(""),
        Value::Null,
    ] {
        let mut claims = claims_of(&user);
        claims["aud"] = audience;
        shared()
            .caller(&sign(Algorithm::HS256, &right, &claims))
            .profile()
            .await
            .refused(40101);
    }
    let mut claims = claims_of(&user);
    claims.as_object_mut().expect("an object").remove("aud");
    shared()
        .caller(&sign(Algorithm::HS256, &right, &claims))
        .profile()
        .await
        .refused(40101);
}

#[tokio::test]
async fn an_expired_token_says_so() {
    let user = shared().user().await;
    let mut claims = claims_of(&user);
    claims["exp"] = json!(1_700_000_000);
    let token = sign(Algorithm::HS256, &key(shared(), "users"), &claims);
    shared().caller(&token).profile().await.refused(40102);
}

#[tokio::test]
async fn a_token_of_a_session_that_never_was_is_refused() {
    let user = shared().user().await;
    let mut claims = claims_of(&user);
    claims["sid"] = json!(crate::UNKNOWN_ID);
    claims["exp"] = json!(NOW_S);
    let token = sign(Algorithm::HS256, &key(shared(), "users"), &claims);
    shared().caller(&token).profile().await.refused(40101);

    // Somebody else's session does not fit either.
    let other = shared().user().await;
    let mut claims = claims_of(&user);
    claims["sub"] = claims_of(&other)["sub"].clone();
    let token = sign(Algorithm::HS256, &key(shared(), "users"), &claims);
    shared().caller(&token).profile().await.refused(40101);
}

#[tokio::test]
async fn every_installation_has_keys_of_its_own() {
    let app = sqlite().start();
    let user = shared().user().await;
    app.caller(user.token()).profile().await.refused(40101);
    assert_ne!(key(&app, "users"), key(&app, "admins"));
}

#[tokio::test]
async fn the_workers_own_route_is_closed_to_callers() {
    let user = shared().user().await;
    let body = json!({ "url": "http://example.com/" });
    for caller in [&user.caller, &shared().anonymous()] {
        let answer = caller.post("/internal/v1/parse", &body).await;
        assert!(matches!(answer.status, 401 | 403 | 404), "{answer}");
    }
}
