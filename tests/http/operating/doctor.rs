//! `wharf doctor`.

use super::{said, wharf};
use crate::reaching;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tests::{
    Certificate, Encryption, Mailbox, SMTP_PASSWORD, TestApp, TestDatabase, ffmpeg, files_under,
    ytdlp,
};

/// A folder in which Wharf was started once, with the tools named.
fn home(config: &str) -> TempDir {
    let home = tempfile::tempdir().expect("a folder");
    let tools = format!(
        "[media]\nytdlp = {:?}\nffmpeg = {:?}\n",
        ytdlp().display().to_string(),
        ffmpeg().display().to_string()
    );
    // Tables come last in TOML.
    let text = format!("listen = \"127.0.0.1:0\"\n{config}\n{tools}");
    fs::write(home.path().join("wharf.toml"), text).expect("a file");
    let made = wharf(home.path(), &["migrate"], &[]);
    assert!(made.status.success(), "{}", said(&made));
    home
}

struct Diagnosis {
    lines: Vec<Value>,
    is_well: bool,
    text: String,
}

impl Diagnosis {
    /// What is said of one thing that was looked at, level and finding.
    fn of(&self, check: &str) -> Vec<(String, String)> {
        let of_check = self.lines.iter().filter(|line| line["check"] == check);
        let text = |line: &Value, name: &str| line[name].as_str().expect("a text").to_owned();
        of_check
            .map(|line| (text(line, "level"), text(line, "found")))
            .collect()
    }

    #[track_caller]
    fn assert(&self, check: &str, level: &str, found: &str) {
        let is_there = self
            .of(check)
            .iter()
            .any(|(l, f)| l == level && f.contains(found));
        assert!(
            is_there,
            "no {level} of {check} with {found:?} in\n{}",
            self.text
        );
        for line in &self.lines {
            let wants_advice = line["level"] != "ok";
            assert_eq!(line["advice"] != "", wants_advice, "{line}");
        }
        let has_problem = self.lines.iter().any(|line| line["level"] == "problem");
        assert_eq!(self.is_well, !has_problem, "{}", self.text);
    }

    fn levels(&self) -> BTreeMap<String, usize> {
        let mut levels = BTreeMap::new();
        for line in &self.lines {
            let level = line["level"].as_str().expect("a text").to_owned();
            *levels.entry(level).or_default() += 1;
        }
        levels
    }
}

fn doctor_with(home: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Diagnosis {
    let usage = home.join("disk-usage");
    if !usage.exists() {
        fs::write(&usage, "50").expect("a file");
    }
    let usage = usage.display().to_string();
    let env = [&[("WHARF_DISK_USAGE_FILE", &*usage)], env].concat();
    let output = wharf(home, &[&["doctor", "--json"], arguments].concat(), &env);
    let lines: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    Diagnosis {
        lines: lines.as_array().expect("a list").clone(),
        is_well: output.status.success(),
        text: format!("{lines:#}"),
    }
}

fn doctor(home: &Path) -> Diagnosis {
    doctor_with(home, &[], &[])
}

/// Paths with their sizes, modes and times.
fn listing(folder: &Path) -> Vec<(PathBuf, u64, u32, i64)> {
    // SQLite's index into its log is memory that whoever reads shares, and holds nothing.
    let is_kept = |path: &PathBuf| path.extension().is_none_or(|kind| kind != "db-shm");
    let all = files_under(folder).into_iter().filter(is_kept).map(|path| {
        let found = fs::metadata(&path).expect("it is there");
        (path, found.len(), found.mode(), found.mtime_nsec())
    });
    all.collect()
}

#[test]
fn all_is_well_where_wharf_can_work_and_nothing_is_changed_by_looking() {
    let home = home("");
    fs::write(home.path().join("disk-usage"), "50").expect("a file");
    let before = listing(home.path());
    let diagnosis = doctor(home.path());
    assert!(diagnosis.is_well, "{}", diagnosis.text);
    assert_eq!(
        diagnosis.levels().get("problem"),
        None,
        "{}",
        diagnosis.text
    );
    for (check, found) in [
        ("settings", "they hold"),
        ("data folder", "writable"),
        ("disk", "50 % used"),
        ("keys", "all are there"),
        ("database", "whole, in WAL mode"),
        ("migrations", "up to date"),
        ("clock", "plausible"),
        ("yt-dlp", "yt-dlp 20"),
        ("ffmpeg", "ffmpeg at "),
        ("address", "is free"),
    ] {
        diagnosis.assert(check, "ok", found);
    }
    assert_eq!(listing(home.path()), before);
    let text = said(&wharf(home.path(), &["doctor"], &[]));
    assert!(text.contains("ok       database: SQLite"), "{text}");
}

#[test]
fn before_the_first_start_nothing_is_wrong_and_nothing_is_made() {
    let home = tempfile::tempdir().expect("a folder");
    let diagnosis = doctor(home.path());
    diagnosis.assert("data folder", "ok", "the first start makes it");
    diagnosis.assert("database", "ok", "the first start makes it");
    diagnosis.assert("keys", "ok", "the first start makes them");
    assert!(!home.path().join("data").exists());
}

#[test]
fn settings_that_do_not_hold_are_each_a_problem() {
    let home = home("");
    let bad = [
        ("WHARF_QUEUE_LEASE_S", "0"),
        ("WHARF_DATABASE_URL", "mysql://very-secret@x"),
    ];
    let diagnosis = doctor_with(home.path(), &[], &bad);
    diagnosis.assert("settings", "problem", "queue.lease_s: is at least 1");
    diagnosis.assert("settings", "problem", "database_url: ");
    assert!(
        !diagnosis.text.contains("very-secret"),
        "{}",
        diagnosis.text
    );
    fs::write(home.path().join("wharf.toml"), "[media\n").expect("a file");
    doctor(home.path()).assert("settings", "problem", "wharf.toml");
}

#[test]
fn what_is_open_to_others_is_a_warning() {
    let home = home("");
    let open = [("WHARF_LISTEN", "0.0.0.0:0")];
    let diagnosis = doctor_with(home.path(), &[], &open);
    for found in [
        "public_url is not set",
        "HTTP without TLS",
        "payments.sandbox is on",
        "/metrics",
    ] {
        diagnosis.assert("settings", "warning", found);
    }
    let behind = [("WHARF_PUBLIC_URL", "https://wharf.example.com")];
    doctor_with(home.path(), &[], &behind).assert(
        "settings",
        "warning",
        "trusted_proxies is empty",
    );
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(home.path().join("data"), mode).expect("a mode");
    doctor(home.path()).assert("data folder", "warning", "its mode is 755");
}

#[test]
fn a_disk_that_fills_up_is_said_to() {
    let home = home("");
    for (usage, level, found) in [
        ("86", "warning", "it is filling up"),
        ("91", "warning", "quick downloads go before their time"),
        ("96", "problem", "new tasks wait"),
    ] {
        fs::write(home.path().join("disk-usage"), usage).expect("a file");
        doctor(home.path()).assert("disk", level, found);
    }
}

#[test]
fn keys_that_are_open_short_damaged_or_lost_are_told_apart() {
    let home = home("");
    let file = home.path().join("data/keys.toml");
    let text = fs::read_to_string(&file).expect("keys");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a mode");
    doctor(home.path()).assert("keys", "problem", "its mode is 644");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");

    let key = text
        .lines()
        .find(|line| line.starts_with("admins"))
        .expect("a key");
    let secret = key.split('"').nth(1).expect("a value");
    fs::write(&file, text.replace(secret, &secret[..16])).expect("a file");
    doctor(home.path()).assert("keys", "problem", "keys.admins has 16 characters");

    fs::write(&file, format!("admins = {secret}")).expect("a file");
    let diagnosis = doctor(home.path());
    diagnosis.assert("keys", "problem", "keys.toml is damaged");
    assert!(!diagnosis.text.contains(secret), "{}", diagnosis.text);

    fs::remove_file(&file).expect("it is there");
    doctor(home.path()).assert("keys", "warning", "keys.users");
}

#[test]
fn a_damaged_database_and_one_of_a_newer_version_are_told_apart() {
    let home = home("");
    let file = home.path().join("data/wharf.db");
    let connection = rusqlite::Connection::open(&file).expect("it opens");
    connection
        .execute_batch("INSERT INTO migrations (number, name) VALUES (9999, 'later'); PRAGMA journal_mode = DELETE;")
        .expect("it takes that");
    drop(connection);
    let diagnosis = doctor(home.path());
    diagnosis.assert("migrations", "problem", "migration 9999");
    diagnosis.assert("database", "warning", "the journal of");

    let mut bytes = fs::read(&file).expect("it is there");
    for byte in &mut bytes[8192..16384] {
        *byte ^= 0x5a;
    }
    fs::write(&file, &bytes).expect("it is written");
    doctor(home.path()).assert("database", "problem", "malformed");
    fs::write(
        &file,
        "this is no database, whatever it may be called by its name",
    )
    .expect("it is written");
    let diagnosis = doctor(home.path());
    diagnosis.assert("database", "problem", "not a database");
}

#[tokio::test]
async fn postgresql_is_asked_for_version_and_clock_or_said_to_be_away() {
    let home = home("");
    let away = [(
        "WHARF_DATABASE_URL",
        "postgres://wharf:very-secret@127.0.0.1:9/wharf",
    )];
    let diagnosis = doctor_with(home.path(), &[], &away);
    diagnosis.assert("database", "problem", "PostgreSQL does not answer");
    assert!(
        !diagnosis.text.contains("very-secret"),
        "{}",
        diagnosis.text
    );
    let Some(database) = TestDatabase::create() else {
        return;
    };
    let url = database.url();
    let env = [("WHARF_DATABASE_URL", &*url)];
    let diagnosis = doctor_with(home.path(), &[], &env);
    diagnosis.assert("migrations", "warning", "migrations are missing");
    diagnosis.assert("keys", "warning", "the database is PostgreSQL");
    assert!(wharf(home.path(), &["migrate"], &env).status.success());
    let diagnosis = doctor_with(home.path(), &[], &env);
    diagnosis.assert("migrations", "ok", "up to date");
    diagnosis.assert("clock", "ok", "plausible");
    assert!(diagnosis.is_well, "{}", diagnosis.text);
}

#[test]
fn a_tool_that_is_none_is_a_problem() {
    let home = home("");
    let text = fs::read_to_string(home.path().join("wharf.toml")).expect("a file");
    let text = text.replace(&ytdlp().display().to_string(), "/bin/true");
    let text = text.replace(&ffmpeg().display().to_string(), "/bin/false");
    fs::write(home.path().join("wharf.toml"), text).expect("a file");
    let diagnosis = doctor(home.path());
    diagnosis.assert("yt-dlp", "problem", "media.ytdlp names /bin/true");
    diagnosis.assert("ffmpeg", "problem", "media.ffmpeg names /bin/false");
}

#[tokio::test]
async fn an_address_is_free_or_served_by_wharf_or_taken_by_another() {
    let home = home("");
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = other.local_addr().expect("an address").to_string();
    let taken = doctor_with(home.path(), &["--listen", &address], &[]);
    taken.assert("address", "problem", "another program listens");

    let folder = tempfile::tempdir().expect("a folder");
    let certificate = Certificate::in_folder(folder.path());
    for builder in [
        TestApp::sqlite(),
        TestApp::sqlite().config(&certificate.config()),
    ] {
        let app = builder.start();
        let address = app.base().split_once("://").expect("a URL").1;
        let output = app.run(&["doctor", "--json", "--listen", address], "");
        let text = said(&output);
        assert!(text.contains("Wharf answers on"), "{text}");
        assert!(output.status.success(), "{text}");
    }
}

#[test]
fn a_certificate_is_held_against_its_dates_its_name_and_its_modes() {
    let home = home("");
    let certificate = Certificate::in_folder(home.path());
    let cert = certificate.cert.display().to_string();
    let key = certificate.key.display().to_string();
    let env = [
        ("WHARF_TLS_CERT", &*cert),
        ("WHARF_TLS_KEY", &*key),
        ("WHARF_PUBLIC_URL", "https://wharf.example.com"),
    ];
    let look = |days: std::ops::Range<i64>, level: &str, found: &str| {
        certificate.renew_for(&["*.example.com"], days);
        doctor_with(home.path(), &[], &env).assert("tls", level, found);
    };
    fs::set_permissions(&certificate.key, fs::Permissions::from_mode(0o600)).expect("a mode");
    look(-1..90, "ok", "holds for 8");
    look(-90..-1, "problem", "ended at");
    look(1..90, "problem", "does not hold before");
    look(-80..10, "warning", "ends at");
    certificate.renew_for(&["other.example.com"], -1..90);
    let diagnosis = doctor_with(home.path(), &[], &env);
    diagnosis.assert("tls", "warning", "does not name wharf.example.com");
    fs::set_permissions(&certificate.key, fs::Permissions::from_mode(0o604)).expect("a mode");
    doctor_with(home.path(), &[], &env).assert("tls", "warning", "everybody may read");
    fs::write(&certificate.cert, "nothing").expect("a file");
    doctor_with(home.path(), &[], &env).assert(
        "settings",
        "problem",
        "holds no certificate in PEM",
    );
}

#[tokio::test]
async fn what_the_settings_name_outside_is_reached_or_said_not_to_be() {
    let home = home("");
    let nobody = [
        ("WHARF_SITE_UPSTREAM", "http://127.0.0.1:9"),
        (
            "WHARF_SITE_APPLY_URL",
            "http://127.0.0.1:9/rows?token=very-secret",
        ),
        (
            "WHARF_SYNC_APPLY_URL",
            "http://very-secret@127.0.0.1:9/rows",
        ),
        (
            "WHARF_SITE_MYSQL_URL",
            "mysql://root:very-secret@127.0.0.1:9/shop",
        ),
        ("WHARF_PROXY_ENDPOINT", "http://127.0.0.1:9/?key={api_key}"),
        ("WHARF_PROXY_API_KEY", "very-secret"),
        ("WHARF_SMTP_URL", "smtp://wharf:very-secret@127.0.0.1:9"),
        ("WHARF_SMTP_FROM", "wharf@example.com"),
        ("WHARF_WORKER_URL", "http://127.0.0.1:9"),
    ];
    let diagnosis = doctor_with(home.path(), &[], &nobody);
    diagnosis.assert("worker.url", "warning", "does not answer");
    for check in [
        "site.upstream",
        "site.apply_url",
        "sync.apply_url",
        "site.mysql_url",
        "proxy.endpoint",
        "smtp",
    ] {
        diagnosis.assert(check, "problem", "");
    }
    assert!(
        !diagnosis.text.contains("very-secret"),
        "{}",
        diagnosis.text
    );

    let cloud = reaching(TestApp::sqlite()).start();
    let mailbox = Mailbox::encrypted(Encryption::None);
    let smtp = format!("smtp://wharf:{SMTP_PASSWORD}@127.0.0.1:{}", mailbox.port);
    let somebody = [
        ("WHARF_SITE_UPSTREAM", cloud.base()),
        ("WHARF_SITE_APPLY_URL", cloud.base()),
        ("WHARF_PROXY_ENDPOINT", cloud.base()),
        ("WHARF_WORKER_URL", cloud.base()),
        ("WHARF_SMTP_URL", &*smtp),
        ("WHARF_SMTP_FROM", "wharf@example.com"),
    ];
    let diagnosis = doctor_with(home.path(), &[], &somebody);
    for check in [
        "site.upstream",
        "site.apply_url",
        "proxy.endpoint",
        "worker.url",
        "smtp",
    ] {
        diagnosis.assert(check, "ok", "");
    }
}
