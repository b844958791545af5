//! The tree of heads that an export's table has (DC-5).
//!
//! Three notations: `{"name":"姓名"}`, one column for each key in the order of the text;
//! `[{"name","title","children"?,"style"?}…]`; `{"col":[…],"row":[…]}` with either of them for the columns and
//! row heads, whose leaves have a `row_count`, beside it. Each may also come as a text that holds the JSON.

use super::style::Style;
use serde::{Deserialize, Serialize};

mod parse;

/// The key of a row under which it names its row head.
pub const ROW_HEAD_KEY: &str = "_row_head_";

/// The heads of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeadTree {
    /// Never empty; the names of the leaves differ.
    pub columns: Vec<Head>,
    /// Empty for a table without row heads; the names of the leaves differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Head>,
}

/// One head, of columns or of rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Of a leaf: the key of its values in a row, or what rows call their row head. Else empty.
    pub name: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "is_unset")]
    pub style: Style,
    /// Empty for a leaf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Head>,
    /// Rows that a leaf of the row heads reserves; 1 for columns.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub row_count: u32,
}

fn is_unset(style: &Style) -> bool {
    *style == Style::default()
}

fn one() -> u32 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_one(count: &u32) -> bool {
    *count == 1
}

/// Where a head stands in its block. Levels count away from the edge of the table, places along it: rows and
/// columns for the heads of columns, columns and rows for row heads.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    pub head: &'a Head,
    pub level: usize,
    /// Levels that it covers: a leaf reaches down to the deepest level, others cover one.
    pub levels: usize,
    pub place: usize,
    /// Places that it covers: those of all its leaves together.
    pub places: usize,
}

impl Head {
    /// A head of one column.
    pub fn column(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            row_count: 1,
            ..Self::default()
        }
    }

    pub fn is_leaf(&self) -> bool {
        self.children.is_empty()
    }
}

/// Levels of these heads, 0 for none.
pub fn depth(heads: &[Head]) -> usize {
    heads
        .iter()
        .map(|head| 1 + depth(&head.children))
        .max()
        .unwrap_or(0)
}

/// The leaves in their order.
pub fn leaves(heads: &[Head]) -> Vec<&Head> {
    let mut leaves = Vec::new();
    for head in heads {
        if head.is_leaf() {
            leaves.push(head);
        } else {
            leaves.extend(self::leaves(&head.children));
        }
    }
    leaves
}

/// For each leaf the titles from the outermost head down to its own.
pub fn paths(heads: &[Head]) -> Vec<Vec<&str>> {
    let mut paths = Vec::new();
    for head in heads {
        if head.is_leaf() {
            paths.push(vec![head.title.as_str()]);
        }
        for mut path in self::paths(&head.children) {
            path.insert(0, &head.title);
            paths.push(path);
        }
    }
    paths
}

/// Places all heads, each before its children. `size` gives the places that the n-th leaf covers.
pub fn place<'a>(heads: &'a [Head], size: &dyn Fn(usize) -> usize) -> Vec<Placed<'a>> {
    let mut placed = Vec::new();
    let mut leaf = 0;
    put(heads, size, depth(heads), (0, 0), &mut leaf, &mut placed);
    placed
}

/// Places heads from a level and a place on; returns the places that they cover.
fn put<'a>(
    heads: &'a [Head],
    size: &dyn Fn(usize) -> usize,
    depth: usize,
    (level, mut place): (usize, usize),
    leaf: &mut usize,
    placed: &mut Vec<Placed<'a>>,
) -> usize {
    let first = place;
    for head in heads {
        let index = placed.len();
        placed.push(Placed {
            head,
            level,
            levels: if head.is_leaf() { depth - level } else { 1 },
            place,
            places: 0,
        });
        let places = if head.is_leaf() {
            *leaf += 1;
            size(*leaf - 1)
        } else {
            let children = head.children.as_slice();
            put(children, size, depth, (level + 1, place), leaf, placed)
        };
        placed[index].places = places;
        place += places;
    }
    place - first
}

impl HeadTree {
    /// One level of columns of these names, which are also their titles.
    pub fn of_names(names: &[String]) -> Self {
        let columns = names.iter().map(|name| Head::column(name, name)).collect();
        Self {
            columns,
            rows: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
