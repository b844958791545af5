//! The server in front of the runner.

use crate::Runner;
use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::routing::{any, get};
use futures_util::{SinkExt, StreamExt};
use runtime::host::InstanceLimits;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite;

/// `/slow` says when it has begun.
fn router(begun: Arc<Notify>) -> Router {
    let slow = get(async move || {
        begun.notify_one();
        tokio::time::sleep(Duration::from_millis(500)).await;
        "done"
    });
    let echo = any(async |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async |mut socket| {
            while let Some(Ok(Message::Text(text))) = socket.recv().await {
                if socket.send(Message::Text(text)).await.is_err() {
                    break;
                }
            }
        })
    });
    Router::new().route("/slow", slow).route("/ws", echo)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workers_routes_come_first_and_websockets_upgrade() {
    let runner = Runner::start_router(InstanceLimits::default(), router(Arc::default())).await;
    let url = format!("ws://{}/ws", runner.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url)
        .await
        .expect("an upgrade");
    socket
        .send(tungstenite::Message::text("hello"))
        .await
        .expect("sent");
    let echo = socket.next().await.expect("an answer").expect("a message");
    assert_eq!(echo, tungstenite::Message::text("hello"));
    assert_eq!(runner.ask("/misbehave/ok").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_running_requests_end() {
    let begun = Arc::<Notify>::default();
    let router = router(begun.clone());
    let runner = Runner::start_router(InstanceLimits::default(), router).await;
    // An idle connection must not hold the stop up.
    assert_eq!(runner.ask("/misbehave/ok").await.0, 200);
    let (answer, ()) = tokio::join!(runner.ask("/slow"), async {
        begun.notified().await;
        runner.stop.cancel();
    });
    assert_eq!(answer, (200, "done".into()));
    let ended = tokio::time::timeout(Duration::from_secs(5), runner.server).await;
    assert!(ended.is_ok_and(|ended| ended.is_ok()));
}
