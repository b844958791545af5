//! A project's token on the task routes: its own exports, and nobody else's (DC-1, DC-9).

use crate::{UNKNOWN_ID, shared, sqlite};
use serde_json::{Value, json};
use shared::store::claims::{self, Room};
use shared::store::queue::{self, Finished, Held};
use tests::{Caller, ProgressSocket, Project, TestApp, media};

fn now() -> i64 {
    let elapsed = std::time::UNIX_EPOCH.elapsed().expect("it is after 1970");
    i64::try_from(elapsed.as_millis()).expect("it is before the end of time")
}

/// From a task's making until it is due: no worker of the app takes it before.
const HOUR_MS: i64 = 3_600_000;

/// A queued export of this project, for whose end no source is needed.
async fn export(app: &TestApp, project_id: &str) -> String {
    let task_id = uuid::Uuid::now_v7().to_string();
    let database = app.database();
    let parameters = [
        task_id.as_str().into(),
        project_id.into(),
        now().into(),
        (now() + HOUR_MS).into(),
    ];
    let done = database.execute(
        "INSERT INTO tasks (task_id, kind, owner_id, status, name, spec, request_hash, request_id, progress, \
           created_at, updated_at, run_at) \
         VALUES ($1, 'export', $2, 'queued', 'orders', '{}', 'hash', 'request', \
           '{\"percent\":0.0,\"stage\":\"queued\"}', $3, $3, $4)",
        &parameters,
    );
    assert_eq!(done.await.expect("it is written"), 1);
    task_id
}

/// Ends an export with this text as its file, as a worker does.
async fn finish(app: &TestApp, task_id: &str, text: &str) {
    let database = app.database();
    let room = Room::any("the test's worker", "export", 1);
    let due = now() + HOUR_MS;
    let claimed = claims::claim(&*database, &room, due, due + HOUR_MS).await;
    let claimed = claimed.expect("it is claimed");
    assert_eq!(claimed[0].task_id, task_id);
    let held = Held {
        task_id: task_id.to_owned(),
        fence: claimed[0].fence,
    };
    let path = format!("archive/{task_id}.csv");
    std::fs::create_dir_all(app.data().join("archive")).expect("a folder");
    std::fs::write(app.data().join(&path), text).expect("a file");
    let size = i64::try_from(text.len()).expect("it is short");
    let finished = Finished {
        name: "orders".to_owned(),
        progress: r#"{"percent":100.0,"stage":"done","rows":1}"#.to_owned(),
        result: json!({
            "file_name": "orders.csv", "file_size": size, "md5": "0".repeat(32),
            "sha256": "0".repeat(64), "rows": 1,
        })
        .to_string(),
        file_path: path,
        file_size: size,
        expires_at: Some(now() + 60_000),
    };
    let done = queue::finish(&*database, &held, &finished, now()).await;
    assert!(done.expect("it is written").is_some());
}

/// The ids in a list of tasks, joined by blanks.
async fn ids(caller: &Caller<'_>, query: &str) -> String {
    let list = caller.tasks(query).await.ok();
    let items = list["items"].as_array().expect("a list");
    let id = |task: &Value| task["task_id"].as_str().expect("an id").to_owned();
    items.iter().map(id).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_project_sees_its_own_tasks_and_nobody_sees_anothers() {
    let app = shared();
    let (project, other) = (app.project("a", &[]).await, app.project("b", &[]).await);
    let user = app.user().await;
    let mine = export(app, &project.project_id).await;
    let theirs = export(app, &other.project_id).await;
    let (his, _) = user.submit(&media().shelf().url("clip.mp4")).await;
    user.succeeded(&his).await;
    assert_eq!(ids(&project, "").await, mine);
    assert_eq!(ids(&other, "?kind=export").await, theirs);
    assert_eq!(ids(&user, "").await, his);
    assert!(ids(&project, "?kind=video").await.is_empty());
    let task = project.task(&mine).await.ok();
    assert_eq!(
        (&task["kind"], &task["status"], &task["name"]),
        (&json!("export"), &json!("queued"), &json!("orders"))
    );

    let user: &Caller<'_> = &user;
    let (project, other): (&Caller<'_>, &Caller<'_>) = (&project, &other);
    for (caller, task_id) in [
        (project, &theirs),
        (project, &his),
        (other, &mine),
        (user, &mine),
        (user, &theirs),
    ] {
        caller.task(task_id).await.refused(40301);
        caller.cancel(task_id).await.refused(40301);
        caller.delete_task(task_id).await.refused(40301);
        caller.sign(task_id).await.refused(40301);
        caller.file_of_task(task_id).await.refused(40301);
    }
    project.task(UNKNOWN_ID).await.refused(40401);
    project.task("x").await.refused_field("task_id");
    project.sign(&mine).await.refused(40901);
    let cancelled = project.cancel(&mine).await.ok();
    assert_eq!(cancelled["status"], "cancelled");
    project.delete_task(&mine).await.ok();
    project.task(&mine).await.refused(40401);
    assert_eq!(other.task(&theirs).await.ok()["status"], "queued");
    other.delete_task(&theirs).await.ok();
}

#[tokio::test]
async fn the_filter_by_project_takes_the_own_project_alone() {
    let app = shared();
    let (project, other) = (app.project("a", &[]).await, app.project("b", &[]).await);
    let user = app.user().await;
    let mine = export(app, &project.project_id).await;
    let query = |id: &str| format!("?project_id={id}&status=queued&name=orders");
    let own = ids(&project, &query(&project.project_id)).await;
    assert_eq!(own, mine);
    let upper = project.project_id.to_uppercase();
    assert_eq!(ids(&project, &query(&upper)).await, own);
    for (caller, id) in [
        (&project.caller, other.project_id.as_str()),
        (&project.caller, UNKNOWN_ID),
        (&user.caller, &project.project_id),
        (&user.caller, &user.user_id),
    ] {
        caller.tasks(&query(id)).await.refused(40301);
    }
    for caller in [&project.caller, &user.caller] {
        caller.tasks(&query("x")).await.refused_field("project_id");
    }
    project.delete_task(&mine).await.ok();
}

#[tokio::test]
async fn a_project_has_the_file_of_its_task_by_a_temporary_and_by_the_permanent_url() {
    let app = sqlite().start();
    let (project, other) = (app.project("a", &[]).await, app.project("b", &[]).await);
    let task_id = export(&app, &project.project_id).await;
    finish(&app, &task_id, "a,b\r\n1,2\r\n").await;
    let task = project.succeeded(&task_id).await;
    assert_eq!(task["result"]["rows"], 1, "{task:#}");
    let url = project.file_url(&task_id).await;
    let file = app.anonymous().get(&url).await;
    assert_eq!((file.status, &*file.body), (200, &b"a,b\r\n1,2\r\n"[..]));
    let file = project.file_of_task(&task_id).await;
    assert_eq!((file.status, &*file.body), (200, &b"a,b\r\n1,2\r\n"[..]));
    other.file_of_task(&task_id).await.refused(40301);
    app.anonymous().file_of_task(&task_id).await.refused(40101);

    app.admin_project(&["disable", &project.project_id]);
    project.file_of_task(&task_id).await.refused(40101);
    let file = app.anonymous().get(&url).await;
    assert_eq!(file.status, 200, "the file stays until its time is over");
}

async fn open(project: &Project<'_>, query: &str) -> Result<ProgressSocket, u16> {
    let data = project.ticket().await.ok();
    assert_eq!(data["expires_in"], 30);
    let ticket = data["ticket"].as_str().expect("a ticket");
    ProgressSocket::open(project.app().base(), &format!("?ticket={ticket}{query}")).await
}

#[tokio::test]
async fn a_projects_stream_shows_its_own_tasks_alone() {
    let app = shared();
    let (project, other) = (app.project("a", &[]).await, app.project("b", &[]).await);
    let mine = export(app, &project.project_id).await;
    let theirs = export(app, &other.project_id).await;
    let mut socket = open(&project, "").await.expect("a stream");
    let first = socket.next().await.expect("the current state");
    assert_eq!(first["task_id"], mine.as_str(), "{first:#}");
    other.delete_task(&theirs).await.ok();
    project.cancel(&mine).await.ok();
    let seen = socket.until(|task| task["status"] == "cancelled").await;
    assert!(
        seen.iter().all(|task| task["task_id"] == mine.as_str()),
        "{seen:#?}"
    );

    let one = format!("&task_id={mine}");
    assert!(open(&project, &one).await.is_ok());
    assert_eq!(open(&other, &one).await.err(), Some(403));
    project.delete_task(&mine).await.ok();
}

#[tokio::test]
async fn a_ticket_ends_with_its_project() {
    let app = shared();
    let project = app.project("a", &[]).await;
    let data = project.ticket().await.ok();
    let query = format!("?ticket={}", data["ticket"].as_str().expect("a ticket"));
    app.admin_project(&["disable", &project.project_id]);
    let opened = ProgressSocket::open(app.base(), &query).await;
    assert_eq!(opened.err(), Some(401));
}
