//! Our own searches.

use crate::{CHUNK, Queries, chunk, chunks, filters, say};
use runtime::clock::now_ms;
use shared::domain::account::Role;
use shared::domain::page::Page;
use shared::domain::search::filter::Filter;
use shared::domain::search::query::Query;
use shared::store::users::{self, User};
use shared::store::{Database, Dialect, documents, search};
use shared::wire::search::SearchAnswer;
use std::time::{Duration, Instant};
use tests::catalogue;

const PUBLISHERS: usize = 1_000;
const FIRST: Page = Page {
    number: 1,
    size: 20,
};
const HUNDREDTH: Page = Page {
    number: 100,
    size: 20,
};

/// Writes the resources, then has them indexed as the worker does it.
pub async fn fill(database: &dyn Database, count: i64, name: &str) {
    let mut publishers = Vec::new();
    for number in 0..PUBLISHERS {
        let user = User {
            user_id: uuid::Uuid::now_v7().to_string(),
            audience: Role::User.audience(),
            email: format!("{number}@example.com"),
            password_hash: String::new(),
            nickname: "Ada".to_owned(),
            role: Role::User,
            daily_limit: None,
            blocked_at: None,
            created_at: now_ms(),
        };
        users::insert(database, &user).await.expect("a user");
        publishers.push(user.user_id);
    }
    let mut indexing = Duration::ZERO;
    for from in chunks(count) {
        let entries = chunk(from, count, &publishers);
        catalogue::insert(database, &entries)
            .await
            .expect("they are written");
        let begun = Instant::now();
        while documents::index_behind(database)
            .await
            .expect("they are indexed")
            > 0
        {}
        indexing += begun.elapsed();
        // The worker's speed is known then; the rest goes in at once, as an administrator would do it.
        if from == 1 && count > CHUNK && database.dialect() == Dialect::Postgres {
            let rate = CHUNK as f64 / indexing.as_secs_f64();
            println!("{name:<12} the worker indexes {rate:.0} resources/s");
            run(database, "DROP INDEX documents_by_gram").await;
        }
    }
    if count > CHUNK && database.dialect() == Dialect::Postgres {
        let begun = Instant::now();
        run(
            database,
            "CREATE INDEX documents_by_gram ON documents USING gin (grams) WITH (fastupdate = off)",
        )
        .await;
        let seconds = begun.elapsed().as_secs_f64();
        println!("{name:<12} CREATE INDEX took {seconds:.1} s");
    }
    if database.dialect() == Dialect::Postgres {
        run(database, "VACUUM ANALYZE").await;
    }
    let sizes = match database.dialect() {
        Dialect::Sqlite => {
            "SELECT SUM(pgsize) AS index_bytes, \
             (SELECT SUM(pgsize) FROM dbstat WHERE name = 'documents' AND aggregate = TRUE) AS documents_bytes, \
             (SELECT SUM(pgsize) FROM dbstat WHERE name IN ('resources', 'directories') AND aggregate = TRUE) AS text_bytes \
             FROM dbstat WHERE name LIKE 'grams%' AND aggregate = TRUE"
        }
        Dialect::Postgres => {
            "SELECT pg_relation_size('documents_by_gram') AS index_bytes, \
             pg_total_relation_size('documents') - pg_relation_size('documents_by_gram') AS documents_bytes, \
             pg_table_size('resources') + pg_table_size('directories') AS text_bytes"
        }
    };
    let rows = database.query(sizes, &[]).await.expect("sizes");
    let mib = |column: &str| rows[0].get::<i64>(column).unwrap_or(0) >> 20;
    println!(
        "{name:<12} indexed in {:.1} s; grams {} MiB, documents {} MiB, the texts themselves {} MiB",
        indexing.as_secs_f64(),
        mib("index_bytes"),
        mib("documents_bytes"),
        mib("text_bytes")
    );
}

async fn run(database: &dyn Database, sql: &str) {
    database.execute(sql, &[]).await.expect("it is done");
}

/// Whether an earlier run has filled this database.
pub async fn is_filled(database: &dyn Database, count: i64) -> bool {
    let sql = "SELECT COUNT(*) AS found FROM documents";
    let rows = database.query(sql, &[]).await.expect("a count");
    rows[0].get::<i64>("found").expect("a number") >= count
}

pub async fn measure(database: &dyn Database, name: &str, queries: &Queries) {
    for text in &queries.warm {
        show(database, text, &Filter::default(), FIRST).await;
    }
    let parts = queries.parts.iter();
    let kinds = parts.map(|(length, texts)| (format!("{length} characters"), texts));
    for (kind, texts) in kinds.chain([("6, mistaken".to_owned(), &queries.mistaken)]) {
        for (label, filter) in filters() {
            samples(database, name, &kind, label, texts, &filter, FIRST).await;
        }
        let (label, filter) = ("page 100", Filter::default());
        samples(database, name, &kind, label, texts, &filter, HUNDREDTH).await;
    }
}

async fn samples(
    database: &dyn Database,
    name: &str,
    kind: &str,
    label: &str,
    texts: &[String],
    filter: &Filter,
    page: Page,
) {
    let (mut samples, mut found) = (Vec::new(), 0);
    for text in texts {
        let begun = Instant::now();
        found += show(database, text, filter, page).await;
        samples.push(begun.elapsed());
    }
    say(name, kind, label, &mut samples, found);
}

async fn show(database: &dyn Database, text: &str, filter: &Filter, page: Page) -> usize {
    let query = Query::parse(text).expect("a query");
    let found = search::find(database, &query, filter, page)
        .await
        .expect("it is found");
    let items = search::items(database, &found, &query, page)
        .await
        .expect("they are shown");
    std::hint::black_box(SearchAnswer::new(&found, items, page))
        .items
        .len()
}
