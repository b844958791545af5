//! Reviews: publications and reports that wait for a decision (SH-8, SH-10).

use serde_json::json;
use shared::domain::account::Role;
use shared::domain::page::Page;
use shared::spin::caller::authenticate_admin;
use shared::spin::http::{Answer, Call, log_change};
use shared::spin::now_ms;
use shared::store::reviews::{self, Kind, Review, State};
use shared::store::{directories, documents, resources};
use shared::wire::envelope::List;
use shared::wire::resource::ResourceAnswer;
use shared::wire::review::{DecisionRequest, ReviewItem};
use shared::{Code, Error, Result};
use spin_sdk::http::Method;
use uuid::Uuid;

pub async fn list(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate_admin(call, Role::Reviewer).await?;
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let state = State::parse(call.query("state").unwrap_or("pending"))?;
    let kind = call.query("kind").map(Kind::parse).transpose()?;
    let (found, total) = reviews::list(call.database().await?, state, kind, page).await?;
    let mut items = Vec::with_capacity(found.len());
    for review in found {
        let resource = resources::find(call.database().await?, &review.resource_id).await?;
        items.push(ReviewItem::new(review, resource.map(ResourceAnswer::new)));
    }
    Answer::ok(&List::new(items, total, page))
}

pub async fn one(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET, Method::POST])?;
    let reviewer = authenticate_admin(call, Role::Reviewer).await?;
    let id = Uuid::try_parse(id)
        .map_err(|_| Error::invalid("review_id", "This is not an id."))?
        .to_string();
    if call.method == Method::POST {
        let request: DecisionRequest = call.json().await?;
        let (state, reason) = request.decision()?;
        let review = find(call, &id).await?;
        let (database, now) = (call.database().await?, now_ms());
        let decided = reviews::decide(
            database,
            &id,
            state,
            reason.as_deref(),
            &reviewer.user_id,
            now,
        );
        if !decided.await? {
            let review = find(call, &id).await?;
            let is_repeated =
                review.state == state && review.decided_by.as_ref() == Some(&reviewer.user_id);
            if is_repeated {
                return whole(call, review).await;
            }
            let message = "This review was decided already.";
            return Err(Error::new(Code::Conflict, message));
        }
        // Found at once; what fails here, the worker's duty does within half a second.
        drop(documents::index(database, &review.resource_id).await);
        let subject = json!({
            "review_id": id,
            "kind": review.kind.as_str(),
            "resource_id": review.resource_id,
            "state": state.as_str(),
        });
        log_change(call, &reviewer, "decide_review", subject);
    }
    let review = find(call, &id).await?;
    whole(call, review).await
}

async fn find(call: &mut Call, id: &str) -> Result<Review> {
    let found = reviews::find(call.database().await?, id).await?;
    found.ok_or_else(|| Error::not_found("review"))
}

/// With the files of the resource.
async fn whole(call: &mut Call, review: Review) -> Result<Answer> {
    let database = call.database().await?;
    let resource = match resources::find(database, &review.resource_id).await? {
        None => None,
        Some(resource) => {
            let tree = directories::tree(database, &resource.directory_id).await?;
            let answer = ResourceAnswer::new(resource);
            Some(answer.with_directory(tree.unwrap_or("[]".to_owned()))?)
        }
    };
    Answer::ok(&ReviewItem::new(review, resource))
}
