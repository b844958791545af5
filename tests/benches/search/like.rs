//! `LIKE` on the normal forms, which it is given in a table of their own.

use crate::{LIKE_QUERIES, Queries, say};
use shared::domain::search::normal::normal;
use shared::store::{Database, Dialect};
use std::time::Instant;

pub async fn measure(database: &dyn Database, name: &str, queries: &Queries) {
    if database.dialect() == Dialect::Sqlite {
        fill_sqlite(database).await;
    }
    let from = match database.dialect() {
        Dialect::Sqlite => "plain",
        Dialect::Postgres => "documents",
    };
    let sql = format!(
        "SELECT number FROM {from} WHERE title LIKE $1 OR names LIKE $1 OR bio LIKE $1 \
         ORDER BY CASE WHEN title LIKE $1 THEN 0 WHEN names LIKE $1 THEN 1 ELSE 2 END, number DESC LIMIT 20"
    );
    for (characters, texts) in &queries.parts {
        let (mut samples, mut found) = (Vec::new(), 0);
        for text in texts.iter().take(LIKE_QUERIES) {
            let begun = Instant::now();
            let pattern = format!("%{text}%").into();
            found += database
                .query(&sql, &[pattern])
                .await
                .expect("it runs")
                .len();
            samples.push(begun.elapsed());
        }
        say(
            &format!("{name} LIKE"),
            &format!("{characters} characters"),
            "",
            &mut samples,
            found,
        );
    }
}

async fn fill_sqlite(database: &dyn Database) {
    // An earlier run on the same database has left it.
    let drop = "DROP TABLE IF EXISTS plain";
    database.execute(drop, &[]).await.expect("it is away");
    let create =
        "CREATE TABLE plain (number INTEGER PRIMARY KEY, title TEXT, names TEXT, bio TEXT)";
    database.execute(create, &[]).await.expect("a table");
    let mut after = 0;
    loop {
        let some = "SELECT r.number, r.title, r.bio, d.tree FROM resources r \
             JOIN directories d ON d.directory_id = r.directory_id WHERE r.number > $1 ORDER BY r.number LIMIT 5000";
        let rows = database.query(some, &[after.into()]).await.expect("rows");
        let Some(last) = rows.last() else { return };
        after = last.get("number").expect("a number");
        let texts = rows.iter().map(|row| {
            let text = |column: &str| normal(&row.get::<String>(column).expect("a text"));
            let number: i64 = row.get("number").expect("a number");
            let tree: String = row.get("tree").expect("a tree");
            let nodes: Vec<serde_json::Value> = serde_json::from_str(&tree).expect("JSON");
            let names = nodes
                .iter()
                .map(|node| normal(node["name"].as_str().unwrap_or_default()));
            let names = names.collect::<Vec<_>>().join(" ");
            serde_json::json!([number, text("title"), names, text("bio")])
        });
        let texts = serde_json::Value::Array(texts.collect()).to_string();
        let insert = "INSERT INTO plain SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($1)";
        database
            .execute(insert, &[texts.into()])
            .await
            .expect("they are written");
    }
}
