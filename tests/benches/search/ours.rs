//! Our own searches.

use crate::{Queries, chunk, chunks, filters, say};
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
const PAGE: Page = Page {
    number: 1,
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
    }
    if database.dialect() == Dialect::Postgres {
        database
            .execute("VACUUM ANALYZE", &[])
            .await
            .expect("it has figures of its tables");
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

pub async fn measure(database: &dyn Database, name: &str, queries: &Queries) {
    for (characters, texts) in &queries.0 {
        for (label, filter) in filters() {
            // The first ones read what the rest has in memory.
            for text in texts.iter().take(20) {
                page(database, text, &filter).await;
            }
            let (mut samples, mut found) = (Vec::new(), 0);
            for text in texts {
                let begun = Instant::now();
                found += page(database, text, &filter).await;
                samples.push(begun.elapsed());
            }
            say(name, *characters, label, &mut samples, found);
        }
    }
}

async fn page(database: &dyn Database, text: &str, filter: &Filter) -> usize {
    let query = Query::parse(text).expect("a query");
    let found = search::find(database, &query, filter)
        .await
        .expect("it is found");
    let items = search::items(database, &found, &query, PAGE)
        .await
        .expect("they are shown");
    std::hint::black_box(SearchAnswer::new(&found, items, PAGE))
        .items
        .len()
}
