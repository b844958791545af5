//! The console with keys alone: completion, history, questions that are left, buttons.

use crate::shared;
use fantoccini::key::Key;
use tests::{Browser, Device};

fn key(key: Key) -> String {
    key.to_string()
}

const LINE: &str = "return document.getElementById('line').value";

#[tokio::test]
async fn everything_is_reached_by_keys() {
    let app = shared();
    let Some(browser) = Browser::open(app, Device::DESK).await else {
        return;
    };
    // The line has the focus from the start.
    browser.keys("sea").await;
    browser
        .holds(
            "there are choices",
            "return !document.getElementById('choices').hidden",
        )
        .await;
    browser.keys(&key(Key::Tab)).await;
    assert_eq!(browser.run(LINE).await, "search ");
    browser.keys("--dr").await;
    browser
        .holds(
            "an option is offered",
            "return document.getElementById('choices').textContent.includes('--drive')",
        )
        .await;
    browser.keys(&key(Key::Tab)).await;
    assert_eq!(browser.run(LINE).await, "search --drive ");
    browser.keys("b").await;
    browser
        .holds(
            "a value is offered",
            "return document.getElementById('choices').textContent.includes('baidu')",
        )
        .await;
    browser.keys(&key(Key::Down)).await;
    browser.picture("completion").await;
    browser.keys(&key(Key::Enter)).await;
    assert_eq!(browser.run(LINE).await, "search --drive baidu ");
    browser.say("nothing").await;
    browser.shows("Nothing found.").await;

    // Lines of before, and back to the one that was begun.
    browser.keys("he").await;
    browser.keys(&key(Key::Escape)).await;
    browser.keys(&key(Key::Up)).await;
    assert_eq!(browser.run(LINE).await, "search --drive baidu nothing");
    browser.keys(&key(Key::Down)).await;
    assert_eq!(browser.run(LINE).await, "he");
    browser.keys("lp").await;
    browser.keys(&key(Key::Enter)).await;
    browser.shows("Data sync").await;
    browser.picture("help").await;

    // A question is left, and what was hidden is remembered nowhere.
    browser.say("login ada@example.com").await;
    browser
        .holds(
            "it asks hidden",
            "return document.getElementById('line').type === 'password'",
        )
        .await;
    browser.keys("secret words").await;
    browser.keys(&key(Key::Escape)).await;
    browser.shows("Nothing was entered.").await;
    let kept = browser
        .run("return JSON.stringify({ ...localStorage })")
        .await;
    assert!(!kept.as_str().expect("a text").contains("secret"), "{kept}");

    // Back through the buttons: what the log offers, then the header's.
    for _ in 0..3 {
        browser
            .keys(&format!("{}{}", key(Key::Shift), key(Key::Tab)))
            .await;
    }
    let focus = "return document.activeElement.tagName";
    assert_eq!(browser.run(focus).await, "BUTTON");
    browser.close().await;
}

#[tokio::test]
async fn the_log_tells_readers_of_screens_what_came() {
    let app = shared();
    let Some(browser) = Browser::open(app, Device::DESK).await else {
        return;
    };
    let told = "const log = document.getElementById('log'); const line = document.getElementById('line'); \
        return log.getAttribute('role') === 'log' && log.getAttribute('aria-live') === 'polite' \
            && line.tagName === 'INPUT' && line.getAttribute('aria-label') === 'Command'";
    assert_eq!(browser.run(told).await, true);
    browser.say("nonsense").await;
    browser.shows("There is no command").await;
    browser.element(".entry [role=alert]").await;
    browser.close().await;
}
