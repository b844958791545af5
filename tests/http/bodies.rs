//! Bodies that are promised and do not come, or are far too large, are the caller's fault (PF-6).

use crate::shared;
use reqwest::Method;
use tests::{Caller, PATIENCE};
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

/// Objects as small as they come, nearly a whole body of them: as a tree of values they would take 200 MiB.
fn braces() -> String {
    format!("[{}0]", "{\"\":0},".repeat(590_000))
}

#[tokio::test]
async fn braces_alone_do_not_exhaust_a_component() {
    let (user, project) = (shared().user().await, shared().project("braces", &[]).await);
    let resource = "\"url\":\"https://pan.baidu.com/s/1abcdef\",\"title\":\"t\",\"price\":\"1\"";
    let export = "\"name\":\"n\",\"source_data\":[]";
    let sent: [(&Caller, &str, &str, &str); 8] = [
        (&user, "/api/v1/resources", resource, "directory"),
        (&project, "/api/v1/export", export, "operator_id"),
        (&project, "/api/v1/export", export, "template"),
        (&project, "/api/v1/export", export, "default_width"),
        (&project, "/api/v1/export", export, "title"),
        (&project, "/api/v1/export", "\"name\":\"n\"", "source_url"),
        (&project, "/api/v1/export/sync", export, "template"),
        (&user, "/api/v1/auth/login", "\"email\":\"a\"", "password"),
    ];
    for (caller, path, fields, field) in sent {
        let body = format!("{{{fields},\"{field}\":{}}}", braces());
        let answer = caller
            .send(Method::POST, path, |request| {
                request
                    .header("content-type", "application/json")
                    .body(body)
            })
            .await;
        assert_eq!(answer.code, 40001, "{path} {field}: {answer}");
    }
}
