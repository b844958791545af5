//! Writes files of rows, piece by piece: CSV, and Excel from a tree of heads or from an uploaded template.
//!
//! Memory stays flat for millions of rows, a file goes on at its last page after a crash and comes out the
//! same, and what stands above the rows may be known only at the end. So rows go to append-only [`Parts`],
//! and the file is put together from them when the last page is written.
//!
//! Nothing here has threads, clocks or files of its own: the worker and the component of synchronous exports
//! drive the same code.

pub mod archive;
pub mod columns;
pub mod csv;
pub mod excel;
pub mod export;
pub mod parts;
pub mod rows;
pub mod table;
pub mod template;
pub mod text;
pub mod value;

use crate::domain::layout::{FileType, Layout};
use crate::wire::source::SourcePage;
use parts::Parts;
use serde_json::value::RawValue;
use std::fmt;
use std::io;

/// Why a file cannot be written.
#[derive(Debug)]
pub enum SheetError {
    /// The rows or the template do not fit. `code` is a stable word, `message` one sentence for the caller.
    Refused {
        code: &'static str,
        message: String,
    },
    Io(io::Error),
}

impl SheetError {
    pub fn refused(code: &'static str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        // Some of these sentences are put together from parts, and all of them reach people.
        if !message.ends_with(['.', '?', '!']) {
            message.push('.');
        }
        Self::Refused { code, message }
    }
}

impl fmt::Display for SheetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message } => write!(f, "{code}: {message}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SheetError {}

impl From<io::Error> for SheetError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub type Result<T, E = SheetError> = std::result::Result<T, E>;

/// One page of one table as the source gave it.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    /// An array of objects; with row heads or named lists also an object of such arrays.
    pub rows: &'a RawValue,
    /// Lines above and below the table; of several pages the first header and the last footer count.
    pub header: Option<&'a RawValue>,
    pub footer: Option<&'a RawValue>,
    /// A tree of heads that the source sends along.
    pub template: Option<&'a RawValue>,
    /// The scalars of an uploaded template.
    pub values: Option<&'a RawValue>,
}

impl<'a> Page<'a> {
    /// Rows and nothing else.
    pub fn of_rows(rows: &'a RawValue) -> Self {
        Self {
            rows,
            header: None,
            footer: None,
            template: None,
            values: None,
        }
    }
}

impl<'a> From<&SourcePage<'a>> for Page<'a> {
    fn from(page: &SourcePage<'a>) -> Self {
        Self {
            rows: page.rows,
            header: page.header,
            footer: page.footer,
            template: page.template,
            values: page.values,
        }
    }
}

/// A file that is being written.
pub trait Writer: Send {
    /// Writes one page of table `table` (0 unless the export has several; tables come in order). Everything
    /// that it adds is in the parts when it returns. Returns how many rows it held.
    fn page(&mut self, table: usize, page: &Page<'_>, parts: &mut dyn Parts) -> Result<u64>;

    /// What is needed beside the parts to go on after the last page; small.
    fn position(&self) -> Result<serde_json::Value>;

    /// Goes on where [`Writer::position`] was taken, with parts that hold what they held then.
    fn resume(&mut self, position: serde_json::Value) -> Result<()>;

    /// Puts the file together. May be called again after a crash and gives the same bytes.
    fn finish(&mut self, parts: &mut dyn Parts, out: &mut dyn io::Write) -> Result<Finished>;
}

/// What stands in a finished file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub rows: u64,
    /// Sheets of the workbook; 1 for a CSV file.
    pub sheets: u32,
    /// Sentences for the caller about what he may not expect in the file.
    pub warnings: Vec<String>,
}

/// Begins the file of a layout, for all exports but those with an uploaded template.
pub fn begin(layout: &Layout) -> Box<dyn Writer> {
    match layout.file_type {
        FileType::Csv => Box::new(csv::CsvWriter::new(layout)),
        FileType::Excel => Box::new(excel::ExcelWriter::new(layout)),
    }
}
