//! `/admin/api/v1/reviews/…` and reports: who decides, what follows (SH-8, SH-10, SH-12).

use crate::{UNKNOWN_ID, reaching, shared};
use serde_json::json;
use tests::{Mailbox, PATIENCE, TestApp, eventually, publication};

#[tokio::test]
async fn a_report_changes_nothing_until_a_reviewer_confirms_it() {
    let (publisher, first, second) = (
        shared().user().await,
        shared().user().await,
        shared().user().await,
    );
    let (visitor, reviewer) = (shared().anonymous(), shared().reviewer().await);
    let resource_id = publisher
        .published(&publication("stolen", "1.00"), &reviewer)
        .await;
    let report = first.report(&resource_id, "it is mine").await.ok_with(202);
    let again = first.report(&resource_id, "still mine").await.ok_with(202);
    assert_eq!(report, again);
    second.report(&resource_id, "stolen").await.ok_with(202);
    publisher.report(&resource_id, "x").await.refused(40301);
    visitor.report(&resource_id, "x").await.refused(40101);
    first.report(&resource_id, " ").await.refused(40001);
    first.report(UNKNOWN_ID, "x").await.refused(40401);
    let seen = visitor.resource(&resource_id).await.ok();
    assert_eq!(seen["state"], "ok");

    let review_id = report["review_id"].as_str().expect("an id");
    let path = format!("/admin/api/v1/reviews/{review_id}");
    let review = reviewer.get(&path).await.ok();
    assert_eq!(review["reporter"]["user_id"], first.user_id, "{review:#}");
    assert_eq!(review["reason"], "it is mine");
    assert_eq!(review["resource"]["directory"][0]["name"], "课程");
    reviewer
        .decide(review_id, "approve", Some("proven"))
        .await
        .ok();
    visitor.resource(&resource_id).await.refused(40401);
    let own = publisher.resource(&resource_id).await.ok();
    assert_eq!(
        (&own["state"], &own["reason"]),
        (&json!("taken_down"), &json!("proven"))
    );
    publisher
        .change_resource(&resource_id, &json!({ "title": "again" }))
        .await
        .refused(40901);
    // What others said of it is decided with that.
    let waiting = reviewer.reviews("report", "pending").await;
    let of_it = waiting
        .iter()
        .filter(|review| review["resource"]["resource_id"] == *resource_id);
    assert_eq!(of_it.count(), 0);
    first.report(&resource_id, "x").await.refused(40401);
}

#[tokio::test]
async fn a_report_that_is_not_confirmed_leaves_the_resource() {
    let (publisher, reporter) = (shared().user().await, shared().user().await);
    let reviewer = shared().reviewer().await;
    let resource_id = publisher
        .published(&publication("fine", "1.00"), &reviewer)
        .await;
    let report = reporter.report(&resource_id, "envy").await.ok_with(202);
    let review_id = report["review_id"].as_str().expect("an id");
    let decided = reviewer.decide(review_id, "reject", None).await.ok();
    assert_eq!(decided["state"], "rejected");
    assert_eq!(
        shared().anonymous().resource(&resource_id).await.ok()["state"],
        "ok"
    );
    // Somebody may report it anew.
    let anew = reporter.report(&resource_id, "envy").await.ok_with(202);
    assert_ne!(anew["review_id"], report["review_id"]);
}

#[tokio::test]
async fn a_report_is_decided_also_when_the_publisher_has_deleted_the_resource() {
    let mailbox = Mailbox::start();
    let app = reaching(TestApp::sqlite())
        .config(&mailbox.config())
        .start();
    let (publisher, reporter) = (app.user().await, app.user().await);
    let (buyer, reviewer) = (app.user().await, app.reviewer().await);
    app.give_coins(&buyer.user_id, 1000).await;
    let resource_id = publisher
        .published(&publication("stolen", "1.00"), &reviewer)
        .await;
    let bought = buyer.buy(&resource_id, "1.00").await.ok_with(201);
    let order_id = bought["order_id"].as_str().expect("an id");
    let report = reporter.report(&resource_id, "mine").await.ok_with(202);
    publisher.delete_resource(&resource_id).await.ok();
    assert!(buyer.order(order_id).await.ok().get("url").is_some());

    let review_id = report["review_id"].as_str().expect("an id");
    let waiting = reviewer.reviews("report", "pending").await;
    assert!(
        waiting
            .iter()
            .any(|review| review["review_id"] == review_id),
        "{waiting:#?}"
    );
    let decided = reviewer.decide(review_id, "approve", None).await.ok();
    assert_eq!(decided["state"], "approved", "{decided:#}");
    assert_eq!(decided["resource"]["directory"][0]["name"], "课程");
    assert!(buyer.order(order_id).await.ok().get("url").is_none());
    for address in [&publisher.email, &reporter.email] {
        eventually("the mail arrives", PATIENCE, async || {
            mailbox.received_by(address).into_iter().next()
        })
        .await;
    }
}

#[tokio::test]
async fn reviews_are_for_reviewers_alone_and_each_decision_is_logged() {
    let (user, reviewer) = (shared().user().await, shared().reviewer().await);
    let resource = user
        .publish(&publication("logged", "1.00"))
        .await
        .ok_with(201);
    let resource_id = resource["resource_id"].as_str().expect("an id");
    let review_id = reviewer.review_of("resource", resource_id).await;
    for stranger in [&*user, &shared().anonymous()] {
        stranger.get("/admin/api/v1/reviews").await.refused(40101);
        stranger
            .decide(&review_id, "approve", None)
            .await
            .refused(40101);
    }
    for (body, field) in [
        (json!({ "decision": "maybe" }), "decision"),
        (
            json!({ "decision": "reject", "reason": "r".repeat(1_001) }),
            "reason",
        ),
    ] {
        let path = format!("/admin/api/v1/reviews/{review_id}");
        reviewer.post(&path, &body).await.refused_field(field);
    }
    reviewer
        .decide(UNKNOWN_ID, "approve", None)
        .await
        .refused(40401);
    reviewer
        .get("/admin/api/v1/reviews?kind=x")
        .await
        .refused(40001);
    reviewer
        .get("/admin/api/v1/reviews?state=x")
        .await
        .refused(40001);
    let admin = shared().admin().await;
    let decided = admin.decide(&review_id, "approve", None).await.ok();
    // The same answer for who did not hear it, and for nobody else.
    let again = admin.decide(&review_id, "approve", None).await.ok();
    assert_eq!(again, decided);
    admin
        .decide(&review_id, "reject", None)
        .await
        .refused(40901);
    reviewer
        .decide(&review_id, "approve", None)
        .await
        .refused(40901);
    let log = shared().log();
    let lines = log
        .lines()
        .filter(|line| line.contains("decide_review") && line.contains(&review_id));
    assert_eq!(lines.count(), 1);
    let line = log
        .lines()
        .find(|line| line.contains("decide_review") && line.contains(&review_id));
    let line = line.expect("a line about the decision");
    assert!(
        line.contains("approved") && line.contains(resource_id),
        "{line}"
    );
}
