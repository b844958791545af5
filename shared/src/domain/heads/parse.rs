//! Reading a tree of heads from the JSON of a template.

use super::{Head, HeadTree};
use crate::domain::pairs;
use crate::domain::short_json::ShortJson;
use crate::domain::style::Style;
use crate::error::{Error, Result};
use crate::limits::{
    COLUMNS_MAX, HEAD_CHARS_MAX, HEAD_LEVELS_MAX, HEAD_STYLES_MAX, HEADS_MAX, RESERVED_ROWS_MAX,
};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashSet;

/// Objects in the JSON of a head at the most: itself, its style and what that has.
const OBJECTS_PER_HEAD: usize = 5;

impl HeadTree {
    /// Parses a template in any of its notations; `path` names it in errors, such as `template`.
    /// Errors: 40001 for the field that is wrong.
    pub fn parse(json: &RawValue, path: &str) -> Result<Self> {
        let mut parsing = Parsing::default();
        let text = json.get().trim_start();
        if text.starts_with('"') {
            let inner: String = serde_json::from_str(text).map_err(|_| no_template(path))?;
            let inner = serde_json::from_str::<Box<RawValue>>(&inner);
            let inner = inner.map_err(|_| no_template(path))?;
            if inner.get().starts_with('"') {
                return Err(no_template(path));
            }
            return Self::parse(&inner, path);
        }
        if !text.starts_with('{') {
            let columns = parsing.columns(json, path)?;
            return Ok(Self {
                columns,
                rows: Vec::new(),
            });
        }
        let pairs = read_pairs(text, path)?;
        let part = |name: &str| {
            let found = pairs.iter().find(|(key, _)| key == name);
            found
                .map(|(_, json)| json)
                .filter(|json| json.get().starts_with(['[', '{']))
        };
        let Some(columns) = part("col") else {
            let columns = parsing.flat(&pairs, path)?;
            return Ok(Self {
                columns,
                rows: Vec::new(),
            });
        };
        let columns = parsing.columns(columns, &format!("{path}.col"))?;
        let rows = match part("row") {
            Some(rows) => Parsing::of_rows().rows(rows, &format!("{path}.row"))?,
            None => Vec::new(),
        };
        Ok(Self { columns, rows })
    }
}

fn no_template(path: &str) -> Error {
    let message =
        "A template is an object of titles, an array of heads, or an object with col and row.";
    Error::invalid(path, message)
}

/// What has been seen of one side of a tree.
#[derive(Default)]
struct Parsing {
    is_rows: bool,
    heads: usize,
    names: HashSet<String>,
    styles: Vec<Style>,
    reserved_rows: u32,
}

impl Parsing {
    fn of_rows() -> Self {
        Self {
            is_rows: true,
            ..Self::default()
        }
    }

    fn columns(&mut self, json: &RawValue, path: &str) -> Result<Vec<Head>> {
        if json.get().starts_with('{') {
            return self.flat(&read_pairs(json.get(), path)?, path);
        }
        let heads = self.nodes(&array(json, path)?, 1, path)?;
        if heads.is_empty() {
            return Err(Error::invalid(path, "A template has at least one column."));
        }
        Ok(heads)
    }

    fn rows(&mut self, json: &RawValue, path: &str) -> Result<Vec<Head>> {
        self.nodes(&array(json, path)?, 1, path)
    }

    /// The notation with a title for each name.
    fn flat(&mut self, pairs: &[(String, Box<RawValue>)], path: &str) -> Result<Vec<Head>> {
        let mut heads = Vec::with_capacity(pairs.len());
        for (name, title) in pairs {
            let path = format!("{path}.{name}");
            let title = serde_json::from_str::<ShortJson>(title.get());
            let title = title.map_err(|_| Error::invalid(&path, "A title is a text."))?;
            let title = title_of(Some(&title.0), name, &path)?;
            self.count(&path)?;
            self.leaf(name, &path)?;
            heads.push(Head::column(name, &title));
        }
        if heads.is_empty() {
            return Err(Error::invalid(path, "A template has at least one column."));
        }
        Ok(heads)
    }

    fn nodes(&mut self, nodes: &[Value], level: usize, path: &str) -> Result<Vec<Head>> {
        if level > HEAD_LEVELS_MAX {
            let message = format!("Heads are nested at most {HEAD_LEVELS_MAX} levels deep.");
            return Err(Error::invalid(path, message));
        }
        let mut heads = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            heads.push(self.node(node, level, &format!("{path}[{index}]"))?);
        }
        Ok(heads)
    }

    fn node(&mut self, node: &Value, level: usize, path: &str) -> Result<Head> {
        let Some(fields) = node.as_object() else {
            return Err(Error::invalid(path, "A head is an object."));
        };
        self.count(path)?;
        let name = match fields.get("name") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(name)) => name.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => return Err(Error::invalid(&format!("{path}.name"), "A name is a text.")),
        };
        let title = title_of(fields.get("title"), &name, &format!("{path}.title"))?;
        let style = match fields.get("style") {
            None | Some(Value::Null) => Style::default(),
            // An empty list is what PHP makes of an object without properties.
            Some(Value::Array(list)) if list.is_empty() => Style::default(),
            Some(style) => self.style(style, &format!("{path}.style"))?,
        };
        let children = match fields.get("children") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(nodes)) => {
                self.nodes(nodes, level + 1, &format!("{path}.children"))?
            }
            Some(_) => {
                let path = format!("{path}.children");
                return Err(Error::invalid(&path, "The children are an array of heads."));
            }
        };
        let mut head = Head {
            name,
            title,
            style,
            children,
            row_count: 1,
        };
        if head.is_leaf() {
            self.leaf(&head.name, &format!("{path}.name"))?;
            if self.is_rows {
                head.row_count = self.row_count(fields.get("row_count"), path)?;
            }
        } else {
            // Only leaves have values of their own.
            head.name.clear();
        }
        Ok(head)
    }

    fn style(&mut self, value: &Value, path: &str) -> Result<Style> {
        let style = Style::parse(value, path)?;
        let look = Style {
            width: None,
            height: None,
            ..style.clone()
        };
        if !self.styles.contains(&look) {
            self.styles.push(look);
        }
        if self.styles.len() > HEAD_STYLES_MAX {
            let message = format!("A template has at most {HEAD_STYLES_MAX} different styles.");
            return Err(Error::invalid(path, message));
        }
        Ok(style)
    }

    fn count(&mut self, path: &str) -> Result<()> {
        self.heads += 1;
        if self.heads > HEADS_MAX {
            return Err(too_many(path));
        }
        Ok(())
    }

    /// Counts a leaf, whose name must be new.
    fn leaf(&mut self, name: &str, path: &str) -> Result<()> {
        if name.is_empty() {
            return Err(Error::invalid(path, "A head without children has a name."));
        }
        if name.chars().count() > HEAD_CHARS_MAX {
            let message = format!("A name has at most {HEAD_CHARS_MAX} characters.");
            return Err(Error::invalid(path, message));
        }
        if !self.names.insert(name.to_owned()) {
            return Err(Error::invalid(path, "Two heads have this name."));
        }
        if self.names.len() > COLUMNS_MAX {
            let message = format!("A template has at most {COLUMNS_MAX} heads without children.");
            return Err(Error::invalid(path, message));
        }
        Ok(())
    }

    fn row_count(&mut self, value: Option<&Value>, path: &str) -> Result<u32> {
        let count = match value {
            None | Some(Value::Null) => Some(1),
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_u64().and_then(|count| u32::try_from(count).ok()),
        };
        let path = format!("{path}.row_count");
        let Some(count) = count.filter(|count| *count > 0) else {
            return Err(Error::invalid(&path, "This is a whole number above 0."));
        };
        self.reserved_rows = self.reserved_rows.saturating_add(count);
        if self.reserved_rows > RESERVED_ROWS_MAX {
            let message = format!("Row heads reserve at most {RESERVED_ROWS_MAX} rows in all.");
            return Err(Error::invalid(&path, message));
        }
        Ok(count)
    }
}

/// A title; a head without one is titled as it is named.
fn title_of(value: Option<&Value>, name: &str, path: &str) -> Result<String> {
    let title = match value {
        Some(Value::String(title)) => title.clone(),
        Some(Value::Number(number)) => number.to_string(),
        None | Some(Value::Null) if !name.is_empty() => name.to_owned(),
        None | Some(Value::Null) => return Err(Error::invalid(path, "A head has a title.")),
        Some(_) => return Err(Error::invalid(path, "A title is a text.")),
    };
    if title.chars().count() > HEAD_CHARS_MAX {
        let message = format!("A title has at most {HEAD_CHARS_MAX} characters.");
        return Err(Error::invalid(path, message));
    }
    Ok(title)
}

fn read_pairs(json: &str, path: &str) -> Result<Vec<(String, Box<RawValue>)>> {
    pairs::read(json).ok_or_else(|| no_template(path))
}

fn too_many(path: &str) -> Error {
    let message = format!("A template has at most {HEADS_MAX} heads.");
    Error::invalid(path, message)
}

/// Refuses what cannot be so few heads before it is read: as a tree of values it would not fit a component's memory.
fn array(json: &RawValue, path: &str) -> Result<Vec<Value>> {
    let objects = json.get().bytes().filter(|byte| *byte == b'{').count();
    if objects > HEADS_MAX * OBJECTS_PER_HEAD {
        return Err(too_many(path));
    }
    serde_json::from_str(json.get())
        .map_err(|_| Error::invalid(path, "This is an array of heads, not too deeply nested."))
}
