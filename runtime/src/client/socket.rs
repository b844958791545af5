//! The client's WebSockets, each under a number that the command language knows it by.

use futures_util::StreamExt as _;
use shared::limits::{CLIENT_CONNECT_S_MAX, CLIENT_MESSAGE_BYTES_MAX, CLIENT_SOCKETS_MAX};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Notify};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("Too many WebSockets are open.")]
    TooMany,
    #[error("The server does not open a WebSocket.")]
    Refused,
}

#[derive(Default)]
pub struct Sockets {
    open: RefCell<HashMap<u32, Rc<Socket>>>,
    last: Cell<u32>,
}

struct Socket {
    stream: Mutex<Stream>,
    closed: Notify,
}

impl Sockets {
    /// Connects to a `ws` or `wss` address. Gives the socket's number.
    pub async fn connect(&self, url: &str) -> Result<u32, SocketError> {
        if self.open.borrow().len() >= CLIENT_SOCKETS_MAX {
            return Err(SocketError::TooMany);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(CLIENT_MESSAGE_BYTES_MAX))
            .max_frame_size(Some(CLIENT_MESSAGE_BYTES_MAX));
        let connecting = connect_async_with_config(url, Some(config), true);
        let bounded = tokio::time::timeout(Duration::from_secs(CLIENT_CONNECT_S_MAX), connecting);
        let (stream, _) = match bounded.await {
            Ok(Ok(connected)) => connected,
            Ok(Err(_)) | Err(_) => return Err(SocketError::Refused),
        };
        let number = self.last.get() + 1;
        self.last.set(number);
        let socket = Socket {
            stream: Mutex::new(stream),
            closed: Notify::new(),
        };
        self.open.borrow_mut().insert(number, Rc::new(socket));
        Ok(number)
    }

    /// The next message of text; `None` when there will be none.
    pub async fn receive(&self, number: u32) -> Option<String> {
        let socket = self.open.borrow().get(&number).cloned()?;
        let text = tokio::select! {
            text = next_text(&socket.stream) => text,
            () = socket.closed.notified() => None,
        };
        if text.is_none() {
            self.open.borrow_mut().remove(&number);
        }
        text
    }

    /// Ends the connection, and whoever waits for a message of it.
    pub fn close(&self, number: u32) {
        if let Some(socket) = self.open.borrow_mut().remove(&number) {
            socket.closed.notify_one();
        }
    }
}

async fn next_text(stream: &Mutex<Stream>) -> Option<String> {
    let mut stream = stream.lock().await;
    loop {
        match stream.next().await? {
            Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
            Ok(Message::Close(_)) | Err(_) => return None,
            // The library answers pings itself; binary messages are none of ours.
            Ok(_) => {}
        }
    }
}
