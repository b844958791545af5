//! What a component is told, and what no client can say.

use crate::{Runner, guests_manifest};
use runtime::host::{Host, HostOptions};
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_component_learns_its_route_and_client_and_no_forgery() {
    let runner = Runner::start().await;
    let request = runner
        .client
        .get(runner.url("/probe/match/joe/end?q=1"))
        .header("spin-client-addr", "6.6.6.6:6")
        .header("spin-path-match-admin", "1");
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 200);

    let request = runner
        .client
        .get(runner.url("/probe/headers?q=1"))
        .header("spin-client-addr", "6.6.6.6:6")
        .header("spin-path-match-admin", "1");
    let response = request.send().await.expect("an answer");
    let seen: serde_json::Value = response.json().await.expect("JSON");
    let headers = &seen["headers"];
    let expected_url = runner.url("/probe/headers?q=1");
    for (name, value) in [
        ("spin-full-url", expected_url.as_str()),
        ("spin-path-info", "/headers"),
        ("spin-matched-route", "/probe/..."),
        ("spin-component-route", "/probe"),
        ("spin-base-path", "/"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let client = headers["spin-client-addr"].as_str().unwrap_or_default();
    assert!(client.starts_with("127.0.0.1:"), "{client}");
    assert!(headers.get("spin-path-match-admin").is_none());
    assert_eq!(headers["x-request-id"].as_str().map(str::len), Some(36));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_a_route_is_an_envelope() {
    let runner = Runner::start().await;
    let (status, body) = runner.ask("/nowhere").await;
    assert_eq!(status, 404);
    assert_eq!(
        body,
        serde_json::json!({"code": 40401, "message": "There is no such route.", "data": null})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_four_mebibytes_streams_through() {
    let runner = Runner::start().await;
    let request = runner.client.post(runner.url("/probe/echo"));
    let response = request
        .body(vec![7; 4 << 20])
        .send()
        .await
        .expect("an answer");
    let body: serde_json::Value = response.json().await.expect("JSON");
    assert_eq!(body["bytes"], 4 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_malformed_request_is_our_fault() {
    let runner = Runner::start().await;
    let long = "x".repeat(200_000);
    let requests: Vec<Vec<u8>> =
        vec![
        b"GET /probe/%zz%ff%00 HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"GET /probe/\xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"GET //probe//..//headers HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"GET http://[::1/probe/headers HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"GET http://user:pass@x:99999/probe/headers HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"CONNECT /probe/headers HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"B(AD /probe/headers HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"FOO /probe/headers HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        b"GET /probe/headers HTTP/1.0\r\n\r\n".to_vec(),
        b"GET /probe/headers HTTP/1.1\r\nhost: \xff\xfe b\r\n\r\n".to_vec(),
        b"GET /probe/headers HTTP/1.1\r\nhost: a:b:c\r\nx: \xff\r\n\r\n".to_vec(),
        b"GET /probe/headers HTTP/1.1\r\nhost: a\r\nx-request-id: \xff\r\n\r\n".to_vec(),
        b"GET /probe/headers HTTP/1.1\r\nhost: test.spin.internal\r\n\r\n".to_vec(),
        b"POST /probe/echo HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"POST /probe/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"
            .to_vec(),
        format!("GET /probe/{long} HTTP/1.1\r\nhost: a\r\n\r\n").into_bytes(),
        format!("GET /probe/headers HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n").into_bytes(),
        format!("GET /probe/headers HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(500))
            .into_bytes(),
    ];
    for request in requests {
        let mut stream = TcpStream::connect(runner.address).await.expect("connects");
        // The server may close before it has read all.
        let _ = stream.write_all(&request).await;
        let mut answer = [0; 12];
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        match stream.read_exact(&mut answer).await {
            Ok(_) => assert!(
                answer[9] != b'5',
                "{shown}: {}",
                String::from_utf8_lossy(&answer)
            ),
            Err(error) => assert_ne!(error.kind(), std::io::ErrorKind::TimedOut, "{shown}"),
        }
    }
    assert_eq!(runner.ask("/probe/ok").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_misconfigurations_are_reported_together_with_their_component() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = HostOptions {
        manifest: guests_manifest(),
        variables: BTreeMap::from([("peer".to_owned(), "a path/no port".to_owned())]),
        sqlite: BTreeMap::new(),
        cache_dir: folder.path().to_owned(),
        requests: Default::default(),
    };
    let report = Host::load(options)
        .await
        .err()
        .expect("a report")
        .to_string();
    for part in [
        "component probe: there is no SQLite database",
        "`allowed_outbound_hosts`",
    ] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
}
