//! Puts the filled workbook together.

use super::follow::{self, Follower};
use super::model::Model;
use super::package::{Package, relations_name};
use super::references::Shifts;
use super::sheet::{self, Filled};
use super::shift::Shift;
use super::styles::Styles;
use super::values::Scalars;
use super::workbook::{self, NewSheet};
use crate::sheet::Result;
use crate::sheet::archive::{Archive, Piece};
use crate::sheet::parts::Parts;
use std::collections::BTreeMap;
use std::io::Write;

const SHEET_TYPE: &str =
    "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml";
const SHEET_RELATION: &str =
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet";

/// What a workbook is put together from.
pub struct Setting<'a> {
    pub package: &'a Package,
    pub model: &'a Model,
    pub styles: &'a Styles,
    pub shifts: &'a Shifts,
    pub scalars: &'a Scalars,
}

/// What is to be done with a part of the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Types,
    Workbook,
    WorkbookRelations,
    Styles,
    Sheet(usize),
    /// References are moved; plain ones are to the cells of this sheet.
    Follow(usize),
    Chart(usize),
    Vml(usize),
    Drop,
    Copy,
}

/// One sheet of the file.
pub struct SheetPlan {
    /// The repeated rows of its blocks.
    pub blocks: Vec<Filled>,
    /// Where its rows stand.
    pub shift: Shift,
    /// The name of a sheet on which a list goes on; none for the template's own.
    pub name: Option<String>,
}

/// Writes the file. `plans` has for each sheet of the template that sheet and those on which its list goes on.
pub fn write(
    setting: &Setting<'_>,
    plans: Vec<Vec<SheetPlan>>,
    parts: &mut dyn Parts,
    out: &mut dyn Write,
) -> Result<()> {
    let tasks = tasks(setting)?;
    let new = new_sheets(setting, &plans);
    let mut plans: Vec<Option<Vec<SheetPlan>>> = plans.into_iter().map(Some).collect();
    let mut archive = Archive::new(out);
    let package = setting.package;
    // Readers of streams want to know first what the parts are.
    let types = package.names().iter().filter(|name| is_types(name));
    let others = package.names().iter().filter(|name| !is_types(name));
    for name in types.chain(others) {
        let task = tasks.get(name.as_str()).copied().unwrap_or(Task::Copy);
        let body = match task {
            Task::Drop => continue,
            Task::Copy => package.read(name)?,
            Task::Sheet(index) => {
                let plans = plans.get_mut(index).and_then(Option::take);
                let plans = plans.unwrap_or_default();
                write_sheets(setting, index, plans, &new[index], &mut archive, parts)?;
                continue;
            }
            task => rewritten(setting, &tasks, &new, task, &package.text(name)?)?,
        };
        archive.text(name, &body)?;
    }
    archive.finish()?;
    Ok(())
}

/// The parts of the sheets that the template does not have.
fn new_sheets(setting: &Setting<'_>, plans: &[Vec<SheetPlan>]) -> Vec<Vec<NewSheet>> {
    let sheets = setting.model.sheets.iter().zip(plans).enumerate();
    sheets
        .map(|(index, (sheet, plans))| {
            let named = plans
                .iter()
                .filter_map(|plan| Some((plan, plan.name.as_ref()?)));
            let stem = sheet.part.strip_suffix(".xml").unwrap_or(&sheet.part);
            let is_free = |part: &String| !setting.package.has(part);
            let free = (2..)
                .map(|number| format!("{stem}-{number}.xml"))
                .filter(is_free);
            named
                .zip(free)
                .enumerate()
                .map(|(number, ((plan, name), part))| NewSheet {
                    name: name.clone(),
                    part,
                    id: format!("rIdFurther{index}-{number}"),
                    shift: plan.shift.clone(),
                })
                .collect()
        })
        .collect()
}

fn is_types(name: &str) -> bool {
    name == "[Content_Types].xml"
}

/// A sheet of the template, and those on which its list goes on.
fn write_sheets(
    setting: &Setting<'_>,
    index: usize,
    plans: Vec<SheetPlan>,
    new: &[NewSheet],
    archive: &mut Archive<'_>,
    parts: &mut dyn Parts,
) -> Result<()> {
    let own = &setting.model.sheets[index].part;
    let text = setting.package.text(own)?;
    let relations = relations_name(own);
    let sheets = plans.len();
    let names = std::iter::once(own).chain(new.iter().map(|sheet| &sheet.part));
    for (number, (plan, part)) in plans.into_iter().zip(names).enumerate() {
        let sheet_setting = sheet::Setting {
            model: setting.model,
            styles: setting.styles,
            shifts: setting.shifts,
            scalars: setting.scalars,
            shift: &plan.shift,
            is_further: number > 0,
            is_last: number + 1 == sheets,
        };
        let pieces = sheet::pieces(&sheet_setting, index, &text, plan.blocks)?;
        let pieces: Vec<Piece<'_>> = pieces
            .iter()
            .map(|piece| match piece {
                sheet::Piece::Text(text) => Piece::Text(text),
                sheet::Piece::Part(part) => Piece::Part(*part),
            })
            .collect();
        archive.entry(part, &pieces, parts)?;
        if number > 0 && setting.package.has(&relations) {
            archive.text(&relations_name(part), &setting.package.read(&relations)?)?;
        }
    }
    Ok(())
}

/// What is to be done with those parts that are not copied.
fn tasks(setting: &Setting<'_>) -> Result<BTreeMap<String, Task>> {
    let package = setting.package;
    let workbook = package.workbook();
    let mut tasks = BTreeMap::from([
        ("[Content_Types].xml".to_owned(), Task::Types),
        (workbook.to_owned(), Task::Workbook),
        (relations_name(workbook), Task::WorkbookRelations),
    ]);
    tasks.extend(
        setting
            .model
            .styles_part
            .iter()
            .map(|part| (part.clone(), Task::Styles)),
    );
    for relation in package.relations(workbook)? {
        match relation.kind.as_str() {
            "calcChain" => tasks.insert(relation.target, Task::Drop),
            "pivotCacheDefinition" => tasks.insert(relation.target, Task::Follow(0)),
            _ => None,
        };
    }
    for (index, sheet) in setting.model.sheets.iter().enumerate() {
        tasks.insert(sheet.part.clone(), Task::Sheet(index));
        for relation in package.relations(&sheet.part)? {
            let task = match relation.kind.as_str() {
                "table" | "comments" | "threadedComment" | "pivotTable" | "drawing" => {
                    Task::Follow(index)
                }
                "vmlDrawing" => Task::Vml(index),
                _ => continue,
            };
            if relation.kind == "drawing" {
                for chart in package.relations(&relation.target)? {
                    if matches!(chart.kind.as_str(), "chart" | "chartEx") {
                        tasks.insert(chart.target, Task::Chart(index));
                    }
                }
            }
            tasks.insert(relation.target, task);
        }
    }
    Ok(tasks)
}

fn rewritten(
    setting: &Setting<'_>,
    tasks: &BTreeMap<String, Task>,
    new: &[Vec<NewSheet>],
    task: Task,
    text: &str,
) -> Result<Vec<u8>> {
    let is_dropped = |name: &str| tasks.get(name) == Some(&Task::Drop);
    match task {
        Task::Types => {
            let kept = workbook::without(text, "PartName", |name| {
                is_dropped(name.trim_start_matches('/'))
            })?;
            let entry = |sheet: &NewSheet| {
                format!(
                    "Override PartName=\"/{}\" ContentType=\"{SHEET_TYPE}\"",
                    sheet.part
                )
            };
            let entries: Vec<String> = new.iter().flatten().map(entry).collect();
            Ok(workbook::with(kept, &entries))
        }
        Task::WorkbookRelations => {
            let kept = workbook::without(text, "Type", |kind| kind.ends_with("/calcChain"))?;
            let entry = |sheet: &NewSheet| {
                let (id, part) = (&sheet.id, &sheet.part);
                format!("Relationship Id=\"{id}\" Type=\"{SHEET_RELATION}\" Target=\"/{part}\"")
            };
            let entries: Vec<String> = new.iter().flatten().map(entry).collect();
            Ok(workbook::with(kept, &entries))
        }
        Task::Workbook => workbook::workbook(text, setting.shifts, new),
        Task::Styles => setting.styles.rewritten(text),
        Task::Follow(sheet) => Follower::new(setting.shifts, sheet).part(text),
        Task::Chart(sheet) => Follower::of_chart(setting.shifts, sheet).part(text),
        Task::Vml(sheet) => follow::vml(text, &setting.shifts.sheets[sheet].1),
        Task::Sheet(_) | Task::Drop | Task::Copy => Ok(text.into()),
    }
}
