//! The writer that an export asks for; the worker and the component of synchronous exports call it alike.

use super::template::{Fill, Start, Template};
use super::{Result, Writer, begin};
use crate::wire::export::Export;

/// `template` is the uploaded template's file, `expected` how many rows the source has declared.
pub fn writer(
    export: &Export,
    template: Option<&[u8]>,
    expected: Option<u64>,
) -> Result<Box<dyn Writer>> {
    let Some(file) = template else {
        return Ok(begin(&export.layout));
    };
    let start = Start {
        values: export.request.values.as_deref(),
        expected_rows: expected,
    };
    Ok(Box::new(Fill::begin(Template::open(file)?, &start)?))
}
