//! What the page weighs and how it is served.

use crate::shared;
use reqwest::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use serde_json::Value;
use tests::{Browser, Device, workspace_root};

/// Compressed, all that a first visit fetches.
const PAGE_BYTES_MAX: u64 = 100 * 1024;

#[tokio::test]
async fn a_first_visit_fetches_less_than_a_hundred_kibibytes() {
    let app = shared();
    let Some(browser) = Browser::open(app, Device::DESK).await else {
        return;
    };
    let fetched = "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')] \
        .map((entry) => [entry.name, entry.encodedBodySize])";
    let fetched = browser.run(fetched).await;
    let fetched: Vec<(String, u64)> = serde_json::from_value(fetched).expect("names and sizes");
    let bytes: u64 = fetched.iter().map(|(_, size)| size).sum();
    println!("{} requests, {bytes} bytes", fetched.len());
    assert!(bytes > 0 && bytes < PAGE_BYTES_MAX, "{bytes}: {fetched:#?}");
    let elsewhere: Vec<_> = fetched
        .iter()
        .filter(|(name, _)| !name.starts_with(app.base()))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    browser.close().await;
}

#[tokio::test]
async fn the_page_is_served_with_its_policy_and_not_again_when_it_has_not_changed() {
    let app = shared();
    let client = reqwest::Client::new();
    let page = client.get(app.base()).send().await.expect("an answer");
    assert_eq!(page.status(), 200);
    let header = |name: &str| page.headers()[name].to_str().expect("a text").to_owned();
    let policy = header("content-security-policy");
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let again = client
        .get(app.base())
        .header(IF_NONE_MATCH, header("etag"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(again.status(), 304);

    let script = format!("{}/console/language/index.js", app.base());
    let packed = client
        .get(&script)
        .header(ACCEPT_ENCODING, "gzip")
        .send()
        .await
        .expect("an answer");
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let plain = client.get(&script).send().await.expect("an answer");
    assert!(!plain.headers().contains_key("content-encoding"));
    let source = std::fs::read(workspace_root().join("shared/language/index.js")).expect("a file");
    assert!(
        plain.bytes().await.expect("a body") == source,
        "the served module is another"
    );

    let missing = client
        .get(format!("{}/console/nothing.js", app.base()))
        .send()
        .await
        .expect("an answer");
    assert_eq!(missing.status(), 404);
    assert_eq!(missing.json::<Value>().await.expect("JSON")["code"], 40401);
    let posted = client.post(app.base()).send().await.expect("an answer");
    assert_eq!(posted.status(), 405);
}
