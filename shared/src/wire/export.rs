//! Exports as projects ask for them.

use crate::domain::export::{self, Pace, Source};
use crate::domain::layout::{FileType, Layout, LayoutFields};
use crate::domain::short_json::ShortJson;
use crate::domain::source::{Position, SourceUrl};
use crate::error::{Error, Result};
use crate::limits::TABLES_MAX;
use crate::wire::body::read_object;
use crate::wire::source::count_rows;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

/// `POST /api/v1/export` and `/api/v1/export/sync`, with the fields of [`LayoutFields`] beside these. With
/// `multi_type` the `source_data` is an array, one element for each table, and `source_url` may be one.
#[derive(Debug, Deserialize)]
pub struct ExportRequest {
    pub name: String,
    #[serde(default)]
    pub source_url: Option<OneOrMany>,
    #[serde(default)]
    pub source_data: Option<Box<RawValue>>,
    #[serde(default)]
    pub file_name: Option<String>,
    #[serde(default)]
    pub step: Option<i64>,
    /// Milliseconds.
    #[serde(default)]
    pub interval: Option<i64>,
    #[serde(default)]
    pub callback: Option<String>,
    #[serde(default)]
    pub template_id: Option<String>,
    /// What fills the scalars of an uploaded template.
    #[serde(default)]
    pub values: Option<Box<RawValue>>,
    #[serde(default)]
    pub multi_type: Option<String>,
    #[serde(default)]
    pub operator_id: Option<ShortJson>,
    /// Seconds.
    #[serde(default)]
    pub max_exec_time: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "Box<RawValue>")]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl TryFrom<Box<RawValue>> for OneOrMany {
    type Error = serde_json::Error;

    fn try_from(json: Box<RawValue>) -> serde_json::Result<Self> {
        match json.get().starts_with('[') {
            true => serde_json::from_str(json.get()).map(Self::Many),
            false => serde_json::from_str(json.get()).map(Self::One),
        }
    }
}

/// The answer to an accepted export.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportAnswer {
    pub task_id: String,
}

/// What a task's row says of its export; the request itself stands in `exports`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportSpec {
    #[serde(rename = "type")]
    pub file_type: String,
    pub file_name: String,
    /// Without queries; empty where the rows came with the request.
    pub sources: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_id: Option<Value>,
}

/// A request that holds together.
#[derive(Debug)]
pub struct Export {
    pub name: String,
    pub file_name: String,
    pub source: Source,
    pub pace: Pace,
    pub callback: Option<SourceUrl>,
    pub template_id: Option<String>,
    pub layout: Layout,
    pub request: ExportRequest,
}

impl Export {
    /// Reads a request. Errors: 40001 naming the field, 40002.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let request: ExportRequest = read_object(body)?;
        let name = export::name(&request.name)?;
        let mut fields: LayoutFields = read_object(body)?;
        if request.template_id.is_some() {
            check_template_fields(&fields)?;
            fields.file_type = Some(FileType::Excel.as_str().to_owned());
        }
        let callback = request.callback.as_deref();
        let callback = callback
            .map(|url| SourceUrl::parse("callback", url))
            .transpose()?;
        let (source, tables) = source(&request)?;
        let layout = Layout::parse(&fields, tables)?;
        Ok(Self {
            file_name: export::file_name(request.file_name.as_deref(), &name, layout.file_type),
            name,
            source,
            pace: Pace::parse(request.step, request.interval, request.max_exec_time)?,
            callback,
            template_id: request.template_id.clone(),
            layout,
            request,
        })
    }

    /// How many tables the file has.
    pub fn tables(&self) -> usize {
        self.layout.tables.len()
    }

    /// The rows that came with the request, as JSON text for each table.
    pub fn given(&self) -> Result<Vec<&RawValue>> {
        let Some(data) = &self.request.source_data else {
            return Ok(Vec::new());
        };
        if self.request.multi_type.is_none() {
            return Ok(vec![data]);
        }
        serde_json::from_str(data.get()).map_err(|_| {
            Error::invalid(
                "source_data",
                "With multi_type the source_data is an array, one element for each table.",
            )
        })
    }

    /// Where the next page of a table is asked for. Errors: 50001 for a table without a source.
    pub fn page_url(&self, table: usize, position: &Position, task_id: &str) -> Result<Url> {
        let Source::Pulled(urls) = &self.source else {
            return Err(Error::internal("the export has no source"));
        };
        let is_shared = urls.len() == 1 && self.tables() > 1;
        let url = if is_shared {
            urls.first()
        } else {
            urls.get(table)
        };
        let url = url.ok_or_else(|| Error::internal("a table has no source"))?;
        let step = self.pace.step.into();
        Ok(url.with_query(&position.query(step, task_id, is_shared.then_some(table))))
    }

    pub fn spec(&self) -> ExportSpec {
        ExportSpec {
            file_type: self.layout.file_type.as_str().to_owned(),
            file_name: self.file_name.clone(),
            sources: match &self.source {
                Source::Pulled(urls) => urls.iter().map(SourceUrl::redacted).collect(),
                Source::Given => Vec::new(),
            },
            operator_id: self.request.operator_id.clone().map(|given| given.0),
        }
    }
}

impl ExportSpec {
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|cause| Error::internal(format!("spec: {cause}")))
    }
}

/// An uploaded template says itself what the file looks like.
fn check_template_fields(fields: &LayoutFields) -> Result<()> {
    let refuse = |message: &str| Err(Error::invalid("template_id", message));
    if fields
        .template
        .as_ref()
        .is_some_and(|json| json.get() != "null")
    {
        return refuse("An export has a template or a template_id, not both.");
    }
    if fields.file_type.as_deref() == Some(FileType::Csv.as_str()) {
        return refuse("An uploaded template makes Excel, not CSV.");
    }
    if fields.multi_type.is_some() {
        return refuse(
            "An uploaded template has its own sheets and lists; multi_type does not go with it.",
        );
    }
    Ok(())
}

/// Where the rows come from, and how many tables that makes, if it says so.
fn source(request: &ExportRequest) -> Result<(Source, Option<usize>)> {
    match (&request.source_url, &request.source_data) {
        (Some(_), Some(_)) => Err(Error::invalid(
            "source_data",
            "An export has a source_url or source_data, not both.",
        )),
        (None, None) => Err(Error::invalid(
            "source_url",
            "There is neither source_url nor source_data.",
        )),
        (Some(urls), None) => pulled(request, urls),
        (None, Some(data)) => given(request, data),
    }
}

fn pulled(request: &ExportRequest, urls: &OneOrMany) -> Result<(Source, Option<usize>)> {
    let texts = match urls {
        OneOrMany::One(text) => std::slice::from_ref(text),
        OneOrMany::Many(texts) => texts,
    };
    let parsed = texts
        .iter()
        .map(|text| SourceUrl::parse("source_url", text));
    let parsed: Vec<SourceUrl> = parsed.collect::<Result<_>>()?;
    let tables = match (&request.multi_type, urls) {
        (None, OneOrMany::One(_)) => Some(1),
        (None, OneOrMany::Many(_)) => {
            let message = "Without multi_type the source_url is one URL.";
            return Err(Error::invalid("source_url", message));
        }
        (Some(_), OneOrMany::Many(_)) => Some(parsed.len()),
        // One URL for all: how many there are, the layout says.
        (Some(_), OneOrMany::One(_)) => None,
    };
    bounded("source_url", tables)?;
    Ok((Source::Pulled(parsed), tables))
}

fn given(request: &ExportRequest, data: &RawValue) -> Result<(Source, Option<usize>)> {
    let misfit = |message: &str| Error::invalid("source_data", message);
    if request.multi_type.is_none() {
        return match count_rows(data) {
            Some(_) => Ok((Source::Given, Some(1))),
            None => Err(misfit(
                "The source_data is an array of objects, or an object of such arrays.",
            )),
        };
    }
    let tables: Vec<&RawValue> = serde_json::from_str(data.get()).map_err(|_| {
        misfit("With multi_type the source_data is an array, one element for each table.")
    })?;
    if tables.iter().any(|table| count_rows(table).is_none()) {
        return Err(misfit(
            "Each table's source_data is an array of objects, or an object of such arrays.",
        ));
    }
    bounded("source_data", Some(tables.len()))?;
    Ok((Source::Given, Some(tables.len())))
}

fn bounded(field: &str, tables: Option<usize>) -> Result<()> {
    if tables.is_none_or(|tables| (1..=TABLES_MAX).contains(&tables)) {
        Ok(())
    } else {
        let message = format!("A file has 1 to {TABLES_MAX} tables.");
        Err(Error::invalid(field, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(body: &str) -> String {
        let error = Export::parse(body.as_bytes()).unwrap_err();
        let data = error.data.unwrap_or_default();
        data["field"].as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_request_that_does_not_hold_together_names_its_field() {
        for (body, named) in [
            (r#"{"name":"n"}"#, "source_url"),
            (r#"{"name":"","source_data":[]}"#, "name"),
            (r#"{"name":"n","source_data":[1]}"#, "source_data"),
            (r#"{"name":"n","source_data":{"a":1}}"#, "source_data"),
            (
                r#"{"name":"n","source_data":[],"source_url":"http://a/"}"#,
                "source_data",
            ),
            (r#"{"name":"n","source_url":["http://a/"]}"#, "source_url"),
            (
                r#"{"name":"n","source_url":"file:///etc/passwd"}"#,
                "source_url",
            ),
            (r#"{"name":"n","source_data":[],"type":"pdf"}"#, "type"),
            (r#"{"name":"n","source_data":[],"step":99}"#, "step"),
            (
                r#"{"name":"n","source_data":[],"callback":"x"}"#,
                "callback",
            ),
            (
                r#"{"name":"n","source_data":[],"type":"csv","template_id":"t"}"#,
                "template_id",
            ),
            (
                r#"{"name":"n","source_data":[],"multi_type":"tab"}"#,
                "source_data",
            ),
        ] {
            assert_eq!(field(body), named, "{body}");
        }
    }

    #[test]
    fn a_request_says_how_many_tables_there_are() {
        let tables = |body: &str| Export::parse(body.as_bytes()).unwrap().tables();
        assert_eq!(tables(r#"{"name":"n","source_data":[{"a":1}]}"#), 1);
        assert_eq!(
            tables(r#"{"name":"n","source_data":[[{"a":1}],[]],"multi_type":"tab"}"#),
            2
        );
        assert_eq!(
            tables(
                r#"{"name":"n","source_url":"http://a/","title":["x","y"],"multi_type":"page"}"#
            ),
            2
        );
        assert_eq!(
            tables(r#"{"name":"n","source_url":["http://a/","http://b/"],"multi_type":"page"}"#),
            2
        );
    }
}
