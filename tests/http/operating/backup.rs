//! `wharf backup` and `wharf restore`.

use super::{said, wharf};
use crate::exports::file_of;
use crate::{reaching, sqlite};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tests::{Caller, Project, TestApp, User, binary, clip, files_under, media, unique};

/// Backups one after another, while the product is under load.
const BACKUPS: usize = 3;

fn backup(app: &TestApp, file: &Path) -> Output {
    app.run(&["backup", &file.display().to_string()], "")
}

fn restore(app: &TestApp, file: &Path, flags: &[&str]) -> Output {
    app.run(
        &[&["restore", &*file.display().to_string()], flags].concat(),
        "",
    )
}

/// What must still be there: an account with coins, its files, a project with its file.
struct Known {
    email: String,
    password: String,
    token: String,
    archive: String,
    quick: String,
    coins: String,
    project: (String, String),
    export: Value,
}

async fn export(project: &Caller<'_>, name: &str) -> Value {
    let rows: Vec<Value> = (0..50).map(|number| json!({ "number": number })).collect();
    let body = json!({ "name": name, "type": "csv", "source_data": rows });
    project.exported(&body).await
}

async fn coins(user: &Caller<'_>) -> String {
    let account = user.account().await.ok();
    account["coin"].as_str().expect("a balance").to_owned()
}

async fn known(app: &TestApp) -> Known {
    let user = app.user().await;
    let url = media().shelf().url("clip.mp4");
    let (archive, _) = user.submit(&url).await;
    let quick = json!({ "url": url, "mode": "quick_download" });
    let quick = user.download_with(&quick).await.ok_with(202);
    let quick = quick["task_id"].as_str().expect("an id").to_owned();
    user.succeeded(&archive).await;
    user.succeeded(&quick).await;
    user.recharge("12.34").await;
    let project = app.project("backup", &[]).await;
    let export = export(&project, "Known").await;
    Known {
        email: user.email.clone(),
        password: user.password.clone(),
        token: user.token().to_owned(),
        archive,
        quick,
        coins: coins(&user).await,
        project: (project.client_id.clone(), project.client_secret.clone()),
        export,
    }
}

impl Known {
    async fn assert_there(&self, app: &TestApp) {
        let login = app
            .anonymous()
            .login(&self.email, &self.password)
            .await
            .ok();
        let user = app.caller(login["access_token"].as_str().expect("a token"));
        // The keys are the same too.
        app.caller(&self.token).profile().await.ok();
        for task_id in [&self.archive, &self.quick] {
            let task = user.task(task_id).await.ok();
            assert_eq!(task["result"]["sha256"], clip().sha256, "{task:#}");
            let file = app.anonymous().get(&user.file_url(task_id).await).await;
            assert!(file.body == clip().bytes, "{}", file.status);
        }
        assert_eq!(coins(&user).await, self.coins);
        let (client_id, client_secret) = &self.project;
        let project = app.caller(&app.token(client_id, client_secret).await);
        file_of(&project, &self.export).await;
        let audit = app.run(&["admin", "audit"], "");
        assert!(audit.status.success(), "{}", said(&audit));
    }
}

/// Everybody does something until it is over: downloads, exports, payments.
async fn keep_busy(user: &User<'_>, project: &Project<'_>, is_over: impl Fn() -> bool) {
    let url = media().shelf().url("clip.mp4");
    let (mut rounds, mut last) = (0, String::new());
    // Under way when the backup begins, and not much slower than it.
    while rounds < 3 || !is_over() {
        let (submitted, exported, ()) = tokio::join!(
            user.submit(&url),
            export(project, "Load"),
            user.recharge("0.10"),
        );
        last = submitted.0;
        assert!(exported["result"]["sha256"].is_string());
        rounds += 1;
    }
    user.succeeded(&last).await;
}

#[test]
fn a_backup_under_load_restores_everything_of_before_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let files: Vec<PathBuf> = (0..BACKUPS)
        .map(|number| folder.path().join(format!("{number}.tar")))
        .collect();
    let app = sqlite().config("quota = { user = 10000 }").start();
    let (known, user, project) = runtime.block_on(async {
        (
            known(&app).await,
            app.user().await,
            app.project("load", &[]).await,
        )
    });
    std::thread::scope(|scope| {
        let backups = scope.spawn(|| {
            for file in &files {
                let output = backup(&app, file);
                assert!(output.status.success(), "{}", said(&output));
            }
        });
        let is_over = || backups.is_finished();
        runtime.block_on(keep_busy(&user, &project, is_over));
        backups.join().expect("they are written");
    });
    for file in &files {
        assert_eq!(
            fs::metadata(file).expect("it is there").mode() & 0o777,
            0o600
        );
        let mut other = sqlite().start();
        other.stop();
        // It has keys and a database of its own by now.
        let refused = restore(&other, file, &[]);
        assert!(
            !refused.status.success() && said(&refused).contains("is not empty (keys.toml,"),
            "{}",
            said(&refused)
        );
        let restored = restore(&other, file, &["--force"]);
        assert!(restored.status.success(), "{}", said(&restored));
        other.restart();
        runtime.block_on(async {
            known.assert_there(&other).await;
            // What was under way is done again.
            other
                .user()
                .await
                .submit(&media().shelf().url("clip.mp4"))
                .await;
        });
    }
}

/// Paths with their sizes and times, without the locks.
fn listing(folder: &Path) -> Vec<(PathBuf, u64, i64)> {
    let all = files_under(folder).into_iter().filter_map(|path| {
        let found = fs::metadata(&path).expect("it is there");
        let is_lock = path.extension().is_none_or(|it| it == "lock");
        (!is_lock || found.len() > 0).then(|| (path, found.len(), found.mtime_nsec()))
    });
    all.collect()
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.tar");
    let mut app = sqlite().start();
    let known = known(&app).await;
    assert!(backup(&app, &file).status.success());
    app.stop();
    let whole = fs::read(&file).expect("a backup");
    let position = |what: &[u8]| {
        let found = whole.windows(what.len()).position(|window| window == what);
        found.expect("it stands in the backup")
    };
    let end = position(b"  wharf-backup.json\n");
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let before = listing(&app.data());
    for (what, bytes) in [
        (
            "a bit of the database",
            flipped(position(b"SQLite format 3") + 5000),
        ),
        ("a bit of the keys", flipped(position(b"callbacks = ") + 20)),
        (
            "a bit of a file",
            flipped(position(&clip().bytes[..64]) + 1000),
        ),
        ("a bit of the manifest", flipped(end - 1)),
        ("a bit of a name", flipped(position(b"archive/") + 9)),
        ("its last part is missing", whole[..end + 100].to_vec()),
        ("its manifest is missing", whole[..end - 700].to_vec()),
        ("nothing", Vec::new()),
        ("something else", b"no backup".repeat(1000)),
        (
            "more behind its end",
            [&whole[..whole.len() - 1024], &whole[..1024]].concat(),
        ),
    ] {
        let damaged = folder.path().join("damaged.tar");
        fs::write(&damaged, bytes).expect("a file");
        let refused = restore(&app, &damaged, &["--force"]);
        let text = said(&refused);
        assert!(
            !refused.status.success() && text.contains("nothing was changed"),
            "{what}: {text}"
        );
        assert_eq!(listing(&app.data()), before, "{what}");
    }
    let missing = restore(&app, &folder.path().join("missing.tar"), &["--force"]);
    assert!(said(&missing).contains("missing.tar"), "{}", said(&missing));
    app.restart();
    known.assert_there(&app).await;
}

#[tokio::test]
async fn nobody_restores_into_a_folder_that_somebody_works_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.tar");
    let app = sqlite().start();
    assert!(backup(&app, &file).status.success());
    for flags in [&[][..], &["--force"]] {
        let refused = restore(&app, &file, flags);
        let text = said(&refused);
        assert!(
            !refused.status.success() && text.contains("stop it first"),
            "{text}"
        );
    }
    assert_eq!(app.anonymous().get("/health").await.status, 200);
}

#[tokio::test]
async fn a_backup_goes_through_a_pipe_and_opens_with_tar_and_sha256sum() {
    let app = sqlite().start();
    known(&app).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.tar");
    let arguments = ["backup", "-", "--data", &app.data().display().to_string()];
    let output = wharf(folder.path(), &arguments, &[]);
    assert!(output.status.success(), "{output:?}");
    fs::write(&file, &output.stdout).expect("a file");

    let opened = folder.path().join("opened");
    fs::create_dir(&opened).expect("a folder");
    let run = |command: &str, arguments: &[&str]| {
        let output = Command::new(command)
            .args(arguments)
            .current_dir(&opened)
            .output();
        let output = output.expect("it starts");
        assert!(output.status.success(), "{output:?}");
    };
    run("tar", &["--extract", "--file", "../backup.tar"]);
    run("sha256sum", &["--check", "--strict", "MANIFEST.sha256"]);
    let about = fs::read_to_string(opened.join("wharf-backup.json")).expect("it is there");
    let about: Value = serde_json::from_str(&about).expect("JSON");
    assert_eq!(
        (&about["format"], &about["database"]),
        (&json!(1), &json!("sqlite"))
    );

    // Into a folder that is not there yet, from the pipe again.
    let status = Command::new(binary())
        .args(["restore", "-", "--data", "data"])
        .current_dir(folder.path())
        .stdin(File::open(&file).expect("it is there"))
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("it starts").success());
    let data = folder.path().join("data");
    assert_eq!(fs::metadata(&data).expect("a folder").mode() & 0o777, 0o700);
    let keys = |data: &Path| fs::read_to_string(data.join("keys.toml")).expect("keys");
    assert_eq!(keys(&data), keys(&app.data()));
    assert_eq!(
        fs::metadata(data.join("keys.toml")).expect("keys").mode() & 0o777,
        0o600
    );
    let archived = files_under(&data.join("archive"));
    assert_eq!(archived.len(), 1, "{archived:?}");
    assert!(fs::read(&archived[0]).expect("a file") == clip().bytes);
    // What was opened by hand is the same.
    let known = user_rows(&opened.join("wharf.db"));
    assert!(known > 0 && known == user_rows(&data.join("wharf.db")));
}

fn user_rows(file: &Path) -> i64 {
    let connection = rusqlite::Connection::open(file).expect("it opens");
    let counted = connection.query_row("SELECT COUNT(*) FROM users", [], |row| row.get(0));
    counted.expect("it is whole")
}

#[tokio::test]
async fn a_backup_of_a_newer_version_or_of_another_database_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.tar");
    let mut app = sqlite().start();
    {
        let connection = rusqlite::Connection::open(app.data().join("wharf.db")).expect("it opens");
        let later = "INSERT INTO migrations (number, name) VALUES (9999, 'later')";
        connection.execute(later, []).expect("it takes that");
    }
    assert!(backup(&app, &file).status.success());
    app.stop();
    let refused = restore(&app, &file, &["--force"]);
    assert!(
        said(&refused).contains("newer than this one"),
        "{}",
        said(&refused)
    );
    let arguments = [
        "restore",
        &*file.display().to_string(),
        "--data",
        "elsewhere",
    ];
    let postgres = [("WHARF_DATABASE_URL", "postgres://127.0.0.1:9/wharf")];
    let refused = wharf(folder.path(), &arguments, &postgres);
    assert!(!refused.status.success(), "{}", said(&refused));
}

#[tokio::test]
async fn on_postgresql_a_backup_carries_keys_and_files_and_says_so() {
    let Some(builder) = TestApp::postgres() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.tar");
    let mut app = reaching(builder).start();
    let known = known(&app).await;
    let output = backup(&app, &file);
    assert!(
        output.status.success() && said(&output).contains("pg_dump"),
        "{}",
        said(&output)
    );
    app.stop();
    // The disk is lost, the database is not.
    for name in ["archive", "exports", "tmp"] {
        fs::remove_dir_all(app.data().join(name)).expect("it goes");
    }
    fs::remove_file(app.data().join("keys.toml")).expect("it goes");
    let restored = restore(&app, &file, &[]);
    assert!(restored.status.success(), "{}", said(&restored));
    app.restart();
    known.assert_there(&app).await;

    let lost = ["restore", &*file.display().to_string(), "--data", "data"];
    let refused = wharf(folder.path(), &lost, &[]);
    assert!(said(&refused).contains("pg_restore"), "{}", said(&refused));
}

#[tokio::test]
async fn what_is_not_in_a_backup_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.tar");
    let key = unique().repeat(2);
    let app = sqlite()
        .config(&format!("[keys]\nusers = {key:?}\n"))
        .start();
    let user = app.user().await;
    let (task_id, _) = user.submit(&media().shelf().url("clip.mp4")).await;
    user.succeeded(&task_id).await;
    let archived = files_under(&app.data().join("archive"));
    fs::remove_file(&archived[0]).expect("it is there");
    let output = backup(&app, &file);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("keys.users"), "{text}");
    assert!(text.contains("1 files that rows name are gone"), "{text}");
    assert!(!text.contains(&key), "{text}");
    let nowhere = app.run(&["backup", "/nowhere/backup.tar"], "");
    assert!(
        said(&nowhere).contains("/nowhere/backup.tar"),
        "{}",
        said(&nowhere)
    );
    let empty = wharf(folder.path(), &["backup", "empty.tar"], &[]);
    assert!(said(&empty).contains("no data folder"), "{}", said(&empty));
    assert!(!folder.path().join("data").exists());
}
