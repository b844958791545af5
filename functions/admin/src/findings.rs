//! Files that no row knows, rows whose file is gone.

use shared::Result;
use shared::domain::account::Role;
use shared::domain::page::Page;
use shared::spin::caller::authenticate_admin;
use shared::spin::http::{Answer, Call};
use shared::store::findings;
use shared::wire::envelope::List;
use shared::wire::finding::FindingItem;
use spin_sdk::http::Method;

pub async fn list(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Admin).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let (found, total) = findings::list(call.database().await?, page).await?;
    let items: Vec<FindingItem> = found.into_iter().map(FindingItem::from).collect();
    Answer::ok(&List::new(items, total, page))
}
