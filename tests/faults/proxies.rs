//! Rented proxies (VA-5): a real provider, real authenticated forward proxies, and what goes wrong with them.

use crate::{processes_in, sqlite};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tests::{
    Builder, Manner, PATIENCE, PROVIDER_KEY, PROXY_PASSWORD, Provider, Service, TestApp, clip,
    eventually, media, proxy_credentials,
};

/// An app that rents here and reaches the proxies; sites cool down at once.
fn renting(provider: &Provider) -> Builder {
    let mut builder = sqlite()
        .config(&provider.config())
        .config("media = { site_cooldown_s = 0 }");
    for proxy in &provider.proxies {
        builder = builder.allow(&proxy.address.to_string());
    }
    builder
}

/// The attempts of the only dead letter.
async fn attempts_of_the_dead_letter(app: &TestApp) -> Vec<Value> {
    let letters = app
        .admin()
        .await
        .get("/admin/api/v1/dead-letters")
        .await
        .ok();
    assert_eq!(letters["total"], 1, "{letters:#}");
    letters["items"][0]["attempts"]
        .as_array()
        .expect("a list")
        .clone()
}

#[tokio::test]
async fn every_request_of_an_attempt_goes_through_the_proxy_that_was_rented_for_it() {
    for manner in [Manner::Text, Manner::Json] {
        let provider = Provider::start(1).await;
        provider.behave(manner);
        let app = renting(&provider).start();
        let shelf = media().shelf();
        let user = app.user().await;
        user.parse(&shelf.url("clip.mp4")).await.ok();
        let (task_id, _) = user.submit(&shelf.url("hls/index.m3u8")).await;
        user.succeeded(&task_id).await;
        assert_eq!(
            provider.calls(),
            2,
            "one for the parse, one for the attempt"
        );
        let passed = provider.proxies[0].passed().len();
        assert_eq!(
            passed,
            shelf.seen().len(),
            "{manner:?}: some went another way"
        );
    }
}

#[tokio::test]
async fn neither_password_nor_key_is_seen_anywhere() {
    let provider = Provider::start(1).await;
    let app = renting(&provider).start();
    let shelf = media().shelf();
    let user = app.user().await;
    let (task_id, _) = user.submit(&shelf.url("slow.mp4")).await;
    let processes = eventually("yt-dlp runs", PATIENCE, async || {
        let found = processes_in(&app);
        (!found.is_empty() && !shelf.seen_of("slow.mp4").is_empty()).then_some(found)
    })
    .await;
    assert!(!processes.is_empty());
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        for file in ["cmdline", "environ"] {
            // Our own process holds both in its memory, and is not the product.
            let is_ours = entry.file_name().to_string_lossy() == std::process::id().to_string();
            let text = std::fs::read(entry.path().join(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            assert!(
                is_ours || !text.contains(PROXY_PASSWORD),
                "{:?}/{file}",
                entry.path()
            );
            assert!(
                is_ours || !text.contains(PROVIDER_KEY),
                "{:?}/{file}",
                entry.path()
            );
        }
    }
    shelf.release();
    let task = user.succeeded(&task_id).await;
    let log = app.log();
    for secret in [PROXY_PASSWORD, PROVIDER_KEY] {
        assert!(!log.contains(secret), "the log holds {secret}");
        assert!(!task.to_string().contains(secret));
    }
}

#[tokio::test]
async fn a_site_that_refuses_is_asked_again_through_another_proxy() {
    for status in [403, 429] {
        let provider = Provider::start(3).await;
        let app = renting(&provider).start();
        let shelf = media().shelf();
        shelf.refuse(status, 2);
        let user = app.user().await;
        let (task_id, _) = user.submit(&shelf.url("picky.mp4")).await;
        let task = user.succeeded(&task_id).await;
        assert_eq!(task["result"]["sha256"], clip().sha256);
        let used = provider
            .proxies
            .iter()
            .filter(|proxy| !proxy.passed().is_empty());
        assert!(
            used.count() >= 2,
            "{status}: the same proxy again: {task:#}"
        );
    }
}

#[tokio::test]
async fn a_dead_letter_names_the_proxy_of_every_attempt() {
    let provider = Provider::start(4).await;
    let app = renting(&provider).start();
    let shelf = media().shelf();
    let user = app.user().await;
    let (task_id, _) = user.submit(&shelf.url("403.mp4")).await;
    let task = user.finished(&task_id).await;
    assert_eq!(
        (&task["status"], &task["error"]["code"]),
        (&"dead".into(), &"forbidden".into())
    );
    let attempts = attempts_of_the_dead_letter(&app).await;
    let named: BTreeSet<String> = attempts
        .iter()
        .map(|attempt| attempt["proxy"].as_str().expect("a proxy").to_owned())
        .collect();
    let rented = provider
        .proxies
        .iter()
        .map(|proxy| proxy.address.to_string());
    assert_eq!(
        (attempts.len(), named),
        (4, rented.collect()),
        "{attempts:#?}"
    );
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt["refused"] == true && attempt["at"].is_string())
    );
    // Each proxy was used, and for its own attempt alone: uses and attempts name the same pairs.
    assert!(
        provider
            .proxies
            .iter()
            .all(|proxy| !proxy.passed().is_empty())
    );
    let uses = app
        .admin()
        .await
        .get("/admin/api/v1/proxies/events")
        .await
        .ok();
    let pairs = |list: &[Value]| -> BTreeSet<(i64, String)> {
        let pair = |it: &Value| {
            let proxy = it["proxy"].as_str().expect("a proxy").to_owned();
            (it["attempt"].as_i64().expect("a number"), proxy)
        };
        list.iter().map(pair).collect()
    };
    let used = uses["items"].as_array().expect("a list");
    assert_eq!(pairs(used), pairs(&attempts), "{uses:#}");
}

/// Decides when attempts go through a proxy.
async fn decide(app: &TestApp, policy: Value) {
    let admin = app.admin().await;
    admin
        .put("/admin/api/v1/proxies/policy", &policy)
        .await
        .ok();
}

#[tokio::test]
async fn only_after_a_refusal_is_a_proxy_rented_where_that_is_the_policy() {
    let provider = Provider::start(1).await;
    let app = renting(&provider).start();
    decide(&app, json!({ "mode": "on_refusal", "direct_sites": [] })).await;
    let shelf = media().shelf();
    let user = app.user().await;
    let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
    user.succeeded(&task_id).await;
    assert_eq!(provider.calls(), 0, "a proxy was rented without a refusal");

    let direct = shelf.seen().len();
    shelf.refuse(403, 1);
    let (task_id, _) = user.submit(&shelf.url("picky.mp4")).await;
    let task = user.succeeded(&task_id).await;
    assert_eq!(task["attempt"], 2, "{task:#}");
    assert_eq!(provider.calls(), 1);
    // The refused request went directly, everything behind it through the proxy.
    let passed = provider.proxies[0].passed().len();
    let refused = shelf.seen().len() - direct - passed;
    assert_eq!((refused, passed > 0), (1, true), "{:?}", shelf.seen());
}

#[tokio::test]
async fn a_site_that_is_to_be_reached_directly_is_never_asked_through_a_proxy() {
    let provider = Provider::start(1).await;
    let app = renting(&provider).start();
    let [site, _] = media().addresses();
    decide(&app, json!({ "mode": "always", "direct_sites": [site] })).await;
    let shelf = media().shelf();
    let user = app.user().await;
    user.parse(&shelf.url("clip.mp4")).await.ok();
    let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
    user.succeeded(&task_id).await;
    // A refusal is as final as without any proxy.
    let (task_id, _) = user.submit(&shelf.url("403.mp4")).await;
    let task = user.finished(&task_id).await;
    assert_eq!(
        (&task["status"], &task["attempt"]),
        (&"failed".into(), &1.into()),
        "{task:#}"
    );
    assert_eq!(
        (provider.calls(), provider.proxies[0].passed().len()),
        (0, 0)
    );

    decide(
        &app,
        json!({ "mode": "always", "direct_sites": ["media.example"] }),
    )
    .await;
    let (task_id, _) = user.submit(&shelf.url("a.clip.mp4")).await;
    user.succeeded(&task_id).await;
    assert_eq!(provider.calls(), 1, "another site is not meant");
}

#[tokio::test]
async fn a_proxy_that_fails_gives_nobody_its_password() {
    let services = [
        (Service::Refuses, "proxy_failed"),
        (Service::Down, "proxy_failed"),
        (Service::HangsUp, "network"),
        (Service::Forbids, "forbidden"),
    ];
    for (service, code) in services {
        let provider = Provider::start(1).await;
        provider.proxies[0].serve_as(service);
        let app = renting(&provider)
            .config("queue = { max_retries = 1 }")
            .env("WHARF_LOG", "info,access=debug,runtime=debug,wharf=debug")
            .start();
        let shelf = media().shelf();
        let user = app.user().await;
        let (plain, _) = user.submit(&shelf.url("clip.mp4")).await;
        // A tunnel.
        let url = shelf.url("clip.mp4").replacen("http:", "https:", 1);
        let (tunnelled, _) = user.submit(&url).await;
        let parsed = user.parse(&shelf.url("clip.mp4")).await;
        assert_ne!(parsed.code, 0, "{parsed}");
        let mut shown = parsed.to_string();
        for task_id in [&plain, &tunnelled] {
            let task = user.finished(task_id).await;
            assert_eq!(task["status"], "dead", "{service:?}: {task:#}");
            shown += &task.to_string();
        }
        let task = user.task(&plain).await.ok();
        assert_eq!(task["error"]["code"], code, "{service:?}: {task:#}");
        let admin = app.admin().await;
        for path in ["dead-letters", "proxies", "proxies/events", "queue"] {
            let answer = admin.get(&format!("/admin/api/v1/{path}")).await;
            shown += &answer.ok().to_string();
        }
        shown += &app.log();
        // It was told to the proxy, and stands nowhere else.
        assert!(shown.contains(&provider.proxies[0].address.to_string()));
        let encoded = proxy_credentials();
        let encoded = encoded.trim_start_matches("Basic ");
        for secret in [PROXY_PASSWORD, PROVIDER_KEY, encoded] {
            let line = shown.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{service:?}");
        }
    }
}

#[tokio::test]
async fn without_a_proxy_a_refusal_is_final() {
    let app = sqlite().start();
    let shelf = media().shelf();
    let user = app.user().await;
    let (task_id, _) = user.submit(&shelf.url("403.mp4")).await;
    let task = user.finished(&task_id).await;
    assert_eq!(
        (&task["status"], &task["attempt"]),
        (&"failed".into(), &1.into()),
        "{task:#}"
    );
}

#[tokio::test]
async fn a_call_that_fails_is_a_failure_that_may_pass() {
    for manner in [Manner::Fails, Manner::Garbage, Manner::Silent] {
        let provider = Provider::start(1).await;
        provider.behave(manner);
        let app = renting(&provider)
            .config("queue = { max_retries = 1 }")
            .start();
        let shelf = media().shelf();
        let user = app.user().await;
        let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
        let task = user.finished(&task_id).await;
        let found = (&task["status"], &task["error"]["code"]);
        assert_eq!(
            found,
            (&"dead".into(), &"proxy_unavailable".into()),
            "{manner:?}: {task:#}"
        );
        assert_eq!(
            (provider.calls(), shelf.seen().len()),
            (2, 0),
            "{manner:?}: the site was reached"
        );
        provider.behave(Manner::Text);
        let admin = app.admin().await;
        let replay = format!("/admin/api/v1/dead-letters/{task_id}/replay");
        admin.post(&replay, &json!({})).await.ok();
        user.succeeded(&task_id).await;
    }
}

#[tokio::test]
async fn an_inner_address_is_no_proxy() {
    let provider = Provider::start(1).await;
    let app = sqlite()
        .config(&provider.config())
        .config("queue = { max_retries = 0 }")
        .start();
    let shelf = media().shelf();
    let user = app.user().await;
    let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
    let task = user.finished(&task_id).await;
    assert_eq!(task["error"]["code"], "proxy_failed", "{task:#}");
    assert!(provider.proxies[0].passed().is_empty() && shelf.seen().is_empty());
}

#[tokio::test]
async fn a_provider_that_fails_is_left_alone_and_no_task_pays_for_it() {
    let provider = Provider::start(1).await;
    provider.behave(Manner::Fails);
    let app = renting(&provider)
        .config("queue = { max_retries = 0 }")
        .config("media = { concurrency = 1 }")
        .config("quota = { user = 100 }")
        .start();
    let shelf = media().shelf();
    let user = app.user().await;
    let mut tasks = Vec::new();
    for n in 0..24 {
        tasks.push(user.submit(&shelf.url(&format!("{n}.clip.mp4"))).await.0);
    }
    // More than 20 calls, all of them failed: the 21st opens the breaker.
    eventually("the breaker opens", PATIENCE, async || {
        app.log().contains("\"state\":\"open\"").then_some(())
    })
    .await;
    assert_eq!(provider.calls(), 21);
    provider.behave(Manner::Text);
    let mut ended = Vec::new();
    for task_id in &tasks {
        ended.push(user.finished(task_id).await["status"].clone());
    }
    let of = |status: &str| ended.iter().filter(|ended| *ended == status).count();
    assert_eq!((of("dead"), of("succeeded")), (21, 3), "{ended:?}");
    assert_eq!(provider.calls(), 24, "a probe for each of the three");
}
