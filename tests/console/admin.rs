//! The admin's pages: overview with charts, queue, dead letters (VA-3, VA-16), projects and sites (DC-1, DS-13).

use crate::{PASSWORD, sqlite, staff};
use tests::{Browser, Device, media};

#[tokio::test]
async fn an_admin_sees_the_overview_and_replays_dead_letters() {
    let app = sqlite().start();
    let Some(browser) = Browser::open(&app, Device::DESK).await else {
        return;
    };
    let user = app.user().await;
    let shelf = media().shelf();
    shelf.fail(1000);
    let (task_id, _) = user.submit(&shelf.url("flaky.mp4")).await;
    let task = user.finished(&task_id).await;
    assert_eq!(task["status"], "dead", "{task:#}");

    browser
        .say(&format!("login --admin {}", staff(&app, "admin")))
        .await;
    browser.answer("Password", PASSWORD).await;
    browser.shows("Logged in").await;
    browser
        .visit(&format!("{}/#overview%20--live", app.base()))
        .await;
    let charts = "return [...document.querySelectorAll('.entry')].pop().querySelectorAll('figure rect').length > 24";
    browser.holds("there are charts", charts).await;
    let one = "const dead = [...document.querySelectorAll('dt')].find((dt) => dt.textContent === 'Dead letters'); \
               return dead?.nextElementSibling.textContent === '1'";
    browser.holds("one dead letter is counted", one).await;
    browser.picture("overview").await;

    browser.say("dead-letters").await;
    browser.shows("flaky").await;
    browser.picture("dead-letters").await;
    browser.say("dead-letter 1").await;
    browser.shows("Again").await;
    shelf.fail(0);
    browser.say("replay 1").await;
    browser.shows("Back in the queue.").await;
    user.succeeded(&task_id).await;
    let none = one.replace("=== '1'", "=== '0'");
    browser.holds("the live overview has followed", &none).await;
    browser.say("queue").await;
    browser.shows("Worker").await;
    browser
        .say("new-project shop --group north --allow 127.0.0.1")
        .await;
    browser.shows("client_secret").await;
    browser.say("projects").await;
    browser.shows("north").await;
    browser.say("site-code 一号店 --group north").await;
    browser.shows("Code").await;
    browser.say("sites").await;
    browser.shows("一号店").await;
    browser.say("users").await;
    browser.shows(&user.email).await;
    browser.close().await;
}
