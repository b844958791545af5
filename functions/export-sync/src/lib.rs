//! Route: `/api/v1/export/sync`.

use bytes::Bytes;
use shared::auth::secret::sha256;
use shared::domain::export::Source;
use shared::domain::file_name::content_disposition;
use shared::domain::source::{Bounds, Position};
use shared::limits::EXPORT_SYNC_MS_MAX;
use shared::sheet::parts::MemoryParts;
use shared::sheet::{self, Page, SheetError, Writer};
use shared::spin::caller::authenticate_project;
use shared::spin::export::{check_hosts, check_template, refusal};
use shared::spin::http::{Answer, Call, answer};
use shared::spin::{new_id, now_ms, variable, worker};
use shared::store::projects::Project;
use shared::store::templates;
use shared::wire::export::Export;
use shared::wire::source::{SourcePage, count_rows};
use shared::{Code, Error, Result};
use spin_sdk::http::{IntoResponse, Method, Request};
use spin_sdk::http_service;
use url::Url;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    answer(request, export).await
}

async fn export(call: &mut Call) -> Result<Answer> {
    call.allow(&[Method::POST])?;
    let started = now_ms();
    let project = authenticate_project(call).await?;
    let body = call.json_text().await?;
    let export = Export::parse(body.as_bytes())?;
    check_hosts(&project, &export).await?;
    check_template(call, &project, &export).await?;
    let template = match &export.template_id {
        Some(id) => templates::file(call.database().await?, id).await?,
        None => None,
    };
    call.release_database();
    let mut desk = Desk {
        export: &export,
        template,
        writer: None,
        parts: MemoryParts::new(),
        rows: 0,
        rows_max: rows_max(&project).await?,
        deadline: started + EXPORT_SYNC_MS_MAX,
    };
    match &export.source {
        Source::Given => desk.write_given()?,
        Source::Pulled(_) => desk.write_pulled(call, &project).await?,
    }
    desk.answer()
}

async fn rows_max(project: &Project) -> Result<u64> {
    let text = variable("export_sync_max_rows").await?;
    let ours: u64 = text.parse().map_err(Error::internal)?;
    let its = project
        .limits
        .max_rows
        .and_then(|rows| rows.try_into().ok());
    Ok(its.map_or(ours, |its: u64| its.min(ours)))
}

/// A file under way.
struct Desk<'a> {
    export: &'a Export,
    template: Option<Vec<u8>>,
    writer: Option<Box<dyn Writer>>,
    parts: MemoryParts,
    rows: u64,
    rows_max: u64,
    /// Milliseconds since the epoch.
    deadline: i64,
}

impl Desk<'_> {
    fn write_given(&mut self) -> Result<()> {
        let given = self.export.given()?;
        let counts: Vec<u64> = given
            .iter()
            .map(|rows| count_rows(rows).unwrap_or(0))
            .collect();
        self.check_rows(counts.iter().sum())?;
        for (table, rows) in given.into_iter().enumerate() {
            let mut page = Page::of_rows(rows);
            page.values = self.export.request.values.as_deref();
            self.write(table, &page, Some(counts[table]))?;
        }
        Ok(())
    }

    async fn write_pulled(&mut self, call: &Call, project: &Project) -> Result<()> {
        let task_id = new_id();
        for table in 0..self.export.tables() {
            let before = self.rows;
            let mut position = Position::default();
            while !position.ended {
                self.check_time()?;
                let bounds = Bounds {
                    step: self.export.pace.step.into(),
                    rows_max: u64::MAX,
                };
                let url = self.export.page_url(table, &position, &task_id)?;
                let body = self.fetch(call, project, &url).await?;
                let page = SourcePage::parse(&body).map_err(refusal)?;
                position.accept(&page.facts, bounds).map_err(refusal)?;
                // What is still to come counts too: why begin what cannot be finished?
                let to_come = position.total.unwrap_or(position.rows).max(position.rows);
                self.check_rows(before + to_come)?;
                self.write(table, &Page::from(&page), position.total)?;
            }
        }
        Ok(())
    }

    async fn fetch(&self, call: &Call, project: &Project, url: &Url) -> Result<Bytes> {
        let left_ms = u64::try_from(self.deadline - now_ms()).unwrap_or(0);
        let page = worker::page(&call.request_id, &project.project_id, url, left_ms).await;
        // A source that used up the time is as slow as one that sent too much.
        self.check_time()?;
        page
    }

    fn write(&mut self, table: usize, page: &Page<'_>, expected: Option<u64>) -> Result<()> {
        self.check_time()?;
        if self.writer.is_none() {
            let template = self.template.as_deref();
            let writer = sheet::export::writer(self.export, template, expected);
            self.writer = Some(writer.map_err(unwritten)?);
        }
        if let Some(writer) = &mut self.writer {
            self.rows += writer
                .page(table, page, &mut self.parts)
                .map_err(unwritten)?;
        }
        Ok(())
    }

    fn answer(mut self) -> Result<Answer> {
        let Some(writer) = &mut self.writer else {
            return Err(Error::internal("nothing was written"));
        };
        let mut file = Vec::new();
        let finished = writer
            .finish(&mut self.parts, &mut file)
            .map_err(unwritten)?;
        if finished.rows != self.rows {
            return Err(Error::internal("rows were lost on the way into the file"));
        }
        let mut headers = vec![
            (
                "content-type",
                self.export.layout.file_type.content_type().to_owned(),
            ),
            (
                "content-disposition",
                content_disposition(&self.export.file_name),
            ),
            ("cache-control", "no-store".to_owned()),
            ("x-wharf-rows", finished.rows.to_string()),
            ("x-wharf-sha256", sha256(&file)),
        ];
        if !finished.warnings.is_empty() {
            headers.push(("x-wharf-warnings", finished.warnings.len().to_string()));
        }
        Ok(Answer {
            status: 200,
            headers,
            body: file,
        })
    }

    fn check_rows(&self, rows: u64) -> Result<()> {
        if rows <= self.rows_max {
            return Ok(());
        }
        let message = format!(
            "The file would have more than {} rows; POST /api/v1/export builds it in the background.",
            self.rows_max
        );
        Err(unprocessable("too_many_rows", message))
    }

    fn check_time(&self) -> Result<()> {
        if now_ms() <= self.deadline {
            return Ok(());
        }
        let message = format!(
            "The file is not ready after {} s; POST /api/v1/export builds it in the background.",
            EXPORT_SYNC_MS_MAX / 1000
        );
        Err(unprocessable("timeout", message))
    }
}

fn unwritten(error: SheetError) -> Error {
    match error {
        SheetError::Refused { code, message } => unprocessable(code, message),
        SheetError::Io(cause) => Error::internal(cause),
    }
}

fn unprocessable(reason: &str, message: String) -> Error {
    Error::new(Code::Unprocessable, message).with_data(serde_json::json!({ "reason": reason }))
}
