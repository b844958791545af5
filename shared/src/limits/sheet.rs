//! Limits of CSV and Excel files and of what they are made from.

/// Text of a file that is handed on at once to be compressed, bytes: large enough that deflate loses little by
/// starting anew, small enough that several fit in the memory of one export (DC-7).
pub const SEGMENT_BYTES: usize = 256 * 1024;
/// Characters of one cell, in UTF-16 units; Excel's own limit.
pub const CELL_CHARS_MAX: usize = 32_767;
/// Significant digits of a number that Excel keeps; longer ones are written as text.
pub const NUMBER_DIGITS_MAX: usize = 15;

/// Nesting of a tree of heads, levels.
pub const HEAD_LEVELS_MAX: usize = 16;
/// Columns of a table; Excel's own limit is 16,384, row heads included.
pub const COLUMNS_MAX: usize = 16_000;
/// Heads of a tree, those with children included.
pub const HEADS_MAX: usize = 20_000;
/// Different styles in a tree, sizes aside: a workbook holds few hundred fonts and number formats.
pub const HEAD_STYLES_MAX: usize = 100;
/// A title of a head, of a table or of a sheet, characters.
pub const HEAD_CHARS_MAX: usize = 1_000;
/// Rows that row heads reserve in all.
pub const RESERVED_ROWS_MAX: u32 = 100_000;
/// Rows of a table with row heads, bytes of JSON: they may come in any order, so they are held to the end.
pub const HELD_ROWS_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Width of a column, points: Excel's 255 characters.
pub const COLUMN_POINTS_MAX: f64 = 1342.0;
/// Height of a row, points; Excel's own limit.
pub const ROW_POINTS_MAX: f64 = 409.0;
/// A number format, characters; Excel's own limit.
pub const NUMBER_FORMAT_CHARS_MAX: usize = 255;
/// Tables of one export.
pub const TABLES_MAX: usize = 100;
/// Lines above or below a table, in summary, header or footer.
pub const BANNER_LINES_MAX: usize = 100;
/// Rows of a sheet; Excel's own limit.
pub const SHEET_ROWS_MAX: u32 = 1_048_576;
/// Sheets of one file.
pub const SHEETS_MAX: usize = 1_000;
/// Cells of a table with row heads, empty ones included: it is drawn in one go.
pub const HELD_CELLS_MAX: u64 = 4_000_000;
/// Rows whose texts decide how wide a column is that nobody gave a width.
pub const WIDTH_SAMPLE_ROWS: u64 = 200;

/// An uploaded template, bytes.
pub const TEMPLATE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Parts in a template's ZIP file.
pub const TEMPLATE_ENTRIES_MAX: usize = 1000;
/// One part of a template once it is inflated, bytes.
pub const TEMPLATE_PART_BYTES_MAX: usize = 16 * 1024 * 1024;
/// All parts of a template once they are inflated, bytes.
pub const TEMPLATE_INFLATED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The name of a placeholder, characters.
pub const PLACEHOLDER_CHARS_MAX: usize = 100;
/// Rows of a template that are repeated for one element of a list.
pub const TEMPLATE_BLOCK_ROWS_MAX: u32 = 100;
/// Cells of a template with placeholders, and cells in the rows that are repeated.
pub const TEMPLATE_CELLS_MAX: usize = 50_000;
/// The scalars of a template, bytes of JSON: they are part of a task's position.
pub const TEMPLATE_VALUES_BYTES_MAX: usize = 256 * 1024;
/// The texts of the cells with placeholders, bytes.
pub const TEMPLATE_TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Placeholders that the dry run of a template lists.
pub const TEMPLATE_PLACEHOLDERS_MAX: usize = 10_000;
/// What looks like a placeholder and is none, as often as one cell is told to have it.
pub const TEMPLATE_MALFORMED_MAX: usize = 10;
/// Places in a template where lists are repeated.
pub const TEMPLATE_BLOCKS_MAX: usize = 200;
/// Merged ranges in a template.
pub const TEMPLATE_MERGES_MAX: usize = 10_000;
/// Ranges that one range in rows of a template becomes, where it covers only some rows of an element.
pub const TEMPLATE_AREAS_MAX: u64 = 500;
/// Sheets that one list of a template may take.
pub const TEMPLATE_SHEETS_MAX: u64 = 200;
/// What a template writes for one element of a list, bytes of XML.
pub const TEMPLATE_ELEMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A sheet of a filled template without the rows that are repeated, bytes of XML: it is held in memory.
pub const TEMPLATE_SHEET_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Problems that the dry run of a template lists.
pub const TEMPLATE_PROBLEMS_MAX: usize = 200;
