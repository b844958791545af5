//! The keys: there, whole, for nobody else's eyes.

use super::Report;
use crate::database::SQLITE_FILE;
use crate::keys;
use crate::settings::Settings;
use shared::auth::signature::FileKeys;
use std::os::unix::fs::MetadataExt as _;

const CHECK: &str = "keys";
/// Of every key but those of `files.kids`, which have a form of their own.
const CHARS_MIN: usize = 32;

/// Fills the settings with the generated keys.
pub(super) fn check(settings: &mut Settings, report: &mut Report) {
    let file = keys::file(&settings.data_dir);
    let shown = file.display();
    let is_first_start = !settings.data_dir.join(SQLITE_FILE).exists();
    let generated = match keys::complete_from_file(settings) {
        Ok(generated) => generated,
        Err(error) => {
            let advice = format!(
                "make {shown} readable for the account that Wharf runs as, or take it from a backup"
            );
            return report.problem(CHECK, format!("{error:#}"), advice);
        }
    };
    let before = report.lines.len();
    if let Ok(found) = std::fs::metadata(&file)
        && found.mode() & 0o077 != 0
    {
        let mode = found.mode() & 0o777;
        report.problem(
            CHECK,
            format!("others may read {shown}: its mode is {mode:o}"),
            format!("chmod 600 {shown}"),
        );
    }
    let all = named(settings);
    for (name, key) in &all {
        if !key.is_empty() && key.len() < CHARS_MIN {
            let found = format!("{name} has {} characters", key.len());
            report.problem(
                CHECK,
                found,
                format!("{CHARS_MIN} or more are wanted; `openssl rand -hex 32` makes 64"),
            );
        }
    }
    if !settings.files.kids.is_empty() && FileKeys::parse(&settings.files.kids).is_err() {
        report.problem(
            CHECK,
            "files.kids cannot be read",
            "take keys.toml from a backup, or set files.kids = \"k1:HEX\"",
        );
    }
    let missing: Vec<&str> = all
        .iter()
        .filter(|(_, key)| key.is_empty())
        .map(|(name, _)| *name)
        .collect();
    if !missing.is_empty() && !is_first_start {
        let found = format!(
            "the database is there, and these keys are not: {}",
            missing.join(", ")
        );
        let advice = format!(
            "take {shown} from a backup. The next start makes new ones: everybody has to log in again, cookie jars do \
             not open, sites need a new code, projects their new callback secrets"
        );
        report.warning(CHECK, found, advice);
    }
    if !settings.database_url.is_empty() && !generated.is_empty() {
        let found = format!(
            "{} keys come from {shown}, and the database is PostgreSQL",
            generated.len()
        );
        let advice = "give every other machine on this database the same file, or set the keys";
        report.warning(CHECK, found, advice);
    }
    if report.lines.len() == before {
        report.ok(
            CHECK,
            match missing.is_empty() {
                true => "all are there",
                false => "the first start makes them",
            },
        );
    }
}

fn named(settings: &Settings) -> [(&'static str, &str); 8] {
    let keys = &settings.keys;
    [
        ("keys.users", &keys.users),
        ("keys.projects", &keys.projects),
        ("keys.sites", &keys.sites),
        ("keys.admins", &keys.admins),
        ("keys.worker", &keys.worker),
        ("keys.cookies", &keys.cookies),
        ("keys.callbacks", &keys.callbacks),
        ("payments.sandbox_secret", &settings.payments.sandbox_secret),
    ]
}
