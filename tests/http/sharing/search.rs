//! `/api/v1/search`: what everybody may see, by any part of its texts (SH-8, SH-11, SH-12).

use crate::{reaching, shared, sqlite};
use serde_json::{Value, json};
use tests::{Answer, Builder, PATIENCE, TestApp, eventually, publication};

/// The titles that are found, in their order.
#[track_caller]
fn titles(answer: Answer) -> Vec<String> {
    titles_of(&answer.ok())
}

fn titles_of(data: &Value) -> Vec<String> {
    let items = data["items"].as_array().expect("items").clone();
    let title = |item: &Value| item["title"].as_str().expect("a title").to_owned();
    items.iter().map(title).collect()
}

fn titled(title: &str, bio: &str, directory: &Value) -> Value {
    let mut body = publication(title, "1.00");
    body["bio"] = json!(bio);
    body["directory"] = directory.clone();
    body
}

async fn published_resources_are_found(builder: Builder) {
    let app = reaching(builder).start();
    let (publisher, reviewer) = (app.user().await, app.reviewer().await);
    let visitor = app.anonymous();
    let none = json!([]);
    let pending = publisher
        .publish(&titled("星空 等待", "", &none))
        .await
        .ok_with(201);
    assert!(
        titles(visitor.search("星空", "").await).is_empty(),
        "it waits for a reviewer"
    );

    let tree = json!([{ "name": "星空<1>", "type": "dir", "children": [
        { "name": "第一集 星空.mp4", "type": "file", "size": 5_000 },
    ]}]);
    publisher
        .published(&titled("关于天文", "抬头看<星空>。", &none), &reviewer)
        .await;
    publisher
        .published(&titled("無名", "", &tree), &reviewer)
        .await;
    let id = publisher
        .published(&titled("《星空》紀錄片 & more", "", &none), &reviewer)
        .await;
    let found = visitor.search("星空", "").await.ok();
    assert_eq!(
        (&found["total"], &found["total_is_exact"], &found["fuzzy"]),
        (&json!(3), &json!(true), &json!(false))
    );
    let fields: Vec<&Value> = (0..3).map(|at| &found["items"][at]["matches"]).collect();
    let wanted = [
        json!([{ "field": "title", "fragment": "《<em>星空</em>》紀錄片 &amp; more" }]),
        json!([
            { "field": "dir", "fragment": "<em>星空</em>&lt;1&gt;" },
            { "field": "file", "fragment": "第一集 <em>星空</em>.mp4" },
        ]),
        json!([{ "field": "bio", "fragment": "抬头看&lt;<em>星空</em>&gt;。" }]),
    ];
    assert_eq!(fields, wanted.iter().collect::<Vec<_>>());
    let first = &found["items"][0];
    assert_eq!(first["publisher"]["user_id"], publisher.user_id);
    assert_eq!(
        (&first["price"], &first["drive"]),
        (&json!("1.00"), &json!("baidu"))
    );
    assert!(first.get("url").is_none() && first.get("code").is_none());
    assert!(first["publish_time"].is_string());
    for q in ["纪录", "片 MORE", "紀錄片", "空 录", "ＭＯＲＥ"] {
        assert_eq!(
            titles(visitor.search(q, "").await),
            ["《星空》紀錄片 & more"],
            "{q}"
        );
    }
    assert_eq!(titles(visitor.search("星", "").await).len(), 3);
    what_changes_is_found_as_it_is(&app, &publisher, &id, &pending).await;
}

async fn what_changes_is_found_as_it_is(
    app: &TestApp,
    publisher: &tests::User<'_>,
    id: &str,
    pending: &Value,
) {
    let visitor = app.anonymous();
    publisher
        .change_resource(id, &json!({ "title": "銀河" }))
        .await
        .ok();
    assert_eq!(titles(visitor.search("银河", "").await), ["銀河"]);
    assert!(titles(visitor.search("紀錄片", "").await).is_empty());
    publisher.delete_resource(id).await.ok();
    assert!(titles(visitor.search("银河", "").await).is_empty());
    let reviewer = app.reviewer().await;
    let pending_id = pending["resource_id"].as_str().expect("an id");
    let review_id = reviewer.review_of("resource", pending_id).await;
    reviewer.decide(&review_id, "reject", Some("no")).await.ok();
    assert_eq!(titles(visitor.search("星空", "").await).len(), 2);
}

#[tokio::test]
async fn what_is_approved_is_found_on_sqlite() {
    published_resources_are_found(TestApp::sqlite()).await;
}

#[tokio::test]
async fn what_is_approved_is_found_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        published_resources_are_found(builder).await;
    }
}

#[tokio::test]
async fn an_operator_is_text() {
    let app = sqlite().start();
    let (publisher, reviewer) = (app.user().await, app.reviewer().await);
    let none = json!([]);
    publisher
        .published(&titled("alpha near beta", "", &none), &reviewer)
        .await;
    publisher
        .published(&titled("alphabet title or not", "", &none), &reviewer)
        .await;
    let visitor = app.anonymous();
    for (q, wanted) in [
        ("\"alpha\"", 2),
        ("alph*", 2),
        ("NEAR(alpha beta, 2)", 0),
        ("near(alpha beta)", 1),
        ("-alpha", 2),
        ("alpha OR zzz", 0),
        ("not", 1),
        ("title:alpha", 1),
        ("{title}", 1),
        ("alpha AND beta", 0),
        ("^alpha", 2),
        ("a\"b", 2),
        ("'; DROP TABLE resources; --", 0),
        ("%", 2),
        ("_", 2),
        ("\\", 2),
        ("alpha + beta", 1),
    ] {
        let found = titles(visitor.search(q, "").await);
        assert_eq!(found.len(), wanted, "{q}: {found:?}");
    }
}

#[tokio::test]
async fn pages_follow_one_another_and_filters_narrow_them() {
    let app = sqlite().start();
    let (publisher, reviewer) = (app.user().await, app.reviewer().await);
    for n in 0..5 {
        let size = 10_i64.pow(n);
        let file = json!([{ "name": "f", "type": "file", "size": size }]);
        let mut body = titled(&format!("连载 {n}"), "", &file);
        if n == 3 {
            body["url"] = json!(format!("https://www.alipan.com/s/abcdef{n}"));
        }
        publisher.published(&body, &reviewer).await;
    }
    let visitor = app.anonymous();
    let all = ["连载 4", "连载 3", "连载 2", "连载 1", "连载 0"];
    assert_eq!(titles(visitor.search("连载", "").await), all);
    assert_eq!(
        titles(visitor.search("", "").await),
        all,
        "without a query, the newest"
    );
    let page = async |number: u32| {
        let parameters = format!("&page_size=2&page={number}");
        let found = visitor.search("连载", &parameters).await.ok();
        assert_eq!(found["total"], 5);
        titles_of(&found)
    };
    assert_eq!([page(1).await, page(2).await, page(3).await].concat(), all);
    assert!(page(4).await.is_empty());
    for (parameters, wanted) in [
        ("&drive=aliyun", &all[1..2]),
        ("&min_size=100", &all[..3]),
        ("&min_size=101", &all[..2]),
        ("&max_size=10", &all[3..]),
        ("&min_size=10&max_size=1000&drive=baidu", &all[2..4]),
        ("&min_size=9223372036854775808", &[]),
        ("&max_size=9223372036854775808&period=week", &all[..]),
        ("&period=year", &all[..]),
    ] {
        assert_eq!(
            titles(visitor.search("连载", parameters).await),
            wanted,
            "{parameters}"
        );
        assert_eq!(
            titles(visitor.search("", parameters).await),
            wanted,
            "{parameters}"
        );
    }
    for (q, parameters, field) in [
        ("", "&period=day", "period"),
        ("", "&drive=x", "drive"),
        ("", "&min_size=1.5", "min_size"),
        ("", "&min_size=2&max_size=1", "max_size"),
        (&*"长".repeat(101), "", "q"),
    ] {
        visitor.search(q, parameters).await.refused_field(field);
    }
    visitor
        .post("/api/v1/search", &json!({}))
        .await
        .refused(40501);
}

#[tokio::test]
async fn a_mistake_finds_what_was_meant() {
    let app = sqlite().start();
    let (publisher, reviewer) = (app.user().await, app.reviewer().await);
    let body = titled("量子力学导论", "", &json!([]));
    publisher.published(&body, &reviewer).await;
    let found = app.anonymous().search("量子立学", "").await.ok();
    assert_eq!(
        (&found["total"], &found["fuzzy"]),
        (&json!(1), &json!(true))
    );
    let fragment = &found["items"][0]["matches"][0]["fragment"];
    assert!(
        fragment.as_str().expect("a text").contains("<em>量子</em>"),
        "{fragment}"
    );
}

#[tokio::test]
async fn who_is_blocked_is_not_found() {
    let (publisher, reviewer) = (shared().user().await, shared().reviewer().await);
    let title = format!("唯一 {}", tests::unique());
    publisher
        .published(&titled(&title, "", &json!([])), &reviewer)
        .await;
    let visitor = shared().anonymous();
    assert_eq!(titles(visitor.search(&title, "").await), [&*title]);
    let admin = shared().admin().await;
    let block = json!({ "blocked": true });
    admin.change_user(&publisher.user_id, &block).await.ok();
    assert!(titles(visitor.search(&title, "").await).is_empty());
}

#[tokio::test]
async fn an_index_that_is_built_anew_finds_the_same() {
    let app = sqlite().start();
    let (publisher, reviewer) = (app.user().await, app.reviewer().await);
    publisher
        .published(&titled("重建 索引", "", &json!([])), &reviewer)
        .await;
    let done = app.run(&["admin", "reindex"], "");
    assert!(done.status.success(), "{done:?}");
    let database = app.database();
    eventually("the worker indexes it", PATIENCE, async || {
        let behind = "SELECT COUNT(*) AS behind FROM resources WHERE indexed_version < version";
        let rows = database.query(behind, &[]).await.expect("it is read");
        let count: i64 = rows[0].get("behind").expect("a count");
        (count == 0).then_some(())
    })
    .await;
    assert_eq!(
        titles(app.anonymous().search("建 索", "").await),
        ["重建 索引"]
    );
}
