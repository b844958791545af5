//! How the databases go about searches and their index.

use super::{LENGTHS, entry, filters, publisher, with};
use crate::{NOW, both};
use runtime::database::Handle;
use shared::domain::search::filter::Filter;
use shared::domain::search::query::Query;
use shared::store::{Database, Dialect, Row, Value, documents, search};
use std::sync::Mutex;
use tests::catalogue::{self, Entry};
use tests::{Chance, TestDatabase};

/// Passes questions on, and says how PostgreSQL would write instead of writing.
struct ExplainingWrites<'a>(&'a dyn Database, Mutex<String>);

#[async_trait::async_trait]
impl Database for ExplainingWrites<'_> {
    fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    async fn query(&self, sql: &str, parameters: &[Value]) -> shared::Result<Vec<Row>> {
        self.0.query(sql, parameters).await
    }

    async fn execute(&self, sql: &str, parameters: &[Value]) -> shared::Result<u64> {
        let plan = self.0.query(&format!("EXPLAIN {sql}"), parameters).await?;
        for line in plan {
            let line: String = line.get("QUERY PLAN")?;
            *self.1.lock().unwrap() += &(line + "\n");
        }
        Ok(0)
    }
}

/// As after a large import: what is indexed at once must not cost more with what is there already.
#[tokio::test]
async fn indexing_seeks_its_rows_where_the_planner_knows_nothing_of_them() {
    let Some(server) = TestDatabase::create() else {
        return;
    };
    let fixture = crate::open("PostgreSQL", Some(server)).await;
    let database = &*fixture.database;
    let quiet = "ALTER TABLE resources SET (autovacuum_enabled = off)";
    database.execute(quiet, &[]).await.unwrap();
    let publisher = publisher(database, "p@example.com").await;
    let entries: Vec<Entry> = (1..=20_000)
        .map(|number| entry(number, &publisher, "title", &[], ""))
        .collect();
    catalogue::insert(database, &entries).await.unwrap();
    let explaining = ExplainingWrites(database, Mutex::default());
    documents::index_behind(&explaining).await.unwrap();
    let plan = explaining.1.into_inner().unwrap();
    assert!(plan.contains("Insert on documents"), "{plan}");
    let reads = plan.lines().filter(|line| line.contains("Scan"));
    let reads = reads.filter(|line| line.contains(" on resources"));
    let mut reads = reads.filter(|line| !line.contains("Bitmap Heap Scan"));
    let seeks = |line: &str| line.contains("resources_pkey");
    assert!(reads.all(seeks), "{plan}");
}

/// A search that takes milliseconds looks expensive to PostgreSQL, and compiling it takes a second.
#[tokio::test]
async fn postgresql_compiles_no_statement_in_any_session() {
    let Some(server) = TestDatabase::create() else {
        return;
    };
    let url = server.url();
    let fixture = crate::open("PostgreSQL", Some(server)).await;
    // As Spin opens its own.
    let another = Handle::open(&url, fixture.folder.path()).unwrap();
    for database in [&fixture.database, &another.database()] {
        let shown = database.query("SHOW jit", &[]).await.unwrap();
        assert_eq!(shown[0].get::<String>("jit").unwrap(), "off");
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
        let [.., of_size, of_period] = &filters()[..] else {
            panic!("there are filters");
        };
        for (q, filter) in [
            ("学", of_size),
            ("机器", of_size),
            ("机器", of_period),
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
                let skips_blocks = plan.contains("documents_by_block");
                let has_blocks = database.dialect() == Dialect::Postgres;
                assert_eq!(
                    skips_blocks,
                    has_blocks && filter.since.is_some(),
                    "{q}\n{plan}"
                );
                assert!(!not.iter().any(|not| plan.contains(not)), "{q}\n{plan}");
            }
        }
    }
}
