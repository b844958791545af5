//! Lists a share level by level into a [`Directory`]. The tree ends at the limits: what lies deeper than 32 levels,
//! or comes after 20,000 nodes, 1,000 calls or ten minutes, is left out.

use super::api::{Entry, Refusal, Shares};
use shared::domain::directory::{Directory, Node, NodeType};
use shared::domain::drive::ShareLink;
use shared::limits::{
    CHECK_CALLS_MAX, DIRECTORY_DEPTH_MAX, DIRECTORY_NAME_CHARS_MAX, DIRECTORY_NODES_MAX,
};
use std::collections::VecDeque;
use std::time::Instant;

/// A listing that broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub refusal: Refusal,
    /// Whether the share itself was refused, and not a folder in it.
    pub is_share: bool,
}

/// A folder that is still to be listed.
struct Folder {
    /// Its node; `None`: the share itself.
    node: Option<usize>,
    id: String,
    /// The level of what it holds, from 1.
    depth: usize,
}

/// What was found, parents before children.
struct Found {
    deadline: Instant,
    nodes: Vec<(Option<usize>, Node)>,
    folders: VecDeque<Folder>,
    calls: usize,
}

/// What is there until the deadline; the first page in any case.
pub async fn list(
    shares: &dyn Shares,
    link: &ShareLink,
    key: &str,
    deadline: Instant,
) -> Result<Directory, Broken> {
    let mut found = Found::until(deadline);
    found.folders.push_back(Folder {
        node: None,
        id: String::new(),
        depth: 1,
    });
    while let Some(folder) = found.folders.pop_front() {
        if !list_folder(shares, link, key, &folder, &mut found).await? {
            break;
        }
    }
    found.into_directory().map_err(|_| Broken {
        refusal: Refusal::uncertain("the tree does not hold"),
        is_share: false,
    })
}

/// Returns false when the limits are reached.
async fn list_folder(
    shares: &dyn Shares,
    link: &ShareLink,
    key: &str,
    folder: &Folder,
    found: &mut Found,
) -> Result<bool, Broken> {
    let mut marker = String::new();
    let mut before: Vec<Entry> = Vec::new();
    loop {
        if found.is_spent() {
            return Ok(false);
        }
        found.calls += 1;
        let page = shares.page(link, key, &folder.id, &marker).await;
        let page = page.map_err(|refusal| Broken {
            refusal,
            is_share: folder.node.is_none(),
        })?;
        let repeats = !page.entries.is_empty() && page.entries == before;
        if repeats || page.marker.as_ref() == Some(&marker) {
            return Err(Broken {
                refusal: Refusal::uncertain("the drive repeats a page"),
                is_share: false,
            });
        }
        for entry in &page.entries {
            if found.nodes.len() == DIRECTORY_NODES_MAX {
                return Ok(false);
            }
            found.add(folder, entry);
        }
        let Some(next) = page.marker else {
            return Ok(true);
        };
        (marker, before) = (next, page.entries);
    }
}

impl Found {
    fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            nodes: Vec::new(),
            folders: VecDeque::new(),
            calls: 0,
        }
    }

    fn is_spent(&self) -> bool {
        self.calls == CHECK_CALLS_MAX || self.calls > 0 && Instant::now() >= self.deadline
    }

    fn add(&mut self, parent: &Folder, entry: &Entry) {
        if let Some(id) = &entry.folder
            && parent.depth < DIRECTORY_DEPTH_MAX
        {
            self.folders.push_back(Folder {
                node: Some(self.nodes.len()),
                id: id.clone(),
                depth: parent.depth + 1,
            });
        }
        let node = Node {
            name: name(&entry.name),
            kind: match entry.folder {
                Some(_) => NodeType::Dir,
                None => NodeType::File,
            },
            size: entry.size.filter(|_| entry.folder.is_none()),
            children: Vec::new(),
        };
        self.nodes.push((parent.node, node));
    }

    /// Children go to their parents from the last to the first, in one order whatever the drive's was.
    fn into_directory(mut self) -> shared::Result<Directory> {
        let mut roots = Vec::new();
        while let Some((parent, mut node)) = self.nodes.pop() {
            in_order(&mut node.children);
            match parent.and_then(|parent| self.nodes.get_mut(parent)) {
                Some((_, parent)) => parent.children.push(node),
                None => roots.push(node),
            }
        }
        in_order(&mut roots);
        Directory::new(roots)
    }
}

/// Folders first, then by name.
fn in_order(nodes: &mut [Node]) {
    nodes.sort_by(|a, b| {
        let rank = |node: &Node| node.kind == NodeType::File;
        (rank(a), &a.name).cmp(&(rank(b), &b.name))
    });
}

/// A name that a tree may hold.
fn name(name: &str) -> String {
    let kept: String = name
        .chars()
        .filter(|c| !c.is_control())
        .take(DIRECTORY_NAME_CHARS_MAX)
        .collect();
    match kept.is_empty() {
        true => "?".to_owned(),
        false => kept,
    }
}

#[cfg(test)]
#[path = "list/tests.rs"]
mod tests;
