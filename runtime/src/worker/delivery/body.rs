//! The body of an answer that carries a file or parts of one.

use super::Transfer;
use super::chunks::Chunks;
use bytes::Bytes;
use futures_util::stream;
use shared::domain::ranges::ByteRange;
use shared::limits::DELIVERY_CHUNK_BYTES;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::atomic::Ordering::Relaxed;

/// What a body is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// What stands between parts.
    Text(Bytes),
    Part(ByteRange),
}

impl Piece {
    /// Bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Part(range) => range.count(),
        }
    }
}

/// The pieces one after the other, no faster than the transfer's bandwidth. It breaks off where the file turns
/// out to be shorter than it was.
pub fn body(transfer: Transfer, file: File, pieces: Vec<Piece>) -> axum::body::Body {
    let sending = Sending {
        transfer,
        chunks: Chunks::of(file),
        pieces: pieces.into(),
    };
    axum::body::Body::from_stream(stream::try_unfold(sending, |mut sending| async move {
        let chunk = sending.next().await.inspect_err(|error| {
            tracing::error!(%error, "a file cannot be read any further; its transfer breaks off");
        })?;
        Ok::<_, io::Error>(chunk.map(|chunk| (chunk, sending)))
    }))
}

struct Sending {
    transfer: Transfer,
    chunks: Chunks,
    pieces: VecDeque<Piece>,
}

impl Sending {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let range = match self.pieces.pop_front() {
            None => return Ok(None),
            Some(Piece::Text(text)) => return Ok(Some(text)),
            Some(Piece::Part(range)) => range,
        };
        let wanted = range.count().min(DELIVERY_CHUNK_BYTES as u64);
        let allowed = self.transfer.share.take(wanted as usize).await;
        let chunk = self.chunks.read(range.first, allowed).await?;
        self.transfer.share.spend(chunk.len());
        let sent = chunk.len() as u64;
        self.transfer.delivered.fetch_add(sent, Relaxed);
        if sent < range.count() {
            self.pieces.push_front(Piece::Part(ByteRange {
                first: range.first + sent,
                last: range.last,
            }));
        }
        Ok(Some(chunk))
    }
}
