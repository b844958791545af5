//! `/api/v1/auth/…`: accounts, sessions, throttling (ID-1, ID-2, ID-6).

use crate::{shared, sqlite};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Tokens, unique};

#[tokio::test]
async fn a_registration_gives_an_account_and_its_tokens() {
    let email = format!("Ada-{}@Example.com", unique());
    let body = json!({ "email": email, "password": "letters4numbers", "nickname": "阿达" });
    let answer = shared()
        .anonymous()
        .post("/api/v1/auth/register", &body)
        .await;
    let data = answer.ok_with(201);
    let tokens = Tokens::of(&data);
    assert_eq!(data["token_type"], "Bearer");
    assert_eq!(data["expires_in"], 24 * 3600);

    let profile = shared().caller(&tokens.access).profile().await.ok();
    assert_eq!(profile["user_id"], data["user_id"]);
    assert_eq!(profile["email"], email.to_lowercase());
    assert_eq!(profile["nickname"], "阿达");
    assert_eq!(profile["role"], "user");
}

#[tokio::test]
async fn an_address_is_registered_once_whatever_its_case() {
    let user = shared().user().await;
    let again = user.email.to_uppercase();
    let answer = shared()
        .anonymous()
        .register(&again, "letters4numbers")
        .await;
    answer.refused(40901);
}

#[tokio::test]
async fn a_registration_needs_an_address_and_a_strong_password() {
    let anonymous = shared().anonymous();
    for email in [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@example.com\n<b@c.de>",
        "a@b",
    ] {
        let answer = anonymous.register(email, "letters4numbers").await;
        answer.refused_field("email");
    }
    let long = format!("a1{}", "x".repeat(71));
    for password in [
        "",
        "short1",
        "onlyletters",
        "1234567890",
        "nul\0byte123",
        &long,
    ] {
        let email = format!("user-{}@example.com", unique());
        let answer = anonymous.register(&email, password).await;
        answer.refused_field("password");
    }
}

#[tokio::test]
async fn a_login_gives_working_tokens() {
    let user = shared().user().await;
    let login = user.login(&user.email, &user.password).await.ok_with(200);
    let profile = shared().caller(&Tokens::of(&login).access).profile().await;
    assert_eq!(profile.ok()["user_id"], user.user_id.as_str());
}

#[tokio::test]
async fn an_unknown_account_looks_like_a_wrong_password() {
    let app = sqlite().start();
    let user = app.user().await;
    let wrong = app.anonymous().login(&user.email, "wrong password 1").await;
    let wrong = wrong.refused(40103);
    let unknown = app
        .anonymous()
        .login("nobody@example.com", "wrong password 1")
        .await;
    let unknown = unknown.refused(40103);
    assert_eq!(wrong.message, unknown.message);
    assert_eq!(wrong.data, unknown.data);
}

#[tokio::test]
async fn ten_failed_logins_close_the_account_for_a_while_and_no_other() {
    let app = sqlite().start();
    let (user, other) = (app.user().await, app.user().await);
    for _ in 0..10 {
        app.anonymous()
            .login(&user.email, "wrong password 1")
            .await
            .refused(40103);
    }
    let throttled = app.anonymous().login(&user.email, &user.password).await;
    let throttled = throttled.refused(42901);
    let wait_s: u64 = throttled.header("retry-after").parse().expect("seconds");
    assert!((1..=15 * 60).contains(&wait_s), "{wait_s} s");
    app.anonymous()
        .login(&other.email, &other.password)
        .await
        .ok();
    user.profile().await.ok();
}

#[tokio::test]
async fn an_unknown_account_is_throttled_like_a_known_one() {
    let app = sqlite().start();
    for _ in 0..10 {
        let answer = app
            .anonymous()
            .login("nobody@example.com", "wrong password 1")
            .await;
        answer.refused(40103);
    }
    let answer = app
        .anonymous()
        .login("nobody@example.com", "wrong password 1")
        .await;
    answer.refused(42901);
}

#[tokio::test]
async fn a_hundred_failures_close_the_door_to_their_address() {
    let app = sqlite()
        .config("trusted_proxies = [\"127.0.0.0/8\"]")
        .start();
    let user = app.user().await;
    let anonymous = app.anonymous();
    let tries: Vec<_> = (0..100)
        .map(|n| {
            let anonymous = anonymous.clone();
            async move {
                let email = format!("guess-{n}@example.com");
                anonymous
                    .login(&email, "wrong password 1")
                    .await
                    .refused(40103);
            }
        })
        .collect();
    futures_util::future::join_all(tries).await;
    anonymous
        .login(&user.email, &user.password)
        .await
        .refused(42901);
    // The address that a trusted proxy names is another one; what its client wrote before it is nothing.
    let body = json!({ "email": user.email, "password": user.password });
    let from = async |forwarded: &str| {
        let path = "/api/v1/auth/login";
        let send = anonymous.send(Method::POST, path, |request| {
            request.json(&body).header("x-forwarded-for", forwarded)
        });
        send.await
    };
    from("198.51.100.7").await.ok();
    from("198.51.100.7, 127.0.0.1").await.ok();
    from("198.51.100.7, nonsense").await.refused(42901);
}

#[tokio::test]
async fn a_login_with_a_bad_body_is_refused_by_field() {
    let anonymous = shared().anonymous();
    for body in [json!({}), json!({ "email": 7 }), json!([]), json!(null)] {
        let answer = anonymous.post("/api/v1/auth/login", &body).await;
        assert!(matches!(answer.code, 40001 | 40002), "{answer}");
    }
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_reuse_ends_the_session() {
    let user = shared().user().await;
    let first = user.refresh(&user.refresh_token).await.ok();
    let first = Tokens::of(&first);
    shared().caller(&first.access).profile().await.ok();

    user.refresh(&user.refresh_token).await.refused(40101);
    user.refresh(&first.refresh).await.refused(40101);
    shared()
        .caller(&first.access)
        .profile()
        .await
        .refused(40101);
}

#[tokio::test]
async fn reuse_ends_one_session_and_spares_the_others() {
    let user = shared().user().await;
    let other = Tokens::of(&user.login(&user.email, &user.password).await.ok());
    user.refresh(&user.refresh_token).await.ok();
    user.refresh(&user.refresh_token).await.refused(40101);
    shared().caller(&other.access).profile().await.ok();
}

#[tokio::test]
async fn of_refreshes_at_once_with_one_token_at_most_one_succeeds() {
    let user = shared().user().await;
    let tries = (0..8).map(|_| user.refresh(&user.refresh_token));
    let answers = futures_util::future::join_all(tries).await;
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(good <= 1, "{good} refreshes succeeded");
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        answer.refused(40101);
    }
}

#[tokio::test]
async fn an_access_token_does_not_refresh_and_a_refresh_token_opens_nothing() {
    let user = shared().user().await;
    user.refresh(user.token()).await.refused(40101);
    shared()
        .caller(&user.refresh_token)
        .profile()
        .await
        .refused(40101);
    user.refresh("nonsense").await.refused(40101);
    let body = json!({ "refresh_token": 5 });
    user.post("/api/v1/auth/refresh", &body)
        .await
        .refused(40001);
}

#[tokio::test]
async fn a_logout_ends_all_sessions_of_the_user() {
    let user = shared().user().await;
    let other = Tokens::of(&user.login(&user.email, &user.password).await.ok());
    user.logout().await.ok();
    user.profile().await.refused(40101);
    shared()
        .caller(&other.access)
        .profile()
        .await
        .refused(40101);
    user.refresh(&user.refresh_token).await.refused(40101);
    user.refresh(&other.refresh).await.refused(40101);
    user.login(&user.email, &user.password).await.ok();
}

#[tokio::test]
async fn a_profile_is_changed_by_its_user() {
    let user = shared().user().await;
    let body = json!({ "nickname": "  Zoë 🚢 " });
    user.put("/api/v1/auth/profile", &body).await.ok();
    assert_eq!(user.profile().await.ok()["nickname"], "Zoë 🚢");
    for nickname in ["x".repeat(65), "a\nb".to_owned()] {
        let body = json!({ "nickname": nickname });
        let answer = user.put("/api/v1/auth/profile", &body).await;
        answer.refused_field("nickname");
    }
    assert_eq!(user.profile().await.ok()["nickname"], "Zoë 🚢");
}

#[tokio::test]
async fn a_password_change_ends_all_sessions_and_the_old_password() {
    let user = shared().user().await;
    let change = |old: &str, new: &str| json!({ "old_password": old, "new_password": new });
    let path = "/api/v1/auth/password";
    user.put(path, &change("wrong password 1", "a new password 2"))
        .await
        .refused(40103);
    let weak = user.put(path, &change(&user.password, "weak")).await;
    weak.refused_field("new_password");
    user.profile().await.ok();

    user.put(path, &change(&user.password, "a new password 2"))
        .await
        .ok();
    user.profile().await.refused(40101);
    user.refresh(&user.refresh_token).await.refused(40101);
    user.login(&user.email, &user.password).await.refused(40103);
    user.login(&user.email, "a new password 2").await.ok();
}

#[tokio::test]
async fn without_a_token_the_account_routes_answer_40101() {
    let anonymous = shared().anonymous();
    anonymous.profile().await.refused(40101);
    anonymous.logout().await.refused(40101);
    let nickname = json!({ "nickname": "x" });
    anonymous
        .put("/api/v1/auth/profile", &nickname)
        .await
        .refused(40101);
    let passwords = json!({ "old_password": "a", "new_password": "b" });
    anonymous
        .put("/api/v1/auth/password", &passwords)
        .await
        .refused(40101);
}

#[tokio::test]
async fn a_wrong_method_and_an_unknown_path_have_their_codes() {
    let anonymous = shared().anonymous();
    anonymous.get("/api/v1/auth/login").await.refused(40501);
    anonymous
        .delete("/api/v1/auth/profile")
        .await
        .refused(40501);
    anonymous.get("/api/v1/auth/nothing").await.refused(40401);
    anonymous.get("/api/v1/nothing").await.refused(40401);
    anonymous.get("/nothing").await.refused(40401);
}

#[tokio::test]
async fn a_request_id_is_echoed_and_made_where_there_is_none_good() {
    let anonymous = shared().anonymous();
    let with = async |id: &str| {
        let answer = anonymous
            .send(Method::GET, "/api/v1/auth/profile", |request| {
                request.header("x-request-id", id)
            })
            .await;
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(with("abc-123").await, "abc-123");
    let long = "x".repeat(1000);
    let made = with(&long).await;
    assert!(!made.is_empty() && made.len() <= 128, "{made}");
    assert!(!anonymous.profile().await.header("x-request-id").is_empty());
}

/// Sends these bytes as a JSON body.
async fn login_with(body: Vec<u8>) -> tests::Answer {
    let anonymous = shared().anonymous();
    anonymous
        .send(Method::POST, "/api/v1/auth/login", |request| {
            request
                .header("content-type", "application/json")
                .body(body)
        })
        .await
}

#[tokio::test]
async fn json_that_is_none_is_refused_with_40002() {
    let invalid_utf8 = b"{\"email\":\"\xff\xfe@example.com\",\"password\":\"x\"}".to_vec();
    for body in [
        Vec::new(),
        b"{".to_vec(),
        b"email=a".to_vec(),
        b"{\"email\":\"a@b.cd\",}".to_vec(),
        b"{\"email\":\"a@example.com\",\"password\":\"x\"} {}".to_vec(),
        invalid_utf8,
    ] {
        login_with(body).await.refused(40002);
    }
}

#[tokio::test]
async fn nesting_a_hundred_thousand_deep_is_refused() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let in_known = format!("{{\"email\":{deep},\"password\":\"x\"}}");
    let in_unknown = format!("{{\"email\":\"a@example.com\",\"password\":\"x\",\"more\":{deep}}}");
    let objects = "{\"email\":".repeat(100_000);
    for body in [deep, in_known, in_unknown, objects] {
        let answer = login_with(body.into_bytes()).await;
        assert!(matches!(answer.code, 40001 | 40002), "{answer}");
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let anonymous = shared().anonymous();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "",
    ] {
        let answer = anonymous
            .send(Method::POST, "/api/v1/auth/login", |request| {
                request
                    .header("content-type", kind)
                    .body("{\"email\":\"a@example.com\",\"password\":\"x\"}")
            })
            .await;
        answer.refused(41501);
    }
}

#[tokio::test]
async fn a_field_given_twice_is_refused() {
    let body = br#"{"email":"a@example.com","email":"b@example.com","password":"letters4numbers"}"#;
    let answer = login_with(body.to_vec()).await;
    assert!(matches!(answer.code, 40001 | 40002), "{answer}");
}

#[tokio::test]
async fn a_body_of_five_mebibytes_is_too_large() {
    let body = json!({ "email": "a@example.com", "password": "x".repeat(5 * 1024 * 1024) });
    let body = serde_json::to_vec(&body).expect("JSON");
    login_with(body.clone()).await.refused(41301);

    // Also where its length is not announced.
    let chunks = body
        .chunks(64 * 1024)
        .map(<[u8]>::to_vec)
        .map(Ok::<_, std::io::Error>);
    let chunks: Vec<_> = chunks.collect();
    let anonymous = shared().anonymous();
    let answer = anonymous
        .send(Method::POST, "/api/v1/auth/login", |request| {
            let stream = futures_util::stream::iter(chunks);
            request
                .header("content-type", "application/json")
                .body(reqwest::Body::wrap_stream(stream))
        })
        .await;
    answer.refused(41301);
}

#[tokio::test]
async fn fields_of_wrong_types_are_refused_with_40001() {
    for body in [
        json!({ "email": 1, "password": "letters4numbers" }),
        json!({ "email": null, "password": "letters4numbers" }),
        json!({ "email": "a@example.com", "password": ["letters4numbers"] }),
        json!({ "email": { "$ne": "" }, "password": { "$ne": "" } }),
        json!({ "password": "letters4numbers" }),
        json!(["a@example.com", "letters4numbers", null]),
        json!("text"),
        Value::Bool(true),
    ] {
        shared()
            .anonymous()
            .post("/api/v1/auth/register", &body)
            .await
            .refused(40001);
    }
}
