//! Matches on PostgreSQL: its inverted index gives whole lists, in no order. So a gram begins with its block of
//! resources, and the blocks are read one after another, newest first, until there are enough matches.

use super::super::{Dialect, Value, json_integers};
use super::Statement;
use crate::domain::search::Field;
use crate::domain::search::filter::Filter;
use crate::domain::search::grams::{self, packed_run};
use crate::domain::search::query::Query;
use crate::error::{Error, Result};
use crate::limits::SEARCH_BLOCK_ROWS;

/// The lateral part is run for a block when the ones before it have not brought enough.
pub(super) fn statement(
    query: &Query,
    fields: &[Field],
    filter: &Filter,
    limit: i64,
) -> Result<Statement> {
    let mut parameters = super::filter_parameters(filter, limit);
    let mut has_grams = Vec::new();
    let mut conditions = super::PASSES.to_owned();
    let mut texts = "";
    for run in query.runs() {
        has_grams.push(in_one_of(fields, run, &mut parameters)?);
        // Of one or two characters the gram is the run; longer ones are compared.
        if run.chars().count() > 2 {
            conditions += &format!(" AND ({})", text_has(fields, run, &mut parameters));
            texts = ", d.title, d.names, d.bio";
        }
    }
    // A block in which nothing is young enough is left out.
    let in_period = match filter.since {
        Some(_) => format!(
            "WHERE (SELECT MAX(young.published_at) FROM documents young \
               WHERE young.number / {SEARCH_BLOCK_ROWS} = blocks.block) >= $4"
        ),
        None => String::new(),
    };
    let in_block = if has_grams.is_empty() {
        format!(
            "SELECT d.number FROM documents d WHERE d.number >= blocks.block * {SEARCH_BLOCK_ROWS} \
             AND d.number < (blocks.block + 1) * {SEARCH_BLOCK_ROWS} AND {conditions} ORDER BY d.number DESC"
        )
    } else {
        // MATERIALIZED: the index of grams is what finds them, not a walk over all of them in the wanted order; and
        // nothing but what it answers is asked of it, because comparing a document's grams once more means to read
        // all of them.
        let has_grams = has_grams.join(" AND ");
        let first_of_next = grams::block(SEARCH_BLOCK_ROWS);
        format!(
            "WITH hits AS MATERIALIZED ( \
               SELECT d.number, d.publisher_id, d.drive, d.total_size, d.published_at{texts} \
               FROM documents d, (SELECT blocks.block * {first_of_next} AS first) AS base WHERE {has_grams}) \
             SELECT d.number FROM hits d WHERE {conditions} ORDER BY d.number DESC"
        )
    };
    let sql = format!(
        "SELECT found.number FROM (SELECT block FROM generate_series( \
           (SELECT MAX(number) FROM documents) / {SEARCH_BLOCK_ROWS}, 0, -1) AS blocks (block) {in_period}) AS blocks, \
         LATERAL ({in_block}) AS found LIMIT $5"
    );
    Ok(Statement { sql, parameters })
}

/// That one of these fields has all grams of the run in the block.
fn in_one_of(fields: &[Field], run: &str, parameters: &mut Vec<Value>) -> Result<String> {
    let in_field = fields.iter().map(|field| {
        let grams = grams_of(&packed_run(*field, run), parameters)?;
        Ok(format!("d.grams @> {grams}"))
    });
    let in_field: Vec<String> = in_field.collect::<Result<_>>()?;
    Ok(format!("({})", in_field.join(" OR ")))
}

/// That the text of one of these fields has the run.
fn text_has(fields: &[Field], run: &str, parameters: &mut Vec<Value>) -> String {
    parameters.push(run.into());
    let run = parameters.len();
    let in_text = |field: &Field| format!("strpos(d.{}, ${run}) > 0", column(*field));
    let in_text: Vec<String> = fields.iter().map(in_text).collect();
    in_text.join(" OR ")
}

/// Of documents found already, those with every run in one of these fields, newest first: `$1` is their numbers.
pub(super) fn among(query: &Query, fields: &[Field], numbers: &[i64]) -> Result<Statement> {
    let list = serde_json::to_string(numbers).map_err(Error::internal)?;
    let mut parameters = vec![Value::Text(list)];
    let mut conditions = String::new();
    for run in query.runs() {
        conditions += &format!(" AND ({})", text_has(fields, run, &mut parameters));
    }
    let numbers_of = json_integers(Dialect::Postgres, 1);
    let sql = format!(
        "SELECT d.number FROM documents d WHERE d.number IN ({numbers_of}){conditions} ORDER BY d.number DESC"
    );
    Ok(Statement { sql, parameters })
}

fn column(field: Field) -> &'static str {
    match field {
        Field::Title => "title",
        Field::Names => "names",
        Field::Bio => "bio",
    }
}

/// These grams in the block, as an array.
fn grams_of(grams: &[i64], parameters: &mut Vec<Value>) -> Result<String> {
    let list = serde_json::to_string(grams).map_err(Error::internal)?;
    parameters.push(Value::Text(list));
    let number = parameters.len();
    Ok(format!(
        "ARRAY(SELECT base.first + CAST(gram AS BIGINT) FROM json_array_elements_text(${number}::TEXT::JSON) gram)"
    ))
}
