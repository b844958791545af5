//! `/api/v1/resources/…`: published, seen by whom it may be, changed, deleted (SH-7, SH-8, SH-12).

use crate::{UNKNOWN_ID, reaching, shared};
use serde_json::{Value, json};
use shared::limits::RESOURCES_PENDING_MAX;
use tests::{TestApp, publication, share_url, unique};

#[tokio::test]
async fn a_resource_is_its_publishers_alone_until_a_reviewer_approves_it_on_sqlite() {
    publish_and_approve(shared()).await;
}

#[tokio::test]
async fn a_resource_is_its_publishers_alone_until_a_reviewer_approves_it_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        publish_and_approve(&reaching(builder).start()).await;
    }
}

async fn publish_and_approve(app: &TestApp) {
    let (publisher, other) = (app.user().await, app.user().await);
    let (visitor, reviewer) = (app.anonymous(), app.reviewer().await);
    let body = publication("Rust 课程", "12.50");
    let resource = publisher.publish(&body).await.ok_with(201);
    let resource_id = resource["resource_id"].as_str().expect("an id");
    assert_eq!(resource["state"], "pending", "{resource:#}");
    assert_eq!(resource["price"], "12.50");
    assert_eq!(resource["total_size"], 1_048_576);
    assert_eq!(
        resource["directory"][0]["children"][0]["name"],
        "第一课.mp4"
    );
    assert_eq!(
        (&resource["url"], &resource["code"]),
        (&body["url"], &body["code"])
    );
    assert_eq!(resource["publish_time"], json!(null));
    visitor.resource(resource_id).await.refused(40401);
    other.resource(resource_id).await.refused(40401);

    let review_id = reviewer.review_of("resource", resource_id).await;
    let decided = reviewer.decide(&review_id, "approve", None).await.ok();
    assert_eq!(decided["state"], "approved", "{decided:#}");
    reviewer
        .decide(&review_id, "reject", None)
        .await
        .refused(40901);

    for caller in [&visitor, &other] {
        let seen = caller.resource(resource_id).await.ok();
        assert_eq!(seen["state"], "ok", "{seen:#}");
        assert!(seen["publish_time"].is_string());
        assert_eq!(seen["publisher"]["user_id"], publisher.user_id);
        assert!(
            seen.get("url").is_none() && seen.get("code").is_none(),
            "{seen:#}"
        );
    }
    let own = publisher.get("/api/v1/resources").await.ok();
    assert_eq!(own["total"], 1);
    assert_eq!(own["items"][0]["state"], "ok");
    assert!(own["items"][0].get("url").is_none());
}

#[tokio::test]
async fn everybody_may_open_what_is_free() {
    let (publisher, reviewer) = (shared().user().await, shared().reviewer().await);
    let body = publication("free", "0.00");
    let resource_id = publisher.published(&body, &reviewer).await;
    let seen = shared().anonymous().resource(&resource_id).await.ok();
    assert_eq!((&seen["url"], &seen["code"]), (&body["url"], &body["code"]));
    // With a price it is closed again.
    publisher
        .change_resource(&resource_id, &json!({ "price": "1" }))
        .await
        .ok();
    let seen = shared().anonymous().resource(&resource_id).await.ok();
    assert_eq!(seen["price"], "1.00");
    assert!(
        seen.get("url").is_none() && seen.get("code").is_none(),
        "{seen:#}"
    );
}

#[tokio::test]
async fn another_link_goes_to_review_again_and_other_changes_do_not() {
    let (publisher, reviewer) = (shared().user().await, shared().reviewer().await);
    let body = publication("before", "1.00");
    let resource_id = publisher.published(&body, &reviewer).await;
    let same_link = json!({
        "title": "after", "bio": "new", "price": "2.5", "url": body["url"], "code": body["code"],
    });
    let changed = publisher
        .change_resource(&resource_id, &same_link)
        .await
        .ok();
    assert_eq!(changed["state"], "ok", "{changed:#}");
    assert_eq!(
        (&changed["title"], &changed["price"]),
        (&json!("after"), &json!("2.50"))
    );
    // A reviewer has seen the files; there are others with another link.
    let mut files = json!({ "directory": [{ "name": "a.txt", "type": "file", "size": 7 }] });
    publisher
        .change_resource(&resource_id, &files)
        .await
        .refused(40901);
    files["code"] = json!("zzzz");
    let changed_files = publisher.change_resource(&resource_id, &files).await.ok();
    assert_eq!(changed_files["total_size"], 7, "{changed_files:#}");

    let first = publisher
        .change_resource(&resource_id, &json!({ "url": share_url(), "code": "aaaa" }))
        .await
        .ok();
    assert_eq!(
        (&first["state"], &first["code"]),
        (&json!("pending"), &json!("aaaa"))
    );
    assert_eq!(first["check_pending"], true);
    shared()
        .anonymous()
        .resource(&resource_id)
        .await
        .refused(40401);
    let outdated = reviewer.review_of("resource", &resource_id).await;
    // A reviewer decides about the link and the texts that stand, not about those that were replaced meanwhile.
    let mut outdated = outdated;
    for change in [
        json!({ "code": "bbbb" }),
        json!({ "title": "later" }),
        json!({ "bio": "b" }),
    ] {
        publisher.change_resource(&resource_id, &change).await.ok();
        reviewer
            .decide(&outdated, "approve", None)
            .await
            .refused(40401);
        outdated = reviewer.review_of("resource", &resource_id).await;
    }
    // The code that came with a copied link is the new one.
    let url = format!("{}?pwd=cccc", changed["url"].as_str().expect("a link"));
    let copied = publisher
        .change_resource(&resource_id, &json!({ "url": url }))
        .await
        .ok();
    assert_eq!(copied["code"], "cccc", "{copied:#}");
    let review_id = reviewer.review_of("resource", &resource_id).await;
    reviewer.decide(&review_id, "approve", None).await.ok();
    let seen = shared().anonymous().resource(&resource_id).await.ok();
    assert_eq!(
        (&seen["state"], &seen["title"]),
        (&json!("ok"), &json!("later"))
    );
}

#[tokio::test]
async fn what_was_rejected_says_why_and_goes_to_review_when_it_is_changed() {
    let (publisher, reviewer) = (shared().user().await, shared().reviewer().await);
    let resource = publisher
        .publish(&publication("spam", "1.00"))
        .await
        .ok_with(201);
    let resource_id = resource["resource_id"].as_str().expect("an id");
    let review_id = reviewer.review_of("resource", resource_id).await;
    reviewer
        .decide(&review_id, "reject", Some("advertising"))
        .await
        .ok();
    let seen = publisher.resource(resource_id).await.ok();
    assert_eq!(
        (&seen["state"], &seen["reason"]),
        (&json!("rejected"), &json!("advertising"))
    );
    let changed = publisher
        .change_resource(resource_id, &json!({ "title": "no spam" }))
        .await
        .ok();
    assert_eq!(changed["state"], "pending");
    let again = reviewer.review_of("resource", resource_id).await;
    reviewer.decide(&again, "approve", None).await.ok();
    let seen = publisher.resource(resource_id).await.ok();
    assert_eq!(seen["state"], "ok");
    assert!(seen.get("reason").is_none(), "{seen:#}");
}

#[tokio::test]
async fn a_resource_is_changed_and_deleted_by_its_publisher_alone() {
    let (publisher, other) = (shared().user().await, shared().user().await);
    let reviewer = shared().reviewer().await;
    let waiting = publisher
        .publish(&publication("waits", "1.00"))
        .await
        .ok_with(201);
    let waiting = waiting["resource_id"].as_str().expect("an id");
    let public = publisher
        .published(&publication("public", "1.00"), &reviewer)
        .await;
    for (id, code) in [
        (waiting, 40401),
        (&*public, 40301),
        (UNKNOWN_ID, 40401),
        ("x", 40001),
    ] {
        other.change_resource(id, &json!({})).await.refused(code);
        other.delete_resource(id).await.refused(code);
    }
    shared()
        .anonymous()
        .delete_resource(&public)
        .await
        .refused(40101);
    publisher.delete_resource(&public).await.ok();
    publisher.delete_resource(&public).await.refused(40401);
    publisher.resource(&public).await.refused(40401);
    publisher
        .change_resource(&public, &json!({ "title": "x" }))
        .await
        .refused(40401);
}

#[tokio::test]
async fn a_publication_that_does_not_fit_names_its_field() {
    let user = shared().user().await;
    for (field, value) in [
        ("url", json!("https://example.com/s/1abc")),
        ("url", json!("https://pan.baidu.com/s/1")),
        ("code", json!("提取码")),
        ("title", json!(" ")),
        ("title", json!("a\u{0}b")),
        ("bio", json!("b".repeat(5_001))),
        ("price", json!("100.01")),
        ("price", json!("-1")),
        ("price", json!("1.234")),
        ("directory", json!({ "name": "", "type": "file" })),
        (
            "directory",
            json!(vec![json!({ "name": "f", "type": "file" }); 20_001]),
        ),
    ] {
        let mut body = publication("a title", "1.00");
        body[field] = value;
        user.publish(&body).await.refused_field(field);
    }
    user.publish(&json!({ "title": "t" })).await.refused(40001);
    assert_eq!(user.get("/api/v1/resources").await.ok()["total"], 0);
    shared()
        .anonymous()
        .publish(&publication("a title", "1.00"))
        .await
        .refused(40101);
}

#[tokio::test]
async fn one_key_makes_one_resource() {
    let user = shared().user().await;
    let body = publication("once", "1.00");
    let publish = |body: serde_json::Value| {
        let user = &user;
        async move {
            user.send(reqwest::Method::POST, "/api/v1/resources", |request| {
                request.header("idempotency-key", "k-1").json(&body)
            })
            .await
        }
    };
    let first = publish(body.clone()).await.ok_with(201);
    let again = publish(body.clone()).await.ok_with(201);
    assert_eq!(first["resource_id"], again["resource_id"]);
    let mut other = body;
    other["title"] = json!("twice");
    publish(other).await.refused(40902);
    assert_eq!(user.get("/api/v1/resources").await.ok()["total"], 1);
}

async fn who_bought_keeps_the_approved_link(app: &TestApp) {
    let (publisher, buyer) = (app.user().await, app.user().await);
    let (free, reviewer) = (app.user().await, app.reviewer().await);
    app.give_coins(&buyer.user_id, 1000).await;
    let body = publication("kept", "1.00");
    let resource_id = publisher.published(&body, &reviewer).await;
    let bought = buyer.buy(&resource_id, "1.00").await.ok_with(201);
    let order_id = bought["order_id"].as_str().expect("an id");
    let has = async |url: &Value, code: &str| {
        let (order, resource) = (
            buyer.order(order_id).await.ok(),
            buyer.resource(&resource_id).await.ok(),
        );
        for seen in [&order, &resource] {
            assert_eq!(
                (&seen["url"], &seen["code"]),
                (url, &json!(code)),
                "{seen:#}"
            );
        }
    };
    let decide = async |decision: &str| {
        let review_id = reviewer.review_of("resource", &resource_id).await;
        reviewer.decide(&review_id, decision, Some("?")).await.ok();
    };
    has(&body["url"], "q1w2").await;
    for code in ["aaaa", "bbbb"] {
        let change = json!({ "code": code });
        publisher.change_resource(&resource_id, &change).await.ok();
        has(&body["url"], "q1w2").await;
    }
    decide("reject").await;
    has(&body["url"], "q1w2").await;
    free.resource(&resource_id).await.refused(40401);

    let another = format!("https://www.alipan.com/s/{}", unique());
    let change = json!({ "url": another, "code": "cccc" });
    publisher.change_resource(&resource_id, &change).await.ok();
    has(&body["url"], "q1w2").await;
    // What is said of the other link is not of the one that he has.
    let seen = buyer.resource(&resource_id).await.ok();
    assert_eq!(seen["drive"], "baidu", "{seen:#}");
    assert!(seen.get("directory").is_none(), "{seen:#}");
    decide("approve").await;
    has(&json!(another), "cccc").await;
    assert_eq!(buyer.resource(&resource_id).await.ok()["drive"], "aliyun");

    let report = free.report(&resource_id, "stolen").await.ok_with(202);
    let report_id = report["review_id"].as_str().expect("an id");
    reviewer.decide(report_id, "approve", None).await.ok();
    let order = buyer.order(order_id).await.ok();
    assert!(order.get("url").is_none(), "{order:#}");
}

#[tokio::test]
async fn who_bought_keeps_the_link_that_was_approved_on_sqlite() {
    who_bought_keeps_the_approved_link(&reaching(TestApp::sqlite()).start()).await;
}

#[tokio::test]
async fn who_bought_keeps_the_link_that_was_approved_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        who_bought_keeps_the_approved_link(&reaching(builder).start()).await;
    }
}

async fn nobody_fills_the_reviewers_queue(app: &TestApp) {
    let (user, reviewer) = (app.user().await, app.reviewer().await);
    let body = publication("one of many", "1.00");
    let keyed = async || {
        user.send(reqwest::Method::POST, "/api/v1/resources", |request| {
            request.header("idempotency-key", "k-1").json(&body)
        })
        .await
    };
    let first = keyed().await.ok_with(201);
    for _ in 1..RESOURCES_PENDING_MAX {
        user.publish(&body).await.ok_with(201);
    }
    user.publish(&body).await.refused(42902);
    let again = keyed().await.ok_with(201);
    assert_eq!(again["resource_id"], first["resource_id"]);
    let another = app.user().await;
    another.publish(&body).await.ok_with(201);

    let resource_id = first["resource_id"].as_str().expect("an id");
    let review_id = reviewer.review_of("resource", resource_id).await;
    reviewer.decide(&review_id, "reject", None).await.ok();
    user.publish(&body).await.ok_with(201);
    user.publish(&body).await.refused(42902);
    let change = json!({ "title": "once more" });
    user.change_resource(resource_id, &change)
        .await
        .refused(42902);
}

#[tokio::test]
async fn nobody_fills_the_reviewers_queue_alone_on_sqlite() {
    nobody_fills_the_reviewers_queue(&reaching(TestApp::sqlite()).start()).await;
}

#[tokio::test]
async fn nobody_fills_the_reviewers_queue_alone_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        nobody_fills_the_reviewers_queue(&reaching(builder).start()).await;
    }
}

#[tokio::test]
async fn others_see_who_somebody_is_and_a_client_may_ask_for_a_check() {
    let (publisher, buyer) = (shared().user().await, shared().user().await);
    let reviewer = shared().reviewer().await;
    let change = json!({ "nickname": "Ada", "bio": "makes courses" });
    let profile = publisher.put("/api/v1/auth/profile", &change).await.ok();
    assert_eq!(
        (&profile["nickname"], &profile["bio"]),
        (&json!("Ada"), &json!("makes courses"))
    );
    let change = json!({ "bio": "x".repeat(501) });
    publisher
        .put("/api/v1/auth/profile", &change)
        .await
        .refused_field("bio");
    let visitor = shared().anonymous();
    let path = format!("/api/v1/users/{}", publisher.user_id);
    visitor.get(&path).await.refused(40101);
    let seen = buyer.get(&path).await.ok();
    assert_eq!(
        (&seen["nickname"], &seen["sale_count"]),
        (&json!("Ada"), &json!(0))
    );
    assert!(seen.get("email").is_none(), "{seen:#}");
    buyer
        .get(&format!("/api/v1/users/{UNKNOWN_ID}"))
        .await
        .refused(40401);

    let resource_id = publisher
        .published(&publication("priced", "2.00"), &reviewer)
        .await;
    let seen = buyer.resource(&resource_id).await.ok();
    assert_eq!(
        (&seen["buy_cost"], &seen["bought"]),
        (&json!("2.00"), &json!(false))
    );
    buyer.recharge("1").await;
    buyer.buy(&resource_id, "2.00").await.ok_with(201);
    let seen = buyer.resource(&resource_id).await.ok();
    assert_eq!(
        (&seen["bought"], &seen["code"]),
        (&json!(true), &json!("q1w2"))
    );

    visitor.recheck(&resource_id).await.refused(40101);
    buyer.recheck(UNKNOWN_ID).await.refused(40401);
    // Its first check is under way: another one is not made.
    assert_eq!(
        buyer.recheck(&resource_id).await.ok_with(202)["check_pending"],
        true
    );
}
