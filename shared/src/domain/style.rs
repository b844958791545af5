//! How a cell of an export looks (DC-5): the `style` of a head.

use crate::error::{Error, Result};
use crate::limits::{COLUMN_POINTS_MAX, NUMBER_FORMAT_CHARS_MAX, ROW_POINTS_MAX};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The `style` of a head; what is not set is the product's choice. That of a head with a column or rows of its
/// own holds for all of them, that of a head with children for the head alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Style {
    /// Of the column, points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<f64>,
    /// Of the row in which the head stands, or of the rows of a row head, points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub align: Option<Align>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<Color>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bg_color: Option<Color>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bold: Option<bool>,
    /// What the values of the column are, whatever they look like.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub value_type: Option<ValueType>,
    /// A number format of Excel, such as `0.00%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// Where the content stands in its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Align {
    Left,
    Center,
    Right,
}

impl Align {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Center => "center",
            Self::Right => "right",
        }
    }
}

/// A colour, `0xRRGGBB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Color(pub u32);

impl Color {
    /// `#RRGGBB`, `#RGB`, both also without `#`, or one of seven names. None for anything else.
    pub fn read(text: &str) -> Option<Self> {
        let named = match text {
            "black" => Some(0x00_0000),
            "white" => Some(0xFF_FFFF),
            "red" => Some(0xFF_0000),
            "green" => Some(0x00_8000),
            "blue" => Some(0x00_00FF),
            "yellow" => Some(0xFF_FF00),
            "cyan" => Some(0x00_FFFF),
            _ => None,
        };
        if named.is_some() {
            return named.map(Self);
        }
        let digits = text.strip_prefix('#').unwrap_or(text);
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let number = u32::from_str_radix(digits, 16).ok()?;
        match digits.len() {
            6 => Some(Self(number)),
            3 => {
                let digit = |shift: u32| (number >> shift & 0xF) * 0x11;
                Some(Self(digit(8) << 16 | digit(4) << 8 | digit(0)))
            }
            _ => None,
        }
    }
}

/// What values are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    Text,
    Number,
    Bool,
    Date,
    Datetime,
}

impl Style {
    /// Parses the object `style` of a head; `path` names it in errors, such as `template[0].style`. Keys that it
    /// does not know are passed over. Errors: 40001 for the property that is wrong.
    pub fn parse(value: &Value, path: &str) -> Result<Self> {
        let Some(properties) = value.as_object() else {
            return Err(Error::invalid(path, "A style is an object."));
        };
        let mut style = Self::default();
        for (name, value) in properties.iter().filter(|(_, value)| !value.is_null()) {
            let path = format!("{path}.{name}");
            match name.as_str() {
                "width" => style.width = Some(points(value, COLUMN_POINTS_MAX, &path)?),
                "height" => style.height = Some(points(value, ROW_POINTS_MAX, &path)?),
                "align" => style.align = Some(align(value, &path)?),
                "color" => style.color = color(value, &path)?,
                "bg_color" => style.bg_color = color(value, &path)?,
                "bold" => style.bold = Some(flag(value, &path)?),
                "type" => style.value_type = Some(value_type(value, &path)?),
                "format" => style.format = Some(number_format(value, &path)?),
                _ => {}
            }
        }
        Ok(style)
    }
}

/// A size in points above 0. Errors: 40001 for `path`.
pub fn points(value: &Value, max: f64, path: &str) -> Result<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number
        .filter(|number| *number > 0.0 && *number <= max)
        .ok_or_else(|| {
            let message = format!("This is a number of points above 0, at most {max}.");
            Error::invalid(path, message)
        })
}

fn align(value: &Value, path: &str) -> Result<Align> {
    match value.as_str() {
        Some("left") => Ok(Align::Left),
        Some("center") => Ok(Align::Center),
        Some("right") => Ok(Align::Right),
        _ => Err(Error::invalid(path, "align is left, center or right.")),
    }
}

/// None for the empty text, which means no colour.
fn color(value: &Value, path: &str) -> Result<Option<Color>> {
    match value.as_str() {
        Some("") => Ok(None),
        Some(text) => match Color::read(text) {
            Some(color) => Ok(Some(color)),
            None => Err(Error::invalid(path, "A colour is #RRGGBB or #RGB.")),
        },
        None => Err(Error::invalid(path, "A colour is a text, #RRGGBB or #RGB.")),
    }
}

fn flag(value: &Value, path: &str) -> Result<bool> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Number(number) if number.as_u64() == Some(0) => Ok(false),
        Value::Number(number) if number.as_u64() == Some(1) => Ok(true),
        _ => Err(Error::invalid(path, "This is true or false.")),
    }
}

fn value_type(value: &Value, path: &str) -> Result<ValueType> {
    match value.as_str() {
        Some("text" | "string") => Ok(ValueType::Text),
        Some("number") => Ok(ValueType::Number),
        Some("bool" | "boolean") => Ok(ValueType::Bool),
        Some("date") => Ok(ValueType::Date),
        Some("datetime") => Ok(ValueType::Datetime),
        _ => {
            let message = "type is one of text, number, bool, date, datetime.";
            Err(Error::invalid(path, message))
        }
    }
}

fn number_format(value: &Value, path: &str) -> Result<String> {
    let text = value.as_str().unwrap_or_default();
    if text.chars().count() > NUMBER_FORMAT_CHARS_MAX || !is_number_format(text) {
        let message = "This is no number format that Excel is sure to understand.";
        return Err(Error::invalid(path, message));
    }
    Ok(text.to_owned())
}

/// Whether a text is a number format that we know Excel to take: it calls a file with another one broken.
fn is_number_format(text: &str) -> bool {
    if text == "General" {
        return true;
    }
    let mut sections = 1;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                if !characters.any(|character| character == '"') {
                    return false;
                }
            }
            '\\' | '_' | '*' => {
                if characters.next().is_none_or(char::is_control) {
                    return false;
                }
            }
            ';' => sections += 1,
            '0' | '#' | '?' | '.' | ',' | '%' | '-' | '+' | '/' | '(' | ')' | ':' | ' ' | '@'
            | '$' | '€' | '£' | '¥' | '￥' | 'y' | 'm' | 'd' | 'h' | 's' | '年' | '月' | '日'
            | '时' | '分' | '秒' | '元' => {}
            _ => return false,
        }
    }
    !text.is_empty() && sections <= 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_style_is_read_whole() {
        let value = json!({"width": 120, "height": "30.5", "align": "right", "color": "#F00", "bg_color": "00ff7f",
            "bold": true, "type": "datetime", "format": "yyyy\"年\"m\"月\"", "font": "Arial"});
        let style = Style::parse(&value, "style").unwrap();
        let expected = Style {
            width: Some(120.0),
            height: Some(30.5),
            align: Some(Align::Right),
            color: Some(Color(0xFF_0000)),
            bg_color: Some(Color(0x00_FF7F)),
            bold: Some(true),
            value_type: Some(ValueType::Datetime),
            format: Some("yyyy\"年\"m\"月\"".to_owned()),
        };
        assert_eq!(style, expected);
        let kept = serde_json::to_string(&style).unwrap();
        assert_eq!(serde_json::from_str::<Style>(&kept).unwrap(), expected);
    }

    #[test]
    fn a_wrong_property_is_named() {
        for (name, value) in [
            ("width", json!(0)),
            ("width", json!(-1)),
            ("width", json!(1343)),
            ("width", json!("NaN")),
            ("height", json!(410)),
            ("height", json!(true)),
            ("align", json!("middle")),
            ("color", json!("#12345")),
            ("color", json!("#+12345")),
            ("bg_color", json!(255)),
            ("bold", json!("yes")),
            ("type", json!("money")),
            ("format", json!("")),
            ("format", json!("0\"")),
            ("format", json!("[Red]0")),
            ("format", json!("0;0;0;0;0")),
            ("format", json!("0\\")),
        ] {
            let error = Style::parse(&json!({ name: value }), "s").unwrap_err();
            let field = error.data.unwrap()["field"].as_str().unwrap().to_owned();
            assert_eq!(field, format!("s.{name}"), "{value}");
        }
        assert!(Style::parse(&json!([]), "s").is_err());
    }

    #[test]
    fn usual_number_formats_are_taken() {
        for format in [
            "General",
            "0",
            "0.00",
            "#,##0.00",
            "0.00%",
            "yyyy-mm-dd hh:mm:ss",
            "¥#,##0.00;-¥#,##0.00",
            "@",
            "0.00\"万元\"",
            "_(* #,##0.00_)",
        ] {
            assert!(is_number_format(format), "{format}");
        }
    }
}
