//! `/admin/api/v1/tools/…`: which yt-dlp the workers should use.

use super::is_logged;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::{Caller, PATIENCE, TestApp, eventually, media, plain_ytdlp, target_dir, unique};

#[tokio::test]
async fn a_version_of_ytdlp_is_asked_for_and_the_last_word_counts() {
    // Without a worker, which would set to work.
    let app = TestApp::sqlite().command("serve").start();
    let admin = app.admin().await;
    let tools = admin.get("/admin/api/v1/tools").await.ok();
    assert_eq!(
        tools,
        json!({ "yt-dlp": { "requested": null, "workers": [] } })
    );
    let ask = async |version: &str| {
        let body = json!({ "version": version });
        admin.put("/admin/api/v1/tools/yt-dlp", &body).await
    };
    ask("latest").await.ok_with(202);
    let asked = ask("2026.10.26").await.ok_with(202);
    assert_eq!(asked["version"], "2026.10.26");
    assert!(
        asked["requested_by"]
            .as_str()
            .is_some_and(|by| by.contains('@')),
        "{asked}"
    );
    for bad in [
        "",
        "newest",
        "2026.10",
        "2026.10.26 --index-url x",
        "../yt-dlp",
        "2020.1.1",
    ] {
        ask(bad).await.refused_field("version");
    }
    let body = json!({ "version": 5 });
    admin
        .put("/admin/api/v1/tools/yt-dlp", &body)
        .await
        .refused(40001);
    admin
        .put("/admin/api/v1/tools/ffmpeg", &body)
        .await
        .refused(40401);
    let tools = admin.get("/admin/api/v1/tools").await.ok();
    assert_eq!(tools["yt-dlp"]["requested"], asked);
    assert!(is_logged(&app.log(), "request_tool", "2026.10.26"));
}

#[tokio::test]
async fn a_worker_that_cannot_have_the_version_says_why_and_keeps_what_worked() {
    // The harness names its yt-dlp in the settings, and then nobody else chooses one.
    let app = crate::sqlite().start();
    let admin = app.admin().await;
    let body = json!({ "version": "2026.7.4" });
    let path = "/admin/api/v1/tools/yt-dlp";
    admin.put(path, &body).await.ok_with(202);
    let worker = eventually("the worker says why", PATIENCE, async || {
        let tools = admin.get("/admin/api/v1/tools").await.ok();
        let worker = tools["yt-dlp"]["workers"][0].clone();
        worker["error"].is_string().then_some(worker)
    })
    .await;
    let why = worker["error"].as_str().expect("a sentence");
    assert!(why.contains("media.ytdlp"), "{worker:#}");
    assert!(worker["version"].is_string(), "{worker:#}");
    let shelf = media().shelf();
    let user = app.user().await;
    let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
    user.succeeded(&task_id).await;
}

/// A folder of packages that stands in for the Python index.
struct Index(PathBuf);

impl Index {
    fn new() -> Self {
        let folder = target_dir().join(format!("test-data/{}-{}", std::process::id(), unique()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    /// Adds a yt-dlp of this version that consists of one program.
    fn add(&self, version: &str, program: &str) {
        let notes = format!("yt_dlp-{version}.dist-info");
        let files = [
            ("yt_dlp/__main__.py".to_owned(), program.to_owned()),
            (
                format!("{notes}/METADATA"),
                format!("Metadata-Version: 2.1\nName: yt-dlp\nVersion: {version}\n"),
            ),
            (
                format!("{notes}/WHEEL"),
                "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
                    .to_owned(),
            ),
        ];
        let record: String = files
            .iter()
            .map(|(name, _)| format!("{name},,\n"))
            .collect();
        let record = (
            format!("{notes}/RECORD"),
            format!("{record}{notes}/RECORD,,\n"),
        );
        let contents = self.0.join(version);
        for (name, text) in files.iter().chain([&record]) {
            let path = contents.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        let wheel = self.0.join(format!("yt_dlp-{version}-py3-none-any.whl"));
        let zipped = Command::new("python3")
            .current_dir(&contents)
            .args(["-m", "zipfile", "-c"])
            .arg(wheel)
            .args(["yt_dlp", &notes])
            .status();
        assert!(zipped.is_ok_and(|status| status.success()));
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// A program that calls itself this version and does what another yt-dlp does.
fn passing_on_to(ytdlp: &Path, version: &str) -> String {
    format!(
        "import os, sys\nif '--version' in sys.argv:\n    print('{version}')\n    raise SystemExit\n\
         os.execv({path:?}, [{path:?}] + sys.argv[1:])\n",
        path = ytdlp.display().to_string()
    )
}

/// Asks for this version and waits until the only worker is as `ready` says.
async fn worker_after(admin: &Caller<'_>, version: &str, ready: impl Fn(&Value) -> bool) -> Value {
    let body = json!({ "version": version });
    admin
        .put("/admin/api/v1/tools/yt-dlp", &body)
        .await
        .ok_with(202);
    eventually("the worker has answered", PATIENCE, async || {
        let tools = admin.get("/admin/api/v1/tools").await.ok();
        let worker = tools["yt-dlp"]["workers"][0].clone();
        ready(&worker).then_some(worker)
    })
    .await
}

#[tokio::test]
async fn a_version_is_taken_when_it_runs_and_the_one_before_stays_when_it_does_not() {
    let index = Index::new();
    index.add("2026.11.1", &passing_on_to(plain_ytdlp(), "2026.11.1"));
    index.add("2026.11.2", "raise SystemExit(1)\n");
    let folder = plain_ytdlp().parent().expect("a folder").display();
    let path = format!("{folder}:{}", std::env::var("PATH").expect("a PATH"));
    let app = crate::sqlite()
        .finding_ytdlp()
        .env("PATH", &path)
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", &index.0.display().to_string())
        .start();
    let (user, admin) = (app.user().await, app.admin().await);
    let shelf = media().shelf();

    let worker = worker_after(&admin, "2026.11.1", |worker| {
        worker["version"] == "2026.11.1"
    })
    .await;
    assert_eq!(worker["error"], Value::Null, "{worker:#}");
    let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
    user.succeeded(&task_id).await;

    let worker = worker_after(&admin, "2026.11.2", |worker| worker["error"].is_string()).await;
    assert_eq!(worker["version"], "2026.11.1", "{worker:#}");
    let (task_id, _) = user.submit(&shelf.url("a.clip.mp4")).await;
    user.succeeded(&task_id).await;
}
