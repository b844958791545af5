//! A file that a request carries: the field `file` of `multipart/form-data`, or the bare body.

use super::http::Call;
use crate::domain::file_name::sanitise_as;
use crate::error::{Code, Error, Result};
use bytes::Bytes;
use futures_util::stream;
use std::convert::Infallible;

pub struct UploadedFile {
    /// As its owner called it; `template.xlsx` where he did not say.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Errors: 41301 beyond 4 MiB, 41501 for another content type, 40001 for field `file`.
pub async fn file(call: &mut Call) -> Result<UploadedFile> {
    let content_type = call.header("content-type").unwrap_or_default().to_owned();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let media_type = media_type.to_ascii_lowercase();
    let body = call.body().await?;
    let uploaded = match media_type.as_str() {
        "multipart/form-data" => from_form(&content_type, body).await?,
        ""
        | "application/octet-stream"
        | "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => UploadedFile {
            name: named(call.query("name")),
            bytes: body.into(),
        },
        _ => {
            let message = "The body is an .xlsx file, or multipart/form-data with the field file.";
            return Err(Error::new(Code::UnsupportedMediaType, message));
        }
    };
    if uploaded.bytes.is_empty() {
        return Err(Error::invalid("file", "The file is empty."));
    }
    Ok(uploaded)
}

async fn from_form(content_type: &str, body: Bytes) -> Result<UploadedFile> {
    let malformed = |_| Error::invalid("file", "The form is malformed.");
    let boundary = multer::parse_boundary(content_type).map_err(malformed)?;
    let body = stream::once(async move { Ok::<_, Infallible>(body) });
    let mut form = multer::Multipart::new(body, boundary);
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        if field.name() == Some("file") {
            let name = named(field.file_name());
            let bytes = field.bytes().await.map_err(malformed)?;
            return Ok(UploadedFile {
                name,
                bytes: bytes.into(),
            });
        }
    }
    Err(Error::invalid("file", "The form has no field file."))
}

fn named(name: Option<&str>) -> String {
    match name {
        Some(name) if !name.trim().is_empty() => sanitise_as("template", name),
        _ => "template.xlsx".to_owned(),
    }
}
