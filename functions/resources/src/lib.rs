//! Routes: `/api/v1/resources`, `/api/v1/resources/:id`, `/api/v1/resources/:id/recheck`,
//! `/api/v1/resources/:id/report`, `/api/v1/users/:id`.

use serde_json::json;
use shared::auth::secret::sha256;
use shared::domain::account::Audience;
use shared::domain::page::Page;
use shared::domain::resource::{State, reason};
use shared::spin::caller::{authenticate, authenticate_if_any};
use shared::spin::http::{Answer, Call, answer};
use shared::spin::{new_id, now_ms, number};
use shared::store::resources::{self, Change, NewResource, Resource};
use shared::store::users::User;
use shared::store::{accounts, checks, directories, documents, links, reviews};
use shared::wire::envelope::List;
use shared::wire::resource::{
    PublicProfile, RecheckAnswer, ReportAnswer, ReportRequest, ResourceAnswer, ResourceRequest,
};
use shared::{Code, Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;
use uuid::Uuid;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

async fn route(call: &mut Call) -> Result<Answer> {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().skip(2).map(String::as_str).collect();
    match path.as_slice() {
        ["resources"] => all(call).await,
        ["resources", id] => one(call, id).await,
        ["resources", id, "recheck"] => recheck(call, id).await,
        ["resources", id, "report"] => report(call, id).await,
        ["users", id] => profile(call, id).await,
        _ => Err(Error::not_found("route")),
    }
}

/// What the caller has published.
async fn all(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET, Method::POST])?;
    let user = authenticate(call, Audience::Users).await?;
    if call.method == Method::POST {
        return publish(call, &user).await;
    }
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let database = call.database().await?;
    let (found, total) = resources::of_publisher(database, &user.user_id, page).await?;
    let items: Vec<ResourceAnswer> = found.into_iter().map(ResourceAnswer::new).collect();
    Answer::ok(&List::new(items, total, page))
}

async fn publish(call: &mut Call, user: &User) -> Result<Answer> {
    let idempotency_key = call.idempotency_key()?;
    let request: ResourceRequest = call.json().await?;
    let publication = request.publication()?;
    let now = now_ms();
    let new = NewResource {
        resource_id: new_id(),
        publisher_id: user.user_id.clone(),
        drive: publication.link.drive,
        title: publication.title,
        bio: publication.bio,
        price: publication.price,
        total_size: publication.directory.total_size(),
        link_id: new_id(),
        directory_id: new_id(),
        review_id: new_id(),
        idempotency_key,
        request_hash: sha256(serde_json::to_string(&request).map_err(Error::internal)?),
        now,
    };
    let database = call.database().await?;
    let resource_id = match resources::published(database, &new).await? {
        Some(earlier) => earlier,
        None => {
            resources::admit(database, &user.user_id).await?;
            // Link and tree first: nobody sees them until the resource points to them.
            links::insert(database, &new.link_id, &publication.link, now).await?;
            directories::insert(database, &new.directory_id, &publication.directory, now).await?;
            resources::publish(database, &new).await?
        }
    };
    let resource = find(call, &resource_id).await?;
    Ok(Answer::json(201, &shown(call, resource, Some(user)).await?)?.unkept())
}

async fn one(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET, Method::PUT, Method::DELETE])?;
    if call.method == Method::PUT {
        return change(call, id).await;
    }
    if call.method == Method::DELETE {
        return delete(call, id).await;
    }
    let user = authenticate_if_any(call, Audience::Users).await?;
    let resource = find(call, id).await?;
    Ok(Answer::ok(&shown(call, resource, user.as_ref()).await?)?.unkept())
}

async fn change(call: &mut Call, id: &str) -> Result<Answer> {
    let user = authenticate(call, Audience::Users).await?;
    let request: ResourceRequest = call.json().await?;
    let wanted = request.change()?;
    let before = own(call, id, &user).await?;
    if before.state == State::TakenDown {
        let message = "The resource was taken down and cannot be changed.";
        return Err(Error::new(Code::Conflict, message));
    }
    let now = now_ms();
    let database = call.database().await?;
    let link = links::find(database, &before.link_id).await?;
    let link = link.ok_or_else(|| Error::internal("a resource has no link"))?;
    let link = request.link(&link)?;
    if wanted.directory.is_some() && link.is_none() && !before.takes_directory() {
        return Err(files_are_settled());
    }
    if before.state != State::Pending && (link.is_some() || before.state == State::Rejected) {
        resources::admit(database, &user.user_id).await?;
    }
    let link = match link {
        None => None,
        Some(link) => {
            let link_id = new_id();
            links::insert(database, &link_id, &link, now).await?;
            Some((link_id, link.drive))
        }
    };
    let directory = match &wanted.directory {
        None => None,
        Some(directory) => {
            let directory_id = new_id();
            directories::insert(database, &directory_id, directory, now).await?;
            Some((directory_id, directory.total_size()))
        }
    };
    let change = Change {
        title: wanted.title,
        bio: wanted.bio,
        price: wanted.price,
        directory,
        link,
        review_id: new_id(),
        now,
    };
    if !resources::change(database, &before.resource_id, &user.user_id, &change).await? {
        // Deleted, taken down, approved or listed meanwhile.
        let resource = own(call, id, &user).await?;
        let is_of_files = change.directory.is_some() && change.link.is_none();
        return Err(match is_of_files && !resource.takes_directory() {
            true => files_are_settled(),
            false => Error::not_found("resource"),
        });
    }
    // What fails here, the worker's duty does within half a second.
    drop(documents::index(database, &before.resource_id).await);
    let resource = find(call, &before.resource_id).await?;
    Ok(Answer::ok(&shown(call, resource, Some(&user)).await?)?.unkept())
}

/// Nobody sells by files that no reviewer has seen and the drive does not have.
fn files_are_settled() -> Error {
    let message = "The files were approved, or listed by the drive, and change by its checks alone; leave `directory` out.";
    Error::new(Code::Conflict, message).with_data(json!({ "field": "directory" }))
}

async fn delete(call: &mut Call, id: &str) -> Result<Answer> {
    let user = authenticate(call, Audience::Users).await?;
    let resource = own(call, id, &user).await?;
    let database = call.database().await?;
    match resources::delete(database, &resource.resource_id, &user.user_id, now_ms()).await? {
        true => Answer::done(),
        false => Err(Error::not_found("resource")),
    }
}

/// Asks for a check where the last one is old; a client does that when it sees one (SH-9).
async fn recheck(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    authenticate(call, Audience::Users).await?;
    let resource = find(call, id).await?;
    if !resource.is_public() {
        return Err(Error::not_found("resource"));
    }
    let age_ms = 1000 * number::<i64>("market_recheck_after_s").await?;
    let (id, now) = (resource.resource_id, now_ms());
    let requested = checks::request(call.database().await?, &id, now - age_ms, now).await?;
    let check_pending = requested || resource.is_check_pending;
    Answer::json(202, &RecheckAnswer { check_pending })
}

/// Who somebody is to other users (SH-12).
async fn profile(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET])?;
    authenticate(call, Audience::Users).await?;
    let id = Uuid::try_parse(id).map_err(|_| Error::invalid("user_id", "This is not an id."))?;
    let found = accounts::find(call.database().await?, &id.to_string(), now_ms()).await?;
    let account = found.ok_or_else(|| Error::not_found("user"))?;
    Answer::ok(&PublicProfile::new(account))
}

async fn report(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let user = authenticate(call, Audience::Users).await?;
    let request: ReportRequest = call.json().await?;
    let reason = reason(&request.reason)?;
    if reason.is_empty() {
        return Err(Error::invalid("reason", "A report needs a reason."));
    }
    let resource = find(call, id).await?;
    if resource.publisher_id == user.user_id {
        let message = "You cannot report your own resource.";
        return Err(Error::new(Code::Forbidden, message));
    }
    let (review_id, now) = (new_id(), now_ms());
    let database = call.database().await?;
    let reported = reviews::report(
        database,
        &review_id,
        &resource.resource_id,
        &user.user_id,
        &reason,
        now,
    );
    let review_id = reported.await?;
    let review_id = review_id.ok_or_else(|| Error::not_found("resource"))?;
    Answer::json(202, &ReportAnswer { review_id })
}

/// Errors: 40001 for what is no id, 40401 also for a deleted one.
async fn find(call: &mut Call, id: &str) -> Result<Resource> {
    let id = shared::spin::resource_id(id)?;
    let found = resources::find(call.database().await?, &id).await?;
    found
        .filter(|resource| resource.deleted_at.is_none())
        .ok_or_else(|| Error::not_found("resource"))
}

/// Errors: as [`find`]; 40301 for somebody else's that is public, 40401 for one that is not.
async fn own(call: &mut Call, id: &str, user: &User) -> Result<Resource> {
    let resource = find(call, id).await?;
    if resource.publisher_id == user.user_id {
        return Ok(resource);
    }
    Err(match resource.is_public() {
        true => Error::forbidden("resource"),
        false => Error::not_found("resource"),
    })
}

/// What this caller may see of it: what is not public is its publisher's and its buyers', and so are link and code.
/// Errors: 40401.
async fn shown(call: &mut Call, resource: Resource, user: Option<&User>) -> Result<ResourceAnswer> {
    let database = call.database().await?;
    let is_publisher = user.is_some_and(|user| user.user_id == resource.publisher_id);
    let is_bought = match user {
        Some(user) if !is_publisher => {
            resources::is_bought(database, &resource.resource_id, &user.user_id).await?
        }
        _ => false,
    };
    if !resource.is_public() && !is_publisher && !is_bought {
        return Err(Error::not_found("resource"));
    }
    let is_free = resource.price.hundredths() == 0;
    // What reviewers have not approved, or no longer do, is opened by its publisher alone.
    let link_id = match (is_publisher, is_bought) {
        (true, _) => Some(resource.link_id.as_str()),
        (false, true) => resource.approved_link_id(),
        (false, false) => resource
            .approved_link_id()
            .filter(|_| is_free && resource.is_public()),
    };
    let is_former = link_id.is_some_and(|link_id| link_id != resource.link_id);
    let link = match link_id {
        Some(link_id) => links::find(database, link_id).await?,
        None => None,
    };
    let tree = directories::tree(database, &resource.directory_id).await?;
    let account = match user {
        Some(user) if !is_publisher => accounts::find(database, &user.user_id, now_ms()).await?,
        _ => None,
    };
    let price = resource.price;
    let mut shown =
        ResourceAnswer::new(resource).with_directory(tree.unwrap_or("[]".to_owned()))?;
    shown.buy_cost = account.map(|account| account.cost_of(price));
    shown.bought = user.map(|_| is_bought);
    Ok(match link {
        Some(link) if is_former => shown.with_former_link(&link),
        Some(link) => shown.with_link(&link),
        None => shown,
    })
}
