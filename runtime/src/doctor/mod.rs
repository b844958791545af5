//! `wharf doctor`: looks at everything that Wharf needs here, and says what to do about what is wrong. It changes
//! nothing and shows nothing secret. A check, or a few that belong together, is a file.

mod components;
mod database;
mod folder;
mod keys;
mod machine;
mod network;
mod settings;
mod tls;
mod tools;

use crate::settings::{Flags, Settings};
use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// It works, but not as it should, or not for long.
    Warning,
    /// Something does not work.
    Problem,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was looked at, such as `data folder`.
    pub check: &'static str,
    pub level: Level,
    pub found: String,
    /// What to do; empty where nothing is to be done.
    pub advice: String,
}

/// What all checks found, in their order.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub lines: Vec<Line>,
}

impl Report {
    pub fn count(&self, level: Level) -> usize {
        self.lines.iter().filter(|it| it.level == level).count()
    }

    fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.add(check, Level::Ok, found.into(), String::new());
    }

    fn warning(
        &mut self,
        check: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(check, Level::Warning, found.into(), advice.into());
    }

    fn problem(
        &mut self,
        check: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(check, Level::Problem, found.into(), advice.into());
    }

    fn add(&mut self, check: &'static str, level: Level, found: String, advice: String) {
        self.lines.push(Line {
            check,
            level,
            found,
            advice,
        });
    }
}

/// Looks at everything.
pub async fn examine(flags: &Flags) -> Report {
    let mut report = Report::default();
    let (mut settings, wrong) = match Settings::load_as_far_as_possible(flags) {
        Ok(read) => read,
        Err(error) => {
            let advice = "correct or name the settings file (--config); docs/configuration.md has every setting";
            report.problem(settings::CHECK, format!("{error:#}"), advice);
            return report;
        }
    };
    settings::check(&settings, &wrong, &mut report);
    folder::check(&settings, &mut report);
    keys::check(&mut settings, &mut report);
    database::check(&settings, &mut report).await;
    machine::check(&mut report);
    tools::check(&settings, &mut report).await;
    components::check(&mut report).await;
    tls::check(&settings, &mut report);
    network::check(&settings, &mut report).await;
    report
}
