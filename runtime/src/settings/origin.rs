//! Where a value of the settings comes from.

use super::Flags;
use figment::{Figment, Source};
use std::path::PathBuf;

/// Where one value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line's flag of this name.
    Flag(&'static str),
    /// The environment's variable of this name.
    Environment(String),
    File(PathBuf),
    /// Generated at the first start and kept in this file.
    Generated(PathBuf),
    Default,
}

impl Origin {
    /// The kind as a word, and which one of its kind.
    pub fn parts(&self) -> (&'static str, Option<String>) {
        match self {
            Self::Flag(name) => ("flag", Some((*name).to_owned())),
            Self::Environment(name) => ("environment", Some(name.clone())),
            Self::File(path) => ("file", Some(path.display().to_string())),
            Self::Generated(path) => ("generated", Some(path.display().to_string())),
            Self::Default => ("default", None),
        }
    }
}

/// Where the values of one reading come from.
pub struct Origins {
    figment: Figment,
    listen: bool,
    data_dir: bool,
    generated: Vec<&'static str>,
    generated_in: PathBuf,
}

impl Origins {
    pub(super) fn new(figment: Figment, flags: &Flags) -> Self {
        Self {
            figment,
            listen: flags.listen.is_some(),
            data_dir: flags.data.is_some(),
            generated: Vec::new(),
            generated_in: PathBuf::new(),
        }
    }

    /// These come from the file of generated keys.
    pub fn set_generated(&mut self, keys: Vec<&'static str>, file: PathBuf) {
        self.generated = keys;
        self.generated_in = file;
    }

    /// Of a key such as `listen` or `media.quick_ttl_s`.
    pub fn of(&self, key: &str) -> Origin {
        match key {
            "listen" if self.listen => return Origin::Flag("--listen"),
            "data_dir" if self.data_dir => return Origin::Flag("--data"),
            _ if self.generated.contains(&key) => {
                return Origin::Generated(self.generated_in.clone());
            }
            _ => {}
        }
        let Some(found) = self.figment.find_metadata(key) else {
            return Origin::Default;
        };
        match &found.source {
            Some(Source::File(path)) => {
                Origin::File(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
            }
            _ => Origin::Environment(variable(key)),
        }
    }
}

/// `WHARF_MEDIA_QUICK_TTL_S` for `media.quick_ttl_s`. What lies deeper came with the whole of its key.
fn variable(key: &str) -> String {
    let parts: Vec<&str> = key.split('.').take(2).collect();
    format!("WHARF_{}", parts.join("_").to_ascii_uppercase())
}
