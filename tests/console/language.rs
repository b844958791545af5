//! Chinese, on a phone, in the dark.

use crate::{PASSWORD, address, shared};
use tests::{Browser, Device, media};

#[tokio::test]
async fn a_phone_that_speaks_chinese_is_answered_in_chinese() {
    let app = shared();
    let Some(browser) = Browser::open(app, Device::PHONE).await else {
        return;
    };
    assert_eq!(
        browser.run("return document.documentElement.lang").await,
        "zh-CN"
    );
    browser
        .say(&format!("注册 {} --nickname 小明", address()))
        .await;
    browser.answer("设置密码", PASSWORD).await;
    browser.shows("欢迎").await;
    browser
        .say(&format!("下载 {}", media().shelf().url("clip.mp4")))
        .await;
    browser.shows("成功").await;
    browser.say("任务").await;
    browser.shows("名称").await;
    browser.picture("phone").await;
    let wide = "return document.documentElement.scrollWidth <= window.innerWidth";
    assert_eq!(
        browser.run(wide).await,
        true,
        "the page is wider than the phone"
    );
    browser.say("购买 1").await;
    browser.shows("没有第 1 项").await;
    browser.say("买 x").await;
    browser.shows("参数不正确").await;
    browser.say("language en").await;
    browser.shows("The language is English.").await;
    browser.say("tasks").await;
    browser.shows("succeeded").await;
    browser.close().await;
}

#[tokio::test]
async fn a_line_that_an_input_method_composes_is_not_sent_half_way() {
    let app = shared();
    let Some(browser) = Browser::open(app, Device::DESK).await else {
        return;
    };
    let compose = "const line = document.getElementById('line'); line.value = '搜索 san'; \
        const event = new KeyboardEvent('keydown', { key: 'Escape', isComposing: true, cancelable: true, bubbles: true }); \
        return line.dispatchEvent(event)";
    assert_eq!(
        browser.run(compose).await,
        true,
        "the key was taken from the input method"
    );
    browser.close().await;
}
