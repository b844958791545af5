//! Opening an uploaded `.xlsx` safely: what is no plain workbook is refused, and nothing is extracted to disk.

use super::xml::{Source, attribute, broken, dtd, local_name};
use crate::limits::{
    TEMPLATE_BYTES_MAX, TEMPLATE_ENTRIES_MAX, TEMPLATE_INFLATED_BYTES_MAX, TEMPLATE_PART_BYTES_MAX,
};
use crate::sheet::{Result, SheetError};
use quick_xml::events::Event;
use std::collections::HashSet;
use std::io::{Cursor, Read};
use std::sync::Arc;
use zip::{CompressionMethod, ZipArchive};

/// An OLE container: an old `.xls`, or an encrypted `.xlsx`.
const OLE: [u8; 8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
const CONTENT_TYPES: &str = "[Content_Types].xml";
const WORKBOOK_TYPE: &str =
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml";

/// The parts of a workbook. They stay compressed; one is inflated when it is read.
#[derive(Clone)]
pub struct Package {
    archive: ZipArchive<Cursor<Arc<[u8]>>>,
    names: Vec<String>,
    workbook: String,
}

/// A relationship of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    pub id: String,
    /// The last word of its type, such as `worksheet`.
    pub kind: String,
    /// The part's name, or the address where it is external.
    pub target: String,
    pub is_external: bool,
}

impl Package {
    /// Opens a file of at most [`TEMPLATE_BYTES_MAX`]. Every part is inflated once and every XML part read once, so
    /// that what is opened can be filled.
    pub fn open(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > TEMPLATE_BYTES_MAX {
            return Err(refused(
                "template_too_large",
                format!("The template has more than {TEMPLATE_BYTES_MAX} bytes"),
            ));
        }
        if bytes.starts_with(&OLE) {
            return Err(old_or_encrypted(bytes));
        }
        let mut archive =
            ZipArchive::new(Cursor::new(Arc::<[u8]>::from(bytes))).map_err(|_| not_xlsx())?;
        if archive.len() > TEMPLATE_ENTRIES_MAX || archive.has_overlapping_entries().unwrap_or(true)
        {
            return Err(zip_bomb());
        }
        if archive.has_duplicate_names() {
            return Err(bad_name("the same name twice"));
        }
        let names = entry_names(&mut archive)?;
        let mut package = Self {
            archive,
            names,
            workbook: String::new(),
        };
        package.check_names()?;
        package.check_parts()?;
        package.workbook = package.find_workbook()?;
        package.check_relations()?;
        Ok(package)
    }

    /// The parts in the file's order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// The name of the workbook's main part.
    pub fn workbook(&self) -> &str {
        &self.workbook
    }

    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let mut archive = self.archive.clone();
        let entry = archive
            .by_name(name)
            .map_err(|_| broken(format!("{name} is missing")))?;
        let mut body = Vec::new();
        entry
            .take(TEMPLATE_PART_BYTES_MAX as u64 + 1)
            .read_to_end(&mut body)
            .map_err(|error| broken(format!("{name}: {error}")))?;
        if body.len() > TEMPLATE_PART_BYTES_MAX {
            return Err(zip_bomb());
        }
        Ok(body)
    }

    /// The text of an XML part without its byte order mark.
    pub fn text(&self, name: &str) -> Result<String> {
        let mut body = self.read(name)?;
        if body.starts_with(b"\xEF\xBB\xBF") {
            body.drain(..3);
        }
        String::from_utf8(body).map_err(|_| broken(format!("{name} is not UTF-8")))
    }

    /// The relationships of a part; none where it has no list of them.
    pub fn relations(&self, name: &str) -> Result<Vec<Relation>> {
        let list = relations_name(name);
        if !self.has(&list) {
            return Ok(Vec::new());
        }
        let text = self.text(&list)?;
        let mut source = Source::new(&text);
        let mut relations = Vec::new();
        while let Some((event, _)) = source.next()? {
            let (Event::Start(tag) | Event::Empty(tag)) = event else {
                continue;
            };
            if local_name(tag.name().as_ref()) != "Relationship" {
                continue;
            }
            let get = |key| Ok::<_, SheetError>(attribute(&tag, key)?.unwrap_or_default());
            let is_external = get("TargetMode")? == "External";
            let target = get("Target")?;
            relations.push(Relation {
                id: get("Id")?,
                kind: get("Type")?
                    .rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                target: match is_external {
                    true => target,
                    false => resolved(name, &target),
                },
                is_external,
            });
        }
        Ok(relations)
    }

    fn check_names(&self) -> Result<()> {
        let mut seen = HashSet::new();
        for name in &self.names {
            // The names of parts do not tell capital letters from small ones (ECMA-376 part 2, 6.2.2.3).
            if !seen.insert(name.to_lowercase()) {
                return Err(bad_name("the same name twice"));
            }
            let lower = name.to_lowercase();
            if ["vbaproject", "macrosheets/", "activex/", "dialogsheets/"]
                .iter()
                .any(|word| lower.contains(word))
            {
                return Err(macros());
            }
            if lower.contains("externallinks/") || lower.ends_with("connections.xml") {
                return Err(external_links());
            }
        }
        Ok(())
    }

    /// Inflates each part within the limits, and reads it where it is XML.
    fn check_parts(&self) -> Result<()> {
        let mut inflated_bytes = 0;
        for name in &self.names {
            let body = self.read(name)?;
            inflated_bytes += body.len();
            if inflated_bytes > TEMPLATE_INFLATED_BYTES_MAX {
                return Err(zip_bomb());
            }
            let extension = name.rsplit('.').next().unwrap_or_default().to_lowercase();
            if extension == "vml" {
                check_vml(name, &body)?;
            } else if ["xml", "rels"].contains(&extension.as_str()) || looks_like_xml(&body) {
                check_xml(name, &body)?;
            }
        }
        Ok(())
    }

    fn find_workbook(&self) -> Result<String> {
        let workbook = self
            .relations("")?
            .into_iter()
            .find(|relation| relation.kind == "officeDocument" && !relation.is_external)
            .filter(|relation| self.has(&relation.target))
            .ok_or_else(not_xlsx)?
            .target;
        if !self.has(CONTENT_TYPES) {
            return Err(not_xlsx());
        }
        let text = self.text(CONTENT_TYPES)?;
        let mut source = Source::new(&text);
        let mut is_workbook = false;
        while let Some((event, _)) = source.next()? {
            let (Event::Start(tag) | Event::Empty(tag)) = event else {
                continue;
            };
            let kind = attribute(&tag, "ContentType")?.unwrap_or_default();
            if kind.contains("macroEnabled") || kind.contains("vbaProject") {
                return Err(macros());
            }
            let name = attribute(&tag, "PartName")?.unwrap_or_default();
            let is_default = local_name(tag.name().as_ref()) == "Default"
                && attribute(&tag, "Extension")?.as_deref() == Some("xml");
            is_workbook |=
                kind == WORKBOOK_TYPE && (is_default || name.trim_start_matches('/') == workbook);
        }
        is_workbook.then_some(workbook).ok_or_else(not_xlsx)
    }

    /// Links to other places are allowed as what a reader clicks on, and nowhere else.
    fn check_relations(&self) -> Result<()> {
        for list in self.names.iter().filter(|name| name.ends_with(".rels")) {
            let Some(of) = relations_of(list) else {
                continue;
            };
            for relation in self.relations(&of)? {
                match relation.kind.as_str() {
                    "vbaProject" | "xlMacrosheet" | "control" => return Err(macros()),
                    "externalLink" | "externalLinkPath" | "connections" | "queryTable" => {
                        return Err(external_links());
                    }
                    "hyperlink" => {}
                    _ if relation.is_external => return Err(external_links()),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn entry_names(archive: &mut ZipArchive<Cursor<Arc<[u8]>>>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|_| not_xlsx())?;
        let name = entry.name().map_err(|_| not_xlsx())?.into_owned();
        if entry.encrypted() {
            return Err(encrypted());
        }
        if !matches!(
            entry.compression(),
            CompressionMethod::Stored | CompressionMethod::Deflated
        ) {
            return Err(not_xlsx());
        }
        let is_outside = name.starts_with('/')
            || name.contains(['\\', ':', '\0'])
            || name.split('/').any(|step| step == ".." || step == ".");
        if is_outside || entry.is_symlink() {
            return Err(bad_name("a name that leads out of it"));
        }
        if !entry.is_dir() {
            names.push(name);
        }
    }
    Ok(names)
}

fn looks_like_xml(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    body.starts_with(b"<") || body.starts_with(b"\xFF\xFE<") || body.starts_with(b"\xFE\xFF\0<")
}

fn check_xml(name: &str, body: &[u8]) -> Result<()> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    // In another encoding a document type could hide from whoever reads this as UTF-8.
    let text = std::str::from_utf8(body).map_err(|_| broken(format!("{name} is not UTF-8")))?;
    let mut source = Source::new(text);
    let mut is_first = true;
    while let Some((event, _)) = source.next()? {
        if let Event::Decl(declaration) = &event {
            let encoding = declaration.encoding().and_then(|encoding| encoding.ok());
            if encoding.is_some_and(|encoding| {
                !["utf-8", "us-ascii"].contains(&encoding.to_lowercase().as_str())
            }) || !is_first
            {
                return Err(broken(format!("{name} is not UTF-8")));
            }
        }
        is_first = false;
    }
    Ok(())
}

/// Old drawings are not always XML, but they have no document type either.
fn check_vml(name: &str, body: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(body).map_err(|_| broken(format!("{name} is not UTF-8")))?;
    if text.to_ascii_uppercase().contains("<!DOCTYPE") {
        return Err(dtd());
    }
    Ok(())
}

/// The name of the list of relationships of a part; of the package for an empty name.
pub fn relations_name(name: &str) -> String {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    match folder {
        "" => format!("_rels/{file}.rels"),
        folder => format!("{folder}/_rels/{file}.rels"),
    }
}

/// The part whose relationships a list holds.
fn relations_of(list: &str) -> Option<String> {
    let (folder, file) = list.rsplit_once('/')?;
    let file = file.strip_suffix(".rels")?;
    if folder == "_rels" {
        return Some(file.to_owned());
    }
    Some(format!("{}/{file}", folder.strip_suffix("/_rels")?))
}

/// The name of a part that another names as its target.
fn resolved(from: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    steps.join("/")
}

fn old_or_encrypted(bytes: &[u8]) -> SheetError {
    let name: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    match bytes.windows(name.len()).any(|window| window == name) {
        true => encrypted(),
        false => not_xlsx(),
    }
}

fn refused(code: &'static str, message: impl Into<String>) -> SheetError {
    SheetError::refused(code, message)
}

fn not_xlsx() -> SheetError {
    refused("not_xlsx", "The template is not an .xlsx workbook")
}

fn encrypted() -> SheetError {
    refused("encrypted", "The template is protected with a password")
}

fn macros() -> SheetError {
    refused("macros", "The template holds macros or active controls")
}

fn external_links() -> SheetError {
    refused(
        "external_links",
        "The template refers to other files or data connections",
    )
}

fn bad_name(what: &str) -> SheetError {
    refused(
        "bad_entry_name",
        format!("The template's ZIP file has {what}"),
    )
}

fn zip_bomb() -> SheetError {
    refused(
        "zip_bomb",
        format!(
            "The template has more than {TEMPLATE_ENTRIES_MAX} parts, a part of more than {TEMPLATE_PART_BYTES_MAX} \
             bytes or more than {TEMPLATE_INFLATED_BYTES_MAX} bytes in all once it is inflated"
        ),
    )
}

#[cfg(test)]
mod tests;
