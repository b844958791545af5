//! Routes: `/api/v1/search`.

use shared::domain::page::Page;
use shared::domain::search::filter::Filter;
use shared::domain::search::query::Query;
use shared::spin::http::{Answer, Call, answer};
use shared::spin::now_ms;
use shared::store::search;
use shared::wire::search::SearchAnswer;
use shared::{Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

async fn route(call: &mut Call) -> Result<Answer> {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().skip(2).map(String::as_str).collect();
    match path.as_slice() {
        ["search"] => find(call).await,
        _ => Err(Error::not_found("route")),
    }
}

/// For everybody, visitors too (SH-12).
async fn find(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let query = Query::parse(call.query("q").unwrap_or_default())?;
    let filter = Filter::parse(
        call.query("period"),
        call.query("min_size"),
        call.query("max_size"),
        call.query("drive"),
        now_ms(),
    )?;
    let database = call.database().await?;
    let found = search::find(database, &query, &filter, page).await?;
    let items = search::items(database, &found, &query, page).await?;
    Answer::ok(&SearchAnswer::new(&found, items, page))
}
