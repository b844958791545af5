//! What the file of an export shall look like (DC-4, DC-5), apart from its rows.

use super::heads::HeadTree;
use super::short_json::ShortJson;
use super::{pairs, style};
use crate::error::{Error, Result};
use crate::limits::{
    BANNER_LINES_MAX, CELL_CHARS_MAX, COLUMN_POINTS_MAX, HEAD_CHARS_MAX, ROW_POINTS_MAX, TABLES_MAX,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The kind of file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileType {
    #[default]
    Csv,
    Excel,
}

impl FileType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Excel => "excel",
        }
    }

    /// Of the file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Excel => "xlsx",
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Excel => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// How several tables stand in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MultiType {
    /// One below the other.
    Page,
    /// A sheet each.
    Tab,
}

/// What the file of an export shall look like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    pub file_type: FileType,
    /// None for an export of one table.
    pub multi_type: Option<MultiType>,
    /// One at least.
    pub tables: Vec<TableLayout>,
    /// Of columns whose head says nothing else, points.
    pub default_width: Option<f64>,
    /// Of the rows of heads and values, points.
    pub default_height: Option<f64>,
    /// Whether a CSV file begins with a byte order mark.
    pub csv_bom: bool,
    /// Whether texts in a CSV file that a spreadsheet would run are made harmless (DC-11).
    pub escape_formulas: bool,
}

/// What one table shall look like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableLayout {
    /// None where the keys of the first row are the heads.
    pub heads: Option<HeadTree>,
    pub title: Option<String>,
    pub summary: Option<String>,
    /// Lines between summary and heads; where there are none, the first that the source sends.
    pub header: Vec<String>,
    /// Lines below the rows, unless the source sends some.
    pub footer: Vec<String>,
}

/// The fields of a request that make a [`Layout`], as they came. With `multi_type` those that belong to a
/// table are arrays, one element per table, of which any may be null.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LayoutFields {
    #[serde(rename = "type")]
    pub file_type: Option<String>,
    pub multi_type: Option<String>,
    pub template: Option<Box<RawValue>>,
    pub title: Option<Box<RawValue>>,
    pub summary: Option<Box<RawValue>>,
    pub header: Option<Box<RawValue>>,
    pub footer: Option<Box<RawValue>>,
    pub default_width: Option<ShortJson>,
    pub default_height: Option<ShortJson>,
    pub csv_bom: Option<bool>,
    pub escape_formulas: Option<bool>,
}

impl Layout {
    /// Parses the fields of a request. `tables` is the number of tables where the caller knows it from the
    /// rows; else the longest of the arrays says it. Errors: 40001 for the field that is wrong.
    pub fn parse(fields: &LayoutFields, tables: Option<usize>) -> Result<Self> {
        let file_type = match fields.file_type.as_deref() {
            None | Some("csv") => FileType::Csv,
            Some("excel") => FileType::Excel,
            Some(_) => return Err(Error::invalid("type", "The type is csv or excel.")),
        };
        let multi_type = match fields.multi_type.as_deref() {
            None => None,
            Some("page") => Some(MultiType::Page),
            Some("tab") => Some(MultiType::Tab),
            Some(_) => return Err(Error::invalid("multi_type", "multi_type is page or tab.")),
        };
        Ok(Self {
            file_type,
            multi_type,
            tables: match multi_type {
                None => vec![TableLayout::parse(&TableFields::of_request(fields))?],
                Some(_) => several(fields, tables)?,
            },
            default_width: size(&fields.default_width, COLUMN_POINTS_MAX, "default_width")?,
            default_height: size(&fields.default_height, ROW_POINTS_MAX, "default_height")?,
            csv_bom: fields.csv_bom.unwrap_or(false),
            escape_formulas: fields.escape_formulas.unwrap_or(true),
        })
    }
}

fn size(value: &Option<ShortJson>, max: f64, path: &str) -> Result<Option<f64>> {
    let value = value.as_ref().filter(|value| !value.0.is_null());
    value
        .map(|value| style::points(&value.0, max, path))
        .transpose()
}

/// The tables of a request with `multi_type`.
fn several(fields: &LayoutFields, tables: Option<usize>) -> Result<Vec<TableLayout>> {
    let lists = [
        ("template", &fields.template),
        ("title", &fields.title),
        ("summary", &fields.summary),
        ("header", &fields.header),
        ("footer", &fields.footer),
    ];
    let mut columns = Vec::with_capacity(lists.len());
    for (name, field) in lists {
        columns.push((name, elements(field.as_deref(), name)?));
    }
    let longest = columns.iter().map(|(_, list)| list.len()).max();
    let count = tables.or(longest).unwrap_or(0).max(1);
    if count > TABLES_MAX {
        let message = format!("An export has at most {TABLES_MAX} tables.");
        return Err(Error::invalid("multi_type", message));
    }
    if let Some((name, _)) = columns.iter().find(|(_, list)| list.len() > count) {
        let message = format!("There are more elements than the {count} tables of the rows.");
        return Err(Error::invalid(name, message));
    }
    let at = |column: usize, index: usize| {
        let element: Option<&Box<RawValue>> = columns[column].1.get(index);
        element.map(Box::as_ref)
    };
    (0..count)
        .map(|index| {
            TableLayout::parse(&TableFields {
                index: Some(index),
                template: at(0, index),
                title: at(1, index),
                summary: at(2, index),
                header: at(3, index),
                footer: at(4, index),
            })
        })
        .collect()
}

fn elements(field: Option<&RawValue>, name: &str) -> Result<Vec<Box<RawValue>>> {
    let Some(json) = field.filter(|json| json.get() != "null") else {
        return Ok(Vec::new());
    };
    serde_json::from_str(json.get()).map_err(|_| {
        let message = "With multi_type this is an array with one element per table.";
        Error::invalid(name, message)
    })
}

/// The fields of one table.
struct TableFields<'a> {
    /// Its place among several.
    index: Option<usize>,
    template: Option<&'a RawValue>,
    title: Option<&'a RawValue>,
    summary: Option<&'a RawValue>,
    header: Option<&'a RawValue>,
    footer: Option<&'a RawValue>,
}

impl<'a> TableFields<'a> {
    fn of_request(fields: &'a LayoutFields) -> Self {
        Self {
            index: None,
            template: fields.template.as_deref(),
            title: fields.title.as_deref(),
            summary: fields.summary.as_deref(),
            header: fields.header.as_deref(),
            footer: fields.footer.as_deref(),
        }
    }

    fn path(&self, name: &str) -> String {
        match self.index {
            Some(index) => format!("{name}[{index}]"),
            None => name.to_owned(),
        }
    }
}

impl TableLayout {
    fn parse(fields: &TableFields<'_>) -> Result<Self> {
        let template = fields.template.filter(|json| !is_empty(json));
        Ok(Self {
            heads: template
                .map(|json| HeadTree::parse(json, &fields.path("template")))
                .transpose()?,
            title: text(fields.title, HEAD_CHARS_MAX, &fields.path("title"))?,
            summary: text(fields.summary, CELL_CHARS_MAX, &fields.path("summary"))?,
            header: lines(fields.header, &fields.path("header"))?,
            footer: lines(fields.footer, &fields.path("footer"))?,
        })
    }
}

/// Whether a value says nothing: null, or an empty text.
fn is_empty(json: &RawValue) -> bool {
    matches!(json.get(), "null" | "\"\"")
}

/// A text; None for an empty one.
fn text(json: Option<&RawValue>, chars_max: usize, path: &str) -> Result<Option<String>> {
    let Some(json) = json.filter(|json| !is_empty(json)) else {
        return Ok(None);
    };
    let Ok(text) = serde_json::from_str::<String>(json.get()) else {
        return Err(Error::invalid(path, "This is a text."));
    };
    if text.encode_utf16().count() > chars_max {
        let message = format!("This text has at most {chars_max} characters.");
        return Err(Error::invalid(path, message));
    }
    Ok(Some(text))
}

/// The lines of a header or a footer: a text, an array of texts or of `{label: value}` objects, or one such
/// object. The pairs of an object stand in one line as `label：value`. A text that holds the JSON of an array
/// or an object is taken as that. Errors: 40001 for `path`.
pub fn lines(json: Option<&RawValue>, path: &str) -> Result<Vec<String>> {
    let Some(json) = json.filter(|json| !is_empty(json)) else {
        return Ok(Vec::new());
    };
    let lines = read_lines(json.get()).ok_or_else(|| {
        let message =
            "This is a text, an array of texts or of {label: value} objects, or one such object.";
        Error::invalid(path, message)
    })?;
    if lines.len() > BANNER_LINES_MAX {
        let message = format!("There are at most {BANNER_LINES_MAX} lines.");
        return Err(Error::invalid(path, message));
    }
    let is_long = |line: &String| line.encode_utf16().count() > CELL_CHARS_MAX;
    if lines.iter().any(is_long) {
        let message = format!("A line has at most {CELL_CHARS_MAX} characters.");
        return Err(Error::invalid(path, message));
    }
    Ok(lines)
}

fn read_lines(json: &str) -> Option<Vec<String>> {
    match json.as_bytes().first()? {
        b'{' => Some(vec![line_of(json)?]),
        b'[' => {
            let elements: Vec<Box<RawValue>> = serde_json::from_str(json).ok()?;
            let mut lines = Vec::new();
            for element in &elements {
                match element.get().as_bytes().first()? {
                    b'{' => lines.push(line_of(element.get())?),
                    b'[' => return None,
                    _ => lines.extend(scalar(element.get()).lines().map(str::to_owned)),
                }
            }
            Some(lines)
        }
        b'"' => {
            let text: String = serde_json::from_str(json).ok()?;
            let inner = text.trim();
            let is_json = inner.starts_with(['{', '[']);
            if let Some(lines) = is_json.then(|| read_lines(inner)).flatten() {
                return Some(lines);
            }
            Some(text.lines().map(str::to_owned).collect())
        }
        _ => None,
    }
}

/// The pairs of one object in a line.
fn line_of(object: &str) -> Option<String> {
    let pairs = pairs::read(object)?;
    let pairs = pairs
        .iter()
        .map(|(label, value)| format!("{label}：{}", scalar(value.get())));
    Some(pairs.collect::<Vec<String>>().join("    "))
}

/// A value as text; null is empty, what is nested stays JSON.
fn scalar(json: &str) -> String {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).unwrap_or_default(),
        Some(b'n') | None => String::new(),
        Some(_) => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: serde_json::Value) -> Result<Layout> {
        Layout::parse(&serde_json::from_str(&value.to_string()).unwrap(), None)
    }

    #[test]
    fn a_request_without_wishes_is_a_plain_csv_file() {
        let layout = parse(json!({"template": null, "title": "", "default_width": null})).unwrap();
        let expected = Layout {
            tables: vec![TableLayout::default()],
            escape_formulas: true,
            ..Layout::default()
        };
        assert_eq!(layout, expected);
    }

    #[test]
    fn a_layout_is_kept_as_it_is() {
        let layout = parse(json!({
            "type": "excel", "multi_type": "tab", "default_width": 80, "csv_bom": true,
            "template": [{"b": "B", "a": "A"}, [{"name": "x", "style": {"color": "#abc"}}]],
            "title": ["一", null, "三"], "header": [["a", {"b": 1}]],
        }))
        .unwrap();
        assert_eq!(layout.tables.len(), 3);
        assert_eq!(layout.tables[2].title.as_deref(), Some("三"));
        assert_eq!(layout.tables[0].header, ["a", "b：1"]);
        let kept = serde_json::to_string(&layout).unwrap();
        assert_eq!(serde_json::from_str::<Layout>(&kept).unwrap(), layout);
    }

    #[test]
    fn lines_come_in_several_shapes() {
        for (json, expected) in [
            (r#""一行""#, vec!["一行"]),
            (r#""a\r\nb""#, vec!["a", "b"]),
            (r#"["a","b\nc",null,1]"#, vec!["a", "b", "c", "1"]),
            (
                r#"{"油站":"钓鱼岛","日期":"2020-07-24","n":null}"#,
                vec!["油站：钓鱼岛    日期：2020-07-24    n："],
            ),
            (r#"[{"a":1},{"b":[true]}]"#, vec!["a：1", "b：[true]"]),
            (r#""{\"a\":\"b\"}""#, vec!["a：b"]),
            (r#""[note]""#, vec!["[note]"]),
            ("null", vec![]),
        ] {
            let json: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(lines(Some(json), "header").unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn a_wrong_field_is_named() {
        let lines = vec!["x"; BANNER_LINES_MAX + 1];
        for (value, field) in [
            (json!({"type": "pdf"}), "type"),
            (json!({"multi_type": "book"}), "multi_type"),
            (json!({"title": 5}), "title"),
            (json!({"title": "字".repeat(1001)}), "title"),
            (json!({"summary": {}}), "summary"),
            (json!({"header": 5}), "header"),
            (json!({"footer": [[1]]}), "footer"),
            (json!({"footer": lines}), "footer"),
            (json!({"default_height": 500}), "default_height"),
            (
                json!({"template": [{"name": "a", "style": 1}]}),
                "template[0].style",
            ),
            (json!({"multi_type": "tab", "title": "x"}), "title"),
            (
                json!({"multi_type": "tab", "template": [null, [{"name": ""}]]}),
                "template[1][0].title",
            ),
            (
                json!({"multi_type": "tab", "title": vec!["x"; 101]}),
                "multi_type",
            ),
        ] {
            let error = parse(value.clone()).unwrap_err();
            assert_eq!(error.data.unwrap()["field"], field, "{value}");
        }
        let fields = serde_json::from_str(r#"{"multi_type":"tab","title":["a","b"]}"#).unwrap();
        let error = Layout::parse(&fields, Some(1)).unwrap_err();
        assert_eq!(error.data.unwrap()["field"], "title");
    }
}
