//! `/admin/api/v1/proxies/…`: the policy, and what rented proxies were used for (VA-5, VA-16).

use super::is_logged;
use crate::{reaching, sqlite};
use serde_json::json;
use tests::{Builder, Manner, PATIENCE, Provider, TestApp, eventually, media};

#[tokio::test]
async fn a_policy_is_replaced_as_a_whole_and_names_who_decided() {
    let app = sqlite().start();
    let admin = app.admin().await;
    let before = admin.get("/admin/api/v1/proxies").await.ok();
    let default =
        json!({ "mode": "always", "direct_sites": [], "updated_at": null, "updated_by": null });
    assert_eq!(before["policy"], default, "{before:#}");
    assert_eq!(before["last_day"], json!({}));

    let policy = json!({ "mode": "on_refusal", "direct_sites": ["WWW.Media.example", "b.test:8080", "media.example"] });
    let decided = admin
        .put("/admin/api/v1/proxies/policy", &policy)
        .await
        .ok();
    assert_eq!(decided["mode"], "on_refusal");
    assert_eq!(
        decided["direct_sites"],
        json!(["b.test:8080", "media.example"])
    );
    assert!(
        decided["updated_by"]
            .as_str()
            .is_some_and(|by| by.contains('@')),
        "{decided:#}"
    );
    let after = admin.get("/admin/api/v1/proxies").await.ok();
    assert_eq!(after["policy"], decided);
    assert!(is_logged(&app.log(), "set_proxy_policy", "on_refusal"));

    let put = async |policy| admin.put("/admin/api/v1/proxies/policy", &policy).await;
    let bad = json!({ "mode": "sometimes", "direct_sites": [] });
    put(bad).await.refused_field("mode");
    for site in ["http://a.test", "a b", "a.test/x", "a.test:0x"] {
        let bad = json!({ "mode": "always", "direct_sites": [site] });
        put(bad).await.refused_field("direct_sites");
    }
    let many: Vec<String> = (0..1001).map(|n| format!("{n}.test")).collect();
    let bad = json!({ "mode": "always", "direct_sites": many });
    put(bad).await.refused_field("direct_sites");
    put(json!({ "mode": "always" })).await.refused(40001);
    let kept = admin.get("/admin/api/v1/proxies").await.ok();
    assert_eq!(kept["policy"], decided, "a refused policy was kept");
    let events = "/admin/api/v1/proxies/events?page_size=0";
    admin.get(events).await.refused_field("page_size");
}

async fn uses_are_listed(builder: Builder) {
    let provider = Provider::start(1).await;
    let proxy = provider.proxies[0].address.to_string();
    let app = reaching(builder)
        .config(&provider.config())
        .config("queue = { max_retries = 0 }")
        .allow(&proxy)
        .start();
    let (user, admin) = (app.user().await, app.admin().await);
    let shelf = media().shelf();
    let (through, _) = user.submit(&shelf.url("clip.mp4")).await;
    user.succeeded(&through).await;
    provider.behave(Manner::Fails);
    let (without, _) = user.submit(&shelf.url("a.clip.mp4")).await;
    assert_eq!(user.finished(&without).await["status"], "dead");

    let seen = eventually("both uses are noted", PATIENCE, async || {
        let seen = admin.get("/admin/api/v1/proxies").await.ok();
        let is_whole = seen["last_day"] == json!({ "succeeded": 1, "proxy_unavailable": 1 });
        (is_whole && seen["configured"] == true).then_some(seen)
    })
    .await;
    assert_eq!(seen["breakers"][0]["state"], "closed", "{seen:#}");
    let events = admin
        .get("/admin/api/v1/proxies/events?page_size=1")
        .await
        .ok();
    assert_eq!(
        (&events["total"], &events["items"][0]["task_id"]),
        (&json!(2), &json!(without))
    );
    assert_eq!(events["items"][0]["proxy"], json!(null), "{events:#}");
    let events = admin
        .get("/admin/api/v1/proxies/events?page_size=1&page=2")
        .await
        .ok();
    let first = &events["items"][0];
    assert_eq!(
        (
            &first["task_id"],
            &first["proxy"],
            &first["outcome"],
            &first["attempt"]
        ),
        (
            &json!(through),
            &json!(proxy),
            &json!("succeeded"),
            &json!(1)
        ),
        "{events:#}"
    );

    // The policy counts from the next attempt on: the provider is not asked.
    let direct = json!({ "mode": "never", "direct_sites": [] });
    admin
        .put("/admin/api/v1/proxies/policy", &direct)
        .await
        .ok();
    let calls = provider.calls();
    let (task_id, _) = user.submit(&shelf.url("b.clip.mp4")).await;
    user.succeeded(&task_id).await;
    assert_eq!(provider.calls(), calls);
}

#[tokio::test]
async fn every_use_of_a_proxy_is_listed_with_what_came_of_it_on_sqlite() {
    uses_are_listed(TestApp::sqlite()).await;
}

#[tokio::test]
async fn every_use_of_a_proxy_is_listed_with_what_came_of_it_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        uses_are_listed(builder).await;
    }
}
