//! yt-dlp and ffmpeg: configured, found, or set up below the data folder from the user's Python index.
//! yt-dlp can be replaced while the worker runs; attempts that start later use the new one.

mod abilities;
mod package;
mod search;
#[cfg(test)]
mod tests;
mod ytdlp;

pub use abilities::Abilities;

use search::Search;
use shared::domain::ytdlp::{Release, Version};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

/// The tools of this process. Cheap to clone; all clones see a replacement.
#[derive(Clone, Debug)]
pub struct Tools(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    current: RwLock<Arc<Toolset>>,
    search: Search,
    /// `media.ytdlp` says which yt-dlp to run, so nobody else does.
    is_named: bool,
    /// One update at a time.
    updating: Mutex<()>,
}

/// The tools as one attempt uses them, from its start to its end.
#[derive(Clone, Debug, Default)]
pub struct Toolset {
    /// None: neither parse nor download works.
    pub ytdlp: Option<YtdlpProgram>,
    /// None: parse works, download does not.
    pub ffmpeg: Option<PathBuf>,
}

/// A yt-dlp that runs.
#[derive(Clone, Debug)]
pub struct YtdlpProgram {
    /// The program and the arguments before ours.
    pub command: Vec<OsString>,
    pub version: Version,
    pub abilities: Abilities,
}

/// The tools and what the operator should read about them.
#[derive(Debug)]
pub struct ToolsReport {
    pub tools: Tools,
    pub notes: Vec<Note>,
}

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// True: something does not work until the operator acts.
    pub is_problem: bool,
    pub text: String,
}

/// What is there of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    Found(String),
    /// Not there, and the next start can set it up.
    WouldBeSetUp(String),
    Missing(String),
}

impl Tools {
    /// What [`Tools::find_or_set_up`] would find of yt-dlp and ffmpeg, without setting anything up.
    pub async fn look(
        ytdlp: Option<PathBuf>,
        ffmpeg: Option<PathBuf>,
        data_dir: &Path,
    ) -> [Looked; 2] {
        let search = Search::looking(data_dir).await;
        let can_be_set_up = search.python().await.is_some();
        let looked = |found: Result<String, String>, is_named: bool| match found {
            Ok(text) => Looked::Found(text),
            Err(text) if can_be_set_up && !is_named => Looked::WouldBeSetUp(text),
            Err(text) => Looked::Missing(text),
        };
        let (names_ytdlp, names_ffmpeg) = (ytdlp.is_some(), ffmpeg.is_some());
        let ytdlp = search.ytdlp(ytdlp, &mut Vec::new()).await;
        let ffmpeg = search.ffmpeg(ffmpeg).await;
        [
            looked(ytdlp.map(|(_, text)| text), names_ytdlp),
            looked(ffmpeg.map(|(_, text)| text), names_ffmpeg),
        ]
    }

    /// Looks for each tool in the settings, in `PATH` and in `data_dir/tools`, and sets it up there when
    /// it is nowhere. Never fails: what is missing stands in the notes.
    pub async fn find_or_set_up(
        ytdlp: Option<PathBuf>,
        ffmpeg: Option<PathBuf>,
        data_dir: &Path,
    ) -> ToolsReport {
        let mut notes = Vec::new();
        let search = Search::below(data_dir, &mut notes).await;
        let is_named = ytdlp.is_some();
        let toolset = Toolset {
            ytdlp: keep(search.ytdlp(ytdlp, &mut notes).await, &mut notes),
            ffmpeg: keep(search.ffmpeg(ffmpeg).await, &mut notes),
        };
        if let Some(program) = &toolset.ytdlp {
            notes.push(Note::said(program.abilities.to_string()));
        }
        let tools = Self(Arc::new(Inner {
            current: RwLock::new(Arc::new(toolset)),
            search,
            is_named,
            updating: Mutex::default(),
        }));
        ToolsReport { tools, notes }
    }

    /// The tools that an attempt which starts now uses.
    pub fn now(&self) -> Arc<Toolset> {
        let current = self.0.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets this yt-dlp up below `data_dir/tools`, uses it from here on and at later starts, and returns
    /// its version. Where it cannot be had, does not run or is too old, the one in use stays. Errors: a
    /// sentence for the operator.
    pub async fn update_ytdlp(&self, release: Release) -> Result<Version, String> {
        let inner = &self.0;
        if inner.is_named {
            return Err(
                "media.ytdlp names the yt-dlp to run; take that setting away, or update that program.".to_owned(),
            );
        }
        let _one_at_a_time = inner.updating.lock().await;
        let program = inner.search.update_ytdlp(release).await?;
        let version = program.version;
        let mut current = inner
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(Toolset {
            ytdlp: Some(program),
            ffmpeg: current.ffmpeg.clone(),
        });
        Ok(version)
    }
}

impl Note {
    fn said(text: String) -> Self {
        Self {
            is_problem: false,
            text,
        }
    }

    fn problem(text: String) -> Self {
        Self {
            is_problem: true,
            text,
        }
    }
}

/// Found: the tool and a sentence. Not found: what to do about it.
type Found<T> = Result<(T, String), String>;

fn keep<T>(found: Found<T>, notes: &mut Vec<Note>) -> Option<T> {
    match found {
        Ok((tool, text)) => {
            notes.push(Note::said(text));
            Some(tool)
        }
        Err(text) => {
            notes.push(Note::problem(text));
            None
        }
    }
}
