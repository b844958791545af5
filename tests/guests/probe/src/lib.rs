//! `/probe/...`: a component that uses one capability per path and tells what it saw, for the tests of
//! the runner.

use serde_json::{Value as Json, json};
use spin_sdk::http::body::IncomingBodyExt;
use spin_sdk::http::{IntoResponse, Request, Response, StatusCode};
use spin_sdk::http_service;
use spin_sdk::pg::{Connection as Postgres, DbValue, ParameterValue};
use spin_sdk::sqlite::{Connection as Sqlite, Value};
use spin_sdk::variables;

type Outcome = Result<Json, String>;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let outcome = match request.uri().path() {
        "/probe/headers" => Ok(headers(&request)),
        "/probe/echo" => echo(request).await,
        "/probe/variable" => variable(&query).await,
        "/probe/sqlite" => sqlite(&query).await,
        "/probe/sqlite/read" => sqlite_read().await,
        "/probe/sqlite/abandon" => sqlite_abandon().await,
        "/probe/postgres" => postgres(&query).await,
        "/probe/postgres/read" => postgres_read(&query).await,
        "/probe/outbound" => outbound(&query).await,
        "/probe/stderr" => {
            eprintln!(r#"{{"level":"warn","message":"said by the probe","detail":7}}"#);
            Ok(Json::Null)
        }
        _ => Ok(json!("ok")),
    };
    let (status, body) = match outcome {
        Ok(value) => (StatusCode::OK, value),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, json!(error)),
    };
    let body = body.to_string();
    let mut response = Response::new(body.clone());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-length", body.len().into());
    response
}

fn headers(request: &Request) -> Json {
    let headers = request.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), Json::from(value))
    });
    json!({ "uri": request.uri().to_string(), "headers": Json::Object(headers.collect()) })
}

async fn echo(request: Request) -> Outcome {
    let body = request.into_body().bytes().await.map_err(debug)?;
    Ok(json!({ "bytes": body.len() }))
}

async fn variable(name: &str) -> Outcome {
    variables::get(name).await.map(Json::from).map_err(debug)
}

/// Every kind of value there and back, an error, and a committed transaction.
async fn sqlite(label: &str) -> Outcome {
    let database = Sqlite::open(label).await.map_err(debug)?;
    database
        .execute("PRAGMA synchronous = NORMAL", [])
        .await
        .map_err(debug)?
        .result()
        .await
        .map_err(debug)?;
    let run = async |sql: &str, values: Vec<Value>| {
        let answer = database.execute(sql, values).await.map_err(debug)?;
        answer.collect().await.map_err(debug)
    };
    run(
        "CREATE TABLE IF NOT EXISTS probe (i INTEGER, r REAL, t TEXT, b BLOB)",
        vec![],
    )
    .await?;
    run("BEGIN", vec![]).await?;
    run("DELETE FROM probe", vec![]).await?;
    run(
        "INSERT INTO probe VALUES (?1, ?2, ?3, ?4), (NULL, NULL, NULL, NULL)",
        vec![
            Value::Integer(i64::MAX),
            Value::Real(0.5),
            Value::Text("gr\u{fc}n".into()),
            Value::Blob(vec![0, 255]),
        ],
    )
    .await?;
    let changes = database.changes().await;
    run("COMMIT", vec![]).await?;
    let rows = run("SELECT i, r, t, b FROM probe ORDER BY i IS NULL", vec![]).await?;
    let syntax = run("SELEC", vec![]).await.err();
    let attach = run("ATTACH '/tmp/other.db' AS other", vec![]).await.err();
    Ok(json!({
        "changes": changes,
        "rows": rows.iter().map(|row| format!("{:?}", row.values)).collect::<Vec<_>>(),
        "syntax": syntax,
        "attach": attach,
    }))
}

async fn sqlite_read() -> Outcome {
    let database = Sqlite::open_default().await.map_err(debug)?;
    let answer = database
        .execute("SELECT count(*) FROM sqlite_schema", [])
        .await
        .map_err(debug)?;
    let rows = answer.collect().await.map_err(debug)?;
    Ok(json!(rows.len()))
}

/// Leaves a transaction open and panics.
async fn sqlite_abandon() -> Outcome {
    let database = Sqlite::open_default().await.map_err(debug)?;
    for sql in ["BEGIN", "CREATE TABLE abandoned (i INTEGER)"] {
        let answer = database.execute(sql, []).await.map_err(debug)?;
        answer.result().await.map_err(debug)?;
    }
    panic!("in the middle of a transaction")
}

async fn postgres(address: &str) -> Outcome {
    let database = Postgres::open(address).await.map_err(debug)?;
    let query = "SELECT $1::BIGINT AS i, $2::DOUBLE PRECISION AS r, $3::TEXT AS t, $4::BYTEA AS b, \
        $5::BOOLEAN AS f, $6::TEXT AS n, DATE '2024-02-29' AS d, \
        TIMESTAMP '1999-12-31 23:59:58.5' AS s, '{\"a\":1}'::JSONB AS j";
    let values = vec![
        ParameterValue::Int64(i64::MIN),
        ParameterValue::Floating64(0.5),
        ParameterValue::Str("gr\u{fc}n".into()),
        ParameterValue::Binary(vec![0, 255]),
        ParameterValue::Boolean(true),
        ParameterValue::DbNull,
    ];
    let answer = database.query(query, values).await.map_err(debug)?;
    let columns: Vec<_> = answer
        .columns()
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let (_, mut stream, result) = answer.into_inner();
    let mut rows: Vec<Vec<DbValue>> = Vec::new();
    while let Some(row) = stream.next().await {
        rows.push(row);
    }
    result.await.map_err(debug)?;
    let strict = database
        .execute("SELECT $1::BIGINT", vec![ParameterValue::Str("1".into())])
        .await
        .err()
        .map(debug);
    let violated = database
        .execute("SELECT 1 / $1::BIGINT", vec![ParameterValue::Int64(0)])
        .await;
    // Left behind on purpose: the next one must find neither.
    for sql in ["BEGIN", "SET application_name = 'left behind'"] {
        database.execute(sql, vec![]).await.map_err(debug)?;
    }
    Ok(json!({
        "columns": columns,
        "rows": format!("{rows:?}"),
        "strict": strict,
        "violated": violated.err().map(debug),
    }))
}

async fn postgres_read(address: &str) -> Outcome {
    let database = Postgres::open(address).await.map_err(debug)?;
    let query = "SELECT current_setting('application_name') AS t";
    let rows = database.query(query, vec![]).await.map_err(debug)?;
    let rows = rows.collect().await.map_err(debug)?;
    let name: Option<String> = rows.first().and_then(|row| row.get("t"));
    Ok(json!(name))
}

async fn outbound(url: &str) -> Outcome {
    let response = spin_sdk::http::get(url).await.map_err(debug)?;
    let status = response.status().as_u16();
    let body = response.into_body().bytes().await.map_err(debug)?;
    Ok(json!({ "status": status, "body": String::from_utf8_lossy(&body) }))
}

fn debug(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}
