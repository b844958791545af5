//! Puts the workbook together from its parts.

use super::draw::Sketch;
use super::look::{Looks, quoted};
use super::name::names;
use super::pen::letters;
use super::run::Run;
use super::width::{characters, of_characters, of_points};
use super::{ExcelWriter, Finished};
use crate::domain::heads::{depth, leaves, place};
use crate::sheet::Result;
use crate::sheet::archive::{Archive, Piece};
use crate::sheet::parts::{Form, Mark, MemoryParts, Parts};
use std::io;

/// Parts from here on are drawn while the file is put together.
const OWN_PARTS: u32 = 2_000_000;
/// The most rows that stay in sight above those that scroll.
const FROZEN_ROWS_MAX: u32 = 30;
const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";

/// The parts of the writer, and those that are drawn at the end, which are small once deflated.
struct Overlay<'a> {
    base: &'a mut dyn Parts,
    own: MemoryParts,
}

impl Overlay<'_> {
    fn of(&mut self, part: u32) -> &mut dyn Parts {
        if part >= OWN_PARTS {
            &mut self.own
        } else {
            self.base
        }
    }
}

impl Parts for Overlay<'_> {
    fn append(&mut self, part: u32, form: Form, text: Vec<u8>) -> io::Result<()> {
        self.of(part).append(part, form, text)
    }

    fn mark(&mut self, part: u32) -> io::Result<Mark> {
        self.of(part).mark(part)
    }

    fn copy(&mut self, part: u32, out: &mut dyn io::Write) -> io::Result<()> {
        self.of(part).copy(part, out)
    }
}

enum Section {
    Text(Vec<u8>),
    Part(u32),
}

/// Writes the file of a writer all of whose tables are closed.
pub fn write(
    whole: &mut ExcelWriter,
    parts: &mut dyn Parts,
    out: &mut dyn io::Write,
) -> Result<Finished> {
    let mut overlay = Overlay {
        base: parts,
        own: MemoryParts::new(),
    };
    let mut looks = std::mem::take(&mut whole.looks);
    let sheets = whole.runs.last().map_or(0, |run| run.sheet + 1);
    let mut wanted = vec![None; sheets];
    for run in whole.runs.iter().rev() {
        let layout = whole.layout_of(run.table);
        wanted[run.sheet] = layout.and_then(|layout| layout.title.clone());
    }
    let names = names(&wanted);
    let mut archive = Archive::new(out);
    archive.text("[Content_Types].xml", content_types(sheets).as_bytes())?;
    archive.text("_rels/.rels", package_relations().as_bytes())?;
    archive.text("docProps/app.xml", APP.as_bytes())?;
    archive.text("docProps/core.xml", core(whole).as_bytes())?;
    archive.text("xl/workbook.xml", whole.workbook(&names).as_bytes())?;
    archive.text("xl/_rels/workbook.xml.rels", relations(sheets).as_bytes())?;
    for sheet in 0..sheets {
        let sections = whole.sheet(sheet, &mut looks, &mut overlay)?;
        let pieces: Vec<Piece<'_>> = sections
            .iter()
            .map(|section| match section {
                Section::Text(text) => Piece::Text(text),
                Section::Part(part) => Piece::Part(*part),
            })
            .collect();
        let name = format!("xl/worksheets/sheet{}.xml", sheet + 1);
        archive.entry(&name, &pieces, &mut overlay)?;
    }
    archive.text("xl/styles.xml", &looks.xml())?;
    archive.text("xl/theme/theme1.xml", THEME.as_bytes())?;
    archive.finish()?;
    let tables = whole.tables.iter();
    Ok(Finished {
        rows: tables.clone().map(|table| table.progress.rows).sum(),
        sheets: sheets as u32,
        warnings: tables
            .flat_map(|table| table.table.warning().into_iter().chain(table.unplaced()))
            .collect(),
    })
}

/// Colours and fonts; of the fonts those for East Asian scripts matter, for Calibri has none of their letters.
const THEME: &str = include_str!("theme.xml");
const APP: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
    <Properties xmlns=\"http://schemas.openxmlformats.org/officeDocument/2006/extended-properties\">\
    <Application>Wharf</Application></Properties>";

fn core(whole: &ExcelWriter) -> String {
    let titles = whole.layout.tables.iter();
    let title = titles.filter_map(|table| table.title.as_deref()).next();
    let title = quoted(title.unwrap_or_default());
    format!(
        "{XML}<cp:coreProperties xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" \
        xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>{title}</dc:title>\
        <dc:creator>Wharf</dc:creator></cp:coreProperties>"
    )
}

fn content_types(sheets: usize) -> String {
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml";
    let sheets: String = (1..=sheets)
        .map(|sheet| {
            format!(
                r#"<Override PartName="/xl/worksheets/sheet{sheet}.xml" ContentType="{kind}.worksheet+xml"/>"#
            )
        })
        .collect();
    format!(
        "{XML}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
        <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
        <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
        <Override PartName=\"/xl/workbook.xml\" ContentType=\"{kind}.sheet.main+xml\"/>{sheets}\
        <Override PartName=\"/xl/styles.xml\" ContentType=\"{kind}.styles+xml\"/>\
        <Override PartName=\"/xl/theme/theme1.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.theme+xml\"/>\
        <Override PartName=\"/docProps/core.xml\" ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/>\
        <Override PartName=\"/docProps/app.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.extended-properties+xml\"/>\
        </Types>"
    )
}

fn package_relations() -> String {
    format!(
        "{XML}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
        <Relationship Id=\"rId1\" Type=\"{OFFICE}/relationships/officeDocument\" Target=\"xl/workbook.xml\"/>\
        <Relationship Id=\"rId2\" Type=\"http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties\" Target=\"docProps/core.xml\"/>\
        <Relationship Id=\"rId3\" Type=\"{OFFICE}/relationships/extended-properties\" Target=\"docProps/app.xml\"/>\
        </Relationships>"
    )
}

fn relations(sheets: usize) -> String {
    let of_sheets: String = (1..=sheets)
        .map(|sheet| {
            format!(
                r#"<Relationship Id="rId{sheet}" Type="{OFFICE}/relationships/worksheet" Target="worksheets/sheet{sheet}.xml"/>"#
            )
        })
        .collect();
    let (styles, theme) = (sheets + 1, sheets + 2);
    format!(
        "{XML}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{of_sheets}\
        <Relationship Id=\"rId{styles}\" Type=\"{OFFICE}/relationships/styles\" Target=\"styles.xml\"/>\
        <Relationship Id=\"rId{theme}\" Type=\"{OFFICE}/relationships/theme\" Target=\"theme/theme1.xml\"/></Relationships>"
    )
}

impl ExcelWriter {
    fn workbook(&self, names: &[String]) -> String {
        let mut sheets = String::new();
        let mut defined = String::new();
        for (index, name) in names.iter().enumerate() {
            let number = index + 1;
            let name = quoted(name);
            sheets.push_str(&format!(
                r#"<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>"#
            ));
            if let Some(run) = self.lone_run(index) {
                let from = run.first_row - run.heads;
                let until = run.first_row - 1;
                let name = name.replace('\'', "''");
                defined.push_str(&format!(
                    r#"<definedName name="_xlnm.Print_Titles" localSheetId="{index}">'{name}'!${from}:${until}</definedName>"#
                ));
            }
        }
        if !defined.is_empty() {
            defined = format!("<definedNames>{defined}</definedNames>");
        }
        format!(
            "{XML}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}/relationships\"><bookViews><workbookView/></bookViews>\
            <sheets>{sheets}</sheets>{defined}</workbook>"
        )
    }

    /// The run of a sheet that has but one, with heads and rows.
    fn lone_run(&self, sheet: usize) -> Option<&Run> {
        let mut runs = self.runs.iter().filter(|run| run.sheet == sheet);
        let run = runs.next()?;
        (runs.next().is_none() && run.heads > 0 && run.rows > 0).then_some(run)
    }

    fn sheet(
        &self,
        sheet: usize,
        looks: &mut Looks,
        parts: &mut dyn Parts,
    ) -> Result<Vec<Section>> {
        let widths = self.widths(sheet);
        let mut sections = Vec::new();
        let mut sketch = Sketch::default();
        let mut last_row = 1;
        let runs = self.runs.iter().enumerate();
        for (index, run) in runs.filter(|(_, run)| run.sheet == sheet) {
            let columns = self.columns_of(run.table);
            let characters: f64 = widths[..columns].iter().sum();
            self.draw_opening(run, characters, looks, &mut sketch);
            sections.push(Section::Text(std::mem::take(&mut sketch.text)));
            let progress = &self.tables[run.table].progress;
            let mut part = index as u32;
            if progress.held.is_some() && run.rows > 0 {
                part += OWN_PARTS;
                self.draw_held(run, looks, &mut sketch, part, parts)?;
            }
            sections.push(Section::Part(part));
            last_row = run.next_row().max(2) - 1;
            if progress.run == Some(index) {
                self.draw_footer(run, characters, looks, &mut sketch);
                sections.push(Section::Text(std::mem::take(&mut sketch.text)));
                last_row += progress.footer.len() as u32;
            }
        }
        let opening = self.sheet_opening(sheet, &widths, last_row);
        sections.insert(0, Section::Text(opening.into_bytes()));
        sections.push(Section::Text(sheet_closing(&sketch.merges).into_bytes()));
        Ok(sections)
    }

    fn sheet_opening(&self, sheet: usize, widths: &[f64], last_row: u32) -> String {
        let last_column = letters(widths.len().max(1) - 1);
        let mut xml = format!(
            "{XML}<worksheet xmlns=\"{MAIN}\"><sheetPr><pageSetUpPr fitToPage=\"1\"/></sheetPr>\
            <dimension ref=\"A1:{last_column}{last_row}\"/><sheetViews><sheetView"
        );
        if sheet == 0 {
            xml.push_str(" tabSelected=\"1\"");
        }
        xml.push_str(" workbookViewId=\"0\">");
        if let Some(run) = self.lone_run(sheet) {
            let levels = depth(self.tables[run.table].table.row_heads());
            xml.push_str(&pane(run.first_row - 1, levels));
        }
        xml.push_str("</sheetView></sheetViews><sheetFormatPr defaultRowHeight=\"");
        match self.layout.default_height {
            Some(points) => xml.push_str(&format!("{points}\" customHeight=\"1\"/>")),
            None => xml.push_str("15\"/>"),
        }
        if !widths.is_empty() {
            xml.push_str(&columns(widths));
        }
        xml.push_str("<sheetData>");
        xml
    }

    /// The `width` of each column of a sheet. What a head says counts before the export's default, and that
    /// before what the texts need; of several tables the widest counts.
    fn widths(&self, sheet: usize) -> Vec<f64> {
        let mut said: Vec<Option<f64>> = Vec::new();
        let mut needed: Vec<f64> = Vec::new();
        for run in self.runs.iter().filter(|run| run.sheet == sheet) {
            let progress = &self.tables[run.table].progress;
            let heads = self.tables[run.table].table.heads();
            let levels = depth(&heads.rows);
            let columns = self.columns_of(run.table);
            if said.len() < columns {
                said.resize(columns, None);
                needed.resize(columns, 0.0);
            }
            let mut seen = progress.widths.clone();
            let mut say = |column: usize, points: Option<f64>| {
                let width = points.map(of_points);
                said[column] = match (said[column], width) {
                    (Some(other), Some(width)) => Some(width.max(other)),
                    (other, width) => width.or(other),
                };
            };
            for at in place(&heads.rows, &|_| 1) {
                // A title over several columns has room enough.
                if at.levels == 1 {
                    seen.see(at.level, characters(&at.head.title));
                }
                say(at.level, at.head.style.width);
            }
            for (column, head) in leaves(&heads.columns).into_iter().enumerate() {
                seen.see(levels + column, characters(&head.title));
                say(levels + column, head.style.width);
            }
            for (column, needed) in needed[..columns].iter_mut().enumerate() {
                *needed = needed.max(of_characters(seen.of(column)));
            }
        }
        let default = self.layout.default_width.map(of_points);
        said.into_iter()
            .zip(needed)
            .map(|(said, needed)| said.or(default).unwrap_or(needed))
            .collect()
    }
}

/// Keeps heads, and row heads, in sight.
fn pane(rows: u32, columns: usize) -> String {
    if rows > FROZEN_ROWS_MAX {
        return String::new();
    }
    let corner = format!("{}{}", letters(columns), rows + 1);
    if columns == 0 {
        return format!(
            r#"<pane ySplit="{rows}" topLeftCell="{corner}" activePane="bottomLeft" state="frozen"/><selection pane="bottomLeft"/>"#
        );
    }
    format!(
        r#"<pane xSplit="{columns}" ySplit="{rows}" topLeftCell="{corner}" activePane="bottomRight" state="frozen"/><selection pane="topRight"/><selection pane="bottomLeft"/><selection pane="bottomRight"/>"#
    )
}

/// `cols`. Each column stands alone: not every reader knows what a group of them means.
fn columns(widths: &[f64]) -> String {
    let mut xml = String::from("<cols>");
    for (number, width) in (1..).zip(widths) {
        xml.push_str(&format!(
            r#"<col min="{number}" max="{number}" width="{width}" customWidth="1"/>"#
        ));
    }
    xml.push_str("</cols>");
    xml
}

fn sheet_closing(merges: &[String]) -> String {
    let mut xml = String::from("</sheetData>");
    if !merges.is_empty() {
        xml.push_str(&format!("<mergeCells count=\"{}\">", merges.len()));
        for merge in merges {
            xml.push_str(&format!(r#"<mergeCell ref="{merge}"/>"#));
        }
        xml.push_str("</mergeCells>");
    }
    xml.push_str(
        r#"<pageMargins left="0.7" right="0.7" top="0.75" bottom="0.75" header="0.3" footer="0.3"/>"#,
    );
    xml.push_str(r#"<pageSetup paperSize="9" fitToHeight="0"/></worksheet>"#);
    xml
}
