//! Two runners and three workers behind nginx, as `deploy/nginx/wharf.conf` has it (PF-5). With
//! `WHARF_TEST_TOPOLOGY=fleet` every other test of this suite goes through such a fleet as well.

use crate::reaching;
use serde_json::{Value, json};
use std::sync::LazyLock;
use tests::{Member, ProgressSocket, Role, Shape, TestApp, clip, media};

/// The fleet of all tests that leave it as it is; None where PostgreSQL or nginx is missing.
fn fleet() -> Option<&'static TestApp> {
    static FLEET: LazyLock<Option<TestApp>> =
        LazyLock::new(|| Some(reaching(TestApp::scaled_out(Shape::WHOLE)?).start()));
    FLEET.as_ref()
}

fn members(app: &TestApp, role: Role) -> Vec<&Member> {
    let members = app.fleet().members().iter();
    members.filter(|member| member.role == role).collect()
}

#[tokio::test]
async fn the_main_job_goes_through_a_fleet() {
    if let Some(app) = fleet() {
        crate::download::the_main_job(app).await;
    }
}

#[tokio::test]
async fn progress_arrives_whichever_worker_one_is_connected_to() {
    let Some(app) = fleet() else { return };
    let user = app.user().await;
    let shelf = media().shelf();
    let (task_id, _) = user.submit(&shelf.url("slow.mp4")).await;
    let mut sockets = Vec::new();
    for worker in members(app, Role::Worker) {
        let data = user.ticket().await.ok();
        let ticket = data["ticket"].as_str().expect("a ticket");
        let query = format!("?ticket={ticket}&task_id={task_id}");
        let opened = ProgressSocket::open(&worker.base(), &query).await;
        sockets.push(opened.unwrap_or_else(|status| panic!("the stream answers {status}")));
    }
    for socket in &mut sockets {
        socket
            .until(|task| {
                let percent = task["progress"]["percent"].as_f64();
                task["status"] == "running" && percent > Some(0.0) && percent < Some(100.0)
            })
            .await;
    }
    shelf.release();
    for socket in &mut sockets {
        socket.until(|task| task["status"] == "succeeded").await;
    }
}

#[tokio::test]
async fn whichever_runner_is_asked_the_state_is_the_same_and_whichever_worker_the_file() {
    let Some(app) = fleet() else { return };
    let user = app.user().await;
    let (task_id, _) = user.submit(&media().shelf().url("clip.mp4")).await;
    let task = user.succeeded(&task_id).await;
    for runner in members(app, Role::Runner) {
        let url = format!("{}/api/v1/tasks/{task_id}", runner.base());
        assert_eq!(user.get(&url).await.ok(), task);
    }
    let url = user.file_url(&task_id).await;
    assert!(url.starts_with(app.base()), "{url}");
    for worker in members(app, Role::Worker) {
        let own = url.replace(app.base(), &worker.base());
        let file = app.anonymous().get(&own).await;
        assert!(
            file.body == clip().bytes,
            "{}: {}",
            worker.base(),
            file.status
        );
    }
}

#[tokio::test]
async fn what_nginx_has_to_say_itself_is_an_envelope() {
    let Some(builder) = TestApp::scaled_out(Shape::new(1, 1)) else {
        return;
    };
    let app = reaching(builder).start();
    let user = app.user().await;
    // Each process has figures of its own, so these are nobody's; the document knows of them at each process.
    let client = reqwest::Client::builder().no_proxy().build();
    let metrics = client
        .expect("a client")
        .get(format!("{}/metrics", app.base()));
    let metrics = metrics.send().await.expect("an answer");
    assert_eq!(metrics.status(), 404);
    assert_eq!(metrics.json::<Value>().await.expect("JSON")["code"], 40401);
    let workers = members(&app, Role::Worker);
    workers[0].kill9();
    let url = media().shelf().url("clip.mp4");
    for answer in [
        user.parse(&url).await,
        user.get("/files/x/y?kid=k1").await,
        user.get("/api/v1/ws/progress").await,
    ] {
        let answer = answer.refused(50301);
        assert!(!answer.header("retry-after").is_empty(), "{answer}");
    }
    // What needs no worker goes on.
    user.tasks("").await.ok();
    assert!(workers[0].start());
    members(&app, Role::Runner)[0].kill9();
    let answer = user.tasks("").await.refused(50301);
    assert!(!answer.header("retry-after").is_empty(), "{answer}");
    let answer = user.post("/api/v1/download", &json!({ "url": url })).await;
    answer.refused(50301);
}
