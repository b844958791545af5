//! Checks of links by the worker (SH-9), against answers as both drives give them.

use crate::sharing::market::Market;
use serde_json::{Value, json};
use shared::domain::resource::State;
use shared::store::resources::Resource;
use tests::{
    Builder, Client, DriveServer, PATIENCE, SHARE_CODE, ShareManner, TestApp, eventually,
    publication, unique,
};

/// Both drives' links to a share of this id.
fn links(share_id: &str) -> [String; 2] {
    [
        format!("https://www.alipan.com/s/{share_id}"),
        format!("https://pan.baidu.com/s/1{share_id}"),
    ]
}

async fn start(drives: &DriveServer, builder: Builder) -> TestApp {
    builder.config(&drives.config()).start()
}

async fn checked(market: &Market, resource_id: &str) -> Resource {
    eventually("the check ends", PATIENCE, async || {
        let resource = market.resource(resource_id).await;
        (!resource.is_check_pending).then_some(resource)
    })
    .await
}

/// What the fixtures hold, in the order of a tree.
fn fixture() -> Value {
    json!([
        { "name": "考研数学 2026", "type": "dir", "children": [
            { "name": "第一课.mp4", "type": "file", "size": 734_003_200 },
            { "name": "讲义.pdf", "type": "file", "size": 5_242_880 },
        ] },
        { "name": "说明.txt", "type": "file", "size": 1280 },
    ])
}

async fn gives_the_tree(builder: Builder) {
    let drives = DriveServer::start().await;
    let app = start(&drives, builder).await;
    let market = Market::of(&app).await;
    let share_id = unique();
    for url in links(&share_id) {
        let resource_id = market.approved(&url, SHARE_CODE).await;
        let resource = checked(&market, &resource_id).await;
        assert_eq!(resource.verdict.as_deref(), Some("ok"), "{url}");
        assert_eq!(resource.state, State::Ok);
        assert_eq!(resource.total_size, 739_247_360);
        assert!(resource.last_check_at.is_some());
        let tree: Value = market.tree(&resource.directory_id).await;
        assert_eq!(tree, fixture(), "{url}");
    }
    // What is right already is written no second time.
    for url in links(&share_id) {
        let resource_id = market.approved(&url, SHARE_CODE).await;
        let first = checked(&market, &resource_id).await;
        market.check_again(&resource_id).await;
        let second = checked(&market, &resource_id).await;
        assert!(second.last_check_at > first.last_check_at);
        assert_eq!(second.directory_id, first.directory_id);
    }
    let log = app.log();
    assert!(log.contains("\"verdict\":\"ok\""), "{log}");
    for secret in [share_id.as_str(), SHARE_CODE, "recorded.token", "randsk"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn a_published_link_is_checked_and_its_tree_appears_on_sqlite() {
    gives_the_tree(TestApp::sqlite()).await;
}

#[tokio::test]
async fn a_published_link_is_checked_and_its_tree_appears_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        gives_the_tree(builder).await;
    }
}

#[tokio::test]
async fn nobody_sells_by_a_tree_of_his_own_once_the_drive_has_listed_the_link() {
    let drives = DriveServer::start().await;
    let app = start(&drives, TestApp::sqlite()).await;
    let market = Market::of(&app).await;
    let (publisher, share_id) = (app.user().await, unique());
    drives.behave(&share_id, ShareManner::Limited);
    let mut body = publication("a course", "1.00");
    body["url"] = json!(links(&share_id)[0]);
    body["code"] = json!(SHARE_CODE);
    let resource = publisher.publish(&body).await.ok_with(201);
    let resource_id = resource["resource_id"].as_str().expect("an id");
    let tree = json!({ "directory": { "name": "8K.mkv", "type": "file", "size": 99 } });
    let said = publisher.change_resource(resource_id, &tree).await.ok();
    assert_eq!(said["total_size"], 99, "{said:#}");
    drives.behave(&share_id, ShareManner::Lives);
    eventually("the drive lists it", PATIENCE, async || {
        market.resource(resource_id).await.listed_at
    })
    .await;
    let refused = publisher.change_resource(resource_id, &tree).await;
    refused.refused(40901);
    let seen = publisher.resource(resource_id).await.ok();
    assert_eq!(seen["directory"], fixture(), "{seen:#}");
    let mut another = tree;
    another["code"] = json!("zzzz");
    let changed = publisher.change_resource(resource_id, &another).await.ok();
    assert_eq!(changed["total_size"], 99, "{changed:#}");
}

#[tokio::test]
async fn a_link_that_is_dead_twice_is_invalidated_and_comes_back() {
    let drives = DriveServer::start().await;
    let app = start(&drives, TestApp::sqlite()).await;
    let market = Market::of(&app).await;
    let share_id = unique();
    drives.behave(&share_id, ShareManner::Dead);
    for url in links(&share_id) {
        let before = drives.calls(&share_id);
        let resource_id = market.approved(&url, SHARE_CODE).await;
        let resource = checked(&market, &resource_id).await;
        assert_eq!(resource.state, State::Invalidated, "{url}");
        assert_eq!(resource.verdict.as_deref(), Some("bad"));
        assert_eq!(drives.calls(&share_id) - before, 2, "asked twice: {url}");
        drives.behave(&share_id, ShareManner::Lives);
        market.check_again(&resource_id).await;
        let resource = checked(&market, &resource_id).await;
        assert_eq!(resource.state, State::Ok, "{url}");
        drives.behave(&share_id, ShareManner::Dead);
    }
}

#[tokio::test]
async fn nothing_but_the_drives_word_is_taken_for_death() {
    let drives = DriveServer::start().await;
    let app = start(&drives, TestApp::sqlite()).await;
    let market = Market::of(&app).await;
    for manner in [ShareManner::Limited, ShareManner::Html, ShareManner::Fails] {
        let share_id = unique();
        drives.behave(&share_id, manner);
        for url in links(&share_id) {
            let before = drives.calls(&share_id);
            let resource_id = market.approved(&url, SHARE_CODE).await;
            let resource = checked(&market, &resource_id).await;
            assert_eq!(resource.state, State::Ok, "{manner:?} {url}");
            assert_eq!(resource.verdict.as_deref(), Some("uncertain"));
            assert_eq!(resource.last_check_at, None);
            let tries = drives.calls(&share_id) - before;
            assert_eq!(
                tries as i64,
                shared::limits::CHECK_TRIES,
                "{manner:?} {url}"
            );
        }
    }
}

#[tokio::test]
async fn a_wrong_code_is_locked_and_no_death() {
    let drives = DriveServer::start().await;
    let app = start(&drives, TestApp::sqlite()).await;
    let market = Market::of(&app).await;
    for url in links(&unique()) {
        for code in ["wrong", ""] {
            let resource_id = market.approved(&url, code).await;
            let resource = checked(&market, &resource_id).await;
            assert_eq!(resource.state, State::Ok, "{url} {code}");
            assert_eq!(resource.verdict.as_deref(), Some("locked"), "{url} {code}");
            assert!(resource.last_check_at.is_some());
        }
    }
}

#[tokio::test]
async fn a_share_of_more_than_twenty_thousand_files_is_cut_off() {
    let drives = DriveServer::start().await;
    let app = start(&drives, TestApp::sqlite()).await;
    let market = Market::of(&app).await;
    let share_id = unique();
    drives.behave(&share_id, ShareManner::Large(20_001));
    for url in links(&share_id) {
        let resource_id = market.approved(&url, SHARE_CODE).await;
        let resource = checked(&market, &resource_id).await;
        assert_eq!(resource.verdict.as_deref(), Some("ok"), "{url}");
        assert_eq!(resource.total_size, 20_000_000, "{url}");
        let tree: Value = market.tree(&resource.directory_id).await;
        let names = tree.as_array().expect("a list");
        assert_eq!(names.len(), 20_000);
        assert_eq!(names[19_999]["name"], "019999.mp4", "markers were followed");
    }
}

#[tokio::test]
async fn a_listing_that_breaks_off_keeps_the_tree_and_the_resource() {
    let drives = DriveServer::start().await;
    let app = start(&drives, TestApp::sqlite()).await;
    let market = Market::of(&app).await;
    let share_id = unique();
    drives.behave(&share_id, ShareManner::Shy);
    for url in links(&share_id) {
        let resource_id = market.approved(&url, SHARE_CODE).await;
        let before = market.resource(&resource_id).await.directory_id;
        let resource = checked(&market, &resource_id).await;
        assert_eq!(resource.verdict.as_deref(), Some("ok"), "{url}");
        assert_eq!(resource.state, State::Ok);
        assert_eq!(resource.directory_id, before, "a part is no tree");
    }
}

#[tokio::test]
async fn a_worker_killed_in_a_check_is_followed_by_another() {
    let drives = DriveServer::start().await;
    let mut app = start(
        &drives,
        TestApp::sqlite().env("WHARF_CRASH_AT", "check:asked"),
    )
    .await;
    let share_id = unique();
    let url = &links(&share_id)[0];
    let resource_id = Market::of(&app).await.approved(url, SHARE_CODE).await;
    let status = app.wait_for_end(PATIENCE);
    assert!(!status.success(), "{status}");
    let market = Market::of_stopped(&app);
    assert!(market.resource(&resource_id).await.is_check_pending);
    market.end_leases().await;
    app.restart_with(&[]);
    let resource = checked(&market, &resource_id).await;
    assert_eq!(resource.verdict.as_deref(), Some("ok"));
    assert_eq!(market.tree(&resource.directory_id).await, fixture());
}

#[tokio::test]
async fn a_worker_that_stops_in_a_check_gives_it_back() {
    let drives = DriveServer::start().await;
    let mut app = start(&drives, TestApp::sqlite()).await;
    let share_id = unique();
    drives.behave(&share_id, ShareManner::Waits);
    let market = Market::of(&app).await;
    let resource_id = market.approved(&links(&share_id)[1], SHARE_CODE).await;
    eventually("the list is asked for", PATIENCE, async || {
        (drives.calls(&share_id) == 2).then_some(())
    })
    .await;
    assert!(app.stop().success());
    drives.behave(&share_id, ShareManner::Lives);
    app.restart();
    let resource = checked(&market, &resource_id).await;
    assert_eq!(resource.verdict.as_deref(), Some("ok"));
}

#[tokio::test]
async fn an_answer_about_a_link_that_was_replaced_is_void() {
    let drives = DriveServer::start().await;
    let app = start(&drives, TestApp::sqlite()).await;
    let market = Market::of(&app).await;
    let (old, new) = (unique(), unique());
    drives.behave(&old, ShareManner::Waits);
    drives.behave(&new, ShareManner::Limited);
    let resource_id = market.approved(&links(&old)[0], SHARE_CODE).await;
    eventually("the list is asked for", PATIENCE, async || {
        (drives.calls(&old) == 3).then_some(())
    })
    .await;
    market
        .replace_link(&resource_id, &links(&new)[0], SHARE_CODE)
        .await;
    drives.behave(&old, ShareManner::Lives);
    drives.go_on();
    let resource = checked(&market, &resource_id).await;
    assert_eq!(
        resource.verdict.as_deref(),
        Some("uncertain"),
        "of the new link"
    );
    assert_eq!(resource.state, State::Pending);
    assert_eq!(resource.total_size, 0, "the old link's tree is not its");
}

#[tokio::test]
async fn a_client_that_shows_an_old_check_has_the_link_checked() {
    let drives = DriveServer::start().await;
    let app = start(&drives, TestApp::sqlite()).await;
    let market = Market::of(&app).await;
    let share_id = unique();
    let resource_id = market.approved(&links(&share_id)[0], SHARE_CODE).await;
    checked(&market, &resource_id).await;
    let client = Client::registered(&app, "reader@example.com", "letters4numbers");
    let shown = client.run(&["show", &resource_id]).ok();
    assert!(shown.contains("the link opens"), "{shown}");
    let before = drives.calls(&share_id);
    app.set_row(
        "resources",
        "resource_id",
        &resource_id,
        "last_check_at = 1",
    )
    .await;
    // A visitor's does not: checks are for those who have an account.
    let visitor = Client::of(&app);
    visitor.run(&["show", &resource_id]).ok();
    assert!(!market.resource(&resource_id).await.is_check_pending);
    let shown = client.run(&["show", &resource_id]).ok();
    assert!(shown.contains("being checked"), "{shown}");
    let resource = checked(&market, &resource_id).await;
    assert!(resource.last_check_at > Some(1) && drives.calls(&share_id) > before);
    assert_eq!(resource.verdict.as_deref(), Some("ok"));
}
