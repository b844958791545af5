//! Who never sees a link or its code (SH-7): everybody but publisher and buyer, the log, the metrics.

use super::super::sqlite;
use serde_json::json;
use tests::{Caller, publication, unique};

#[tokio::test]
async fn neither_link_nor_code_is_in_any_other_answer_or_in_the_log() {
    let app = sqlite().start();
    let (publisher, buyer, other) = (app.user().await, app.user().await, app.user().await);
    let (visitor, reviewer) = (app.anonymous(), app.reviewer().await);
    let share = unique();
    let code = "zq9x7w4k";
    let mut body = publication("Geheimnis", "1.00");
    body["url"] = json!(format!("https://pan.baidu.com/s/1{share}?pwd={code}"));
    body["code"] = json!(code);
    let resource = publisher.publish(&body).await.ok_with(201);
    let resource_id = resource["resource_id"].as_str().expect("an id");
    assert_eq!(resource["code"], code);

    let nobody_sees = async |who: &Caller<'_>, path: &str| {
        let answer = who.get(path).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            !text.contains(&share) && !text.contains(code),
            "{path}: {text}"
        );
    };
    let review_id = reviewer.review_of("resource", resource_id).await;
    let review = format!("/admin/api/v1/reviews/{review_id}");
    nobody_sees(&reviewer, "/admin/api/v1/reviews").await;
    nobody_sees(&reviewer, &review).await;
    reviewer.decide(&review_id, "approve", None).await.ok();
    buyer.recharge("10").await;
    let bought = buyer.buy(resource_id, "1.00").await.ok_with(201);
    assert_eq!(bought["code"], code);
    let order = bought["order_id"].as_str().expect("an id");
    other.report(resource_id, "why not").await.ok_with(202);

    let view = format!("/api/v1/resources/{resource_id}");
    let of_seller = format!("/api/v1/orders/{order}");
    for (who, path) in [
        (&visitor, "/api/v1/search?q=Geheimnis"),
        (&visitor, "/api/v1/search?q=zq9x"),
        (&visitor, &*view),
        (&*other, &*view),
        (&*publisher, "/api/v1/resources"),
        (&*publisher, "/api/v1/orders?side=sale"),
        (&*publisher, &*of_seller),
        (&*publisher, "/api/v1/account"),
        (&*publisher, "/api/v1/account/ledger"),
        (&*buyer, "/api/v1/orders"),
        (&*buyer, "/api/v1/account/ledger"),
        (&reviewer, "/admin/api/v1/reviews?kind=report"),
        (
            &reviewer,
            "/admin/api/v1/reviews?kind=resource&state=approved",
        ),
        (&visitor, "/metrics"),
    ] {
        nobody_sees(who, path).await;
    }
    buyer.refund(None, order).await.ok();
    nobody_sees(&buyer, &view).await;
    nobody_sees(&buyer, &of_seller).await;
    let log = app.log();
    assert!(
        !log.contains(&share) && !log.contains(code),
        "the log has it"
    );
}
