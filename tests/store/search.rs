//! Searches (SH-11).

mod plans;
mod scan;

use crate::accounts::user;
use crate::{Fixture, NOW, both};
use shared::domain::account::Role;
use shared::domain::page::Page;
use shared::domain::search::filter::Filter;
use shared::domain::search::query::Query;
use shared::store::search::{self, Item};
use shared::store::{Database, documents, users};
use tests::catalogue::{self, Entry, Lengths};

const LENGTHS: Lengths = Lengths {
    title: 6,
    bio: 8,
    names: 3,
};
const DAY_MS: i64 = 24 * 3600 * 1000;

async fn publisher(database: &dyn Database, email: &str) -> String {
    let user = user(email, Role::User);
    users::insert(database, &user).await.unwrap();
    user.user_id
}

async fn index_all(database: &dyn Database) {
    while documents::index_behind(database).await.unwrap() > 0 {}
}

/// What is found, all pages of it, and whether there may be more.
async fn found(database: &dyn Database, q: &str, filter: &Filter) -> (Vec<Item>, bool, bool) {
    let query = Query::parse(q).unwrap();
    let mut items = Vec::new();
    let mut number = 1;
    loop {
        let page = Page { number, size: 100 };
        let found = search::find(database, &query, filter, page).await.unwrap();
        let some = search::items(database, &found, &query, page).await.unwrap();
        if some.is_empty() {
            assert_eq!(items.len() as i64, found.total());
            return (items, found.is_cut, found.is_fuzzy());
        }
        items.extend(some);
        number += 1;
    }
}

async fn ids(database: &dyn Database, q: &str) -> Vec<String> {
    let (items, ..) = found(database, q, &Filter::default()).await;
    items.into_iter().map(|item| item.resource_id).collect()
}

/// A resource of this number with nothing but these texts.
fn entry(number: i64, publisher_id: &str, title: &str, names: &[&str], bio: &str) -> Entry {
    Entry {
        number,
        resource_id: crate::id(),
        publisher_id: publisher_id.to_owned(),
        drive: "baidu",
        title: title.to_owned(),
        bio: bio.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        total_size: 1,
        published_at: NOW,
        state: "ok",
    }
}

/// Adds them, indexed.
async fn with(fixture: &Fixture, entries: &[Entry]) {
    catalogue::insert(&*fixture.database, entries)
        .await
        .unwrap();
    index_all(&*fixture.database).await;
}

fn filters() -> Vec<Filter> {
    let parse = |period, min, max, drive| Filter::parse(period, min, max, drive, NOW).unwrap();
    vec![
        Filter::default(),
        parse(Some("month"), None, None, None),
        parse(Some("year"), None, Some("1000000000"), None),
        parse(None, Some("4096"), Some("99999999999"), Some("aliyun")),
        parse(
            Some("half_year"),
            Some("9223372036854775808"),
            None,
            Some("baidu"),
        ),
    ]
}

#[tokio::test]
async fn the_title_counts_before_names_and_names_before_the_bio() {
    for fixture in both().await {
        let database = &*fixture.database;
        let ada = publisher(database, "ada@example.com").await;
        let entries = [
            entry(1, &ada, "海洋纪录", &[], ""),
            entry(2, &ada, "x", &["海洋 第一集"], "海洋"),
            entry(3, &ada, "y", &[], "关于海洋。"),
            entry(4, &ada, "纪录片《海洋》", &[], ""),
            entry(5, &ada, "海", &["洋"], ""),
        ];
        with(&fixture, &entries).await;
        let wanted = |numbers: &[usize]| -> Vec<String> {
            numbers
                .iter()
                .map(|number| entries[number - 1].resource_id.clone())
                .collect()
        };
        assert_eq!(
            ids(database, "海洋").await,
            wanted(&[4, 1, 2, 3]),
            "{}",
            fixture.name
        );
        assert_eq!(ids(database, "洋 海").await, wanted(&[4, 1, 5, 2, 3]));
        assert_eq!(
            ids(database, "海洋 一集").await,
            wanted(&[2]),
            "runs in different fields"
        );
        assert_eq!(ids(database, "").await, wanted(&[5, 4, 3, 2, 1]));
    }
}

#[tokio::test]
async fn what_is_not_for_everybody_is_not_found() {
    for fixture in both().await {
        let database = &*fixture.database;
        let ada = publisher(database, "ada@example.com").await;
        let bob = publisher(database, "bob@example.com").await;
        let mut entries: Vec<Entry> = (1..=6)
            .map(|number| entry(number, &ada, "星空", &[], ""))
            .collect();
        for (at, state) in ["pending", "rejected", "taken_down", "invalidated"]
            .iter()
            .enumerate()
        {
            entries[at].state = state;
        }
        entries[5].publisher_id = bob.clone();
        with(&fixture, &entries).await;
        let id = |number: usize| entries[number - 1].resource_id.clone();
        assert_eq!(
            ids(database, "星空").await,
            [id(6), id(5), id(4)],
            "{}",
            fixture.name
        );

        let set = async |column: &str, value: &str, number: i64| {
            let sql = format!("UPDATE resources SET {column} = {value} WHERE number = {number}");
            database.execute(&sql, &[]).await.unwrap();
        };
        // The moment it is hidden, without anybody who indexes.
        set("state", "'taken_down'", 5).await;
        set("deleted_at", "1", 4).await;
        assert_eq!(ids(database, "星空").await, [id(6)]);
        let block = "UPDATE users SET blocked_at = 1 WHERE user_id = $1";
        database
            .execute(block, &[bob.as_str().into()])
            .await
            .unwrap();
        assert!(ids(database, "星空").await.is_empty());
        // What is approved is indexed by who looks for it.
        set("state", "'ok'", 1).await;
        assert!(ids(database, "星空").await.is_empty());
        documents::index(database, &id(1)).await.unwrap();
        assert_eq!(ids(database, "星空").await, [id(1)]);
        assert_eq!(
            documents::index_behind(database).await.unwrap(),
            0,
            "nothing is behind"
        );
    }
}

#[tokio::test]
async fn a_change_is_found_and_what_it_replaced_is_not() {
    for fixture in both().await {
        let database = &*fixture.database;
        let ada = publisher(database, "ada@example.com").await;
        let entries = [
            entry(1, &ada, "旧的标题", &["旧文件"], ""),
            entry(2, &ada, "另一个", &[], ""),
        ];
        with(&fixture, &entries).await;
        let change =
            "UPDATE resources SET title = '完全两样', version = version + 1 WHERE number = 1";
        database.execute(change, &[]).await.unwrap();
        documents::index(database, &entries[0].resource_id)
            .await
            .unwrap();
        assert_eq!(
            ids(database, "完全两").await,
            [entries[0].resource_id.clone()]
        );
        assert_eq!(ids(database, "旧文件").await.len(), 1, "{}", fixture.name);
        assert!(ids(database, "旧的标题").await.is_empty());

        assert_eq!(documents::reindex(database, 0).await.unwrap(), None);
        assert_eq!(documents::index_behind(database).await.unwrap(), 2);
        assert_eq!(documents::index_behind(database).await.unwrap(), 0);
        assert_eq!(ids(database, "完全两").await.len(), 1);
        assert_eq!(ids(database, "").await.len(), 2);
    }
}

#[tokio::test]
async fn many_who_index_at_once_leave_one_document() {
    for fixture in both().await {
        let database = &*fixture.database;
        let ada = publisher(database, "ada@example.com").await;
        let entries: Vec<Entry> = (1..=40)
            .map(|number| entry(number, &ada, "并发 测试", &[], ""))
            .collect();
        catalogue::insert(database, &entries).await.unwrap();
        let all = (0..8).map(|_| documents::index_behind(database));
        let single = entries
            .iter()
            .map(|entry| documents::index(database, &entry.resource_id));
        let (all, single) = futures_util::join!(
            futures_util::future::join_all(all),
            futures_util::future::join_all(single)
        );
        assert!(all.into_iter().all(|done| done.is_ok()));
        single.into_iter().for_each(|done| done.unwrap());
        index_all(database).await;
        assert_eq!(ids(database, "测试").await.len(), 40, "{}", fixture.name);
    }
}

#[tokio::test]
async fn a_mistake_is_forgiven_when_nothing_else_is_found() {
    for fixture in both().await {
        let database = &*fixture.database;
        let ada = publisher(database, "ada@example.com").await;
        let mut entries = [
            entry(1, &ada, "机器学习入门", &[], ""),
            entry(
                2,
                &ada,
                "The Rust Programming Language",
                &["chapter one.pdf"],
                "",
            ),
            entry(3, &ada, "器乐", &[], "机器雪"),
            entry(4, &ada, "机器学习进阶", &[], ""),
        ];
        entries[3].drive = "aliyun";
        with(&fixture, &entries).await;
        for (q, number) in [
            ("机器雪习入", 1),
            ("机学习入门", 1),
            ("rust progarmming", 2),
            ("programing language", 2),
            ("chaptre", 2),
        ] {
            let (items, _, is_fuzzy) = found(database, q, &Filter::default()).await;
            let ids: Vec<&String> = items.iter().map(|item| &item.resource_id).collect();
            assert_eq!(
                ids,
                [&entries[number - 1].resource_id],
                "{} {q}",
                fixture.name
            );
            assert!(is_fuzzy, "{q}");
        }
        let (items, _, is_fuzzy) = found(database, "机器雪", &Filter::default()).await;
        assert_eq!(items.len(), 1, "what matches exactly comes alone");
        assert!(!is_fuzzy);
        let aliyun = Filter::parse(None, None, None, Some("aliyun"), NOW).unwrap();
        let (items, _, is_fuzzy) = found(database, "机器雪习", &aliyun).await;
        assert_eq!(items.len(), 1, "the filter holds for what was meant");
        assert!(is_fuzzy);
        let (items, ..) = found(database, "机器雪", &aliyun).await;
        assert!(items.is_empty(), "what the filter leaves out is no mistake");
        assert!(ids(database, "量子力学导论").await.is_empty());
        assert!(ids(database, "zz").await.is_empty());
    }
}

#[tokio::test]
async fn a_large_tree_is_found_and_its_page_is_bounded() {
    for fixture in both().await {
        let database = &*fixture.database;
        let ada = publisher(database, "ada@example.com").await;
        let names: Vec<String> = (0..20_000)
            .map(|n| format!("{n:05} {}", "长".repeat(200)))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut entries = vec![
            entry(1, &ada, "大", &names, ""),
            entry(2, &ada, "小", &["00017"], ""),
        ];
        entries[0].published_at = NOW - 400 * DAY_MS;
        with(&fixture, &entries).await;
        let (items, ..) = found(database, "00017", &Filter::default()).await;
        assert_eq!(items.len(), 2, "{}", fixture.name);
        assert_eq!(items[0].directory.roots().len(), 1);
        assert_eq!(
            items[1].directory.roots().len(),
            0,
            "it is too large to be looked at"
        );
    }
}
