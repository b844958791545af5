//! The content of an answer: the whole file, one part, or several as `multipart/byteranges`.

use crate::worker::delivery::Piece;
use axum::http::StatusCode;
use shared::domain::layout::FileType;
use shared::domain::ranges::{ByteRange, Selection};

/// Status, headers and body of an answer with content.
pub struct Content {
    pub status: StatusCode,
    /// `Content-Type`.
    pub media_type: String,
    /// `Content-Range`, where it is one part.
    pub range: Option<String>,
    pub pieces: Vec<Piece>,
}

impl Content {
    /// Of a file of `length` bytes; None where the ranges have no byte in it.
    pub fn of(selection: Selection, length: u64, media_type: &str) -> Option<Self> {
        let media_type = media_type.to_owned();
        Some(match selection {
            Selection::Unsatisfiable => return None,
            Selection::Whole => Self {
                status: StatusCode::OK,
                media_type,
                range: None,
                pieces: whole(length),
            },
            Selection::Parts(parts) => match parts.as_slice() {
                &[part] => Self {
                    status: StatusCode::PARTIAL_CONTENT,
                    media_type,
                    range: Some(content_range(part, length)),
                    pieces: vec![Piece::Part(part)],
                },
                parts => several(parts, length, &media_type),
            },
        })
    }

    /// `Content-Length`, bytes.
    pub fn length(&self) -> u64 {
        self.pieces.iter().map(Piece::length).sum()
    }
}

fn whole(length: u64) -> Vec<Piece> {
    let end = length.checked_sub(1);
    end.map(|last| Piece::Part(ByteRange { first: 0, last }))
        .into_iter()
        .collect()
}

/// RFC 9110, 14.6. The boundary is random, so that no file can hold it on purpose.
fn several(parts: &[ByteRange], length: u64, media_type: &str) -> Content {
    let boundary = uuid::Uuid::new_v4().simple();
    let mut pieces = Vec::with_capacity(2 * parts.len() + 1);
    for (n, part) in parts.iter().enumerate() {
        let break_before = if n == 0 { "" } else { "\r\n" };
        let range = content_range(*part, length);
        let head = format!(
            "{break_before}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {range}\r\n\r\n"
        );
        pieces.extend([Piece::Text(head.into()), Piece::Part(*part)]);
    }
    pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n").into()));
    Content {
        status: StatusCode::PARTIAL_CONTENT,
        media_type: format!("multipart/byteranges; boundary={boundary}"),
        range: None,
        pieces,
    }
}

fn content_range(part: ByteRange, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.first, part.last)
}

/// By the extension of a finished file.
pub fn media_type(file_name: &str) -> &'static str {
    match file_name.rsplit('.').next().unwrap_or_default() {
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "vtt" => "text/vtt; charset=utf-8",
        "jpg" => "image/jpeg",
        "csv" => FileType::Csv.content_type(),
        "xlsx" => FileType::Excel.content_type(),
        _ => "application/octet-stream",
    }
}
