//! How far an export is, beside its parts: written and synced now and then, and only after the parts are, so
//! that it never promises what is not there.

use super::parts::Marks;
use super::pull::Reading;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

const NAME: &str = "position.json";

#[derive(Serialize, Deserialize)]
pub struct Checkpoint {
    pub reading: Reading,
    /// The writer's own.
    pub writer: serde_json::Value,
    pub marks: Marks,
}

impl Checkpoint {
    /// `None` where there is none that can be read: the export starts anew.
    pub fn load(folder: &Path) -> Option<Self> {
        let text = fs::read(folder.join(NAME)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub fn save(&self, folder: &Path) -> io::Result<()> {
        let fresh = folder.join("position.json.new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_data()?;
        fs::rename(&fresh, folder.join(NAME))
    }

    pub fn remove(folder: &Path) {
        let _ = fs::remove_file(folder.join(NAME));
    }
}
