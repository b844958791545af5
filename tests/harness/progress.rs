//! The progress WebSocket, read message by message.

use crate::{Caller, PATIENCE};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

/// An open progress stream.
pub struct ProgressSocket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl ProgressSocket {
    /// Opens the stream with this query. The error is the HTTP status of a refusal.
    pub async fn open(base: &str, query: &str) -> Result<Self, u16> {
        // wss:// for https://.
        let address = base.replacen("http", "ws", 1);
        let url = format!("{address}/api/v1/ws/progress{query}");
        let tls = Connector::Rustls(crate::tls_client());
        match tokio_tungstenite::connect_async_tls_with_config(&url, None, false, Some(tls)).await {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{url}: {error}"),
        }
    }

    /// The next task object; None once the server has closed.
    pub async fn next(&mut self) -> Option<Value> {
        let text = self.next_text().await?;
        Some(serde_json::from_str(&text).expect("a task as JSON"))
    }

    /// The next task object, however long it takes; None once the connection is over.
    pub async fn next_or_end(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => {
                    return Some(serde_json::from_str(&text).expect("a task as JSON"));
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next message as it came; None once the server has closed.
    pub async fn next_text(&mut self) -> Option<Utf8Bytes> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("a message in time")?;
            match message {
                Ok(Message::Text(text)) => return Some(text),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Reads until a message satisfies `last`; gives all of them. Panics when the stream ends first.
    pub async fn until(&mut self, last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut seen = Vec::new();
        while let Some(task) = self.next().await {
            let is_last = last(&task);
            seen.push(task);
            if is_last {
                return seen;
            }
        }
        panic!("the stream ended after {seen:#?}");
    }
}

impl Caller<'_> {
    /// Takes a ticket and opens the stream of one task, or of all tasks of this caller.
    pub async fn progress(&self, task_id: Option<&str>) -> ProgressSocket {
        let data = self.ticket().await.ok();
        let ticket = data["ticket"].as_str().expect("a ticket");
        let query = match task_id {
            Some(task_id) => format!("?ticket={ticket}&task_id={task_id}"),
            None => format!("?ticket={ticket}"),
        };
        ProgressSocket::open(self.app().base(), &query)
            .await
            .unwrap_or_else(|status| panic!("the progress stream answers {status}"))
    }
}
