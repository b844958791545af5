//! What a search answers (SH-11).

use super::resource::Person;
use super::time::rfc3339;
use crate::domain::coins::Coins;
use crate::domain::directory::NodeType;
use crate::domain::page::Page;
use crate::domain::search::fragment::fragment;
use crate::limits::NAME_FRAGMENTS_MAX;
use crate::store::search::{Found, Item};
use serde::Serialize;

/// `GET /api/v1/search`.
#[derive(Debug, Serialize)]
pub struct SearchAnswer {
    pub items: Vec<SearchItem>,
    /// Of what was found; at least so many where it is not exact.
    pub total: i64,
    pub total_is_exact: bool,
    /// Whether these are what was perhaps meant, because nothing has the query.
    pub fuzzy: bool,
    pub page: u32,
    pub page_size: u32,
}

#[derive(Debug, Serialize)]
pub struct SearchItem {
    pub resource_id: String,
    pub title: String,
    pub bio: String,
    pub price: Coins,
    /// Bytes.
    pub total_size: i64,
    pub drive: String,
    pub publisher: Person,
    pub publish_time: Option<String>,
    pub last_check_time: Option<String>,
    pub check_pending: bool,
    /// What the last check found: `ok`, `bad`, `locked`, `uncertain`.
    pub verdict: Option<String>,
    pub state: String,
    pub sale_count: i64,
    pub matches: Vec<Match>,
}

/// Where a run of the query stands, HTML with the hits in `<em>`.
#[derive(Debug, PartialEq, Serialize)]
pub struct Match {
    /// `title`, `file`, `dir`, `bio`.
    pub field: &'static str,
    pub fragment: String,
}

impl SearchAnswer {
    pub fn new(found: &Found, items: Vec<Item>, page: Page) -> Self {
        Self {
            items: items.into_iter().map(SearchItem::new).collect(),
            total: found.total(),
            total_is_exact: !found.is_cut,
            fuzzy: found.is_fuzzy(),
            page: page.number,
            page_size: page.size,
        }
    }
}

impl SearchItem {
    fn new(item: Item) -> Self {
        Self {
            matches: matches(&item),
            resource_id: item.resource_id,
            title: item.title,
            bio: item.bio,
            price: item.price,
            total_size: item.total_size,
            drive: item.drive,
            publisher: Person {
                user_id: item.publisher_id,
                nickname: item.publisher_nickname,
            },
            publish_time: item.published_at.map(rfc3339),
            last_check_time: item.last_check_at.map(rfc3339),
            check_pending: item.is_check_pending,
            verdict: item.verdict,
            state: item.state,
            sale_count: item.sale_count,
        }
    }
}

/// One of the title, a few of the names, one of the bio.
fn matches(item: &Item) -> Vec<Match> {
    let runs = item.query.runs();
    let found = |field, text: &str| fragment(text, runs).map(|fragment| Match { field, fragment });
    let mut matches = Vec::new();
    matches.extend(found("title", &item.title));
    let names = item.directory.nodes().filter_map(|node| match node.kind {
        NodeType::File => found("file", &node.name),
        NodeType::Dir => found("dir", &node.name),
    });
    matches.extend(names.take(NAME_FRAGMENTS_MAX));
    matches.extend(found("bio", &item.bio));
    matches
}
