//! The database: reachable, whole, of this version; its clock and ours.

use super::Report;
use crate::clock::now_ms;
use crate::database::{Handle, SQLITE_FILE, SqliteLook};
use crate::settings::Settings;
use shared::domain::page::Page;
use shared::limits::{
    CLOCK_APART_MS_MAX, CLOCK_MS_MAX, CLOCK_MS_MIN, POSTGRES_POOL_SIZE, POSTGRES_VERSION_MIN,
    SQLITE_CHECK_S_MAX,
};
use shared::store::health::{self, Server};
use shared::store::migrations::MIGRATIONS;
use shared::store::{Database, mails};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const CHECK: &str = "database";
const CLOCK: &str = "clock";
/// The pool of the worker, that of the components, one that listens.
const CONNECTIONS_OF_ONE_PROCESS: i64 = 2 * POSTGRES_POOL_SIZE as i64 + 1;
const SET_THE_CLOCK: &str = "set it, and let NTP keep it: timedatectl set-ntp true";

pub(super) async fn check(settings: &Settings, report: &mut Report) {
    let now = now_ms();
    if !(CLOCK_MS_MIN..CLOCK_MS_MAX).contains(&now) {
        report.problem(CLOCK, "this machine's clock is years off", SET_THE_CLOCK);
    }
    let found = match settings.database_url.as_str() {
        "" => sqlite(&settings.data_dir.join(SQLITE_FILE), report).await,
        url => postgres(url, settings, report).await,
    };
    if let Some(database) = found {
        migrations(&*database, report).await;
        dead_mails(&*database, report).await;
        // A database without tables has no answer.
        let newest = health::newest_change(&*database).await;
        let newest = newest.ok().flatten().unwrap_or(now);
        if newest > now_ms() + CLOCK_APART_MS_MAX {
            let found = "this machine's clock is behind what stands in the database";
            report.problem(CLOCK, found, SET_THE_CLOCK);
        }
    }
    if !report.lines.iter().any(|line| line.check == CLOCK) {
        report.ok(CLOCK, "it is plausible");
    }
}

/// None: it cannot be asked more.
async fn sqlite(path: &Path, report: &mut Report) -> Option<Arc<dyn Database>> {
    let shown = path.display();
    if !path.exists() {
        report.ok(
            CHECK,
            format!("SQLite: {shown} is not there yet; the first start makes it"),
        );
        return None;
    }
    let file = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || SqliteLook::open(&file)).await;
    let look = match opened
        .map_err(anyhow::Error::from)
        .and_then(|look| Ok(look?))
    {
        Ok(look) => Arc::new(look),
        Err(error) => {
            let advice = "run this as the account that Wharf runs as; if it cannot be read there either, restore a backup";
            report.problem(CHECK, format!("{shown} cannot be opened: {error}"), advice);
            return None;
        }
    };
    if !is_whole(&look, path, report).await {
        return None;
    }
    match health::sqlite_journal(&*look).await {
        Ok(mode) if mode == "wal" => {
            report.ok(CHECK, format!("SQLite: {shown} is whole, in WAL mode"))
        }
        Ok(mode) => {
            let found = format!("SQLite: the journal of {shown} is `{mode}`, which is slow");
            report.warning(
                CHECK,
                found,
                "the next start of Wharf sets WAL mode; let nobody else change it",
            );
        }
        Err(error) => unreadable(&error, report),
    }
    Some(look)
}

/// Reads the whole file, for a bounded time.
async fn is_whole(look: &Arc<SqliteLook>, path: &Path, report: &mut Report) -> bool {
    let alarm = look.clone();
    let alarm = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(SQLITE_CHECK_S_MAX)).await;
        alarm.interrupt();
    });
    let damage = health::sqlite_damage(&**look).await;
    let was_cut_off = alarm.is_finished();
    alarm.abort();
    match damage {
        Ok(damage) if damage.is_empty() => true,
        Ok(damage) => {
            let found = format!("{} is damaged: {}", path.display(), damage.join("; "));
            report.problem(
                CHECK,
                found,
                "stop Wharf, keep the data folder as it is, and restore a backup: `wharf restore`",
            );
            false
        }
        Err(_) if was_cut_off => {
            let found = format!("{} is too large to be read whole here", path.display());
            report.warning(
                CHECK,
                found,
                "check it at a quiet time: sqlite3 FILE 'PRAGMA quick_check'",
            );
            true
        }
        Err(error) => {
            unreadable(&error, report);
            false
        }
    }
}

fn unreadable(error: &shared::Error, report: &mut Report) {
    let cause = error.cause.as_deref().unwrap_or(&error.message);
    let advice = "see whether the file or the server is well; a damaged SQLite file is replaced by a backup: `wharf restore`";
    report.problem(CHECK, format!("it cannot be read: {cause}"), advice);
}

async fn postgres(
    url: &str,
    settings: &Settings,
    report: &mut Report,
) -> Option<Arc<dyn Database>> {
    let database = match Handle::open(url, &settings.data_dir) {
        Ok(handle) => handle.database(),
        Err(error) => {
            report.problem(
                CHECK,
                format!("{error:#}"),
                "correct database_url: postgres://user:password@host:5432/name",
            );
            return None;
        }
    };
    let before = now_ms();
    let server = match health::postgres_server(&*database).await {
        Ok(server) => server?,
        Err(error) => {
            let cause = error.cause.as_deref().unwrap_or(&error.message);
            let advice = "see whether the server runs, and whether database_url has the right host, user, password and name";
            report.problem(
                CHECK,
                format!("PostgreSQL does not answer: {cause}"),
                advice,
            );
            return None;
        }
    };
    let after = now_ms();
    let lines = report.lines.len();
    judge(&server, report);
    if crate::database::sends_in_the_clear(url) {
        let advice = "let it cross no open network: a tunnel, or a private one";
        report.warning(
            CHECK,
            "the connection to PostgreSQL is not encrypted",
            advice,
        );
    }
    if report.lines.len() == lines {
        let version = server.version / 10_000;
        report.ok(CHECK, format!("PostgreSQL {version} answers"));
    }
    // Somewhere between question and answer it read its clock.
    let apart = (before - server.now).max(server.now - after).max(0);
    if apart > CLOCK_APART_MS_MAX {
        let found = format!(
            "this machine's clock and PostgreSQL's are {} s apart",
            apart / 1000
        );
        report.problem(CLOCK, found, SET_THE_CLOCK);
    }
    Some(database)
}

fn judge(server: &Server, report: &mut Report) {
    let (major, minor) = (server.version / 10_000, server.version % 10_000);
    if server.version < POSTGRES_VERSION_MIN {
        let oldest = POSTGRES_VERSION_MIN / 10_000;
        let found = format!("PostgreSQL {major}.{minor} is older than what Wharf is tested with");
        report.warning(CHECK, found, format!("use PostgreSQL {oldest} or newer"));
    }
    if server.encoding != "UTF8" {
        let found = format!("the database's encoding is {}", server.encoding);
        report.problem(CHECK, found, "make one with ENCODING 'UTF8'");
    }
    if server.is_read_only {
        let found = "the server only reads: it is a standby, or set so";
        report.problem(CHECK, found, "name the primary in database_url");
    }
    if server.max_connections < CONNECTIONS_OF_ONE_PROCESS {
        let found = format!(
            "max_connections is {}, and one `wharf up` may take {CONNECTIONS_OF_ONE_PROCESS}",
            server.max_connections
        );
        let advice = format!(
            "raise it to {CONNECTIONS_OF_ONE_PROCESS} for each process of Wharf, and some for others"
        );
        report.warning(CHECK, found, advice);
    }
}

async fn migrations(database: &dyn Database, report: &mut Report) {
    let applied = match health::applied(database).await {
        Ok(applied) => applied,
        Err(error) => return unreadable(&error, report),
    };
    let newest_known = MIGRATIONS.last().map_or(0, |it| it.number);
    let newest_applied = applied.last().copied().unwrap_or(0);
    let missing = MIGRATIONS
        .iter()
        .filter(|it| !applied.contains(&it.number))
        .count();
    if newest_applied > newest_known {
        let found = format!(
            "a newer Wharf has changed the database: migration {newest_applied}, and this one knows {newest_known}"
        );
        report.problem(
            "migrations",
            found,
            "run that version; to go back, restore the backup from before the upgrade",
        );
    } else if missing > 0 {
        let found = format!("{missing} migrations are missing");
        report.warning(
            "migrations",
            found,
            "the next start applies them, or `wharf migrate`; make a backup first",
        );
    } else {
        report.ok("migrations", "the database is up to date");
    }
}

/// A database without the table has none.
async fn dead_mails(database: &dyn Database, report: &mut Report) {
    let first = Page { number: 1, size: 1 };
    let dead = mails::dead(database, first).await.map_or(0, |it| it.1);
    if dead > 0 {
        report.warning(
            "mail",
            format!("mails that were given up: {dead}"),
            "see why with `wharf admin mails`; try them again with `wharf admin mails --retry`",
        );
    }
}
