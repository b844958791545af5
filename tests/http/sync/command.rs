//! `wharf sync now|status|dead` and `wharf up --site`: the machine's own operator (DS-7, DS-10).

use crate::sqlite;
use serde_json::{Value, json};
use tests::{PATIENCE, Shop, TestApp, eventually};

/// What a command prints, which must succeed.
fn said(app: &TestApp, arguments: &[&str]) -> String {
    let output = app.run(arguments, "");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn answered(app: &TestApp, arguments: &[&str]) -> Value {
    let text = said(app, &[arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// What a command complains about, which must fail.
fn refused(app: &TestApp, arguments: &[&str]) -> String {
    let output = app.run(arguments, "");
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

fn row(syn_id: &str) -> Value {
    json!({ "syn_id": syn_id, "business_type": "member", "entity": "m:1", "data_detail": { "n": 1 } })
}

#[tokio::test]
async fn a_run_is_asked_for_on_the_machine_of_the_site() {
    let (shop, head) = (Shop::start().await, Shop::start().await);
    let cloud = sqlite().cloud(&head).start();
    let made = cloud.site_code(&["a"]);
    let code = made["code"].as_str().expect("a code");
    let site = sqlite()
        .site(cloud.base(), code, &shop)
        .config("site = { interval_s = 3600 }")
        .start();
    // The first start is a run of its own.
    eventually("the first run ends", PATIENCE, async || {
        let status = answered(&site, &["sync", "status"]);
        status["last_run"].is_string().then_some(())
    })
    .await;
    site.user().await.hand_in(&[row("1")]).await.ok();
    assert_eq!(answered(&site, &["sync", "status"])["backlog"], 1);
    let status = answered(&site, &["sync", "now"]);
    assert_eq!(
        (&status["role"], &status["backlog"], &status["upstream_ok"]),
        (&json!("site"), &json!(0), &json!(true))
    );
    assert!(status["last_push"].is_string(), "{status}");
    assert_eq!(site.user().await.sync_status().await.ok(), status);
    let told = said(&site, &["sync", "status"]);
    assert!(
        told.starts_with("site: 0 waiting, 0 dead, 0 held\n"),
        "{told}"
    );
    assert!(told.contains("the cloud answers"), "{told}");
    let wrong = refused(&cloud, &["sync", "now"]);
    assert!(wrong.contains("This is the cloud"), "{wrong}");
}

#[tokio::test]
async fn a_dead_row_is_listed_and_freed_on_the_machine() {
    let head = Shop::start().await;
    let cloud = sqlite().cloud(&head).start();
    let site = cloud.site("g").await;
    head.refuse("1", 3);
    site.push("b", &[row("1"), row("2")]).await.ok();
    eventually("the row is dead", PATIENCE, async || {
        let status = answered(&cloud, &["sync", "status"]);
        (status["dead"] == 1).then_some(())
    })
    .await;
    let status = said(&cloud, &["sync", "status"]);
    assert_eq!(status, "cloud: 0 waiting, 1 dead, 1 held\n");
    let dead = answered(&cloud, &["sync", "dead"]);
    let item = &dead["items"][0];
    assert_eq!(
        (&dead["total"], &item["syn_id"], &item["held"]),
        (&json!(1), &json!("1"), &json!(1))
    );
    let listed = said(&cloud, &["sync", "dead"]);
    assert!(
        listed.starts_with("1  member  m:1  没有这件商品 (1 held)\n"),
        "{listed}"
    );
    for (arguments, word) in [
        (&["1"][..], "--retry"),
        (&["1", "--retry", "--skip"], "--skip"),
        (&["1", "--edit", "{"], "JSON"),
        (&["1", "--retry", "--from", "nobody"], "dead row"),
        (&["--skip"], "SYN_ID"),
    ] {
        let wrong = refused(&cloud, &[&["sync", "dead"], arguments].concat());
        assert!(wrong.contains(word), "{arguments:?}: {wrong}");
    }
    let edit = ["sync", "dead", "1", "--edit", r#"{"n":2}"#, "--from"];
    said(&cloud, &[&edit[..], &[&site.site_id]].concat());
    eventually("both are applied", PATIENCE, async || {
        (head.applied_count() == 2).then_some(())
    })
    .await;
    assert_eq!(answered(&cloud, &["sync", "dead"])["total"], 0);
}

#[tokio::test]
async fn what_is_meant_to_be_a_shops_server_does_not_become_a_cloud() {
    let app = sqlite().start();
    let wrong = refused(&app, &["up", "--site", "--listen", "127.0.0.1:0"]);
    assert!(wrong.contains("site.upstream"), "{wrong}");
}
