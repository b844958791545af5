use super::*;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use shared::domain::egress::AllowList;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers every connection with the request's first line as the body.
async fn echo_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = vec![0; 4096];
                let count = stream.read(&mut read).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&read[..count]).into_owned();
                let body = head.replace("\r\n", "|");
                let length = body.len();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    port
}

async fn proxy(allow: &[u16]) -> ForwardProxy {
    let entries: Vec<String> = allow
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    ForwardProxy::start(Door::new(AllowList::parse(&entries).unwrap()))
        .await
        .unwrap()
}

struct Client {
    port: u16,
    authorization: String,
    credentials: (String, String),
}

fn client(ticket: &ProxyTicket) -> Client {
    let url = url::Url::parse(ticket.url()).unwrap();
    let credentials = (
        url.username().to_owned(),
        url.password().unwrap().to_owned(),
    );
    let plain = format!("{}:{}", credentials.0, credentials.1);
    Client {
        port: url.port().unwrap(),
        authorization: format!(
            "Proxy-Authorization: Basic {}\r\n",
            BASE64_STANDARD.encode(plain)
        ),
        credentials,
    }
}

impl Client {
    async fn get(&self, url: &str) -> String {
        let head = format!(
            "GET {url} HTTP/1.1\r\nHost: elsewhere\r\nX-A: b\r\n{}\r\n",
            self.authorization
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// The answer to CONNECT, and what a request through the tunnel got.
    async fn tunnel(&self, target: &str) -> (String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let head = format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{}\r\n",
            self.authorization
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut opened = Vec::new();
        while !opened.ends_with(b"\r\n\r\n") {
            opened.push(stream.read_u8().await.unwrap());
        }
        let mut answer = String::new();
        let _ = stream.write_all(b"GET /inside HTTP/1.1\r\n\r\n").await;
        let _ = stream.read_to_string(&mut answer).await;
        (String::from_utf8(opened).unwrap(), answer)
    }
}

#[tokio::test]
async fn only_a_ticket_opens_the_proxy_and_only_while_it_lives() {
    let port = echo_server().await;
    let proxy = proxy(&[port]).await;
    let url = format!("http://127.0.0.1:{port}/a?b");
    let ticket = proxy.admit("task", None).unwrap();
    let client = client(&ticket);
    let answer = client.get(&url).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("GET /a?b HTTP/1.1"),
        "{answer}"
    );
    let lower = answer.to_lowercase();
    assert!(
        lower.contains(&format!("host: 127.0.0.1:{port}")),
        "{answer}"
    );
    assert!(!lower.contains("proxy-authorization"), "{answer}");
    assert!(ticket.received_bytes() > 0 && ticket.refusal().is_none());
    drop(ticket);
    assert!(client.get(&url).await.starts_with("HTTP/1.1 407"));
    let (opened, _) = client.tunnel(&format!("127.0.0.1:{port}")).await;
    assert!(opened.starts_with("HTTP/1.1 407"), "{opened}");
}

#[tokio::test]
async fn a_blocked_address_is_answered_with_403_and_remembered() {
    let proxy = proxy(&[]).await;
    for target in [
        "127.0.0.1:80",
        "169.254.169.254:80",
        "[::1]:80",
        "2130706433:80",
        "[::ffff:10.0.0.1]:80",
    ] {
        let ticket = proxy.admit("task", None).unwrap();
        let client = client(&ticket);
        let answer = client.get(&format!("http://{target}/")).await;
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.contains("x-wharf-egress: blocked"),
            "{answer}"
        );
        let (opened, _) = client.tunnel(target).await;
        assert!(opened.starts_with("HTTP/1.1 403"), "{opened}");
        // What happens afterwards does not cover it.
        client.get("http://nothing.invalid/").await;
        assert_eq!(
            ticket.refusal(),
            Some(Refusal::Egress(EgressError::Blocked))
        );
    }
}

#[tokio::test]
async fn an_overdrawn_ticket_breaks_the_answer_off() {
    let port = echo_server().await;
    let proxy = proxy(&[port]).await;
    let ticket = proxy.admit("task", None).unwrap();
    ticket.limit_bytes(10);
    let client = client(&ticket);
    let answer = client.get(&format!("http://127.0.0.1:{port}/")).await;
    assert!(!answer.contains("GET / HTTP"), "{answer}");
    assert_eq!(ticket.refusal(), Some(Refusal::Overdrawn));
    let (opened, inside) = client.tunnel(&format!("127.0.0.1:{port}")).await;
    assert!(
        opened.starts_with("HTTP/1.1 200") && inside.is_empty(),
        "{opened} {inside}"
    );
}

#[tokio::test]
async fn a_rented_proxy_is_gone_through_with_its_own_credentials() {
    let port = echo_server().await;
    let rented = proxy(&[port]).await;
    let far = rented.admit("far", None).unwrap();
    let far_client = client(&far);
    let ours = proxy(&[port, far_client.port]).await;
    let upstream = |credentials| Upstream {
        host: "127.0.0.1".into(),
        port: far_client.port,
        credentials,
    };
    let ticket = ours
        .admit("task", Some(upstream(Some(far_client.credentials.clone()))))
        .unwrap();
    let near = client(&ticket);
    let answer = near.get(&format!("http://127.0.0.1:{port}/x")).await;
    assert!(answer.contains("GET /x HTTP/1.1"), "{answer}");
    let before = far.received_bytes();
    let (opened, inside) = near.tunnel(&format!("localhost:{port}")).await;
    assert!(
        opened.starts_with("HTTP/1.1 200") || inside.is_empty(),
        "{opened}"
    );
    let (opened, inside) = near.tunnel(&format!("127.0.0.1:{port}")).await;
    assert!(
        opened.starts_with("HTTP/1.1 200") && inside.contains("GET /inside"),
        "{opened} {inside}"
    );
    assert!(far.received_bytes() > before);
    assert!(
        near.get("http://169.254.169.254/")
            .await
            .starts_with("HTTP/1.1 403")
    );

    let wrong = ours.admit("task", Some(upstream(None))).unwrap();
    let answer = client(&wrong)
        .get(&format!("http://127.0.0.1:{port}/x"))
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 502") && answer.contains("upstream"),
        "{answer}"
    );
    assert_eq!(wrong.refusal(), Some(Refusal::Upstream));
    assert!(!format!("{:?}", upstream(Some(("u".into(), "secret".into())))).contains("secret"));
}
