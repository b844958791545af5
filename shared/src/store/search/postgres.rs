//! Matches on PostgreSQL: its inverted index gives whole lists, in no order. So a gram begins with its block of
//! resources, and the blocks are read one after another, newest first, until there are enough matches.

use super::super::Value;
use super::Statement;
use crate::domain::search::Field;
use crate::domain::search::filter::Filter;
use crate::domain::search::grams::{self, packed_facets, packed_run};
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
    let mut conditions = Vec::new();
    for run in query.runs() {
        let in_fields: Result<Vec<String>> = fields
            .iter()
            .map(|field| in_field(*field, run, &mut parameters))
            .collect();
        conditions.push(format!("({})", in_fields?.join(" OR ")));
    }
    for list in filter.facets() {
        let some = grams_of(&packed_facets(&list), &mut parameters)?;
        conditions.push(format!("d.grams && {some}"));
    }
    let passes = super::PASSES;
    if conditions.is_empty() {
        let sql = format!(
            "SELECT d.number FROM documents d WHERE {passes} ORDER BY d.number DESC LIMIT $5"
        );
        return Ok(Statement { sql, parameters });
    }
    let conditions = conditions.join(" AND ");
    let first_of_next = grams::block(SEARCH_BLOCK_ROWS);
    // MATERIALIZED: the index of grams is what finds them, not a walk over all of them in the wanted order.
    let sql = format!(
        "SELECT found.number FROM generate_series( \
           (SELECT MAX(number) FROM documents) / {SEARCH_BLOCK_ROWS}, 0, -1) AS blocks (block), \
         LATERAL (WITH hits AS MATERIALIZED (SELECT d.number, d.publisher_id, d.drive, d.total_size, d.published_at \
             FROM documents d, (SELECT blocks.block * {first_of_next} AS first) AS base WHERE {conditions}) \
           SELECT d.number FROM hits d WHERE {passes} ORDER BY d.number DESC) AS found LIMIT $5"
    );
    Ok(Statement { sql, parameters })
}

/// The run in one field. Of one or two characters the gram is the run; longer ones are compared.
fn in_field(field: Field, run: &str, parameters: &mut Vec<Value>) -> Result<String> {
    let all = grams_of(&packed_run(field, run), parameters)?;
    if run.chars().count() <= 2 {
        return Ok(format!("d.grams @> {all}"));
    }
    let column = match field {
        Field::Title => "title",
        Field::Names => "names",
        Field::Bio => "bio",
    };
    parameters.push(run.into());
    let run = parameters.len();
    Ok(format!(
        "(d.grams @> {all} AND strpos(d.{column}, ${run}) > 0)"
    ))
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
