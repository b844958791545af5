//! Publish, review, search, buy, refund (SH-2 to SH-13) in one browser with two people in it.

use crate::{PASSWORD, address, sqlite, staff};
use tests::{Browser, Device, share_url};

#[tokio::test]
async fn a_resource_is_published_reviewed_found_bought_and_given_back() {
    let app = sqlite().start();
    let Some(browser) = Browser::open(&app, Device::DESK).await else {
        return;
    };
    browser
        .say(&format!("register {} --nickname Ada", address()))
        .await;
    browser.answer("password", PASSWORD).await;
    browser.shows("logged in").await;
    browser
        .say(&format!(
            "publish {} --code q1w2 --title 三体全集 --price 2.50 --bio 科幻小说",
            share_url()
        ))
        .await;
    let shown = browser.shows("Published.").await;
    assert!(shown.contains("pending"), "{shown}");

    browser
        .say(&format!("login --admin {}", staff(&app, "reviewer")))
        .await;
    browser.answer("Password", PASSWORD).await;
    browser.shows("Logged in").await;
    browser.say("reviews").await;
    browser.shows("三体全集").await;
    browser.picture("reviews").await;
    browser.say("review 1").await;
    let shown = browser.shows("To approve it").await;
    assert!(
        !shown.contains("pan.baidu.com"),
        "a reviewer sees no link: {shown}"
    );
    browser.say("approve 1").await;
    browser.shows("Approved.").await;

    browser
        .say(&format!("register {} --nickname Bob", address()))
        .await;
    browser.answer("password", PASSWORD).await;
    browser.shows("logged in").await;
    browser.say("search 体").await;
    browser.shows("1 found").await;
    let marked =
        "return [...document.querySelectorAll('.entry')].pop().querySelector('mark').textContent";
    assert_eq!(browser.run(marked).await, "体");
    browser.picture("search").await;
    browser.say("buy 1").await;
    browser.answer("costs you 2.50 coins", "y").await;
    let shown = browser.shows("(40201)").await;
    assert!(shown.contains("recharge YUAN"), "{shown}");

    pay(&browser).await;
    browser.say("buy 1").await;
    browser.answer("costs you 2.50 coins", "n").await;
    browser.shows("Not bought.").await;
    browser.say("buy 1 --yes").await;
    let shown = browser.shows("Bought for 2.50 coins.").await;
    assert!(
        shown.contains("pan.baidu.com") && shown.contains("q1w2"),
        "{shown}"
    );
    browser.say("coins").await;
    browser.shows("7.50").await;
    browser.say("orders").await;
    browser.shows("can be given back").await;
    browser.picture("orders").await;
    browser.say("refund 1").await;
    browser.shows("Given back.").await;
    browser.say("coins").await;
    browser.shows("10.00").await;
    browser.say("ledger").await;
    browser.shows("refund").await;
    browser.close().await;
}

/// Buys ten coins on the sandbox's page, in the window that the link opens.
async fn pay(browser: &Browser) {
    browser.say("recharge 1.00 --wait").await;
    let link =
        "return [...document.querySelectorAll('.entry')].pop().querySelector('p a')?.href ?? ''";
    browser
        .holds(
            "there is a link to pay",
            &format!("return (() => {{ {link} }})() !== ''"),
        )
        .await;
    let address = browser.run(link).await;
    let address = address.as_str().expect("an address");
    let paid = reqwest::Client::new()
        .post(address)
        .send()
        .await
        .expect("an answer");
    assert!(paid.status().is_success(), "{paid:?}");
    browser.shows("Paid.").await;
}
