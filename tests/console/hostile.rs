//! Names with markup, controls and marks of direction are texts; the policy holds.

use crate::{PASSWORD, address, shared};
use tests::{Browser, Device, publication};

#[tokio::test]
async fn names_with_markup_and_hidden_characters_are_texts() {
    let app = shared();
    let Some(browser) = Browser::open(app, Device::DESK).await else {
        return;
    };
    let (seller, reviewer) = (app.user().await, app.reviewer().await);
    let title = "<img src=x onerror=\"window.taken=1\"><b>bold</b> \u{202e}gpj.exe 陷阱";
    let mut body = publication(title, "0.00");
    body["bio"] = "</td></table><script>window.taken=2</script>".into();
    body["directory"]["children"][0]["name"] = "<svg onload=window.taken=3>.mp4".into();
    seller.published(&body, &reviewer).await;

    browser.say("search 陷阱").await;
    let shown = browser.shows("1 found").await;
    assert!(shown.contains("<b>bold</b>"), "{shown}");
    assert!(
        !shown.contains('\u{202e}'),
        "the direction is turned: {shown:?}"
    );
    browser.say("show 1").await;
    let shown = browser.shows("</table><script>").await;
    assert!(shown.contains("<svg onload"), "{shown}");
    browser.picture("hostile").await;
    browser
        .say(&format!("register {} --nickname \"<i>x</i>\"", address()))
        .await;
    browser.answer("password", PASSWORD).await;
    browser.shows("logged in").await;
    browser.say("profile").await;
    browser.shows("<i>x</i>").await;
    browser.say("<img src=x onerror=window.taken=4>").await;
    browser.shows("There is no command “<img”").await;

    let clean = "return window.taken === undefined && document.querySelectorAll('#log img, #log b, #log i, #log script').length === 0";
    assert_eq!(browser.run(clean).await, true);
    browser.close().await;
}

#[tokio::test]
async fn a_link_to_the_console_prepares_what_moves_something_and_does_not_do_it() {
    let app = shared();
    let Some(browser) = Browser::open(app, Device::DESK).await else {
        return;
    };
    browser
        .visit(&format!("{}/?a#register%20eve@example.com", app.base()))
        .await;
    let line = "return document.getElementById('line').value";
    let waits = format!("return (() => {{ {line} }})() === 'register eve@example.com '");
    browser.holds("it stands in the line", &waits).await;
    let entries = browser
        .run("return document.querySelectorAll('.entry').length")
        .await;
    assert_eq!(entries, 1, "something ran");
    browser
        .visit(&format!("{}/?b#search%20x", app.base()))
        .await;
    browser.shows("Nothing found.").await;
    browser.close().await;
}

#[tokio::test]
async fn the_policy_lets_no_markup_in_and_no_script_from_elsewhere() {
    let app = shared();
    let Some(browser) = Browser::open(app, Device::DESK).await else {
        return;
    };
    let markup = "try { document.body.innerHTML = '<b>x</b>'; return 'let in' } catch (error) { return error.name }";
    assert_eq!(browser.run(markup).await, "TypeError");
    let script = "try { document.createElement('script').src = 'http://127.0.0.1:9/x.js'; return 'let in' } \
        catch (error) { return error.name }";
    assert_eq!(browser.run(script).await, "TypeError");
    let handler = "const line = document.getElementById('line'); \
        try { line.setAttribute('onclick', 'window.taken = 5') } catch { return true } \
        line.click(); return window.taken === undefined";
    assert_eq!(browser.run(handler).await, true);
    let complaints = browser.complaints().await;
    assert!(!complaints.is_empty(), "the browser noticed nothing");
    browser.close().await;
}
