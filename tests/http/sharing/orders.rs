//! `/api/v1/resources/{id}/buy`, `/api/v1/orders…`, `/api/v1/account…` (SH-1 to SH-6, SH-12), and what
//! `wharf admin audit` says of them.

use crate::{UNKNOWN_ID, shared};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Builder, Caller, PATIENCE, TestApp, User, eventually};

const URL: &str = "https://www.alipan.com/s/abcdefgh123";

/// A buyer with 30 coins, a seller, and a resource of his at 10.00.
async fn market(app: &TestApp) -> (User<'_>, User<'_>, String) {
    let (buyer, seller) = (app.user().await, app.user().await);
    app.give_coins(&buyer.user_id, 3000).await;
    let item = app.resource_of(&seller.user_id, 1000).await;
    (buyer, seller, item)
}

/// Available and frozen.
async fn coins(caller: &Caller<'_>) -> (String, String) {
    let account = caller.account().await.ok();
    let text = |name: &str| account[name].as_str().expect("an amount").to_owned();
    (text("coin_available"), text("coin_frozen"))
}

fn amounts(available: &str, frozen: &str) -> (String, String) {
    (available.to_owned(), frozen.to_owned())
}

fn audit(app: &TestApp) -> (bool, Value) {
    let output = app.run(&["admin", "audit", "--json"], "");
    let answer = serde_json::from_slice(&output.stdout).expect("JSON");
    (output.status.success(), answer)
}

async fn is_bought_refunded_and_bought_again(builder: Builder) {
    let app = builder.start();
    let (buyer, seller, item) = market(&app).await;
    let bought = buyer.buy(&item, "10.00").await.ok_with(201);
    assert_eq!(bought["buy_cost"], "10.00");
    assert_eq!(
        (&bought["url"], &bought["code"]),
        (&json!(URL), &json!("a1b2"))
    );
    let order_id = bought["order_id"].as_str().expect("an id");
    assert_eq!(coins(&buyer).await, amounts("20.00", "0.00"));
    assert_eq!(coins(&seller).await, amounts("0.00", "10.00"));

    let order = buyer.order(order_id).await.ok();
    assert_eq!(order["state"], "active");
    assert_eq!(order["resource"]["title"], "Maps");
    assert_eq!(
        (&order["url"], &order["buy_cost"]),
        (&json!(URL), &json!("10.00"))
    );
    let sale = seller.order(order_id).await.ok();
    assert_eq!(
        (&sale["sale_earn"], &sale["released"]),
        (&json!("10.00"), &json!(false))
    );
    for secret in ["url", "code", "buy_cost"] {
        assert!(sale.get(secret).is_none(), "{sale}");
    }

    let refunded = buyer.refund(None, order_id).await.ok();
    assert_eq!(
        (&refunded["state"], &refunded["refund_coin"]),
        (&json!("refunded"), &json!("10.00"))
    );
    assert_eq!(coins(&buyer).await, amounts("30.00", "0.00"));
    assert_eq!(coins(&seller).await, amounts("0.00", "0.00"));
    buyer.refund(None, order_id).await.refused(40901);
    assert!(buyer.order(order_id).await.ok().get("url").is_none());
    let lost = &seller.orders("?side=sale&state=refunded").await.ok()["items"][0];
    assert_eq!(lost["lost_coin"], "10.00");

    // Who has given everything back pays double, and who got everything back earns half.
    let again = buyer.buy(&item, "10.00").await.ok_with(201);
    assert_eq!(again["buy_cost"], "20.00");
    assert_eq!(coins(&seller).await, amounts("0.00", "5.00"));
    let account = buyer.account().await.ok();
    let counts = (&account["buy_count"], &account["buy_return_count"]);
    assert_eq!(counts, (&json!(2), &json!(1)), "a refund lowers no count");
    let (holds, answer) = audit(&app);
    assert!(holds, "{answer}");
    assert_eq!(
        (&answer["sum"], &answer["orders"]),
        (&json!("0.00"), &json!(2))
    );
}

#[tokio::test]
async fn what_is_bought_is_seen_refunded_and_bought_again_on_sqlite() {
    is_bought_refunded_and_bought_again(TestApp::sqlite()).await;
}

#[tokio::test]
async fn what_is_bought_is_seen_refunded_and_bought_again_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        is_bought_refunded_and_bought_again(builder).await;
    }
}

/// The orders of these resources, bought at these prices.
async fn bought(buyer: &Caller<'_>, items: [(&str, &str); 2]) -> Vec<String> {
    let mut orders = Vec::new();
    for (resource_id, price) in items {
        let order = buyer.buy(resource_id, price).await.ok_with(201);
        orders.push(order["order_id"].as_str().expect("an id").to_owned());
    }
    orders
}

#[tokio::test]
async fn what_was_bought_is_given_back_though_its_seller_is_gone() {
    let (buyer, seller, item) = market(shared()).await;
    let other = shared().resource_of(&seller.user_id, 500).await;
    let orders = bought(&buyer, [(&item, "10.00"), (&other, "5.00")]).await;
    seller.delete_resource(&item).await.ok();
    buyer.refund(None, &orders[0]).await.ok();
    let admin = shared().admin().await;
    let blocked = json!({ "blocked": true });
    admin.change_user(&seller.user_id, &blocked).await.ok();
    buyer.resource(&other).await.ok();
    buyer.refund(None, &orders[1]).await.ok();
    assert_eq!(coins(&buyer).await, amounts("30.00", "0.00"));
}

#[tokio::test]
async fn a_refunds_key_is_of_one_order() {
    let (buyer, seller, item) = market(shared()).await;
    let other = shared().resource_of(&seller.user_id, 500).await;
    let orders = bought(&buyer, [(&item, "10.00"), (&other, "5.00")]).await;
    let first = buyer.refund(Some("key"), &orders[0]).await.ok();
    let again = buyer.refund(Some("key"), &orders[0]).await.ok();
    assert_eq!(first, again);
    buyer.refund(Some("key"), &orders[1]).await.refused(40902);
    assert_eq!(buyer.order(&orders[1]).await.ok()["state"], "active");
    buyer.refund(Some("another"), &orders[1]).await.ok();
}

async fn of_sixty_four_one_is_made(builder: Builder) {
    let app = builder.start();
    let (buyer, seller, item) = market(&app).await;
    let keyed = join_all((0..64).map(|_| buyer.buy_under(Some("key"), &item, "10.00"))).await;
    let answers: Vec<Value> = keyed
        .into_iter()
        .map(|answer| answer.ok_with(201))
        .collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let other = app.resource_of(&seller.user_id, 1000).await;
    let (bought, refused): (Vec<_>, Vec<_>) = join_all((0..64).map(|_| buyer.buy(&other, "10.00")))
        .await
        .into_iter()
        .partition(|answer| answer.status == 201);
    assert_eq!(bought.len(), 1, "{}", refused[0]);
    for answer in refused {
        let answer = answer.refused(40901);
        assert_eq!(answer.data["order_id"], bought[0].data["order_id"]);
    }
    assert_eq!(coins(&buyer).await, amounts("10.00", "0.00"));
    assert!(audit(&app).0);
}

#[tokio::test]
async fn of_sixty_four_buys_at_once_one_order_is_made_on_sqlite() {
    of_sixty_four_one_is_made(TestApp::sqlite()).await;
}

#[tokio::test]
async fn of_sixty_four_buys_at_once_one_order_is_made_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        of_sixty_four_one_is_made(builder).await;
    }
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_purchase_is_said() {
    let app = shared();
    let (buyer, seller, item) = market(app).await;
    seller.buy(&item, "10.00").await.refused(40301);
    let moved = buyer.buy(&item, "9.99").await.refused(40901);
    assert_eq!(
        moved.data,
        json!({ "field": "expected_price", "price": "10.00" })
    );
    let dear = app.resource_of(&seller.user_id, 10_000).await;
    let poor = buyer.buy(&dear, "100").await.refused(40201);
    assert_eq!(
        poor.data,
        json!({ "needed": "100.00", "available": "30.00" })
    );
    app.set_row("resources", "resource_id", &dear, "state = 'invalidated'")
        .await;
    let dead = buyer.buy(&dear, "100.00").await.refused(42201);
    assert_eq!(dead.data, json!({ "reason": "invalidated" }));
    app.set_row("resources", "resource_id", &dear, "state = 'pending'")
        .await;
    buyer.buy(&dear, "100.00").await.refused(40401);
    buyer.buy(UNKNOWN_ID, "1.00").await.refused(40401);
    buyer.buy("x", "1.00").await.refused_field("resource_id");
    for price in ["", "-1", "1.234", "100.01", "1e1"] {
        buyer
            .buy(&item, price)
            .await
            .refused_field("expected_price");
    }
    let path = format!("/api/v1/resources/{item}/buy");
    buyer.post(&path, &json!({})).await.refused(40001);
    buyer
        .post(&path, &json!({ "expected_price": 10 }))
        .await
        .refused(40001);
    app.anonymous().buy(&item, "10.00").await.refused(40101);
    buyer
        .buy_under(Some("key"), &item, "10.00")
        .await
        .ok_with(201);
    buyer
        .buy_under(Some("key"), &item, "10.0")
        .await
        .ok_with(201);
    buyer
        .buy_under(Some("key"), &item, "11.00")
        .await
        .refused(40902);
    assert_eq!(coins(&buyer).await, amounts("20.00", "0.00"));
}

#[tokio::test]
async fn an_order_is_seen_by_its_two_sides_alone() {
    let app = shared();
    let (buyer, seller, item) = market(app).await;
    let bought = buyer.buy(&item, "10.00").await.ok_with(201);
    let order_id = bought["order_id"].as_str().expect("an id");
    let stranger = app.user().await;
    stranger.order(order_id).await.refused(40301);
    stranger.refund(None, order_id).await.refused(40301);
    stranger
        .refresh_order(order_id, &json!({}))
        .await
        .refused(40301);
    seller.refund(None, order_id).await.refused(40301);
    app.anonymous().order(order_id).await.refused(40101);
    buyer.order(UNKNOWN_ID).await.refused(40401);
    buyer.refund(None, UNKNOWN_ID).await.refused(40401);
    buyer
        .refresh_order(UNKNOWN_ID, &json!({}))
        .await
        .refused(40401);
    buyer.order("x").await.refused_field("order_id");
    buyer.orders("?side=both").await.refused_field("side");
    buyer.orders("?state=gone").await.refused_field("state");
    assert_eq!(buyer.orders("").await.ok()["total"], 1);
    assert_eq!(buyer.orders("?side=sale").await.ok()["total"], 0);
    assert_eq!(
        seller.orders("?side=sale&state=active").await.ok()["total"],
        1
    );
    assert_eq!(stranger.orders("").await.ok()["total"], 0);
}

#[tokio::test]
async fn a_stale_record_is_refreshed_from_the_tables_and_not_from_the_clients_copy() {
    let app = shared();
    let (buyer, seller, item) = market(app).await;
    let bought = buyer.buy(&item, "10.00").await.ok_with(201);
    let order_id = bought["order_id"].as_str().expect("an id");
    let change = "title = 'Atlas', price = 700";
    app.set_row("resources", "resource_id", &item, change).await;
    let stale = buyer.order(order_id).await.ok();
    assert_eq!(stale["resource"]["title"], "Maps");
    let copy = json!({ "resource": { "title": "Forged" }, "buy_cost": "0.01" });
    let fresh = seller.refresh_order(order_id, &copy).await.ok();
    assert_eq!(fresh["resource"]["title"], "Atlas");
    assert_eq!(fresh["resource"]["price"], "7.00");
    assert_eq!(
        (&fresh["price"], &fresh["sale_earn"]),
        (&json!("10.00"), &json!("10.00"))
    );
    assert_eq!(
        buyer.order(order_id).await.ok()["resource"]["title"],
        "Atlas"
    );
}

#[tokio::test]
async fn a_link_that_reviewers_did_not_approve_is_given_to_nobody() {
    let app = shared();
    let (buyer, _, item) = market(app).await;
    let bought = buyer
        .buy_under(Some("key"), &item, "10.00")
        .await
        .ok_with(201);
    let order_id = bought["order_id"].as_str().expect("an id");
    assert!(buyer.order(order_id).await.ok()["url"].is_string());
    for state in ["pending", "rejected", "taken_down"] {
        app.set_row(
            "resources",
            "resource_id",
            &item,
            &format!("state = '{state}'"),
        )
        .await;
        assert!(
            buyer.order(order_id).await.ok().get("url").is_none(),
            "{state}"
        );
        let seen = buyer.resource(&item).await.ok();
        assert!(
            seen.get("url").is_none() && seen["bought"] == true,
            "{state}"
        );
    }
    let replay = buyer
        .buy_under(Some("key"), &item, "10.00")
        .await
        .ok_with(201);
    assert_eq!(replay["order_id"], bought["order_id"]);
    assert_eq!(
        (&replay["url"], &replay["code"]),
        (&Value::Null, &Value::Null)
    );
    buyer.refund(None, order_id).await.ok();
    assert_eq!(coins(&buyer).await, amounts("30.00", "0.00"));
}

#[tokio::test]
async fn a_refund_is_repeated_under_its_key() {
    let app = shared();
    let (buyer, _, item) = market(app).await;
    let bought = buyer.buy(&item, "10.00").await.ok_with(201);
    let order_id = bought["order_id"].as_str().expect("an id");
    let first = buyer.refund(Some("key"), order_id).await.ok();
    assert_eq!(buyer.refund(Some("key"), order_id).await.ok(), first);
    buyer.refund(Some("other"), order_id).await.refused(40901);
    assert_eq!(coins(&buyer).await, amounts("30.00", "0.00"));
}

async fn is_released_when_its_time_is_over(builder: Builder) {
    let app = builder.config("market = { refund_window_s = 2 }").start();
    let (buyer, seller, item) = market(&app).await;
    let bought = buyer.buy(&item, "10.00").await.ok_with(201);
    let order_id = bought["order_id"].as_str().expect("an id");
    assert_eq!(bought["buy_cost"], "10.00");
    eventually("the release", PATIENCE, async || {
        let released = seller.order(order_id).await.ok()["released"] == true;
        released.then_some(())
    })
    .await;
    assert_eq!(coins(&seller).await, amounts("10.00", "0.00"));
    let late = buyer.refund(None, order_id).await.refused(42201);
    assert_eq!(late.data, json!({ "reason": "refund_window_over" }));
    let entries = seller.ledger("").await.ok();
    let kinds: Vec<(&Value, &Value, &Value)> = entries["items"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| (&entry["kind"], &entry["part"], &entry["amount"]))
        .collect();
    let expected = [
        (&json!("release"), &json!("available"), &json!("10.00")),
        (&json!("release"), &json!("frozen"), &json!("-10.00")),
        (&json!("buy"), &json!("frozen"), &json!("10.00")),
    ];
    assert_eq!(kinds, expected);
    assert!(audit(&app).0);
}

#[tokio::test]
async fn earnings_are_released_when_their_time_is_over_on_sqlite() {
    is_released_when_its_time_is_over(TestApp::sqlite()).await;
}

#[tokio::test]
async fn earnings_are_released_when_their_time_is_over_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        is_released_when_its_time_is_over(builder).await;
    }
}

#[tokio::test]
async fn a_vip_buys_for_nothing_and_has_a_vips_quota() {
    let app = shared();
    let (buyer, seller, item) = market(app).await;
    let limit = async || buyer.quota().await.ok()["daily_limit"].clone();
    let (account, plain) = (buyer.account().await.ok(), limit().await);
    assert_eq!(
        (&account["role"], &account["vip_expire_time"]),
        (&json!("user"), &Value::Null)
    );
    let soon = "vip_expires_at = 4102444800000";
    app.set_row("accounts", "user_id", &buyer.user_id, soon)
        .await;
    let account = buyer.account().await.ok();
    assert_eq!(account["role"], "vip");
    assert_eq!(account["vip_expire_time"], "2100-01-01T00:00:00.000Z");
    assert_eq!(buyer.profile().await.ok()["role"], "vip");
    assert_ne!(limit().await, plain);
    let bought = buyer.buy(&item, "10.00").await.ok_with(201);
    assert_eq!(bought["buy_cost"], "0.00");
    assert_eq!(coins(&buyer).await, amounts("30.00", "0.00"));
    assert_eq!(coins(&seller).await, amounts("0.00", "10.00"));
}

#[tokio::test]
async fn an_account_shows_coins_counts_and_factors() {
    let app = shared();
    let (user, counts) = (
        app.user().await,
        "buy_count = 32, buy_return_count = 4, sale_count = 20, sale_return_count = 3, frozen = 1250",
    );
    app.give_coins(&user.user_id, 10_000).await;
    app.set_row("accounts", "user_id", &user.user_id, counts)
        .await;
    let account = user.account().await.ok();
    for (field, value) in [
        ("user_id", json!(user.user_id)),
        ("bio", json!("")),
        ("coin", json!("112.50")),
        ("coin_available", json!("100.00")),
        ("coin_frozen", json!("12.50")),
        ("buy_count", json!(32)),
        ("buy_return_count", json!(4)),
        ("sale_count", json!(20)),
        ("sale_return_count", json!(3)),
        ("buy_factor", json!("1.25")),
        ("sale_factor", json!("0.85")),
    ] {
        assert_eq!(account[field], value, "{field}");
    }
    let entries = user.ledger("?page_size=1").await.ok();
    assert_eq!(
        (&entries["total"], &entries["items"][0]["kind"]),
        (&json!(1), &json!("recharge"))
    );
    assert!(entries["items"][0]["payment_id"].is_string());
    // What stands behind the shared app's ledger is not to differ for the other tests' audits.
    let counts =
        "buy_count = 0, buy_return_count = 0, sale_count = 0, sale_return_count = 0, frozen = 0";
    app.set_row("accounts", "user_id", &user.user_id, counts)
        .await;
}

#[tokio::test]
async fn the_audit_says_what_differs() {
    let app = TestApp::sqlite().start();
    let (buyer, seller, item) = market(&app).await;
    buyer.buy(&item, "10.00").await.ok_with(201);
    assert!(audit(&app).0);
    app.set_row("accounts", "user_id", &seller.user_id, "frozen = 1001")
        .await;
    let (holds, answer) = audit(&app);
    assert!(!holds);
    let expected = json!([{
        "subject": "account",
        "id": seller.user_id,
        "what": "frozen is 10.01, its entries sum to 10.00",
    }]);
    assert_eq!(answer["differences"], expected, "{answer}");
    let output = app.run(&["admin", "audit"], "");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("frozen is 10.01"), "{said}");
}
