//! `wharf doctor`: what is wrong here, and what to do about it. Ends with 1 when something does not work.

use super::parts;
use crate::doctor::{self, Level, Line};
use crate::settings::Flags;
use anyhow::bail;

pub async fn run(flags: &Flags, json: bool) -> anyhow::Result<()> {
    let report = doctor::examine(flags).await;
    let text = match json {
        true => serde_json::to_string_pretty(&report.lines)? + "\n",
        false => report.lines.iter().map(as_text).collect(),
    };
    parts::say(&text)?;
    match report.count(Level::Problem) {
        0 => Ok(()),
        1 => bail!("There is a problem."),
        count => bail!("There are {count} problems."),
    }
}

fn as_text(line: &Line) -> String {
    let word = match line.level {
        Level::Ok => "ok     ",
        Level::Warning => "warning",
        Level::Problem => "PROBLEM",
    };
    let advice = match line.advice.as_str() {
        "" => String::new(),
        advice => format!("         → {advice}\n"),
    };
    format!("{word}  {}: {}\n{advice}", line.check, line.found)
}
