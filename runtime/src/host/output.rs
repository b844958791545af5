//! What a component prints: every line becomes a line of our log, up to a limit per request.

use super::instance::Current;
use bytes::Bytes;
use shared::limits::{GUEST_LINE_BYTES_MAX, GUEST_LOG_BYTES_MAX};
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// stdout or stderr of one instance.
#[derive(Clone)]
pub struct Lines {
    component: Arc<str>,
    current: Arc<Current>,
    unfinished: Arc<Mutex<Vec<u8>>>,
}

impl Lines {
    pub fn new(component: Arc<str>, current: Arc<Current>) -> Self {
        Self {
            component,
            current,
            unfinished: Arc::default(),
        }
    }

    fn take(&self, bytes: &[u8]) {
        let mut unfinished = self
            .unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = GUEST_LINE_BYTES_MAX.saturating_sub(unfinished.len());
            unfinished.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.log(&String::from_utf8_lossy(&unfinished));
                unfinished.clear();
            }
        }
    }

    fn log(&self, line: &str) {
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        let before = self
            .current
            .logged_bytes
            .fetch_add(line.len(), Ordering::Relaxed);
        if before >= GUEST_LOG_BYTES_MAX {
            return;
        }
        let request = self.current.request_id();
        write_line(&self.component, &request, line);
        if before + line.len() >= GUEST_LOG_BYTES_MAX {
            tracing::warn!(component = %self.component, request_id = %request,
                "the component prints too much; the rest of this request's lines is dropped");
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // A panic's last words may lack a line break; only the last clone speaks them.
        if Arc::strong_count(&self.unfinished) == 1 {
            let unfinished = std::mem::take(
                &mut *self
                    .unfinished
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            self.log(&String::from_utf8_lossy(&unfinished));
        }
    }
}

/// A line that is a JSON object with `level` and `message` keeps both; its other fields go along.
fn write_line(component: &str, request_id: &str, line: &str) {
    let parsed = line
        .starts_with('{')
        .then(|| serde_json::from_str::<serde_json::Map<_, _>>(line).ok())
        .flatten();
    let Some(mut object) = parsed else {
        tracing::info!(component, request_id, "{line}");
        return;
    };
    let level = object.remove("level");
    let message = object.remove("message");
    let level = level
        .as_ref()
        .and_then(|level| level.as_str())
        .unwrap_or("info");
    let message = message
        .as_ref()
        .and_then(|message| message.as_str())
        .unwrap_or(line);
    object.remove("component");
    // The component may know the request by the caller's id; then that one is right.
    let request_id = match object.remove("request_id") {
        Some(serde_json::Value::String(id)) => id,
        _ => request_id.to_owned(),
    };
    let fields = serde_json::Value::Object(object);
    match level.to_ascii_lowercase().as_str() {
        "error" => tracing::error!(component, request_id, %fields, "{message}"),
        "warn" | "warning" => tracing::warn!(component, request_id, %fields, "{message}"),
        "debug" => tracing::debug!(component, request_id, %fields, "{message}"),
        "trace" => tracing::trace!(component, request_id, %fields, "{message}"),
        _ => tracing::info!(component, request_id, %fields, "{message}"),
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(GUEST_LOG_BYTES_MAX)
    }
}

#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
