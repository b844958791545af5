//! `/api/v1/ws/ticket` and the progress stream (VA-6).

use crate::{UNKNOWN_ID, shared, sqlite};
use tests::{ProgressSocket, media};

#[tokio::test]
async fn the_stream_begins_with_the_current_state_and_ends_with_success() {
    let app = sqlite().start();
    let user = app.user().await;
    let shelf = media().shelf();
    let (task_id, _) = user.submit(&shelf.url("slow.mp4")).await;
    user.wait_for_task(&task_id, "bytes have arrived", |task| {
        task["progress"]["percent"].as_f64() > Some(1.0)
    })
    .await;
    let mut socket = user.progress(Some(&task_id)).await;
    let first = socket.next().await.expect("the current state");
    assert_eq!(first["task_id"], task_id.as_str());
    assert_eq!(first["status"], "running", "{first:#}");
    let percent =
        |task: &serde_json::Value| task["progress"]["percent"].as_f64().expect("a number");
    assert!(percent(&first) > 0.0, "{first:#}");

    // Several steps while it is slow, then the rest at once.
    let mut percents = vec![percent(&first)];
    while percents.len() < 4 {
        percents.push(percent(&socket.next().await.expect("progress")));
    }
    shelf.release();
    let rest = socket.until(|task| task["status"] == "succeeded").await;
    percents.extend(rest.iter().map(percent));
    assert!(percents.is_sorted(), "{percents:?}");
    assert_eq!(percents.last(), Some(&100.0));
    assert!(rest.last().expect("the end")["result"]["sha256"].is_string());
}

#[tokio::test]
async fn a_client_that_comes_late_gets_the_final_state_first() {
    let user = shared().user().await;
    let (task_id, _) = user.submit(&media().shelf().url("clip.mp4")).await;
    user.succeeded(&task_id).await;
    let first = user
        .progress(Some(&task_id))
        .await
        .next()
        .await
        .expect("the current state");
    assert_eq!(first["status"], "succeeded", "{first:#}");
}

#[tokio::test]
async fn without_a_task_the_stream_shows_all_tasks_of_its_user_and_no_others() {
    let (user, stranger) = (shared().user().await, shared().user().await);
    let shelf = media().shelf();
    let mut socket = user.progress(None).await;
    let (hidden, _) = stranger.submit(&shelf.url("clip.mp4")).await;
    stranger.succeeded(&hidden).await;
    let (first, _) = user.submit(&shelf.url("clip.mp4")).await;
    let (second, _) = user.submit(&shelf.url("clip.mp4")).await;
    let mut open = vec![first.clone(), second.clone()];
    while !open.is_empty() {
        let task = socket.next().await.expect("a task");
        let task_id = task["task_id"].as_str().expect("an id");
        assert!(
            task_id == first || task_id == second,
            "{task:#} is not this user's"
        );
        if task["status"] == "succeeded" {
            open.retain(|open| open != task_id);
        }
    }
}

#[tokio::test]
async fn a_failure_is_streamed_with_its_error() {
    let user = shared().user().await;
    let (task_id, _) = user.submit(&media().shelf().url("404.mp4")).await;
    let mut socket = user.progress(Some(&task_id)).await;
    let seen = socket.until(|task| task["status"] == "failed").await;
    assert_eq!(
        seen.last().expect("the end")["error"]["code"],
        "not_found",
        "{seen:#?}"
    );
}

#[tokio::test]
async fn nothing_follows_the_word_that_a_task_is_cancelled() {
    let user = shared().user().await;
    let shelf = media().shelf();
    let mut socket = user.progress(None).await;
    let (task_id, _) = user.submit(&shelf.url("slow.mp4")).await;
    let of_it = |task: &serde_json::Value| task["task_id"] == task_id.as_str();
    socket
        .until(|task| of_it(task) && task["progress"]["percent"].as_f64() > Some(0.0))
        .await;
    user.cancel(&task_id).await.ok();
    socket
        .until(|task| of_it(task) && task["status"] == "cancelled")
        .await;
    // Another task from beginning to end is time enough for a late word of the first.
    let (other, _) = user.submit(&shelf.url("clip.mp4")).await;
    let seen = socket
        .until(|task| task["task_id"] == other.as_str() && task["status"] == "succeeded")
        .await;
    let late: Vec<_> = seen.iter().filter(|task| of_it(task)).collect();
    assert!(
        late.iter().all(|task| task["status"] == "cancelled"),
        "{late:#?}"
    );
}

#[tokio::test]
async fn a_ticket_ends_with_its_session() {
    let user = shared().user().await;
    let data = user.ticket().await.ok();
    let query = format!("?ticket={}", data["ticket"].as_str().expect("a ticket"));
    user.logout().await.ok();
    let opened = ProgressSocket::open(shared().base(), &query).await;
    assert_eq!(opened.err(), Some(401));
}

#[tokio::test]
async fn a_ticket_opens_one_stream() {
    let user = shared().user().await;
    let data = user.ticket().await.ok();
    assert_eq!(data["expires_in"], 30);
    let query = format!("?ticket={}", data["ticket"].as_str().expect("a ticket"));
    let first = ProgressSocket::open(shared().base(), &query).await;
    assert!(first.is_ok());
    assert_eq!(
        ProgressSocket::open(shared().base(), &query).await.err(),
        Some(401)
    );
}

#[tokio::test]
async fn without_a_good_ticket_there_is_no_stream() {
    for query in ["", "?ticket=", "?ticket=x", "?ticket=%00"] {
        let status = ProgressSocket::open(shared().base(), query).await.err();
        assert_eq!(status, Some(401), "{query:?}");
    }
    // An access token is no ticket.
    let user = shared().user().await;
    let query = format!("?ticket={}", user.token());
    assert_eq!(
        ProgressSocket::open(shared().base(), &query).await.err(),
        Some(401)
    );
}

#[tokio::test]
async fn the_stream_of_a_task_is_for_its_owner() {
    let (owner, stranger) = (shared().user().await, shared().user().await);
    let (task_id, _) = owner.submit(&media().shelf().url("clip.mp4")).await;
    for (task_id, status) in [
        (task_id.as_str(), 403),
        (UNKNOWN_ID, 404),
        ("not-an-id", 400),
    ] {
        let data = stranger.ticket().await.ok();
        let ticket = data["ticket"].as_str().expect("a ticket");
        let query = format!("?ticket={ticket}&task_id={task_id}");
        let refused = ProgressSocket::open(shared().base(), &query).await.err();
        assert_eq!(refused, Some(status), "{task_id}");
    }
}

#[tokio::test]
async fn what_is_no_stream_is_refused_in_the_envelope() {
    let anonymous = shared().anonymous();
    for query in [
        "",
        "?ticket=x",
        "?ticket=a&ticket=b",
        "?ticket=%ff",
        "?task_id=x",
    ] {
        let answer = anonymous.get(&format!("/api/v1/ws/progress{query}")).await;
        assert!(matches!(answer.code, 40001 | 40101), "{answer}");
    }
}
