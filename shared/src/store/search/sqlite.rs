//! Matches on SQLite: FTS5 reads the lists of the words of a query side by side, newest first, until it has enough.

use super::super::Value;
use super::Statement;
use crate::domain::search::Field;
use crate::domain::search::filter::Filter;
use crate::domain::search::grams::{facet_phrase, phrase};
use crate::domain::search::query::Query;
use crate::limits::SEARCH_NEWEST_MATCHES;

/// CROSS JOIN keeps the index of grams the outer side, whose order is that of the answer.
pub(super) fn statement(query: &Query, fields: &[Field], filter: &Filter, limit: i64) -> Statement {
    let asked = expression(query, fields, filter);
    let (from, wanted) = if asked.is_empty() {
        ("documents d", "")
    } else {
        (
            "grams CROSS JOIN documents d ON d.number = grams.rowid",
            "grams MATCH $6 AND",
        )
    };
    let order = if asked.is_empty() {
        "d.number"
    } else {
        "grams.rowid"
    };
    let sql = format!(
        "SELECT d.number FROM {from} WHERE {wanted} {} ORDER BY {order} DESC LIMIT $5",
        super::PASSES
    );
    let mut parameters = super::filter_parameters(filter, limit);
    if !asked.is_empty() {
        parameters.push(Value::Text(asked));
    }
    Statement { sql, parameters }
}

/// The newest that have the query, and of each whether it passes the filter.
pub(super) fn newest(query: &Query, fields: &[Field], filter: &Filter) -> Statement {
    let sql = format!(
        "SELECT d.number, CASE WHEN {} THEN 1 ELSE 0 END AS passes \
         FROM grams CROSS JOIN documents d ON d.number = grams.rowid \
         WHERE grams MATCH $6 ORDER BY grams.rowid DESC LIMIT $5",
        super::PASSES
    );
    let mut parameters = super::filter_parameters(filter, SEARCH_NEWEST_MATCHES);
    let asked = expression(query, fields, &Filter::default());
    parameters.push(Value::Text(asked));
    Statement { sql, parameters }
}

/// Every run in one of the fields, and every list of facets with one of them.
fn expression(query: &Query, fields: &[Field], filter: &Filter) -> String {
    let runs = query.runs().iter().map(|run| {
        let phrases = fields.iter().map(|field| phrase(*field, run));
        one_of(phrases.collect())
    });
    let facets = filter.facets().into_iter().map(|list| {
        let phrases = list.into_iter().map(facet_phrase);
        one_of(phrases.collect())
    });
    runs.chain(facets).collect::<Vec<_>>().join(" AND ")
}

fn one_of(phrases: Vec<String>) -> String {
    format!("({})", phrases.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_a_phrase_in_one_of_the_fields() {
        let query = Query::parse("机器学 x").unwrap();
        let filter = Filter::parse(None, None, None, Some("baidu"), 0).unwrap();
        assert_eq!(
            expression(&query, &[Field::Title, Field::Bio], &filter),
            "(\"t机器 t器学\" OR \"b机器 b器学\") AND (\"tx\" * OR \"bx\" *) AND (\"fbaidu\")"
        );
        assert_eq!(
            expression(&Query::default(), &Field::ALL, &Filter::default()),
            ""
        );
    }
}
