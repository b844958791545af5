//! Routes: `/api/v1/templates`, `/api/v1/templates/:id`.

use shared::auth::secret::sha256;
use shared::domain::page::Page;
use shared::limits::TEMPLATES_MAX;
use shared::sheet::SheetError;
use shared::sheet::template;
use shared::spin::caller::authenticate_project;
use shared::spin::export::own_template;
use shared::spin::http::{Answer, Call, answer};
use shared::spin::upload;
use shared::spin::{new_id, now_ms};
use shared::store::projects::Project;
use shared::store::templates::{self, Template};
use shared::wire::envelope::List;
use shared::wire::template::TemplateAnswer;
use shared::{Code, Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, route).await
}

async fn route(call: &mut Call) -> Result<Answer> {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().skip(3).map(String::as_str).collect();
    match path.as_slice() {
        [] => all(call).await,
        [id] => one(call, id).await,
        _ => Err(Error::not_found("route")),
    }
}

async fn all(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::GET, Method::POST])?;
    let project = authenticate_project(call).await?;
    if call.method == Method::POST {
        return upload_template(call, &project).await;
    }
    let page = Page::parse(call.query("page"), call.query("page_size"))?;
    let database = call.database().await?;
    let (found, total) = templates::list(database, &project.project_id, page).await?;
    Answer::ok(&List {
        items: found
            .iter()
            .map(TemplateAnswer::from_template)
            .collect::<Result<Vec<_>>>()?,
        total,
        page: page.number,
        page_size: page.size,
    })
}

/// With `?dry_run=true` nothing is kept: the answer says what the template holds and what is wrong with it.
async fn upload_template(call: &mut Call, project: &Project) -> Result<Answer> {
    let is_dry_run = match call.query("dry_run") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Error::invalid("dry_run", "The flag is true or false.")),
    };
    let file = upload::file(call).await?;
    let opened = template::Template::open(&file.bytes).map_err(refused)?;
    let report = template::check(&opened).map_err(refused)?;
    let report = serde_json::to_string(&report).map_err(Error::internal)?;
    let template = Template {
        template_id: new_id(),
        project_id: project.project_id.clone(),
        name: file.name,
        file_size: i64::try_from(file.bytes.len()).map_err(Error::internal)?,
        sha256: sha256(&file.bytes),
        report,
        created_at: now_ms(),
    };
    if !is_dry_run {
        template::refuse_fatal(&opened).map_err(refused)?;
    }
    if is_dry_run {
        let mut answer = TemplateAnswer::from_template(&template)?;
        answer.template_id = None;
        return Answer::ok(&answer);
    }
    let database = call.database().await?;
    let is_added = templates::insert(database, &template, file.bytes, TEMPLATES_MAX).await?;
    if !is_added {
        let message = format!("A project has {TEMPLATES_MAX} templates at the most.");
        return Err(Error::new(Code::Conflict, message));
    }
    Answer::json(201, &TemplateAnswer::from_template(&template)?)
}

async fn one(call: &mut Call, id: &str) -> Result<Answer> {
    call.allow(&[Method::GET, Method::DELETE])?;
    let project = authenticate_project(call).await?;
    let template = own_template(call, &project, id).await?;
    if call.method == Method::DELETE {
        let database = call.database().await?;
        return match templates::delete(database, &template.template_id, now_ms()).await? {
            true => Answer::done(),
            false => Err(templates::not_found()),
        };
    }
    Answer::ok(&TemplateAnswer::from_template(&template)?)
}

fn refused(error: SheetError) -> Error {
    match error {
        SheetError::Refused { code, message } => Error::new(Code::Unprocessable, message)
            .with_data(serde_json::json!({ "reason": code })),
        SheetError::Io(cause) => Error::internal(cause),
    }
}
