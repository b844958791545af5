//! `WS /api/v1/ws/progress?ticket=&task_id=`: task objects as JSON text messages, the current state first
//! (VA-6). Without `task_id`, all of the caller's tasks.

use super::reply::Failure;
use crate::clock::now_ms;
use crate::worker::Worker;
use crate::worker::hub::Change;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::response::Response;
use shared::auth::secret::sha256;
use shared::auth::token::bad_token;
use shared::domain::page::Page;
use shared::limits::{WEBSOCKET_MESSAGE_BYTES_MAX, WEBSOCKET_TASKS_MAX, WEBSOCKETS_PER_OWNER_MAX};
use shared::store::tasks::{self, Filter};
use shared::store::tickets::{self, Bearer};
use shared::{Code, Error, Result};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;

/// How often a quiet connection is pinged, seconds.
const PING_S: u64 = 20;
/// A client that has answered no ping for so long is gone, seconds.
const SILENCE_S_MAX: u64 = 3 * PING_S;

#[derive(serde::Deserialize)]
pub struct Parameters {
    #[serde(default)]
    ticket: String,
    task_id: Option<String>,
}

pub async fn connect(
    State(worker): State<Arc<Worker>>,
    parameters: std::result::Result<Query<Parameters>, QueryRejection>,
    upgrade: std::result::Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> std::result::Result<Response, Failure> {
    let Query(parameters) =
        parameters.map_err(|_| Error::invalid("query", "The query is malformed."))?;
    let upgrade = upgrade
        .map_err(|_| Error::invalid("upgrade", "This route takes WebSocket connections."))?;
    let task_id = match parameters.task_id.as_deref() {
        None | Some("") => None,
        Some(id) => Some(
            uuid::Uuid::try_parse(id)
                .map_err(|_| Error::invalid("task_id", "This is not an id."))?
                .to_string(),
        ),
    };
    let bearer = tickets::redeem(&*worker.database, &sha256(&parameters.ticket), now_ms())
        .await?
        .ok_or_else(bad_token)?;
    let owner_id = bearer.owner_id(&*worker.database, now_ms()).await?;
    let owner_id = owner_id.ok_or_else(bad_token)?;
    if let Some(task_id) = &task_id {
        let task = tasks::find(&*worker.database, task_id).await?;
        let task = task.ok_or_else(|| Error::not_found("task"))?;
        if task.owner_id != owner_id {
            return Err(Error::forbidden("task").into());
        }
    }
    let busy = |_| Error::busy(PING_S, "too many WebSockets");
    let permit = worker.sockets.clone().try_acquire_owned().map_err(busy)?;
    if worker.hub.listeners(&owner_id) >= WEBSOCKETS_PER_OWNER_MAX {
        let message = "You have too many WebSockets open.";
        return Err(Error::new(Code::RateLimited, message)
            .with_retry_after(PING_S)
            .into());
    }
    let upgrade = upgrade
        .max_message_size(WEBSOCKET_MESSAGE_BYTES_MAX)
        .max_frame_size(WEBSOCKET_MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let _permit = permit;
        let mut client = Client {
            socket,
            bearer,
            task_id,
            sent: HashMap::new(),
        };
        // A client that went away is no error.
        let _ = follow(&worker, &owner_id, &mut client).await;
    }))
}

struct Client {
    socket: WebSocket,
    bearer: Bearer,
    task_id: Option<String>,
    /// What was sent last of each task.
    sent: HashMap<String, Arc<Change>>,
}

/// The connection is over.
struct Closed;

impl Client {
    /// Sends a change unless it, or a newer one, went before it.
    async fn send(&mut self, mut change: Arc<Change>) -> std::result::Result<(), Closed> {
        let is_wanted = self.task_id.as_ref().is_none_or(|id| *id == change.task_id);
        let sent = self.sent.get(&change.task_id);
        if let Some(sent) = sent {
            change = change.not_below(sent);
        }
        let is_known = sent.is_some_and(|sent| change.is_known_after(sent));
        if !is_wanted || is_known {
            return Ok(());
        }
        let message = Message::Text(change.json.clone());
        self.sent.insert(change.task_id.clone(), change);
        self.write(message).await
    }

    /// A client that takes nothing for as long as a ping's interval is gone.
    async fn write(&mut self, message: Message) -> std::result::Result<(), Closed> {
        let patience = Duration::from_secs(PING_S);
        match tokio::time::timeout(patience, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Closed),
        }
    }
}

async fn follow(
    worker: &Worker,
    owner_id: &str,
    client: &mut Client,
) -> std::result::Result<(), Closed> {
    // Subscribed before the state is read, so that nothing falls between the two.
    let mut changes = worker.hub.subscribe(owner_id, client.task_id.as_deref());
    send_current(worker, owner_id, client).await?;
    let mut ping = tokio::time::interval(Duration::from_secs(PING_S));
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            () = worker.stop.cancelled() => {
                let going_away = CloseFrame { code: close_code::AWAY, reason: "stopping".into() };
                client.write(Message::Close(Some(going_away))).await?;
                return Err(Closed);
            }
            change = changes.recv() => match change {
                Ok(change) => client.send(change).await?,
                Err(RecvError::Lagged(_)) => send_current(worker, owner_id, client).await?,
                Err(RecvError::Closed) => return Err(Closed),
            },
            message = client.socket.recv() => match message {
                Some(Ok(Message::Close(_))) => {
                    // Reading on sends the answer that RFC 6455, 5.5.1 asks for.
                    let goodbye = async { while let Some(Ok(_)) = client.socket.recv().await {} };
                    let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
                    return Err(Closed);
                }
                Some(Err(_)) | None => return Err(Closed),
                Some(Ok(_)) => heard = Instant::now(),
            },
            _ = ping.tick() => {
                if heard.elapsed() > Duration::from_secs(SILENCE_S_MAX) {
                    return Err(Closed);
                }
                client.write(Message::Ping(Vec::new().into())).await?;
                // Logging out ends what the session opened, disabling what the project did.
                let owner_id = client.bearer.owner_id(&*worker.database, now_ms());
                if matches!(owner_id.await, Ok(None)) {
                    return Err(Closed);
                }
            }
        }
    }
}

async fn send_current(
    worker: &Worker,
    owner_id: &str,
    client: &mut Client,
) -> std::result::Result<(), Closed> {
    match current(worker, owner_id, client.task_id.as_deref()).await {
        Ok(changes) => {
            for row in changes {
                client.send(worker.hub.newest(owner_id, row)).await?;
            }
            Ok(())
        }
        Err(error) => {
            tracing::error!(%error, "could not read the current state");
            Err(Closed)
        }
    }
}

async fn current(worker: &Worker, owner_id: &str, task_id: Option<&str>) -> Result<Vec<Change>> {
    let found = match task_id {
        Some(id) => Vec::from_iter(tasks::find(&*worker.database, id).await?),
        None => {
            let page = Page {
                number: 1,
                size: WEBSOCKET_TASKS_MAX,
            };
            tasks::list(&*worker.database, owner_id, &Filter::default(), page)
                .await?
                .0
        }
    };
    found.iter().rev().map(Change::from_task).collect()
}
