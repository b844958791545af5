//! Bodies that are promised and do not come, or are far too large, are the caller's fault (PF-6).

use crate::shared;
use tests::PATIENCE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends this head and a first byte to the login route, and reads what comes back until the server closes
/// or has sent an envelope.
async fn answer_to(length: u64) -> String {
    let address = shared().base().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: {address}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{"
    );
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut said = String::new();
    let mut buffer = [0; 4096];
    while !said.contains("\"data\"") {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer));
        match read.await.expect("an answer in time") {
            Ok(0) | Err(_) => break,
            Ok(count) => said.push_str(&String::from_utf8_lossy(&buffer[..count])),
        }
    }
    said
}

#[tokio::test]
async fn a_body_that_does_not_come_is_the_callers_fault() {
    let said = answer_to(9).await;
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    assert!(said.contains("\"code\":40002"), "{said}");
}

#[tokio::test]
async fn a_body_announced_far_too_large_is_refused_at_once() {
    let said = answer_to(9_999_999_999).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    assert!(said.contains("\"code\":41301"), "{said}");
}
