//! Puts the filled workbook together.

use super::follow::{self, Follower};
use super::model::Model;
use super::package::{Package, relations_name};
use super::sheet::{self, Filled};
use super::shift::Shifts;
use super::styles::Styles;
use super::values::Scalars;
use super::workbook;
use crate::sheet::Result;
use crate::sheet::archive::{Archive, Piece};
use crate::sheet::parts::Parts;
use std::collections::BTreeMap;
use std::io::Write;

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

/// Writes the file. `filled` has the repeated rows of each sheet.
pub fn write(
    setting: &Setting<'_>,
    mut filled: Vec<Vec<Filled>>,
    parts: &mut dyn Parts,
    out: &mut dyn Write,
) -> Result<()> {
    let tasks = tasks(setting)?;
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
                let blocks = filled.get_mut(index).map(std::mem::take);
                write_sheet(
                    setting,
                    index,
                    blocks.unwrap_or_default(),
                    &mut archive,
                    parts,
                )?;
                continue;
            }
            task => rewritten(setting, &tasks, task, &package.text(name)?)?,
        };
        archive.text(name, &body)?;
    }
    archive.finish()?;
    Ok(())
}

fn is_types(name: &str) -> bool {
    name == "[Content_Types].xml"
}

fn write_sheet(
    setting: &Setting<'_>,
    index: usize,
    blocks: Vec<Filled>,
    archive: &mut Archive<'_>,
    parts: &mut dyn Parts,
) -> Result<()> {
    let sheet_setting = sheet::Setting {
        model: setting.model,
        styles: setting.styles,
        shifts: setting.shifts,
        scalars: setting.scalars,
    };
    let part = &setting.model.sheets[index].part;
    let text = setting.package.text(part)?;
    let pieces = sheet::pieces(&sheet_setting, index, &text, blocks)?;
    drop(text);
    let pieces: Vec<Piece<'_>> = pieces
        .iter()
        .map(|piece| match piece {
            sheet::Piece::Text(text) => Piece::Text(text),
            sheet::Piece::Part(part) => Piece::Part(*part),
        })
        .collect();
    archive.entry(part, &pieces, parts)?;
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
    task: Task,
    text: &str,
) -> Result<Vec<u8>> {
    let is_dropped = |name: &str| tasks.get(name) == Some(&Task::Drop);
    match task {
        Task::Types => workbook::without(text, "PartName", |name| {
            is_dropped(name.trim_start_matches('/'))
        }),
        Task::WorkbookRelations => {
            workbook::without(text, "Type", |kind| kind.ends_with("/calcChain"))
        }
        Task::Workbook => workbook::workbook(text, setting.shifts),
        Task::Styles => setting.styles.rewritten(text),
        Task::Follow(sheet) => Follower::new(setting.shifts, sheet).part(text),
        Task::Chart(sheet) => Follower::of_chart(setting.shifts, sheet).part(text),
        Task::Vml(sheet) => follow::vml(text, &setting.shifts.sheets[sheet].1),
        Task::Sheet(_) | Task::Drop | Task::Copy => Ok(text.into()),
    }
}
