//! `/api/v1/openapi.json`, and ten thousand requests made from it (PF-6, PF-7).

mod generate;

use crate::{shared, sqlite};
use futures_util::{StreamExt as _, stream};
use generate::{Generator, Wanted};
use reqwest::{Client, Method};
use tests::{Answer, Caller, Contract, User, media};

/// Requests in all, and at once.
const REQUESTS: usize = 10_000;
const AT_ONCE: usize = 16;

#[tokio::test]
async fn the_document_is_served_to_everybody_as_openapi_3_1() {
    let answer = shared().anonymous().get("/api/v1/openapi.json").await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.header("content-type"), "application/json");
    let document: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1."))
    );
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() >= 20, "only {} paths", paths.len());
    let answer = shared()
        .anonymous()
        .post("/api/v1/openapi.json", &serde_json::json!({}))
        .await;
    answer.refused(40501);
}

/// Who sends a generated request.
struct Cast<'a> {
    users: [User<'a>; 2],
    /// Of whom requests may end the session.
    leaving: User<'a>,
    admin: Caller<'a>,
}

impl Cast<'_> {
    fn token(&self, wanted: &Wanted) -> Option<String> {
        let token = match wanted.caller {
            0 => return None,
            1 => "eyJhbGciOiJIUzI1NiJ9.e30.x",
            2 => self.admin.token(),
            _ if wanted.path.ends_with("/logout") => self.leaving.token(),
            _ if wanted.path.starts_with("/admin/") && wanted.caller < 20 => self.admin.token(),
            caller => self.users[usize::from(caller % 2)].token(),
        };
        Some(token.to_owned())
    }
}

async fn send(client: &Client, base: &str, cast: &Cast<'_>, wanted: Wanted) -> Answer {
    let name = format!("{wanted:?}");
    let method = Method::from_bytes(wanted.method.as_bytes()).expect("a method");
    let mut request = client.request(method, format!("{base}{}", wanted.path));
    request = request.query(&wanted.query);
    if let Some(token) = cast.token(&wanted) {
        request = request.bearer_auth(token);
    }
    if let Some(key) = &wanted.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    if let Some((kind, body)) = wanted.body {
        request = request.header("content-type", kind).body(body);
    }
    let response = request
        .send()
        .await
        .unwrap_or_else(|error| panic!("{name}: {error:?}"));
    Answer::read(name, response).await
}

#[tokio::test]
async fn ten_thousand_generated_requests_yield_no_5xx_and_only_promised_answers() {
    let app = sqlite().start();
    let document = app.anonymous().get("/api/v1/openapi.json").await;
    let document = serde_json::from_slice(&document.body).expect("JSON");
    let contract = Contract::of(document);
    let cast = Cast {
        users: [app.user().await, app.user().await],
        leaving: app.user().await,
        admin: app.admin().await,
    };
    let shelf = media().shelf();
    let (task_id, _) = cast.users[0].submit(&shelf.url("clip.mp4")).await;
    cast.users[0].succeeded(&task_id).await;

    let seed: u64 = std::env::var("WHARF_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20);
    println!("seed {seed}; another one with WHARF_TEST_SEED");
    let mut generator = Generator::new(contract.document(), seed, &task_id, &shelf.url("404.mp4"));
    let client = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(std::time::Duration::from_secs(60))
        .build()
        .expect("a client");
    let requests: Vec<Wanted> = (0..REQUESTS).map(|_| generator.next()).collect();
    let mut answers = stream::iter(requests)
        .map(|wanted| async {
            let (method, path) = (wanted.method.clone(), wanted.path.clone());
            let answer = send(&client, app.base(), &cast, wanted).await;
            (method, path, answer)
        })
        .buffer_unordered(AT_ONCE);
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    while let Some((method, path, answer)) = answers.next().await {
        *statuses.entry(answer.status).or_default() += 1;
        assert!(answer.status < 500, "{answer}");
        if answer.status >= 400 {
            assert_eq!(i64::from(answer.status), answer.code / 100, "{answer}");
        }
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        contract.check(&method, &path, &answer);
    }
    println!("{statuses:?}");
    // They must have reached further than the doors.
    let good: usize = statuses.range(200..400).map(|(_, count)| count).sum();
    assert!(
        good > REQUESTS / 50,
        "only {good} requests succeeded: {statuses:?}"
    );
}
