//! Searches (SH-11), against a scan of every text.

use crate::accounts::user;
use crate::{Fixture, NOW, both};
use shared::domain::account::Role;
use shared::domain::page::Page;
use shared::domain::search::filter::Filter;
use shared::domain::search::normal::normal;
use shared::domain::search::query::Query;
use shared::limits::SEARCH_MATCHES_MAX;
use shared::store::search::{self, Item};
use shared::store::{Database, Dialect, documents, users};
use tests::Chance;
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
    let found = search::find(database, &query, filter).await.unwrap();
    let mut items = Vec::new();
    for number in 1.. {
        let page = Page { number, size: 100 };
        let some = search::items(database, &found, &query, page).await.unwrap();
        if some.is_empty() {
            break;
        }
        items.extend(some);
    }
    assert_eq!(items.len() as i64, found.total());
    (items, found.is_cut, found.is_fuzzy())
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

/// The normal forms of an entry's texts, made once.
struct Scanned {
    entry: Entry,
    title: String,
    names: String,
    bio: String,
}

impl Scanned {
    fn new(entry: Entry) -> Self {
        let names: Vec<String> = entry.names.iter().map(|name| normal(name)).collect();
        Self {
            title: normal(&entry.title),
            names: names.join(" "),
            bio: normal(&entry.bio),
            entry,
        }
    }

    /// The tier in which it matches.
    fn tier(&self, runs: &[&str]) -> Option<usize> {
        let tiers: [&[&String]; 3] = [
            &[&self.title],
            &[&self.title, &self.names],
            &[&self.title, &self.names, &self.bio],
        ];
        tiers.iter().position(|texts| {
            runs.iter()
                .all(|run| texts.iter().any(|text| text.contains(run)))
        })
    }

    fn passes(&self, filter: &Filter) -> bool {
        let entry = &self.entry;
        filter
            .drive
            .is_none_or(|drive| drive.as_str() == entry.drive)
            && filter.min_size.is_none_or(|min| entry.total_size >= min)
            && filter.max_size.is_none_or(|max| entry.total_size <= max)
            && filter
                .since
                .is_none_or(|since| entry.published_at >= since.at)
    }
}

/// Ids of what has the query, in their order.
fn scan(all: &[Scanned], q: &str, filter: &Filter) -> Vec<String> {
    let form = normal(q);
    let runs: Vec<&str> = form.split_whitespace().collect();
    let mut hits: Vec<(usize, i64, &str)> = all
        .iter()
        .filter(|scanned| scanned.passes(filter))
        .filter_map(|scanned| {
            let entry = &scanned.entry;
            Some((
                scanned.tier(&runs)?,
                -entry.number,
                entry.resource_id.as_str(),
            ))
        })
        .collect();
    hits.sort_unstable();
    hits.into_iter().map(|(.., id)| id.to_owned()).collect()
}

/// 1 to 8 characters: parts of texts that exist, some with a character changed, and texts of their own.
fn queries(chance: &mut Chance, all: &[Scanned], count: usize) -> Vec<String> {
    let one = |chance: &mut Chance| {
        let length = 1 + chance.index(8);
        if chance.one_in(5) {
            let text = catalogue::text(chance, 3);
            return text.chars().take(length).collect();
        }
        let entry = &all[chance.index(all.len())].entry;
        let text = match chance.below(3) {
            0 => entry.names.first().unwrap_or(&entry.title),
            1 => &entry.bio,
            _ => &entry.title,
        };
        let characters: Vec<char> = text.chars().collect();
        let from = chance.index(characters.len().max(1));
        let mut part: Vec<char> = characters.into_iter().skip(from).take(length).collect();
        if chance.one_in(6) && !part.is_empty() {
            let at = chance.index(part.len());
            part[at] = catalogue::character(chance);
        }
        part.into_iter().collect::<String>()
    };
    (0..count).map(|_| one(chance)).collect()
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
async fn a_search_equals_a_scan_of_ten_thousand_resources() {
    let seed = Chance::seed();
    for fixture in both().await {
        let mut chance = Chance::new(seed);
        let database = &*fixture.database;
        let publishers = [
            publisher(database, "ada@example.com").await,
            publisher(database, "bob@example.com").await,
        ];
        let entries = catalogue::entries(&mut chance, 1..10_001, &publishers, LENGTHS, NOW);
        with(&fixture, &entries).await;
        let all: Vec<Scanned> = entries.into_iter().map(Scanned::new).collect();
        let filters = filters();
        let (mut hits, mut cuts) = (0, 0);
        for (at, q) in queries(&mut chance, &all, 300).iter().enumerate() {
            // Every other one without a filter.
            let filter = if at % 2 == 0 {
                &filters[0]
            } else {
                &filters[at / 2 % filters.len()]
            };
            let mut wanted = scan(&all, q, filter);
            let query = Query::parse(q).unwrap();
            let found = search::find(database, &query, filter).await.unwrap();
            let name = fixture.name;
            if wanted.is_empty() {
                assert!(
                    found.total() == 0 || found.is_fuzzy(),
                    "{name} {q:?} {filter:?}"
                );
                continue;
            }
            assert!(!found.is_fuzzy(), "{name} {q:?} {filter:?}");
            let is_cut = wanted.len() as i64 >= SEARCH_MATCHES_MAX;
            assert_eq!(found.is_cut, is_cut, "{name} {q:?} {filter:?}");
            wanted.truncate(SEARCH_MATCHES_MAX as usize);
            assert_eq!(
                found.total(),
                wanted.len() as i64,
                "{name} {q:?} {filter:?}"
            );
            let page = Page {
                number: 1 + (at % 3) as u32,
                size: 100,
            };
            let items = search::items(database, &found, &query, page).await.unwrap();
            let got: Vec<&String> = items.iter().map(|item| &item.resource_id).collect();
            let wanted: Vec<&String> = wanted
                .iter()
                .skip(page.offset() as usize)
                .take(100)
                .collect();
            assert_eq!(got, wanted, "{name} {q:?} {filter:?}");
            hits += 1;
            cuts += usize::from(is_cut);
        }
        assert!(hits > 150, "most queries find something: {hits}");
        assert!(cuts > 3, "some find more than is counted: {cuts}");
    }
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
        let entries = [
            entry(1, &ada, "机器学习入门", &[], ""),
            entry(
                2,
                &ada,
                "The Rust Programming Language",
                &["chapter one.pdf"],
                "",
            ),
            entry(3, &ada, "器乐", &[], "机器雪"),
        ];
        with(&fixture, &entries).await;
        for (q, number) in [
            ("机器雪习", 1),
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
            .map(|n| format!("{n:05} {}", "长".repeat(100)))
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

#[tokio::test]
async fn no_search_scans_the_resources() {
    for fixture in both().await {
        let database = &*fixture.database;
        let ada = publisher(database, "ada@example.com").await;
        let mut chance = Chance::new(7);
        let entries = catalogue::entries(&mut chance, 1..3_001, &[ada], LENGTHS, NOW);
        with(&fixture, &entries).await;
        let explain = match database.dialect() {
            Dialect::Sqlite => "EXPLAIN QUERY PLAN",
            Dialect::Postgres => {
                database.execute("ANALYZE", &[]).await.unwrap();
                "EXPLAIN"
            }
        };
        let filter = &filters()[3];
        for (q, filter) in [
            ("学", filter),
            ("机器", filter),
            ("机器学习 视频", &Filter::default()),
        ] {
            for (sql, parameters) in
                search::statements(database.dialect(), &Query::parse(q).unwrap(), filter).unwrap()
            {
                let rows = database
                    .query(&format!("{explain} {sql}"), &parameters)
                    .await
                    .unwrap();
                let column = if database.dialect() == Dialect::Sqlite {
                    "detail"
                } else {
                    "QUERY PLAN"
                };
                let plan: Vec<String> = rows.iter().map(|row| row.get(column).unwrap()).collect();
                let plan = plan.join("\n");
                let (uses, not) = match database.dialect() {
                    Dialect::Sqlite => (
                        "SCAN grams VIRTUAL TABLE INDEX",
                        &["SCAN d", "TEMP B-TREE"][..],
                    ),
                    Dialect::Postgres => ("documents_by_gram", &["Seq Scan on documents"][..]),
                };
                assert!(plan.contains(uses), "{q}\n{plan}");
                assert!(!not.iter().any(|not| plan.contains(not)), "{q}\n{plan}");
            }
        }
    }
}
