//! `/api/v1/export/sync` (DC-3): the file in the answer.

use super::{app_for, csv_of};
use crate::shared;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tests::{Business, Manners};

#[tokio::test]
async fn the_answer_is_the_very_file_that_the_worker_would_make() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source("orders", 1_250, Manners::Good);
    for kind in ["csv", "excel"] {
        let body = json!({
            "name": "订单", "source_url": url, "type": kind, "title": "Orders",
            "template": [{ "name": "id", "title": "No" }, { "title": "Client", "children": [
                { "name": "name", "title": "Name" }, { "name": "city", "title": "City" }] }],
        });
        let sync = project.export_sync(&body).await;
        assert_eq!(sync.status, 200, "{sync:?}");
        assert_eq!(sync.header("x-wharf-rows"), "1250");
        assert_eq!(
            sync.header("x-wharf-sha256"),
            hex::encode(Sha256::digest(&sync.body))
        );
        assert!(
            sync.header("content-disposition")
                .contains("filename*=UTF-8''"),
            "{sync:?}"
        );
        let task = project.exported(&body).await;
        let file = super::file_of(&project, &task).await;
        assert!(file == sync.body.to_vec(), "{kind}: the two files differ");
    }
    let sync = project
        .export_sync(&json!({ "name": "n", "source_url": url }))
        .await;
    assert_eq!(
        String::from_utf8(sync.body.to_vec()).unwrap(),
        csv_of(1_250)
    );
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_the_other_way_named() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    let url = business.source("many", 10_001, Manners::Good);
    let rows: Vec<_> = (0..10_001).map(|number| json!({ "a": number })).collect();
    for body in [
        json!({ "name": "n", "source_url": url, "step": 5000 }),
        json!({ "name": "n", "source_data": rows }),
    ] {
        let refused = project.export_sync(&body).await.refused(42201);
        let message = refused.message.as_str();
        assert!(message.contains("POST /api/v1/export "), "{message}");
    }
    assert_eq!(business.asked("many").len(), 1, "the total says it at once");
}

#[tokio::test]
async fn a_source_that_misbehaves_is_named_in_the_answer() {
    let business = Business::start().await;
    let app = app_for(&business);
    let project = app.project("exports", &[&business.host()]).await;
    for (name, manners, reason) in [
        ("shrinks", Manners::Shrinks, "total_shrinks"),
        (
            "down",
            Manners::Fails {
                status: 500,
                times: 99,
            },
            "source_status",
        ),
        ("html", Manners::Says("<html>".to_owned()), "source_shape"),
    ] {
        let url = business.source(name, 350, manners);
        let body = json!({ "name": "n", "source_url": url, "step": 100 });
        let refused = project.export_sync(&body).await.refused(42201);
        assert_eq!(refused.data["reason"], reason, "{refused:?}");
    }
}

#[tokio::test]
async fn bad_requests_and_strangers_are_refused_as_in_the_background() {
    let app = shared();
    let project = app.project("exports", &["shop.example"]).await;
    project
        .export_sync(&json!({ "name": "n" }))
        .await
        .refused_field("source_url");
    let body = json!({ "name": "n", "source_url": "https://other.example/" });
    project.export_sync(&body).await.refused(40301);
    app.anonymous()
        .export_sync(&json!({ "name": "n", "source_data": [] }))
        .await
        .refused(40101);
}
