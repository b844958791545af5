//! `/api/v1/payments/…`: coins and VIP are paid for, once (SH-13).

use crate::{UNKNOWN_ID, reaching, shared, sqlite};
use ::shared::wire::time::rfc3339;
use reqwest::Method;
use runtime::clock::now_ms;
use serde_json::{Value, json};
use tests::{Answer, Caller, TestApp, unique};

const SECRET: &str = "a secret of thirty-two characters";

/// What a provider says, under this signature or the right one.
async fn notify(caller: &Caller<'_>, event: &Value, signature: Option<&str>) -> Answer {
    let body = event.to_string();
    let signature = match signature {
        Some(signature) => signature.to_owned(),
        None => ::shared::auth::payment::sign(SECRET, body.as_bytes()).expect("a signature"),
    };
    caller.notify("sandbox", &signature, body).await
}

fn event(payment: &Value, state: &str) -> Value {
    json!({
        "event_id": unique(),
        "payment_id": payment["payment_id"],
        "amount_yuan": payment["amount_yuan"],
        "state": state,
    })
}

/// An app whose sandbox signs with [`SECRET`].
fn signing(builder: tests::Builder) -> TestApp {
    let section = format!("[payments]\nsandbox_secret = {SECRET:?}\n");
    builder.config(&section).start()
}

#[tokio::test]
async fn a_recharge_brings_coins_once_on_sqlite() {
    recharge(&signing(sqlite())).await;
}

#[tokio::test]
async fn a_recharge_brings_coins_once_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        recharge(&signing(reaching(builder))).await;
    }
}

async fn recharge(app: &TestApp) {
    let (user, provider) = (app.user().await, app.anonymous());
    let payment = user.mean_to_recharge("12.5").await.ok_with(201);
    assert_eq!(payment["state"], "pending", "{payment:#}");
    assert_eq!(
        (&payment["amount_yuan"], &payment["coins"]),
        (&json!("12.50"), &json!("125.00"))
    );
    assert_eq!(coins(&user).await, "0.00");

    // What is not signed, or not for this amount, does not count.
    let paid = event(&payment, "paid");
    notify(&provider, &paid, Some("v1=00")).await.refused(40101);
    let mut less = paid.clone();
    less["amount_yuan"] = json!("0.01");
    let refused = notify(&provider, &less, None).await.refused(42201);
    assert_eq!(refused.data["reason"], "amount_mismatch");
    let mut unknown = paid.clone();
    unknown["payment_id"] = json!(UNKNOWN_ID);
    notify(&provider, &unknown, None).await.refused(40401);
    assert_eq!(coins(&user).await, "0.00");

    // A failure that turns out to be none, and the same event many times at once.
    let failed = event(&payment, "failed");
    assert_eq!(
        notify(&provider, &failed, None).await.ok()["state"],
        "failed"
    );
    let told = futures_util::future::join_all((0..8).map(|_| notify(&provider, &paid, None))).await;
    for answer in told {
        assert_eq!(answer.ok()["state"], "paid");
    }
    notify(&provider, &event(&payment, "paid"), None).await.ok();
    notify(&provider, &event(&payment, "failed"), None)
        .await
        .ok();
    let mut changed = paid.clone();
    changed["state"] = json!("failed");
    notify(&provider, &changed, None).await.refused(40901);
    let payment_id = payment["payment_id"].as_str().expect("an id");
    let now = user.payment(payment_id).await.ok();
    assert_eq!(now["state"], "paid", "{now:#}");
    assert!(now["paid_at"].is_string() && now.get("pay_url").is_none());
    assert_eq!(coins(&user).await, "125.00");
    app.user().await.payment(payment_id).await.refused(40301);
    provider.payment(payment_id).await.refused(40101);
    assert_eq!(user.get("/api/v1/payments").await.ok()["total"], 1);
    let ledger = user.get("/api/v1/account/ledger").await.ok();
    assert_eq!(ledger["total"], 1, "{ledger:#}");

    // VIP comes by the same event, and beside the coins.
    let wanted = json!({ "kind": "vip", "months": 1 });
    let payment = user.post("/api/v1/payments", &wanted).await.ok_with(201);
    let paid = event(&payment, "paid");
    for _ in 0..2 {
        notify(&provider, &paid, None).await.ok();
    }
    let account = user.get("/api/v1/account").await.ok();
    let until = account["vip_expire_time"].as_str().expect("a time");
    let latest = rfc3339(now_ms() + 30 * 24 * 3600 * 1000);
    assert!(until <= &*latest, "{until}: one month");
    let admin = app.admin().await;
    let path = format!("/admin/api/v1/users/{}", user.user_id);
    assert_eq!(admin.get(&path).await.ok()["vip_expire_time"], *until);
    assert_eq!(coins(&user).await, "125.00");
}

fn text(page: &Answer) -> String {
    String::from_utf8_lossy(&page.body).into_owned()
}

async fn coins(user: &Caller<'_>) -> String {
    let account = user.get("/api/v1/account").await.ok();
    account["coin"].as_str().expect("coins").to_owned()
}

#[tokio::test]
async fn the_sandboxs_page_pays_and_a_second_click_changes_nothing() {
    let user = shared().user().await;
    let wanted = json!({ "kind": "vip", "months": 2 });
    let payment = user.post("/api/v1/payments", &wanted).await.ok_with(201);
    assert_eq!(
        (&payment["amount_yuan"], &payment["months"]),
        (&json!("30.00"), &json!(2))
    );
    let pay_url = payment["pay_url"].as_str().expect("a URL");
    let visitor = shared().anonymous();
    let page = visitor.get(pay_url).await;
    assert_eq!(page.status, 200);
    let shown = text(&page);
    assert!(
        shown.contains("2 months of VIP") && shown.contains("Pay ¥30.00"),
        "{shown}"
    );
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    let somebody_elses = pay_url.replace("token=", "token=0");
    visitor.get(&somebody_elses).await.refused(40101);

    let payment_id = payment["payment_id"].as_str().expect("an id");
    let post = |accept| visitor.pay(payment_id, pay_url, accept);
    let before = now_ms();
    assert_eq!(post("*/*").await.ok()["state"], "paid");
    let page = post("text/html,*/*").await;
    assert!(text(&page).contains("Paid."), "{}", text(&page));
    let account = user.get("/api/v1/account").await.ok();
    let until = account["vip_expire_time"].as_str().expect("a time");
    // Two months of 30 days, once.
    let [from, to] = [before, now_ms()].map(|ms| rfc3339(ms + 60 * 24 * 3600 * 1000));
    assert!(*from <= *until && *until <= *to, "{until}");
    assert_eq!(account["coin"], "0.00");
    // Admins see what was paid for beside what they gave.
    let admin = shared().admin().await;
    let path = format!("/admin/api/v1/users/{}", user.user_id);
    let item = admin.get(&path).await.ok();
    assert_eq!(
        (&item["role"], &item["vip_expire_time"]),
        (&json!("user"), &json!(until))
    );
    let path = format!("/admin/api/v1/users?email={}", user.email);
    assert_eq!(admin.get(&path).await.ok()["items"][0], item);
}

#[tokio::test]
async fn a_payment_that_does_not_fit_names_its_field() {
    let user = shared().user().await;
    for (field, body) in [
        ("kind", json!({ "kind": "gift" })),
        ("amount_yuan", json!({ "kind": "recharge" })),
        (
            "amount_yuan",
            json!({ "kind": "recharge", "amount_yuan": "0" }),
        ),
        (
            "amount_yuan",
            json!({ "kind": "recharge", "amount_yuan": "-5" }),
        ),
        (
            "amount_yuan",
            json!({ "kind": "recharge", "amount_yuan": "100000.01" }),
        ),
        ("months", json!({ "kind": "vip" })),
        ("months", json!({ "kind": "vip", "months": 37 })),
    ] {
        user.post("/api/v1/payments", &body)
            .await
            .refused_field(field);
    }
    let wanted = json!({ "kind": "recharge", "amount_yuan": "1" });
    shared()
        .anonymous()
        .post("/api/v1/payments", &wanted)
        .await
        .refused(40101);
    shared()
        .anonymous()
        .notify("nobody", "", "{}".to_owned())
        .await
        .refused(40401);
}

#[tokio::test]
async fn one_key_makes_one_payment() {
    let user = shared().user().await;
    let create = |amount: &'static str| {
        let user = &user;
        async move {
            let body = json!({ "kind": "recharge", "amount_yuan": amount });
            user.send(Method::POST, "/api/v1/payments", |request| {
                request.header("idempotency-key", "k-1").json(&body)
            })
            .await
        }
    };
    let (first, again) = (
        create("1").await.ok_with(201),
        create("1").await.ok_with(201),
    );
    assert_eq!(first["payment_id"], again["payment_id"]);
    create("2").await.refused(40902);
}

#[tokio::test]
async fn without_a_provider_nothing_can_be_paid() {
    let app = sqlite().config("[payments]\nsandbox = false\n").start();
    let user = app.user().await;
    let wanted = json!({ "kind": "recharge", "amount_yuan": "1" });
    let refused = user.post("/api/v1/payments", &wanted).await.refused(42201);
    assert_eq!(refused.data["reason"], "no_payment_provider");
}
