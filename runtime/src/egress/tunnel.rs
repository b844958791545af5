//! Copies a CONNECT tunnel in both directions with bounded memory.

use super::ticket::Admission;
use shared::limits::{TUNNEL_BUFFER_BYTES, TUNNEL_IDLE_MS_MAX};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

/// Passes bytes on until one side ends, nothing has moved for [`TUNNEL_IDLE_MS_MAX`], or the ticket is
/// revoked or overdrawn.
pub(super) async fn copy<C, S>(client: C, server: S, admission: &Admission)
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (client_read, client_write) = split(client);
    let (server_read, server_write) = split(server);
    let moved = AtomicU64::new(0);
    let sent = |bytes| {
        moved.fetch_add(bytes, Ordering::Relaxed);
        true
    };
    let received = |bytes| {
        moved.fetch_add(bytes, Ordering::Relaxed);
        admission.count(bytes)
    };
    let broke_off = |error: &std::io::Error| admission.broke_off(error);
    let up = one_way(client_read, server_write, sent, |_| {});
    let down = one_way(server_read, client_write, received, broke_off);
    let both = async { tokio::join!(up, down) };
    tokio::select! {
        _ = both => {}
        () = idle(&moved) => {}
        () = admission.revoked() => {}
    }
}

/// Copies until the end or until `passed` refuses; then tells the writer that nothing more comes.
async fn one_way<R, W>(
    mut from: R,
    mut to: W,
    passed: impl Fn(u64) -> bool,
    failed: impl Fn(&std::io::Error),
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; TUNNEL_BUFFER_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await.inspect_err(&failed) {
        if !passed(count as u64) || to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Ends when `moved` has not changed for a whole interval.
async fn idle(moved: &AtomicU64) {
    let mut seen = moved.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(Duration::from_millis(TUNNEL_IDLE_MS_MAX)).await;
        let now = moved.load(Ordering::Relaxed);
        if now == seen {
            return;
        }
        seen = now;
    }
}
