//! Which column a key of a row stands for.

use super::rows::Text;
use std::collections::HashMap;

/// The columns of a table by name. Rows mostly have their keys in one order, so the column of the key that
/// stood at the same place in the row before is tried first.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    names: Vec<String>,
    by_name: HashMap<String, usize>,
    /// By place in the row: the key as it stood there in the row before, and its column.
    before: Vec<(String, Option<usize>)>,
}

impl Columns {
    /// Columns of these names, in this order; of two with one name the first counts.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let mut columns = Self::default();
        for name in names {
            let column = columns.names.len();
            columns.by_name.entry(name.clone()).or_insert(column);
            columns.names.push(name);
        }
        columns
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Adds a column and returns its index.
    pub fn push(&mut self, name: String) -> usize {
        let column = self.names.len();
        self.by_name.insert(name.clone(), column);
        self.names.push(name);
        self.before.clear();
        column
    }

    /// The column of the key that stands at this place of its row, counted from 0.
    pub fn find(&mut self, place: usize, key: Text<'_>) -> Option<usize> {
        if let Some((before, column)) = self.before.get(place)
            && before == key.raw
        {
            return *column;
        }
        let column = self.by_name.get(key.decode().as_ref()).copied();
        if let Some(slot) = self.before.get_mut(place) {
            *slot = (key.raw.to_owned(), column);
        } else if self.before.len() == place && place < self.names.len() * 2 {
            self.before.push((key.raw.to_owned(), column));
        }
        column
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_found_whatever_the_order_of_the_keys() {
        let text = |raw| Text {
            raw,
            is_escaped: raw.contains('\\'),
        };
        let mut columns = Columns::new(["a".to_owned(), "b".to_owned()]);
        for keys in [["a", "b", "x"], ["b", "x", "a"], ["a", "\\u0062", "x"]] {
            for (place, key) in keys.into_iter().enumerate() {
                let expected = match key {
                    "a" => Some(0),
                    "x" => None,
                    _ => Some(1),
                };
                assert_eq!(columns.find(place, text(key)), expected, "{keys:?}");
            }
        }
        assert_eq!(columns.push("x".to_owned()), 2);
        assert_eq!(columns.find(2, text("x")), Some(2));
    }
}
