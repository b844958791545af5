//! The files of a share as a tree (SH-7), as its publisher says or its drive answers.

use crate::error::{Error, Result};
use crate::limits::{
    DIRECTORY_DEPTH_MAX, DIRECTORY_NAME_CHARS_MAX, DIRECTORY_NODES_MAX, SIZE_BYTES_MAX,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeType {
    Dir,
    File,
}

/// A file or a folder. Sizes are bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: NodeType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

/// A tree within the limits: at most 32 levels and 20,000 nodes, names without control characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Directory {
    roots: Vec<Node>,
}

impl Directory {
    /// Errors: 40001 for field `directory`.
    pub fn new(roots: Vec<Node>) -> Result<Self> {
        let refuse = |message: String| Err(Error::invalid("directory", message));
        let mut nodes = 0;
        let mut level: Vec<&Node> = roots.iter().collect();
        let mut depth = 0;
        while !level.is_empty() {
            depth += 1;
            nodes += level.len();
            if depth > DIRECTORY_DEPTH_MAX {
                return refuse(format!(
                    "The tree has more than {DIRECTORY_DEPTH_MAX} levels."
                ));
            }
            if nodes > DIRECTORY_NODES_MAX {
                return refuse(format!(
                    "The tree has more than {DIRECTORY_NODES_MAX} nodes."
                ));
            }
            if let Some(node) = level.iter().find(|node| !is_name(&node.name)) {
                return refuse(match node.name.is_empty() {
                    true => "A node has no name.".to_owned(),
                    false => "A name is longer than 255 characters, or holds control characters."
                        .to_owned(),
                });
            }
            if level
                .iter()
                .any(|node| node.kind == NodeType::File && !node.children.is_empty())
            {
                return refuse("A file has no children.".to_owned());
            }
            level = level.into_iter().flat_map(|node| &node.children).collect();
        }
        Ok(Self { roots })
    }

    /// One node, or a list of them, in JSON, which is read into nothing but nodes: in any other form millions of braces
    /// would not fit a component's memory. Errors: 40001 for field `directory`.
    pub fn from_json(json: &str) -> Result<Self> {
        let read = match json.trim_start().starts_with('[') {
            true => serde_json::from_str(json),
            false => serde_json::from_str(json).map(|node| vec![node]),
        };
        let shape =
            "A node is {\"name\", \"type\": \"dir\" or \"file\", \"size\"?, \"children\"?}.";
        Self::new(read.map_err(|_| Error::invalid("directory", shape))?)
    }

    pub fn roots(&self) -> &[Node] {
        &self.roots
    }

    /// Every node, a folder before what it holds.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        let mut waiting: Vec<&Node> = self.roots.iter().rev().collect();
        std::iter::from_fn(move || {
            let node = waiting.pop()?;
            waiting.extend(node.children.iter().rev());
            Some(node)
        })
    }

    /// The sizes of all files, bytes; what is above 8192 PB counts as that.
    pub fn total_size(&self) -> i64 {
        let files = self.nodes().filter(|node| node.kind == NodeType::File);
        let sizes =
            files.map(|node| i64::try_from(node.size.unwrap_or(0)).unwrap_or(SIZE_BYTES_MAX));
        sizes.fold(0, i64::saturating_add)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= DIRECTORY_NAME_CHARS_MAX
        && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn from(tree: serde_json::Value) -> Result<Directory> {
        Directory::from_json(&tree.to_string())
    }

    #[test]
    fn one_node_or_a_list_is_a_tree() {
        let one = from(json!({ "name": "课程", "type": "dir", "children": [
            { "name": "第一课.mp4", "type": "file", "size": 5 },
            { "name": "讲义", "type": "dir", "children": [{ "name": "1.pdf", "type": "file", "size": 7 }] },
        ]}))
        .unwrap();
        let names: Vec<_> = one.nodes().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["课程", "第一课.mp4", "讲义", "1.pdf"]);
        assert_eq!(one.total_size(), 12);
        let list = from(json!([{ "name": "a", "type": "file" }])).unwrap();
        assert_eq!((list.roots().len(), list.total_size()), (1, 0));
    }

    #[test]
    fn a_size_ends_at_8192_petabytes() {
        let file = |size: u64| json!({ "name": "a", "type": "file", "size": size });
        let tree = from(json!([file(u64::MAX), file(1)])).unwrap();
        assert_eq!(tree.total_size(), i64::MAX);
    }

    #[test]
    fn a_tree_is_bounded() {
        let chain = |levels: usize| {
            (0..levels).fold(Vec::new(), |children, _| {
                vec![Node {
                    name: "d".into(),
                    kind: NodeType::Dir,
                    size: None,
                    children,
                }]
            })
        };
        assert!(Directory::new(chain(32)).is_ok());
        assert!(Directory::new(chain(33)).is_err());
        let file = Node {
            name: "f".into(),
            kind: NodeType::File,
            size: None,
            children: Vec::new(),
        };
        assert!(Directory::new(vec![file.clone(); 20_000]).is_ok());
        assert!(Directory::new(vec![file; 20_001]).is_err());
        for bad in [
            json!({ "name": "", "type": "file" }),
            json!({ "name": "a\u{0}b", "type": "file" }),
            json!({ "name": "a", "type": "link" }),
            json!({ "name": "a", "type": "file", "children": [{ "name": "b", "type": "file" }] }),
            json!({ "name": "a", "type": "file", "size": -1 }),
            json!("a"),
        ] {
            assert!(from(bad.clone()).is_err(), "{bad}");
        }
    }
}
