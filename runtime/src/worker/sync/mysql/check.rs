//! Whether the two tables are there and fit.

use super::{BusinessError, Result};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::collections::HashMap;

/// Where the operator finds the tables.
const DDL: &str = "deploy/mysql/sync.sql";

/// Columns that both have, and those of the inbox alone.
const COLUMNS: [&str; 16] = [
    "id",
    "syn_id",
    "data_detail",
    "data_from_detail",
    "business_type",
    "data_from_server_id",
    "data_to_server_id",
    "fail_num",
    "result_of_send_business",
    "create_time",
    "data_from_client",
    "op",
    "entity",
    "entity_version",
    "state",
    "reason",
];
const INBOX_COLUMNS: [&str; 2] = ["received_at", "sha256"];

/// Errors: [`BusinessError::Unusable`] with a sentence that names all that is missing.
pub(super) async fn tables(conn: &mut Conn, place: &str) -> Result<()> {
    let mut wrong = Vec::new();
    let tables = [
        ("wharf_outbox", COLUMNS.to_vec(), "syn_id"),
        (
            "wharf_inbox",
            [&COLUMNS[..], &INBOX_COLUMNS].concat(),
            "data_from_server_id,syn_id,sha256",
        ),
    ];
    for (table, columns, key) in tables {
        wrong.extend(table_faults(conn, table, &columns, key).await?);
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(BusinessError::Unusable(format!(
            "{place}: {}. {DDL} has the tables as they should be.",
            wrong.join("; ")
        ))),
    }
}

async fn table_faults(
    conn: &mut Conn,
    table: &str,
    columns: &[&str],
    key: &str,
) -> Result<Vec<String>> {
    let engine: Option<Option<String>> = conn
        .exec_first(
            "SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
            (table,),
        )
        .await?;
    let Some(engine) = engine else {
        return Ok(vec![format!("the table {table} is missing")]);
    };
    let mut wrong = Vec::new();
    if !engine.is_some_and(|engine| engine.eq_ignore_ascii_case("InnoDB")) {
        wrong.push(format!("{table} has another engine than InnoDB"));
    }
    let found: Vec<(String, String, Option<String>)> = conn
        .exec(
            "SELECT column_name, data_type, character_set_name FROM information_schema.columns
                WHERE table_schema = DATABASE() AND table_name = ?",
            (table,),
        )
        .await?;
    let found: HashMap<String, (String, Option<String>)> = found
        .into_iter()
        .map(|(name, kind, charset)| (name.to_lowercase(), (kind.to_lowercase(), charset)))
        .collect();
    for column in columns {
        wrong.extend(column_fault(table, column, found.get(*column)));
    }
    let keys: Vec<String> = conn
        .exec(
            "SELECT GROUP_CONCAT(column_name ORDER BY seq_in_index) FROM information_schema.statistics
                WHERE table_schema = DATABASE() AND table_name = ? AND non_unique = 0 GROUP BY index_name",
            (table,),
        )
        .await?;
    if !keys.iter().any(|columns| columns.eq_ignore_ascii_case(key)) {
        wrong.push(format!("{table} has no unique key ({key})"));
    }
    Ok(wrong)
}

/// What is wrong with a column, when something is: it is missing, too small a type, or loses characters.
fn column_fault(
    table: &str,
    column: &str,
    found: Option<&(String, Option<String>)>,
) -> Option<String> {
    let Some((kind, charset)) = found else {
        return Some(format!("{table}.{column} is missing"));
    };
    let allowed: &[&str] = match (table, column) {
        (_, "data_detail") => &["longtext"],
        (_, "id" | "entity_version")
        | ("wharf_outbox", "syn_id" | "create_time")
        | (_, "received_at") => &["bigint"],
        (_, "fail_num" | "state" | "result_of_send_business") => {
            &["tinyint", "smallint", "mediumint", "int", "bigint"]
        }
        (
            "wharf_outbox",
            "business_type" | "data_from_server_id" | "data_to_server_id" | "data_from_client",
        ) => &[
            "varchar",
            "char",
            "tinyint",
            "smallint",
            "mediumint",
            "int",
            "bigint",
        ],
        _ => &["varchar", "char", "text", "mediumtext", "longtext"],
    };
    if !allowed.contains(&kind.as_str()) {
        return Some(format!("{table}.{column} is {kind}, not {}", allowed[0]));
    }
    let is_narrow = charset.as_ref().is_some_and(|charset| charset != "utf8mb4");
    (is_narrow && column != "sha256").then(|| format!("{table}.{column} is not utf8mb4"))
}
