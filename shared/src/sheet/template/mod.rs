//! Excel from an uploaded workbook with placeholders (DC-6): `{name}` is a scalar, `{.field}` a field of the unnamed
//! list, `{list.field}` one of a named list. The rows with fields are repeated for each element; whatever names
//! cells follows them.
//!
//! The template stays a ZIP file in memory. Rows that are repeated are made ready once; the XML around them is read
//! again when the file is put together, because only then it is known how far everything moves.

mod block;
mod check;
mod fill;
mod follow;
mod formula;
mod grid;
mod lists;
mod model;
mod output;
mod overflow;
mod package;
mod placeholder;
mod plan;
mod references;
mod repeated;
mod sheet;
mod shift;
mod strings;
mod styles;
mod values;
mod workbook;
mod xml;

pub use check::{Placeholder, PlaceholderKind, Problem, Report, check, refuse_fatal};
pub use fill::Fill;

use super::Result;
use serde_json::value::RawValue;

/// An uploaded workbook that can be filled.
#[derive(Clone)]
pub struct Template {
    package: package::Package,
    model: model::Model,
}

impl Template {
    /// Opens an `.xlsx` of at most 4 MiB. Errors: `template_too_large`, `not_xlsx`, `encrypted`, `macros`,
    /// `external_links`, `dtd`, `zip_bomb`, `bad_entry_name`, `broken_template`, `template_too_complex`.
    pub fn open(bytes: &[u8]) -> Result<Self> {
        let package = package::Package::open(bytes)?;
        let model = model::Model::read(&package)?;
        Ok(Self { package, model })
    }
}

/// What is known when a template begins to be filled.
#[derive(Clone, Copy, Default)]
pub struct Start<'a> {
    /// An object of scalars. Pages may bring more; the first value of a name counts.
    pub values: Option<&'a RawValue>,
    /// How many rows the unnamed list will have. Some formulas cannot be written without it.
    pub expected_rows: Option<u64>,
}

#[cfg(test)]
mod tests;
