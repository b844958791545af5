//! HTTPS on our own port (PF-11).

use crate::{UNKNOWN_ID, shared, sqlite};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use std::io::ErrorKind;
use std::sync::Arc;
use tests::{
    Builder, Certificate, PATIENCE, ProgressSocket, TestApp, clip, eventually, media,
    standing_address, tls_client, tls_client_of,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, version};

const HSTS: &str = "strict-transport-security";

/// A folder with a certificate, and a product that shows it.
fn secured(builder: Builder) -> (tempfile::TempDir, Certificate, Builder) {
    let folder = tempfile::tempdir().expect("a folder");
    let certificate = Certificate::in_folder(folder.path());
    let builder = builder.config(&certificate.config());
    (folder, certificate, builder)
}

async fn connect(app: &TestApp) -> TcpStream {
    let address = app.base().split_once("://").expect("a URL").1;
    TcpStream::connect(address).await.expect("it listens")
}

async fn handshake(
    app: &TestApp,
    config: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(config)
        .connect(name, connect(app).await)
        .await
}

/// The certificate that a new connection is shown, DER.
async fn shown(app: &TestApp) -> Vec<u8> {
    let stream = handshake(app, tls_client()).await.expect("a handshake");
    let (_, session) = stream.get_ref();
    session.peer_certificates().expect("certificates")[0].to_vec()
}

#[tokio::test]
async fn the_main_job_goes_over_https() {
    let (_folder, _, builder) = secured(sqlite());
    let app = builder.start();
    assert!(app.base().starts_with("https://"), "{}", app.base());
    let user = app.user().await;
    let shelf = media().shelf();
    // A parse is a call of a component to the worker.
    user.parse(&shelf.url("clip.mp4")).await.ok();
    let (task_id, _) = user.submit(&shelf.url("clip.mp4")).await;
    let mut socket = user.progress(Some(&task_id)).await;
    socket.until(|task| task["status"] == "succeeded").await;
    let url = user.file_url(&task_id).await;
    assert!(url.starts_with(app.base()), "{url}");
    let file = app.anonymous().get(&url).await;
    assert!(file.body == clip().bytes, "{}", file.status);
}

#[tokio::test]
async fn front_and_worker_apart_speak_https_to_clients_and_reach_each_other() {
    let (address, internal) = (standing_address(), standing_address());
    let (_folder, _, builder) = secured(sqlite());
    let worker = format!("worker = {{ listen = \"{address}\", internal_listen = \"{internal}\" }}");
    let front = builder.command("serve").config(&worker).start();
    let worker = TestApp::sqlite()
        .command("work")
        .listen(&address)
        .start_beside(&front);
    assert_eq!(worker.base(), format!("https://{address}"));
    let user = front.user().await;
    let url = media().shelf().url("clip.mp4");
    user.parse(&url).await.ok();
    let (task_id, _) = user.submit(&url).await;
    let data = user.ticket().await.ok();
    let ticket = data["ticket"].as_str().expect("a ticket");
    let query = format!("?ticket={ticket}&task_id={task_id}");
    let opened = ProgressSocket::open(worker.base(), &query).await;
    let mut socket = opened.unwrap_or_else(|status| panic!("the stream answers {status}"));
    socket.until(|task| task["status"] == "succeeded").await;
    let url = user.file_url(&task_id).await;
    assert!(url.starts_with(worker.base()), "{url}");
    let file = front.anonymous().get(&url).await;
    assert!(file.body == clip().bytes, "{}", file.status);

    // Where the components call in there is nothing for clients.
    let inner = front.anonymous();
    inner
        .get(&format!("http://{internal}/health"))
        .await
        .refused(40401);
    let parse = format!("http://{internal}/internal/v1/parse");
    inner.get(&parse).await.refused(40401);
}

#[tokio::test]
async fn every_answer_tells_browsers_to_stay_with_https() {
    let (_folder, _, builder) = secured(sqlite());
    let app = builder.start();
    let anonymous = app.anonymous();
    for (method, path) in [
        (Method::GET, "/health".to_owned()),
        (Method::GET, "/metrics".to_owned()),
        (Method::GET, "/api/v1/tasks".to_owned()),
        (Method::GET, "/api/v1/nothing".to_owned()),
        (Method::DELETE, "/api/v1/auth/login".to_owned()),
        (Method::GET, format!("/files/{UNKNOWN_ID}/clip.mp4")),
    ] {
        let answer = anonymous.send(method, &path, |request| request).await;
        assert_eq!(answer.header(HSTS), "max-age=31536000", "{answer}");
    }
    let answer = shared().anonymous().get("/health").await;
    assert_eq!(answer.header(HSTS), "", "{answer}");
}

/// The hello of a client that offers this version and nothing newer (RFC 5246, 7.4.1.2).
fn client_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    // No session, two suites, no compression.
    hello.extend([0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    // signature_algorithms, so that nothing but the version is amiss.
    hello.extend([0, 10, 0, 13, 0, 6, 0, 4, 4, 3, 4, 1]);
    let length = hello.len() as u8;
    let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    record
}

#[tokio::test]
async fn tls_is_spoken_from_1_2_on_with_http_1_1_inside() {
    let (_folder, _, builder) = secured(TestApp::sqlite());
    let app = builder.start();
    for minor in [1, 2] {
        let mut stream = connect(&app).await;
        stream
            .write_all(&client_hello(minor))
            .await
            .expect("a hello");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        // A fatal alert, protocol_version.
        assert!(
            answer.first() == Some(&0x15) && answer.ends_with(&[2, 70]),
            "{minor}: {answer:?}"
        );
    }
    for (versions, spoken) in [
        (&version::TLS12, ProtocolVersion::TLSv1_2),
        (&version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let config = tls_client_of(&[versions], &["h2", "http/1.1"]);
        let stream = handshake(&app, config).await.expect("a handshake");
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(spoken));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_handshake_is_let_go_and_holds_up_nobody() {
    let (_folder, _, builder) = secured(TestApp::sqlite());
    let app = builder.start();
    let mut stalled = Vec::new();
    for number in 0..50 {
        let mut stream = connect(&app).await;
        let hello = client_hello(3);
        // Some say nothing, the others stop in the middle.
        let sent = &hello[..number % hello.len()];
        stream.write_all(sent).await.expect("a beginning");
        stalled.push(stream);
    }
    let answer = app.anonymous().get("/health").await;
    assert_eq!(answer.status, 200, "{answer}");
    for mut stream in stalled {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        ended.expect("it is let go").ok();
    }
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_told_so() {
    let (_folder, _, builder) = secured(TestApp::sqlite());
    let app = builder.start();
    let plain = app.base().replacen("https", "http", 1);
    let answer = app.anonymous().get(&format!("{plain}/health")).await;
    assert!(answer.refused(40001).message.contains("HTTPS"));
    let mut stream = connect(&app).await;
    stream.write_all(&[0; 100_000]).await.ok();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // Or it was cut off while there was still something to read.
    if let Err(error) = read.expect("it ends") {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    assert_eq!(app.anonymous().get("/health").await.status, 200);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let (_folder, certificate, builder) = secured(TestApp::sqlite());
    let app = builder.start();
    let hangup = || kill(Pid::from_raw(app.pid() as i32), Signal::SIGHUP).expect("it runs");
    let first = shown(&app).await;
    let second = certificate.renew();
    assert_ne!(first, second);
    eventually("the second certificate", PATIENCE, async || {
        (shown(&app).await == second).then_some(())
    })
    .await;

    // A bad one is said to be bad, and changes nothing.
    std::fs::write(&certificate.cert, "no certificate").expect("a file");
    hangup();
    eventually("a line in the log", PATIENCE, async || {
        app.log()
            .contains("holds no certificate in PEM")
            .then_some(())
    })
    .await;
    assert_eq!(shown(&app).await, second);

    let third = certificate.renew();
    hangup();
    eventually("the third certificate", PATIENCE, async || {
        (shown(&app).await == third).then_some(())
    })
    .await;
}
