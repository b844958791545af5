//! `wharf serve` and `wharf work` as two processes on one database (PF-3, PF-5).

use crate::{reaching, shared};
use tests::{Builder, ProgressSocket, TestApp, clip, media, standing_address};

async fn the_main_job_in_two_processes(builder: Builder) {
    let address = standing_address();
    let front = reaching(builder)
        .command("serve")
        .config(&format!("worker = {{ listen = \"{address}\" }}"))
        .start();
    let user = front.user().await;
    let shelf = media().shelf();
    let url = shelf.url("clip.mp4");

    // Without a worker tasks wait, and what needs it at once says when to come back.
    let (task_id, _) = user.submit(&url).await;
    let busy = user.parse(&url).await.refused(50301);
    assert!(!busy.header("retry-after").is_empty());
    assert_eq!(user.task(&task_id).await.ok()["status"], "queued");

    let worker = TestApp::sqlite()
        .command("work")
        .listen(&address)
        .start_beside(&front);
    assert_eq!(worker.base(), format!("http://{address}"));
    let data = user.ticket().await.ok();
    let ticket = data["ticket"].as_str().expect("a ticket");
    let query = format!("?ticket={ticket}&task_id={task_id}");
    let opened = ProgressSocket::open(worker.base(), &query).await;
    let mut socket = opened.unwrap_or_else(|status| panic!("the stream answers {status}"));
    socket.until(|task| task["status"] == "succeeded").await;
    user.parse(&url).await.ok();

    let url = user.file_url(&task_id).await;
    assert!(url.starts_with(worker.base()), "{url}");
    let file = front.anonymous().get(&url).await;
    assert!(file.body == clip().bytes, "{}", file.status);
}

#[tokio::test]
async fn front_and_worker_run_apart_on_sqlite() {
    the_main_job_in_two_processes(TestApp::sqlite()).await;
}

#[tokio::test]
async fn front_and_worker_run_apart_on_postgresql() {
    if let Some(builder) = TestApp::postgres() {
        the_main_job_in_two_processes(builder).await;
    }
}

#[tokio::test]
async fn health_is_answered_to_everybody() {
    let answer = shared().anonymous().get("/health").await;
    assert_eq!(answer.status, 200, "{answer}");
}
