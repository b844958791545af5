//! The dry run: what a template asks for, and what would go wrong.

use super::Template;
use super::formula::column_name;
use super::grid::{Grid, Item};
use super::model::{Area, Sheet};
use super::placeholder::Token;
use super::references::{Place, Shifts};
use super::shift::Shift;
use super::xml::{Source, attribute, local_name};
use crate::limits::{TEMPLATE_BLOCK_ROWS_MAX, TEMPLATE_PLACEHOLDERS_MAX, TEMPLATE_PROBLEMS_MAX};
use crate::sheet::{Result, SheetError};
use quick_xml::events::Event;
use serde::Serialize;

/// What the dry run of a template found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// At most [`TEMPLATE_PLACEHOLDERS_MAX`].
    pub placeholders: Vec<Placeholder>,
    /// At most [`TEMPLATE_PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
}

/// A placeholder in a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placeholder {
    pub sheet: String,
    /// Such as `B5`.
    pub cell: String,
    pub kind: PlaceholderKind,
    /// The name of the list; empty for the unnamed one, and not there for a scalar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceholderKind {
    Scalar,
    List,
}

/// What could go wrong, or not look as it is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub sheet: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// A stable word.
    pub code: &'static str,
    /// One sentence for the template's author.
    pub message: String,
}

/// Lists a template's placeholders and problems.
pub fn check(template: &Template) -> Result<Report> {
    let mut report = Report {
        placeholders: Vec::new(),
        problems: Vec::new(),
    };
    for (index, sheet) in template.model.sheets.iter().enumerate() {
        list_placeholders(sheet, &mut report);
        report.problems.extend(fatal(sheet));
        check_merges(sheet, &mut report);
        check_tables(template, sheet, &mut report)?;
        check_rows_needed(template, index, &mut report)?;
    }
    report.problems.truncate(TEMPLATE_PROBLEMS_MAX);
    Ok(report)
}

/// Refuses a template that cannot be filled. Errors: `mixed_lists`, `block_too_high`.
pub fn refuse_fatal(template: &Template) -> Result<()> {
    let problem = template.model.sheets.iter().flat_map(fatal).next();
    match problem {
        Some(problem) => Err(SheetError::refused(problem.code, problem.message)),
        None => Ok(()),
    }
}

fn name_of(row: u32, column: u32) -> String {
    format!("{}{row}", column_name(column))
}

impl Report {
    fn problem(
        &mut self,
        sheet: &Sheet,
        cell: Option<String>,
        code: &'static str,
        message: String,
    ) {
        if self.problems.len() >= TEMPLATE_PROBLEMS_MAX {
            return;
        }
        self.problems.push(Problem {
            sheet: sheet.name.clone(),
            cell,
            code,
            message,
        });
    }
}

fn list_placeholders(sheet: &Sheet, report: &mut Report) {
    for ((row, column), marked) in &sheet.marked {
        let cell = name_of(*row, *column);
        for token in &marked.parsed.tokens {
            let (kind, list, name) = match token {
                Token::Text(_) => continue,
                Token::Scalar(name) => (PlaceholderKind::Scalar, None, name),
                Token::Field { list, name } => (PlaceholderKind::List, Some(list.clone()), name),
            };
            if report.placeholders.len() == TEMPLATE_PLACEHOLDERS_MAX {
                break;
            }
            report.placeholders.push(Placeholder {
                sheet: sheet.name.clone(),
                cell: cell.clone(),
                kind,
                list,
                name: name.clone(),
            });
        }
        for malformed in &marked.parsed.malformed {
            let message = format!(
                "{malformed:?} is not a placeholder and stays as it is; write \\{{ for a brace that is meant"
            );
            report.problem(sheet, Some(cell.clone()), "malformed_placeholder", message);
        }
    }
}

fn fatal(sheet: &Sheet) -> Vec<Problem> {
    let mut problems = Vec::new();
    for block in &sheet.blocks {
        let mut problem = |code, message: &str| {
            problems.push(Problem {
                sheet: sheet.name.clone(),
                cell: Some(format!("A{}", block.first)),
                code,
                message: message.to_owned(),
            });
        };
        if block.is_unnamed() && block.lists.len() > 1 {
            problem(
                "mixed_lists",
                "The unnamed list and a named one stand side by side in the same rows; give both a name",
            );
        }
        if block.height() > TEMPLATE_BLOCK_ROWS_MAX {
            problem(
                "block_too_high",
                "The rows that are repeated for one element are too many",
            );
        }
    }
    problems
}

/// Merged cells hide all fields but the first, and fit badly where they cross the edge of repeated rows.
fn check_merges(sheet: &Sheet, report: &mut Report) {
    for area in &sheet.merges {
        let fields = sheet
            .marked
            .range((area.first_row, 0)..=(area.last_row, u32::MAX))
            .filter(|((row, column), marked)| {
                area.has(*row, *column)
                    && (*row, *column) != (area.first_row, area.first_column)
                    && !marked.parsed.lists().is_empty()
            });
        for ((row, column), _) in fields {
            let message = "The field stands in merged cells and will not be seen".to_owned();
            let cell = Some(name_of(*row, *column));
            report.problem(sheet, cell, "field_in_merged_cells", message);
        }
        let crosses = |block: &super::model::Block| {
            let is_apart = area.last_row < block.first || area.first_row > block.last;
            let covers = area.first_row <= block.first && area.last_row >= block.last;
            !is_apart && !covers && !block.merges.contains(area)
        };
        if sheet.blocks.iter().any(crosses) {
            let cell = Some(name_of(area.first_row, area.first_column));
            let message = "Merged cells reach over the edge of rows that are repeated".to_owned();
            report.problem(sheet, cell, "merge_across_list", message);
        }
    }
}

fn check_tables(template: &Template, sheet: &Sheet, report: &mut Report) -> Result<()> {
    for relation in template.package.relations(&sheet.part)? {
        if relation.kind != "table" || !template.package.has(&relation.target) {
            continue;
        }
        let text = template.package.text(&relation.target)?;
        let mut source = Source::new(&text);
        while let Some((event, _)) = source.next()? {
            let (Event::Start(tag) | Event::Empty(tag)) = event else {
                continue;
            };
            if local_name(tag.name().as_ref()) != "table" {
                continue;
            }
            let cells = attribute(&tag, "ref")?.unwrap_or_default();
            let rows = attribute(&tag, "headerRowCount")?;
            if let Some(area) = Area::parse(&cells).filter(|_| rows.as_deref() != Some("0")) {
                check_table_head(sheet, area, report);
            }
        }
    }
    Ok(())
}

/// Excel repairs a table whose heads are not those that the table's own part names.
fn check_table_head(sheet: &Sheet, area: Area, report: &mut Report) {
    let row = area.first_row;
    let heads = (row, area.first_column)..=(row, area.last_column);
    for ((row, column), marked) in sheet.marked.range(heads) {
        let is_list = !marked.parsed.lists().is_empty();
        let (code, message) = if is_list {
            ("list_in_table_head", "A list stands in the head of a table")
        } else {
            (
                "placeholder_in_table_head",
                "A placeholder stands in the head of a table, whose heads are fixed",
            )
        };
        let cell = Some(name_of(*row, *column));
        report.problem(sheet, cell, code, message.to_owned());
    }
}

/// What cannot be written before it is known how many rows the unnamed list has.
fn check_rows_needed(template: &Template, index: usize, report: &mut Report) -> Result<()> {
    let sheet = &template.model.sheets[index];
    let shifts = shifts_before_rows(template);
    let shift = &shifts.sheets[index].1;
    for block in &sheet.blocks {
        if shift.first(block.first).is_err() {
            let message = "The list stands below the unnamed one, so the source has to tell the number of rows in \
                           `total`";
            let cell = Some(name_of(block.first, 1));
            report.problem(sheet, cell, "expected_rows_needed", message.to_owned());
        }
    }
    for (row, column, formula) in block_formulas(template, sheet)? {
        let place = Place::inside(index, sheet.block_of(row));
        if shifts.parts(&formula, place).is_err() {
            let message = "The formula names cells below the unnamed list or all of its rows, so the source has to \
                           tell the number of rows in `total`";
            let cell = Some(name_of(row, column));
            report.problem(sheet, cell, "expected_rows_needed", message.to_owned());
        }
    }
    Ok(())
}

/// The named lists are known before the first row of the unnamed one comes.
fn shifts_before_rows(template: &Template) -> Shifts {
    let sheets = template.model.sheets.iter();
    Shifts::new(
        sheets
            .map(|sheet| {
                let blocks = sheet.blocks.iter();
                let stretches = blocks
                    .map(|block| block.stretch((!block.is_unnamed()).then_some(1)))
                    .collect();
                let shift = Shift {
                    stretches,
                    further: Vec::new(),
                };
                (sheet.name.clone(), shift)
            })
            .collect(),
    )
}

/// The formulas in repeated rows with their cells.
fn block_formulas(template: &Template, sheet: &Sheet) -> Result<Vec<(u32, u32, String)>> {
    let mut formulas = Vec::new();
    if sheet.blocks.is_empty() {
        return Ok(formulas);
    }
    let text = template.package.text(&sheet.part)?;
    let mut source = Source::new(&text);
    while let Some((event, _)) = source.next()? {
        let Event::Start(tag) = event else {
            continue;
        };
        if local_name(tag.name().as_ref()) != "sheetData" {
            continue;
        }
        let mut grid = Grid::new();
        while let Some(item) = grid.next(&mut source)? {
            if let Item::Cell(cell) = item
                && sheet.block_of(cell.row).is_some()
                && let Some(formula) = cell.own_formula(&sheet.shared)?
            {
                formulas.push((cell.row, cell.column, formula));
            }
        }
        break;
    }
    Ok(formulas)
}
