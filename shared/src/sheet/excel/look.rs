//! How cells look: each distinct look once, as `xl/styles.xml` wants it.

use super::super::text::escape_attribute;
use crate::domain::style::{Align, Color};
use std::collections::HashMap;

/// The look of a cell. The default one is Excel's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    /// Of the font, points.
    pub size: u32,
    pub bold: bool,
    pub color: Option<Color>,
    pub fill: Option<Color>,
    pub align: Option<Align>,
    /// Whether the content stands in the middle of the row's height.
    pub is_middle: bool,
    pub wraps: bool,
    pub has_border: bool,
    pub format: Format,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            size: 11,
            bold: false,
            color: None,
            fill: None,
            align: None,
            is_middle: false,
            wraps: false,
            has_border: false,
            format: Format::General,
        }
    }
}

/// How a value is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    #[default]
    General,
    /// All digits of a long whole number, which General would round.
    Whole,
    Text,
    Date,
    DateTime,
    Custom(String),
}

impl Format {
    /// The formats that a file has to define, numbered from 164 on.
    fn code(&self) -> Option<&str> {
        match self {
            Self::General | Self::Whole | Self::Text => None,
            Self::Date => Some("yyyy-mm-dd"),
            Self::DateTime => Some("yyyy-mm-dd hh:mm:ss"),
            Self::Custom(code) => Some(code),
        }
    }
}

/// The looks of a workbook. A look's number is its place among them.
#[derive(Clone, Debug)]
pub struct Looks {
    looks: Vec<Look>,
    numbers: HashMap<Look, u32>,
}

impl Default for Looks {
    fn default() -> Self {
        let mut looks = Self {
            looks: Vec::new(),
            numbers: HashMap::new(),
        };
        looks.number(Look::default());
        looks
    }
}

impl Looks {
    /// The number of a look, a new one if need be; 0 is the default look.
    pub fn number(&mut self, look: Look) -> u32 {
        if let Some(number) = self.numbers.get(&look) {
            return *number;
        }
        let number = self.looks.len() as u32;
        self.looks.push(look.clone());
        self.numbers.insert(look, number);
        number
    }

    /// `xl/styles.xml`.
    pub fn xml(&self) -> Vec<u8> {
        let mut formats = Distinct::new(164, Vec::new());
        let mut fonts = Distinct::new(0, vec![font(&Look::default())]);
        // The first two fills are fixed.
        let fixed = ["none", "gray125"].map(|name| fill(&format!(r#"patternType="{name}""#), ""));
        let mut fills = Distinct::new(0, fixed.into());
        let mut xfs = String::new();
        for look in &self.looks {
            let format = match &look.format {
                Format::General => 0,
                Format::Whole => 1,
                Format::Text => 49,
                format => formats.number(quoted(format.code().unwrap_or_default())),
            };
            let font = fonts.number(font(look));
            let fill = look
                .fill
                .map_or(0, |Color(rgb)| fills.number(solid_fill(rgb)));
            xfs.push_str(&xf(look, format, font, fill));
        }
        let formats: Vec<String> = formats
            .items
            .iter()
            .enumerate()
            .map(|(index, code)| {
                let number = index + 164;
                format!(r#"<numFmt numFmtId="{number}" formatCode="{code}"/>"#)
            })
            .collect();
        let mut xml = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n\
            <styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">",
        );
        if !formats.is_empty() {
            xml.push_str(&list("numFmts", &formats));
        }
        xml.push_str(&list("fonts", &fonts.items));
        xml.push_str(&list("fills", &fills.items));
        xml.push_str(BORDERS);
        xml.push_str("<cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>");
        xml.push_str(&format!(
            r#"<cellXfs count="{}">{xfs}</cellXfs>"#,
            self.looks.len()
        ));
        xml.push_str("<cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles>");
        xml.push_str("</styleSheet>");
        xml.into_bytes()
    }
}

const BORDERS: &str = "<borders count=\"2\"><border><left/><right/><top/><bottom/><diagonal/></border><border>\
    <left style=\"thin\"><color rgb=\"FFBFBFBF\"/></left><right style=\"thin\"><color rgb=\"FFBFBFBF\"/></right>\
    <top style=\"thin\"><color rgb=\"FFBFBFBF\"/></top><bottom style=\"thin\"><color rgb=\"FFBFBFBF\"/></bottom>\
    <diagonal/></border></borders>";

/// Items that are each written once, numbered from `first` on.
struct Distinct {
    first: usize,
    items: Vec<String>,
    places: HashMap<String, usize>,
}

impl Distinct {
    fn new(first: usize, items: Vec<String>) -> Self {
        let places = items.iter().cloned().zip(0..).collect();
        Self {
            first,
            items,
            places,
        }
    }

    fn number(&mut self, item: String) -> usize {
        let next = self.items.len();
        let place = *self.places.entry(item).or_insert_with_key(|item| {
            self.items.push(item.clone());
            next
        });
        self.first + place
    }
}

fn list(name: &str, items: &[String]) -> String {
    let count = items.len();
    format!(r#"<{name} count="{count}">{}</{name}>"#, items.concat())
}

fn font(look: &Look) -> String {
    let bold = if look.bold { "<b/>" } else { "" };
    let color = match look.color {
        Some(Color(rgb)) => format!(r#"<color rgb="FF{rgb:06X}"/>"#),
        None => r#"<color theme="1"/>"#.to_owned(),
    };
    let size = look.size;
    format!(
        r#"<font>{bold}<sz val="{size}"/>{color}<name val="Calibri"/><family val="2"/><scheme val="minor"/></font>"#
    )
}

fn fill(attributes: &str, inner: &str) -> String {
    format!("<fill><patternFill {attributes}>{inner}</patternFill></fill>")
}

fn solid_fill(rgb: u32) -> String {
    let inner = format!(r#"<fgColor rgb="FF{rgb:06X}"/><bgColor indexed="64"/>"#);
    fill(r#"patternType="solid""#, &inner)
}

fn xf(look: &Look, format: usize, font: usize, fill: usize) -> String {
    let border = usize::from(look.has_border);
    let mut xf = format!(
        r#"<xf numFmtId="{format}" fontId="{font}" fillId="{fill}" borderId="{border}" xfId="0""#
    );
    for (name, is_applied) in [
        ("NumberFormat", format > 0),
        ("Font", font > 0),
        ("Fill", fill > 0),
        ("Border", border > 0),
    ] {
        if is_applied {
            xf.push_str(&format!(r#" apply{name}="1""#));
        }
    }
    let mut alignment = String::new();
    if let Some(align) = look.align {
        alignment.push_str(&format!(r#" horizontal="{}""#, align.as_str()));
    }
    if look.is_middle {
        alignment.push_str(r#" vertical="center""#);
    }
    if look.wraps {
        alignment.push_str(r#" wrapText="1""#);
    }
    if alignment.is_empty() {
        xf.push_str("/>");
    } else {
        xf.push_str(&format!(
            r#" applyAlignment="1"><alignment{alignment}/></xf>"#
        ));
    }
    xf
}

/// A text as it stands in an attribute.
pub fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    escape_attribute(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_look_stands_once() {
        let mut looks = Looks::default();
        assert_eq!(looks.number(Look::default()), 0);
        let red = Look {
            bold: true,
            fill: Some(Color(0xFF_0000)),
            format: Format::Custom("0\"<\"".to_owned()),
            ..Look::default()
        };
        assert_eq!(looks.number(red.clone()), 1);
        assert_eq!(looks.number(red), 1);
        let xml = String::from_utf8(looks.xml()).unwrap();
        for part in [
            r#"<numFmt numFmtId="164" formatCode="0&quot;&lt;&quot;"/>"#,
            r#"<fonts count="2">"#,
            r#"<fills count="3">"#,
            r#"<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="164" fontId="1" fillId="2" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1"/>"#,
        ] {
            assert!(xml.contains(part), "{part} in {xml}");
        }
    }
}
