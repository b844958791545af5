//! Register, parse, get, watch, file (VA-1 to VA-8), as a newcomer does it.

use crate::{PASSWORD, address, shared};
use serde_json::Value;
use tests::{Browser, Device, TestApp, clip, media};

/// The value of the first bar of the last entry.
const BAR: &str =
    "return [...document.querySelectorAll('.entry')].pop().querySelector('progress')?.value ?? -1";
const LINK: &str =
    "return [...document.querySelectorAll('.entry')].pop().querySelector('a[download]').href";

async fn registered(app: &TestApp) -> Option<Browser> {
    let browser = Browser::open(app, Device::DESK).await?;
    browser.say(&format!("register {}", address())).await;
    browser.answer("password", PASSWORD).await;
    browser.shows("You are logged in").await;
    Some(browser)
}

#[tokio::test]
async fn a_newcomer_registers_parses_downloads_watches_and_gets_the_file() {
    let app = shared();
    let Some(browser) = registered(app).await else {
        return;
    };
    let shelf = media().shelf();
    let url = shelf.url("slow.mp4");
    browser
        .say(&format!("parse {}", shelf.url("clip.mp4")))
        .await;
    browser.shows("To download it").await;
    browser.picture("parse").await;

    browser.say(&format!("get {url}")).await;
    let moves = format!("const bar = (() => {{ {BAR} }})(); return bar > 0 && bar < 100");
    browser.holds("the bar has begun", &moves).await;
    browser.picture("progress").await;
    shelf.release();
    let shown = browser.shows("succeeded").await;
    assert!(shown.contains("100%"), "{shown}");
    browser.element("video").await;
    browser.picture("file").await;

    let link = browser.run(LINK).await;
    let file = reqwest::get(link.as_str().expect("an address"))
        .await
        .expect("an answer");
    let bytes = file.bytes().await.expect("a body");
    assert!(bytes == clip().bytes, "the file differs from the clip");

    browser.say("tasks").await;
    let shown = browser.shows("succeeded").await;
    assert!(shown.contains("slow"), "{shown}");
    browser.say("quota").await;
    browser.shows("1 of 20").await;
    browser.say("history").await;
    browser.shows("there").await;
    browser.say("forget 1").await;
    browser.shows("Deleted.").await;
    browser.say("history").await;
    browser.shows("Nothing yet").await;
    browser.close().await;
}

#[tokio::test]
async fn progress_is_asked_for_where_there_is_no_websocket() {
    let app = shared();
    let Some(browser) = registered(app).await else {
        return;
    };
    let shelf = media().shelf();
    let none = "window.sockets = 0; window.WebSocket = class { constructor() { window.sockets += 1; throw new Error('none') } }; return true";
    assert_eq!(browser.run(none).await, Value::Bool(true));
    browser.say(&format!("get {}", shelf.url("slow.mp4"))).await;
    let moves = format!("const bar = (() => {{ {BAR} }})(); return bar > 0 && bar < 100");
    browser.holds("the bar has begun", &moves).await;
    shelf.release();
    browser.shows("succeeded").await;
    browser
        .holds("a WebSocket was tried", "return window.sockets > 0")
        .await;
    browser.close().await;
}

#[tokio::test]
async fn a_watch_is_stopped_and_the_download_goes_on() {
    let app = shared();
    let Some(browser) = registered(app).await else {
        return;
    };
    let shelf = media().shelf();
    browser
        .say(&format!("get {} --background", shelf.url("slow.mp4")))
        .await;
    browser.shows("Task").await;
    browser.say("watch 1").await;
    let moves = format!("const bar = (() => {{ {BAR} }})(); return bar > 0");
    browser.holds("the bar has begun", &moves).await;
    browser
        .keys(&fantoccini::key::Key::Escape.to_string())
        .await;
    browser.shows("Stopped.").await;
    shelf.release();
    browser.say("watch 1").await;
    browser.shows("succeeded").await;
    browser.close().await;
}

#[tokio::test]
async fn what_is_refused_says_so_in_a_sentence_with_what_to_do() {
    let app = shared();
    let Some(browser) = Browser::open(app, Device::DESK).await else {
        return;
    };
    browser.say("tasks").await;
    let shown = browser.shows("You are not logged in. (40101)").await;
    assert!(shown.contains("login EMAIL"), "{shown}");
    browser.say("tsaks").await;
    browser.shows("Did you mean “tasks”?").await;
    browser.say("tasks --stauts running").await;
    browser.shows("Did you mean --status?").await;
    browser.say("search --drive dropbox x").await;
    browser.shows("aliyun, baidu").await;
    browser.say("buy").await;
    browser.shows("Usage: buy RESOURCE").await;
    browser.close().await;
}
